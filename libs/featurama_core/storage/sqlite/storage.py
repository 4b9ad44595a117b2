"""`SqliteStorage`: the directory and the open namespaces."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from featurama_core.storage.namespaces import unknown_namespace
from featurama_core.storage.port import NamespaceOptions
from featurama_core.storage.sqlite.connections import OnStatement
from featurama_core.storage.sqlite.directory import Directory
from featurama_core.storage.sqlite.failures import closed
from featurama_core.storage.sqlite.namespace import SqliteNamespace
from featurama_core.types.errors import FeaturamaError, Unknown


class SqliteStorage:
    """`Storage` in a directory, opened and closed by `open`. It belongs to one event loop."""

    def __init__(self, directory: Directory, on_statement: OnStatement | None) -> None:
        self._directory = directory
        self._on_statement = on_statement
        self._opened: dict[str, SqliteNamespace] = {}
        # The count of changes of the directory at the last successful check of each namespace.
        self._current_at: dict[str, int] = {}
        # Serialises opening and closing: two openings of one name would start two writers.
        self._turn = asyncio.Lock()
        self._closed = False

    @classmethod
    @asynccontextmanager
    async def open(
        cls, path: str, on_statement: OnStatement | None = None, *, read_only: bool = False
    ) -> AsyncIterator[SqliteStorage]:
        """Open a directory, creating it if it is missing. Leaving the context commits waiting requests and closes every
        file.

        on_statement: fault injection. The writer thread of each namespace calls it before each step of a write
        transaction, with "BEGIN", the SQL text of each statement (an executemany is one), "COMMIT", and with
        "COMMITTED" after the commit. An exception that it raises is the failure of the step: of one request at a
        statement, of the whole group at BEGIN and COMMIT (not stored) and at COMMITTED (outcome unknown).

        read_only: the directory must exist, and SQLite refuses every write.
        """
        directory = Directory(Path(path), read_only=read_only)
        await asyncio.to_thread(directory.prepare)
        storage = cls(directory, on_statement)
        try:
            yield storage
        finally:
            closing = asyncio.ensure_future(storage._close())
            # Shielded from cancellation, because only this ends the threads.
            while not closing.done():
                try:
                    await asyncio.shield(closing)
                except asyncio.CancelledError:
                    await asyncio.wait([closing])
                    raise

    async def list_namespaces(self) -> list[str]:
        """Names, sorted."""
        return await asyncio.to_thread(self._directory.names)

    async def create_namespace(self, name: str, options: NamespaceOptions) -> None:
        """Create a namespace with all tables. Conflict (NAMESPACE_EXISTS) if it exists."""
        await asyncio.to_thread(self._directory.create, name, options)

    async def drop_namespace(self, name: str) -> None:
        """Drop a namespace. Unknown (UNKNOWN_NAMESPACE) if it does not exist."""
        async with self._turn:
            await self._forget(name, unknown_namespace(name))
            await asyncio.to_thread(self._directory.drop, name)

    async def namespace(self, name: str) -> SqliteNamespace:
        """Open a namespace, or return the open one while its file is the same."""
        # Called once per request of a server: no lock and no thread while nothing was created or dropped.
        opened = self._opened.get(name)
        if opened is not None and not opened.gone and self._current_at[name] == self._directory.changes():
            return opened
        async with self._turn:
            if self._closed:
                raise closed()
            changes = self._directory.changes()
            opened = self._opened.get(name)
            if opened is not None and await asyncio.to_thread(_is_current, opened):
                self._current_at[name] = changes
                return opened
            await self._forget(name, unknown_namespace(name))
            opened = await SqliteNamespace.open(self._directory, name, self._on_statement)
            self._opened[name] = opened
            self._current_at[name] = changes
            return opened

    async def migrate(self, name: str) -> list[str]:
        """Apply missing schema files. -> their names."""
        return await asyncio.to_thread(self._directory.migrate, name)

    async def ping(self) -> None:
        """Raise StoreUnavailable unless the directory can be used."""
        await asyncio.to_thread(self._directory.ping)

    async def _forget(self, name: str, ended: FeaturamaError) -> None:
        opened = self._opened.pop(name, None)
        if opened is not None:
            await opened.close(ended)

    async def _close(self) -> None:
        self._closed = True
        async with self._turn:
            for name in list(self._opened):
                await self._forget(name, closed())
            self._directory.close()


def _is_current(opened: SqliteNamespace) -> bool:
    try:
        opened.check()
    except Unknown:
        return False
    return True
