"""`CqlStorage`: the session and the open namespaces."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from featurama_core.storage.cql.driver import Driver, OnStatement
from featurama_core.storage.cql.incarnation import Incarnation
from featurama_core.storage.cql.keyspaces import Keyspaces
from featurama_core.storage.cql.namespace import CqlNamespace
from featurama_core.storage.cql.statements import Statements
from featurama_core.storage.namespaces import read_schema
from featurama_core.storage.port import NamespaceOptions
from featurama_core.storage.settings import StorageSettings, StorageUrl
from featurama_core.types.errors import Unknown
from featurama_core.types.times import Clock


class CqlStorage:
    """`Storage` on a CQL cluster, opened and closed by `open`. It belongs to one event loop."""

    def __init__(self, driver: Driver, keyspaces: Keyspaces, clock: Clock) -> None:
        self._driver = driver
        self._keyspaces = keyspaces
        self._clock = clock
        self._opened: dict[str, CqlNamespace] = {}
        self._turn = asyncio.Lock()

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        url: StorageUrl,
        settings: StorageSettings,
        on_statement: OnStatement | None = None,
        *,
        clock: Clock = time.time_ns,
    ) -> AsyncIterator[CqlStorage]:
        """Connect. Leaving the context ends the session. Raises StoreUnavailable if no server answers.

        on_statement: fault injection. It is called before each statement with its CQL text, and after it with "DONE "
        and the text; a returned awaitable is awaited. A batch is one statement, "LOGGED BATCH" or "UNLOGGED BATCH" with
        its distinct texts on the following lines; a batch of one is that statement. Preparing calls it with the text to
        prepare. An exception that it raises is the failure of the statement, without retries: not carried out before
        the statement, outcome unknown after it. A FeaturamaError is raised unchanged.
        """
        schema = await asyncio.to_thread(read_schema, "cql", ".cql")
        async with Driver.open(url, settings, on_statement) as driver:
            yield cls(driver, Keyspaces(driver, url, schema), clock)

    async def list_namespaces(self) -> list[str]:
        """Names, sorted."""
        return await self._keyspaces.names()

    async def create_namespace(self, name: str, options: NamespaceOptions) -> None:
        """Create a namespace with all tables. Conflict (NAMESPACE_EXISTS) if it exists. Takes seconds."""
        await self._keyspaces.create(name, options)

    async def drop_namespace(self, name: str) -> None:
        """Drop a namespace. Unknown (UNKNOWN_NAMESPACE) if it does not exist."""
        try:
            await self._keyspaces.drop(name)
        finally:
            opened = self._opened.pop(name, None)
        if opened is not None:
            opened.incarnation.end()

    async def namespace(self, name: str) -> CqlNamespace:
        """Open a namespace, or return the open one while it exists (checked at most once per second)."""
        opened = self._opened.get(name)
        if opened is not None and await _lives(opened):
            return opened
        async with self._turn:
            opened = self._opened.get(name)
            if opened is not None and await _lives(opened):
                return opened
            info = await self._keyspaces.info(name)
            options = NamespaceOptions(history_period=int(info["history_period"]))
            opened = CqlNamespace(
                Statements(self._driver, self._keyspaces.keyspace(name), info["incarnation"], options.history_period),
                Incarnation(self._keyspaces, name, info["incarnation"]),
                options,
                self._clock,
            )
            self._opened[name] = opened
            return opened

    async def migrate(self, name: str) -> list[str]:
        """Apply missing schema files. -> their names."""
        return await self._keyspaces.migrate(name)

    async def ping(self) -> None:
        """Raise StoreUnavailable unless a server answers."""
        await self._driver.look_up("SELECT release_version FROM system.local")


async def _lives(opened: CqlNamespace) -> bool:
    try:
        await opened.incarnation.check()
    except Unknown:
        return False
    return True
