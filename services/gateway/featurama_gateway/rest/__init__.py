"""One endpoint group per file: JSON in, a gRPC call, JSON out."""
