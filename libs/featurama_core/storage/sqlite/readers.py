"""Readers of a namespace: threads with one connection each. Every request has its own snapshot.

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
from featurama_core.types.errors import FeaturamaError

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
        while True:
            try:
                self._idle.get_nowait().close()
            except Empty:
                return
