"""The feature store itself: types, frames, storage, registry, reading and writing. No gRPC, no HTTP.

`featurama.connect` opens a store; servers hold `featurama_core.store.Stores`.
"""
