"""Applying the numbered schema files of a namespace."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator

from featurama_core.storage.namespaces import missing_files, read_schema

_VERSIONS = """
CREATE TABLE IF NOT EXISTS schema_version (name TEXT PRIMARY KEY, applied_at INTEGER NOT NULL) WITHOUT ROWID
"""


def apply_missing(connection: sqlite3.Connection, namespace: str) -> list[str]:
    """Apply the missing schema files in one transaction. -> their names."""
    known = read_schema("sqlite", ".sql")
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute(_VERSIONS)
        missing = missing_files(namespace, applied(connection), known)
        for name in missing:
            for statement in _statements(known[name]):
                connection.execute(statement)
            connection.execute("INSERT INTO schema_version VALUES (?, ?)", (name, time.time_ns() // 1_000))
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    return missing


def applied(connection: sqlite3.Connection) -> list[str]:
    """Names of the schema files that were applied."""
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
