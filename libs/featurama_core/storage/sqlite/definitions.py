"""Definitions: one row each, written once; the columns that may change later are updated in place."""

from __future__ import annotations

import sqlite3
from typing import Any

from featurama_core.storage.definition_rows import DEFINITION_TABLES, DefinitionTable
from featurama_core.storage.port import Definitions
from featurama_core.storage.sqlite.connections import Reader, Transaction
from featurama_core.types.errors import Unknown
from featurama_core.types.schema import Definition


def load_definitions(connection: sqlite3.Connection, incarnation: str) -> Definitions:
    """Every definition of one snapshot, by name and version."""
    return Definitions(
        incarnation,
        *(_read(connection, table, f"ORDER BY {', '.join(table.key)}") for table in DEFINITION_TABLES.values()),
    )


def put_definition(transaction: Transaction, definition: Definition) -> Definition:
    """Store a definition unless its key is taken. -> the stored definition."""
    table = DEFINITION_TABLES[type(definition)]
    row = table.row(definition)
    values = ", ".join(f":{column}" for column in table.columns)
    transaction.execute(f"INSERT OR IGNORE INTO {table.name} ({', '.join(table.columns)}) VALUES ({values})", row)  # noqa: S608 - our own names
    stored: Definition
    (stored,) = _read(transaction, table, f"WHERE {_assigned(table.key, ' AND ')}", row)
    return stored


def update_definition(transaction: Transaction, definition: Definition) -> None:
    """Replace the fields that may change; Unknown unless it is registered."""
    table = DEFINITION_TABLES[type(definition)]
    changes, key = _assigned(table.changing, ", "), _assigned(table.key, " AND ")
    if not transaction.execute(f"UPDATE {table.name} SET {changes} WHERE {key}", table.row(definition)).rowcount:  # noqa: S608
        raise Unknown(f"{definition.name!r} is not registered", reason=table.reason, name=definition.name)


def _read(connection: Reader, table: DefinitionTable, clause: str, parameters: Any = ()) -> list[Any]:
    query = f"SELECT {', '.join(table.columns)} FROM {table.name} {clause}"  # noqa: S608
    rows = connection.execute(query, parameters).fetchall()
    return [table.read(dict(zip(table.columns, row, strict=True))) for row in rows]


def _assigned(columns: tuple[str, ...], separator: str) -> str:
    return separator.join(f"{column} = :{column}" for column in columns)
