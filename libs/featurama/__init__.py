"""The Featurama client: `AsyncClient` and `Client` over gRPC, and the wire both ends share."""
