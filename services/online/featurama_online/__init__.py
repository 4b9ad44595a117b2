"""The online service: newest values, history, point-in-time rows and predictions over gRPC. It writes nothing."""
