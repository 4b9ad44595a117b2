"""What SQLite and the file system raise, told in our words. Paths and SQL never reach a caller."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from featurama_core.types.errors import (
    CorruptData,
    FeaturamaError,
    OutcomeUnknown,
    StoreUnavailable,
)

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
    """The error for the caller, of a step that surely was not kept. Ours and those that are no failure of the
    store (a programming error) stay what they are.
    """
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in _DAMAGED:
            found: FeaturamaError = CorruptData("the namespace's file is damaged; restore it from a backup")
        else:
            found = StoreUnavailable(f"the embedded store failed: {_CAUSES.get(code, 'it may be closed; try again')}")
    elif isinstance(error, OSError):
        found = StoreUnavailable("the storage directory cannot be used; check that it is there and its permissions")
    elif isinstance(error, FeaturamaError):
        # One failed commit answers several callers.
        found = again(error)
    else:
        return error
    found.__cause__ = error
    return found


def again(error: FeaturamaError) -> FeaturamaError:
    """The same error anew: one that was raised carries the traceback of its caller."""
    return type(error)(error.message, reason=error.reason, **error.metadata)


def unknown_outcome(error: BaseException) -> OutcomeUnknown:
    """The error of a request whose commit was begun and not seen to end."""
    found = OutcomeUnknown("the commit failed half-way and may be kept; send the same request again")
    found.__cause__ = error
    return found


def closed() -> StoreUnavailable:
    """The storage is being closed, or is."""
    return StoreUnavailable("the embedded store is closed; open it again")


@contextmanager
def translating() -> Iterator[None]:
    """Raise the translation of what SQLite or the file system raises inside."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise translated(error) from error
