"""Translation of the errors of SQLite and the file system. Paths and SQL never reach a caller."""

from __future__ import annotations

import sqlite3
from contextlib import AbstractContextManager

from featurama_core.types.errors import CorruptData, FeaturamaError, OutcomeUnknown, StoreUnavailable

_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_CAUSES = {
    sqlite3.SQLITE_BUSY: "another process holds the namespace's lock; send the request again",
    sqlite3.SQLITE_LOCKED: "another process holds the namespace's lock; send the request again",
    sqlite3.SQLITE_FULL: "the disk is full; free space and send the request again",
    sqlite3.SQLITE_READONLY: "the storage directory is read-only; give this process write access",
    sqlite3.SQLITE_PERM: "the storage directory refuses access; give this process read and write access",
    sqlite3.SQLITE_CANTOPEN: "the namespace's file cannot be opened; give this process read and write access",
    sqlite3.SQLITE_IOERR: "the disk failed to read or write; look at the machine's log",
    sqlite3.SQLITE_NOMEM: "the process is out of memory",
}


def translated(error: BaseException) -> BaseException:
    """The error for the caller, for a step that was not stored. Programming errors are returned unchanged."""
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in _DAMAGED:
            found: FeaturamaError = CorruptData("the namespace's file is damaged; restore it from a backup")
        else:
            found = StoreUnavailable(f"the embedded store failed: {_CAUSES.get(code, 'it may be closed; try again')}")
    elif isinstance(error, OSError):
        found = StoreUnavailable("the storage directory cannot be used; check that it is there and its permissions")
    elif isinstance(error, FeaturamaError):
        # The error of a failed commit is raised to several callers.
        found = error.again()
    else:
        return error
    found.__cause__ = error
    return found


def unknown_outcome(error: BaseException) -> OutcomeUnknown:
    """The error of a request whose commit has begun and may have succeeded."""
    found = OutcomeUnknown("the commit failed half-way and may be kept; send the same request again")
    found.__cause__ = error
    return found


def closed() -> StoreUnavailable:
    """The storage is closed or being closed."""
    return StoreUnavailable("the embedded store is closed; open it again")


class _Translating:
    """A class, because a generator costs as much as the smallest read."""

    __slots__ = ()

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, (sqlite3.Error, OSError)):
            raise translated(error) from error


_TRANSLATING = _Translating()


def translating() -> AbstractContextManager[None]:
    """Translate errors of SQLite and the file system raised inside."""
    return _TRANSLATING
