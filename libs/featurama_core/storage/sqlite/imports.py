"""Imports that have begun, and the number of the next one."""

from __future__ import annotations

import sqlite3

from featurama_core.storage.sqlite.connections import Transaction
from featurama_core.types.imports import ImportRecord, ImportScope, known_import, next_number

_COLUMNS = "import_id, number, features, first_event, last_event, first_ingested, last_ingested"
_LIST = f"SELECT {_COLUMNS} FROM imports ORDER BY sequence"  # noqa: S608 - our own names
_INTO_IMPORTS = f"INSERT INTO imports ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - our own names


def list_imports(connection: sqlite3.Connection) -> list[ImportRecord]:
    """In the order in which they began."""
    return [ImportRecord.of_row(*row) for row in connection.execute(_LIST)]


def take_import(transaction: Transaction, import_id: str, scope: ImportScope) -> int:
    """Begin an import unless it has begun. -> its number."""
    begun = [ImportRecord.of_row(*row) for row in transaction.execute(_LIST)]
    record = known_import(begun, import_id, scope)
    if record is None:
        record = ImportRecord(import_id, next_number(begun, scope), scope)
        transaction.execute(_INTO_IMPORTS, record.row())
    return record.number
