"""Readers of a namespace: threads with one connection each, and one of the event loop for the smallest reads. Every
request has its own snapshot.

With WAL, readers never wait for the writer, and the writer never waits for readers.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from queue import Empty, SimpleQueue
from typing import TypeVar

from featurama_core.storage.sqlite.failures import translating
from featurama_core.types.errors import FeaturamaError, StoreUnavailable

_T = TypeVar("_T")


class Readers:
    """Runs queries in at most `count` threads. Owned and closed by the namespace."""

    def __init__(
        self, name: str, count: int, connect: Callable[[], sqlite3.Connection], check: Callable[[], None]
    ) -> None:
        """check: raises if the namespace was dropped; called before each query."""
        self._connect = connect
        self._check = check
        # Callers wait on the event loop for a free thread, so the queue of the executor stays short.
        self._free = asyncio.Semaphore(count)
        self._threads = ThreadPoolExecutor(count, thread_name_prefix=f"featurama-{name}")
        self._idle: SimpleQueue[sqlite3.Connection] = SimpleQueue()
        self._ended: FeaturamaError | None = None
        self._own: sqlite3.Connection | None = None
        """The connection of the event loop; None before the first read."""

    async def run_small(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """`run` for a query of some microseconds, which is less than a thread costs: on the event loop.

        Not while the file is locked, as it is while a process recovers the WAL: the loop never waits for a lock.
        """
        if self._ended is not None:
            raise self._ended.again()
        if self._own is None:
            await self._open_own()
        assert self._own is not None
        try:
            # The only place that reads a file on the event loop.
            self._check()
            return work(self._own)
        except (sqlite3.Error, OSError, StoreUnavailable):
            # Locked or broken: a thread may wait, and reports what is left of the fault.
            return await self.run(work)

    async def run(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """Run `work` on a connection whose snapshot begins now. A query continues after its caller is cancelled."""
        async with self._free:
            if self._ended is not None:
                raise self._ended.again()
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, partial(self._in_snapshot, work))

    async def close(self, ended: FeaturamaError) -> None:
        """Wait for running queries, then close every connection. Later calls raise `ended`."""
        self._ended = ended
        await asyncio.to_thread(self._shut)

    async def _open_own(self) -> None:
        opened = await asyncio.get_running_loop().run_in_executor(self._threads, self._opened)
        if self._own is None:
            self._own = opened
        else:
            opened.close()  # two reads came first at a time

    def _opened(self) -> sqlite3.Connection:
        with translating():
            self._check()
            connection = self._connect()
            connection.execute("PRAGMA busy_timeout = 0")
            return connection

    def _in_snapshot(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        with translating():
            self._check()
            try:
                connection = self._idle.get_nowait()
            except Empty:
                connection = self._connect()
            try:
                connection.execute("BEGIN")
                return work(connection)
            finally:
                self._give_back(connection)

    def _give_back(self, connection: sqlite3.Connection) -> None:
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except sqlite3.Error:
            connection.close()
        else:
            self._idle.put(connection)

    def _shut(self) -> None:
        self._threads.shutdown(wait=True)
        if self._own is not None:
            self._own.close()
        while True:
            try:
                self._idle.get_nowait().close()
            except Empty:
                return
