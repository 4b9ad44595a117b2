"""Opening a storage. The scheme of the URL selects the adapter, and only that adapter is imported."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from featurama_core.storage.port import Storage
from featurama_core.storage.settings import StorageSettings, StorageUrl


@asynccontextmanager
async def open_storage(settings: StorageSettings) -> AsyncIterator[Storage]:
    """Open the storage at `settings.url`. Leaving the context closes it with its namespaces.

    Raises InvalidInput for an invalid URL, StoreUnavailable if the database does not answer.
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
