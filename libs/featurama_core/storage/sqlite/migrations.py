"""The numbered schema files, and which of them a namespace has."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from importlib.resources import files

from featurama_core.types.errors import FailedPrecondition

_VERSIONS = """
CREATE TABLE IF NOT EXISTS schema_version (name TEXT PRIMARY KEY, applied_at INTEGER NOT NULL) WITHOUT ROWID
"""


def schema_files() -> dict[str, str]:
    """File name -> SQL, in order of their numbers."""
    folder = files("featurama_core.storage.sqlite") / "schema"
    found = {entry.name: entry.read_text("utf-8") for entry in folder.iterdir() if entry.name.endswith(".sql")}
    return dict(sorted(found.items()))


def check_schema(connection: sqlite3.Connection, namespace: str) -> None:
    """Raise FailedPrecondition (SCHEMA_MISMATCH) unless exactly the files of this code were applied."""
    applied, known = _applied(connection), list(schema_files())
    if newer := sorted(set(applied) - set(known)):
        raise _newer(namespace, newer)
    if missing := [name for name in known if name not in applied]:
        raise FailedPrecondition(
            f"namespace {namespace!r} lacks schema {', '.join(missing)}; run `featurama migrate`",
            namespace=namespace,
        )


def apply_missing(connection: sqlite3.Connection, namespace: str) -> list[str]:
    """Apply what is missing in one transaction. -> names of the files applied now."""
    known = schema_files()
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute(_VERSIONS)
        applied = _applied(connection)
        if newer := sorted(set(applied) - set(known)):
            raise _newer(namespace, newer)
        missing = [name for name in known if name not in applied]
        for name in missing:
            for statement in _statements(known[name]):
                connection.execute(statement)
            connection.execute("INSERT INTO schema_version VALUES (?, ?)", (name, time.time_ns() // 1_000))
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    return missing


def _applied(connection: sqlite3.Connection) -> list[str]:
    there = connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'schema_version'").fetchone()
    if there is None:
        return []
    return [name for (name,) in connection.execute("SELECT name FROM schema_version ORDER BY name")]


def _statements(sql: str) -> Iterator[str]:
    # `executescript` would commit the transaction around it.
    pending = ""
    for line in sql.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""


def _newer(namespace: str, names: list[str]) -> FailedPrecondition:
    return FailedPrecondition(
        f"namespace {namespace!r} has schema {', '.join(names)} of a newer release; update this installation,"
        " then run `featurama migrate`",
        namespace=namespace,
    )
