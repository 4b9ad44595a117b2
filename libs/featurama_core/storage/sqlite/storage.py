"""`SqliteStorage`: the directory and the namespaces that are open."""

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
    """`Storage` in a directory. Made by `open`, which also closes it; belongs to one event loop."""

    def __init__(self, directory: Directory, on_statement: OnStatement | None) -> None:
        self._directory = directory
        self._on_statement = on_statement
        self._opened: dict[str, SqliteNamespace] = {}
        # The directory's count of changes when each of them was last found to be current.
        self._current_at: dict[str, int] = {}
        # Opening and closing in turn: two openings of one name would start two writers.
        self._turn = asyncio.Lock()
        self._closed = False

    @classmethod
    @asynccontextmanager
    async def open(
        cls, path: str, on_statement: OnStatement | None = None, *, read_only: bool = False
    ) -> AsyncIterator[SqliteStorage]:
        """Open a directory, made unless it is there; leaving the context commits what waits and closes every
        file.

        `on_statement` is a seam for faults: the writer thread of each namespace calls it before each step of
        a write transaction, with "BEGIN", the SQL text of each statement (an executemany is one), "COMMIT",
        and with "COMMITTED" after the commit. What it raises is that step's failure: at a statement of its
        request alone, at BEGIN and COMMIT of the whole group (surely not kept), at COMMITTED of the whole
        group, outcome unknown.

        `read_only`: the directory must be there, and every write is refused by SQLite itself.
        """
        directory = Directory(Path(path), read_only=read_only)
        await asyncio.to_thread(directory.prepare)
        storage = cls(directory, on_statement)
        try:
            yield storage
        finally:
            closing = asyncio.ensure_future(storage._close())
            # Finished also when our owner is cancelled: nobody else would end the threads.
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
        """Make it with all tables. Conflict (NAMESPACE_EXISTS) if it is there."""
        await asyncio.to_thread(self._directory.create, name, options)

    async def drop_namespace(self, name: str) -> None:
        """Delete it. Unknown (UNKNOWN_NAMESPACE) if it is not there."""
        async with self._turn:
            await self._forget(name, unknown_namespace(name))
            await asyncio.to_thread(self._directory.drop, name)

    async def namespace(self, name: str) -> SqliteNamespace:
        """Open one, or the open one while its file is the same."""
        # Servers ask for each request: no lock and no thread while nothing was made or removed.
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
