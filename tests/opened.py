"""An embedded store with its namespace in reach, for tests of what works beside a store's methods: models, checks."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from featurama_core.namespace import Namespace
from featurama_core.settings import StoreSettings
from featurama_core.storage.settings import StorageSettings
from featurama_core.store import EmbeddedStore
from featurama_core.stores import open_stores
from featurama_core.types.times import Clock


class OpenedStore(EmbeddedStore):
    """A store on a namespace, `space`."""

    def __init__(self, space: Namespace) -> None:
        super().__init__(space)
        self.space = space


@asynccontextmanager
async def open_store(
    storage: str | StorageSettings,
    *,
    namespace: str = "default",
    settings: StoreSettings | None = None,
    clock: Clock = time.time_ns,
) -> AsyncIterator[OpenedStore]:
    """A store on a storage, whose namespace is made where it is embedded."""
    async with open_stores(storage, namespace=namespace, settings=settings, clock=clock) as stores:
        yield OpenedStore(await stores.namespace(namespace))
