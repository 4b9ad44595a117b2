"""One endpoint group a file: JSON in, a gRPC call, JSON out."""
