"""Connections to the file of one namespace, and the check that the file is still the same.

A connection keeps its file alive after another process removed or replaced it, so each use compares the device and
inode of the name with those that were opened. An inode is not reused while a connection holds it. Only SQLite opens the
file: closing any other descriptor of it would release the locks of this process.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

BUSY_TIMEOUT_S = 5.0

OnStatement = Callable[[str], None]
"""Called in the writer thread before each step of a write transaction; see `SqliteStorage.open`."""


class FileIdentity(NamedTuple):
    """Identity of the file that a name stands for."""

    device: int
    inode: int

    @classmethod
    def of(cls, path: str | Path) -> FileIdentity | None:
        """The identity of the file, None if it does not exist."""
        try:
            found = os.stat(path)  # noqa: PTH116 - a text takes a tenth of the time of a Path, before every read
        except FileNotFoundError:
            return None
        return cls(found.st_dev, found.st_ino)


def connect(path: Path, *, read_only: bool) -> sqlite3.Connection:
    """Open an existing file and its WAL. The connection may change threads, but is used by one at a time."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=64,
    )
    try:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA cache_size = -16384")
        # A checkpoint costs two more syncs: every 16 MiB of pages instead of every 4.
        connection.execute("PRAGMA wal_autocheckpoint = 4000")
        connection.execute("PRAGMA journal_size_limit = 67108864")
        # SQLite opens the WAL by name at the first read. The caller holds the lock of the directory until then.
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if read_only:
            connection.execute("PRAGMA query_only = ON")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


class Transaction:
    """The statements of a write inside the transaction of the writer. Each is announced to `on_statement`."""

    def __init__(self, connection: sqlite3.Connection, on_statement: OnStatement | None) -> None:
        self._connection = connection
        self._on_statement = on_statement

    def announce(self, step: str) -> None:
        """Call `on_statement` before a step."""
        if self._on_statement is not None:
            self._on_statement(step)

    def execute(self, sql: str, parameters: Any = ()) -> sqlite3.Cursor:
        """Run one statement."""
        self.announce(sql)
        return self._connection.execute(sql, parameters)

    def executemany(self, sql: str, rows: Iterable[Any]) -> int:
        """Run one statement for each of `rows`. -> rows changed."""
        self.announce(sql)
        return self._connection.executemany(sql, rows).rowcount


Reader = sqlite3.Connection | Transaction
"""Where a query may run: in the snapshot of a reader or inside a write."""
