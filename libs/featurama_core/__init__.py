"""The feature store itself: model, storage, point-in-time joins, registry. No gRPC, no HTTP."""
