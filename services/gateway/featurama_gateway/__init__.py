"""The gateway: REST endpoints, translated to gRPC. It opens no store."""
