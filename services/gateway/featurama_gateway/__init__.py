"""The gateway: the documented REST endpoints, translated to gRPC. It opens no store."""
