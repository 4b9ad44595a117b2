"""The feature store itself: types, frames, storage, registry, reading and writing. No gRPC, no HTTP.

    from featurama_core import FeatureStore
    async with FeatureStore.open("sqlite:///featurama-data") as store: ...

Names are loaded when they are first used: the client imports `featurama_core.types` and nothing of the storage.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from featurama_core.blocking_store import BlockingFeatureStore
    from featurama_core.store import FeatureStore, Stores

_HOMES = {
    "BlockingFeatureStore": "featurama_core.blocking_store",
    "FeatureStore": "featurama_core.store",
    "Stores": "featurama_core.store",
}

__all__ = ["BlockingFeatureStore", "FeatureStore", "Stores"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
