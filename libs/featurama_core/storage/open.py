"""One door to every adapter: the URL's scheme chooses, and only the chosen adapter is imported."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from featurama_core.storage.port import Storage
from featurama_core.storage.settings import StorageSettings, StorageUrl


@asynccontextmanager
async def open_storage(settings: StorageSettings) -> AsyncIterator[Storage]:
    """Open the storage that `settings.url` names; leaving the context closes all it holds.

    Raises InvalidInput for a URL that cannot be read, StoreUnavailable when nothing answers there.
    """
    url = StorageUrl.parse(settings.url)
    if url.scheme == "sqlite":
        from featurama_core.storage.sqlite import SqliteStorage

        async with SqliteStorage.open(url.path, read_only=settings.read_only) as embedded:
            yield embedded
    else:
        # Imported here: acsylla loads a native driver that the embedded store does not need.
        from featurama_core.storage.cql import CqlStorage

        async with CqlStorage.open(url, settings) as cluster:
            yield cluster
