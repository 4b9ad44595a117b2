"""The directory: listing, creating, dropping and opening namespaces. Synchronous.

`<name>.db` is a namespace, created under another name and renamed when it is complete. The lock on `.lock` separates
creations and drops (exclusive) from openings (shared) between processes: SQLite finds the WAL by name, so a connection
must never be opened while the file of that name is replaced. The first 8 bytes of `.lock`, mapped into memory, count
creations and drops, so holders of open namespaces see a change without a system call.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import secrets
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from featurama_core.storage.namespaces import (
    check_options,
    check_schema_files,
    namespace_exists,
    read_schema,
    unknown_namespace,
)
from featurama_core.storage.port import NamespaceOptions
from featurama_core.storage.sqlite.connections import FileIdentity, connect
from featurama_core.storage.sqlite.failures import translating
from featurama_core.storage.sqlite.migrations import applied, apply_missing
from featurama_core.types.errors import CorruptData, FailedPrecondition, StoreUnavailable
from featurama_core.types.names import check_namespace, is_namespace

_COUNT_BYTES = 8


class Directory:
    """A storage directory. Every method may block; errors are translated."""

    def __init__(self, root: Path, *, read_only: bool = False) -> None:
        self._root = root
        self._read_only = read_only
        self._changes: mmap.mmap | None = None

    def prepare(self) -> None:
        """Create the directory if it is missing, and map the count of changes. Ended by `close`."""
        if self._read_only:
            if not self._root.is_dir():
                raise StoreUnavailable("there is no storage in this directory; open it for writing first")
        else:
            with translating():
                self._root.mkdir(parents=True, exist_ok=True)
        with self._locked(fcntl.LOCK_EX) as descriptor:
            if os.fstat(descriptor).st_size < _COUNT_BYTES:
                os.ftruncate(descriptor, _COUNT_BYTES)
            self._changes = mmap.mmap(descriptor, _COUNT_BYTES)

    def close(self) -> None:
        """Close the mapping."""
        if self._changes is not None:
            self._changes.close()

    def changes(self) -> int:
        """Number of creations and drops in this directory, by any process. Never blocks."""
        assert self._changes is not None
        return int.from_bytes(self._changes[:_COUNT_BYTES], "little")

    def ping(self) -> None:
        """Raise StoreUnavailable unless the directory can be read and locked."""
        with self._locked(fcntl.LOCK_SH):
            self.names()

    def names(self) -> list[str]:
        """Names of the namespaces, sorted."""
        with translating():
            return sorted(path.stem for path in self._root.glob("*.db") if is_namespace(path.stem))

    def path_of(self, name: str) -> str:
        """Where the file of a namespace is, or would be."""
        return str(self._path(name))

    def create(self, name: str, options: NamespaceOptions) -> None:
        """Create a namespace. It appears complete or not at all."""
        check_options(options)
        self._check_writable()
        path = self._path(check_namespace(name))
        with self._locked(fcntl.LOCK_EX):
            if path.exists():
                raise namespace_exists(name)
            self._remove(*self._root.glob(f".{name}.*.new*"))
            draft = self._root / f".{name}.{secrets.token_hex(8)}.new"
            try:
                _fill(draft, name, options)
                self._remove(*_companions(path))
                draft.rename(path)
            finally:
                self._remove(draft, *_companions(draft))
            self._sync()
            self._count()

    def drop(self, name: str) -> None:
        """Drop a namespace. Holders of an open one notice it at the next use."""
        self._check_writable()
        path = self._path(name)
        with self._locked(fcntl.LOCK_EX):
            if not path.exists():
                raise unknown_namespace(name, self.names())
            path.unlink()
            self._count()
            self._sync()
            self._remove(*_companions(path))

    def open(self, name: str) -> tuple[FileIdentity, sqlite3.Connection, dict[str, str]]:
        """Open a namespace after a schema check. -> identity of its file, connection of the writer or of a reader, and
        the rows of namespace_info.
        """
        path = self._path(name)
        with self._locked(fcntl.LOCK_SH):
            identity = FileIdentity.of(path)
            if identity is None:
                raise unknown_namespace(name, self.names())
            connection = connect(path, read_only=self._read_only)
            try:
                check_schema_files(name, applied(connection), read_schema("sqlite", ".sql"))
                info = _info(connection, name)
            except BaseException:
                connection.close()
                raise
            return identity, connection, info

    def open_reader(self, name: str, identity: FileIdentity) -> sqlite3.Connection:
        """A connection for reading the identified file. `Unknown` if the name stands for another file now."""
        path = self._path(name)
        with self._locked(fcntl.LOCK_SH):
            if FileIdentity.of(path) != identity:
                raise unknown_namespace(name)
            return connect(path, read_only=True)

    def migrate(self, name: str) -> list[str]:
        """Apply the schema files that the namespace lacks. -> their names."""
        self._check_writable()
        path = self._path(name)
        with self._locked(fcntl.LOCK_EX):
            if not path.exists():
                raise unknown_namespace(name, self.names())
            with closing(connect(path, read_only=False)) as connection:
                return apply_missing(connection, name)

    def _check_writable(self) -> None:
        if self._read_only:
            raise FailedPrecondition("this storage is open for reading only", field="read_only")

    def _path(self, name: str) -> Path:
        # Checked even for reading: the name becomes part of a path.
        return self._root / f"{check_namespace(name)}.db"

    @contextmanager
    def _locked(self, kind: int) -> Iterator[int]:
        with translating():
            descriptor = os.open(self._root / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(descriptor, kind)
                yield descriptor
            finally:
                # Released explicitly: the mapping holds the same open file, and with it the lock.
                fcntl.flock(descriptor, fcntl.LOCK_UN)
                os.close(descriptor)

    def _count(self) -> None:
        # Only under the exclusive lock.
        assert self._changes is not None
        self._changes[:_COUNT_BYTES] = ((self.changes() + 1) % 2**64).to_bytes(_COUNT_BYTES, "little")

    def _sync(self) -> None:
        descriptor = os.open(self._root, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    @staticmethod
    def _remove(*paths: Path) -> None:
        for path in paths:
            path.unlink(missing_ok=True)


def _fill(draft: Path, name: str, options: NamespaceOptions) -> None:
    with closing(sqlite3.connect(draft, isolation_level=None)) as connection:
        connection.execute("PRAGMA page_size = 8192")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        apply_missing(connection, name)
        connection.executemany(
            "INSERT INTO namespace_info VALUES (?, ?)",
            [("incarnation", uuid.uuid4().hex), ("history_period", str(options.history_period))],
        )
    # Closing the last connection moved the WAL into the file and removed it.


def _info(connection: sqlite3.Connection, name: str) -> dict[str, str]:
    info = dict(connection.execute("SELECT key, value FROM namespace_info").fetchall())
    if info.keys() < {"incarnation", "history_period"}:
        raise CorruptData(f"namespace {name!r} was never completed; restore its file from a backup")
    return info


def _companions(path: Path) -> tuple[Path, ...]:
    return tuple(path.with_name(path.name + suffix) for suffix in ("-wal", "-shm", "-journal"))
