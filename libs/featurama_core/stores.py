"""The stores of a server: one open storage and its namespaces."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from featurama_core.namespace import Namespace
from featurama_core.settings import StoreSettings
from featurama_core.storage.open import open_storage
from featurama_core.storage.port import NamespaceOptions, Storage
from featurama_core.storage.settings import StorageSettings, StorageUrl
from featurama_core.store import EmbeddedStore
from featurama_core.types.errors import Conflict, FailedPrecondition, Unknown
from featurama_core.types.names import DEFAULT_NAMESPACE, check_namespace
from featurama_core.types.times import Clock


class Stores:
    """One storage and its namespaces. A namespace is opened on first use."""

    def __init__(self, url: str, storage: Storage, settings: StoreSettings, clock: Clock) -> None:
        self.url = url
        self.storage = storage
        self._settings = settings
        self._clock = clock
        self._open: dict[str, Namespace] = {}
        self.closed = False
        """Whether the storage is closed, or being closed."""

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        storage: str | StorageSettings,
        *,
        settings: StoreSettings | None = None,
        clock: Clock = time.time_ns,
    ) -> AsyncIterator[Stores]:
        """Open a storage. Leaving the context closes it with all its namespaces."""
        storage_settings = StorageSettings(storage) if isinstance(storage, str) else storage
        async with open_storage(storage_settings) as opened:
            stores = cls(storage_settings.url, opened, settings or StoreSettings(), clock)
            try:
                yield stores
            finally:
                stores.closed = True

    async def namespace(self, name: str = DEFAULT_NAMESPACE) -> Namespace:
        """An open namespace. Unknown (UNKNOWN_NAMESPACE) if it does not exist."""
        name = name or DEFAULT_NAMESPACE
        known = self._open.get(name)
        if known is None:
            check_namespace(name)
        storage = await self.storage.namespace(name)
        # The storage returns another object after the namespace was dropped and created again: so does this.
        if known is None or known.storage is not storage:
            known = self._open[name] = Namespace(name, storage, self._settings, self._clock)
        return known

    async def get(self, namespace: str = DEFAULT_NAMESPACE) -> EmbeddedStore:
        """The store of a namespace. Unknown (UNKNOWN_NAMESPACE) if it does not exist."""
        return EmbeddedStore(await self.namespace(namespace), self)

    async def check_schemas(self) -> None:
        """Open every namespace. FailedPrecondition (SCHEMA_MISMATCH) if one has the schema of another version.

        A namespace that another process is creating is retried for ten seconds; one that is dropped meanwhile is
        skipped.
        """
        for name in await self.storage.list_namespaces():
            for left in reversed(range(20)):
                try:
                    await self.storage.namespace(name)
                except Unknown:
                    pass
                except FailedPrecondition:
                    if not left:
                        raise
                    await asyncio.sleep(0.5)
                    continue
                break

    def knows_definitions(self) -> bool:
        """Whether the definitions of every namespace in use are younger than the lead of revisions. If not, reads go
        on with the last known ones; online and point-in-time reads of several servers may then differ.
        """
        lead = self._settings.revision_lead
        return not any(each.registry.is_behind(lead) for each in self._open.values())

    async def ping(self) -> None:
        """Raise StoreUnavailable unless the database answers."""
        await self.storage.ping()


@asynccontextmanager
async def open_stores(
    storage: str | StorageSettings,
    *,
    namespace: str = DEFAULT_NAMESPACE,
    settings: StoreSettings | None = None,
    clock: Clock = time.time_ns,
) -> AsyncIterator[Stores]:
    """Open a storage such as `sqlite:///dir` for one namespace. Leaving the context closes it.

    On the embedded storage a missing namespace is created.
    """
    async with Stores.open(storage, settings=settings, clock=clock) as stores:
        if StorageUrl.parse(stores.url).scheme == "sqlite":
            with suppress(Conflict):  # it exists
                await stores.storage.create_namespace(check_namespace(namespace), NamespaceOptions())
        yield stores
