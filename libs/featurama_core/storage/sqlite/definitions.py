"""Definitions: one row each, written once; the columns that may change later are updated in place.

Every row has the revision of its last change. The newest revision of all is the registry's.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from featurama_core.storage.definition_rows import DEFINITION_TABLES, DefinitionTable
from featurama_core.storage.port import Definitions
from featurama_core.storage.sqlite.connections import Reader, Transaction
from featurama_core.types.errors import Unknown
from featurama_core.types.schema import Definition


def load_definitions(connection: sqlite3.Connection, after: int, incarnation: str) -> Definitions:
    """The definitions of one snapshot that changed after a revision, by name and version."""
    revision = _revision(connection)
    if revision == after:
        return Definitions(incarnation, (), (), (), (), revision=revision)
    found = [
        _read(connection, table, f"WHERE revision > ? ORDER BY {', '.join(table.key)}", (after,))
        for table in DEFINITION_TABLES.values()
    ]
    return Definitions(incarnation, *found, revision=revision)


def put_definitions(transaction: Transaction, definitions: Sequence[Definition]) -> list[Definition]:
    """Store definitions, each unless its key is taken. -> the stored ones, in order."""
    revision = _revision(transaction) + 1
    stored: list[Definition] = []
    for definition in definitions:
        table = DEFINITION_TABLES[type(definition)]
        row = {**table.row(definition), "revision": revision}
        values = ", ".join(f":{column}" for column in row)
        insertion = f"INSERT OR IGNORE INTO {table.name} ({', '.join(row)}) VALUES ({values})"  # noqa: S608 - our own names
        is_new = transaction.execute(insertion, row).rowcount
        stored += [definition] if is_new else _read(transaction, table, f"WHERE {_assigned(table.key, ' AND ')}", row)
    return stored


def update_definition(transaction: Transaction, definition: Definition) -> None:
    """Replace the fields that may change; Unknown unless it is registered."""
    table = DEFINITION_TABLES[type(definition)]
    changes, key = _assigned((*table.changing, "revision"), ", "), _assigned(table.key, " AND ")
    row = {**table.row(definition), "revision": _revision(transaction) + 1}
    if not transaction.execute(f"UPDATE {table.name} SET {changes} WHERE {key}", row).rowcount:  # noqa: S608
        raise Unknown(f"{definition.name!r} is not registered", reason=table.reason, name=definition.name)


def _revision(connection: Reader) -> int:
    newest = " UNION ALL ".join(
        f"SELECT max(revision) AS newest FROM {table.name}"  # noqa: S608
        for table in DEFINITION_TABLES.values()
    )
    revision: int = connection.execute(f"SELECT ifnull(max(newest), 0) FROM ({newest})").fetchone()[0]  # noqa: S608
    return revision


def _read(connection: Reader, table: DefinitionTable, clause: str, parameters: Any = ()) -> list[Any]:
    query = f"SELECT {', '.join(table.columns)} FROM {table.name} {clause}"  # noqa: S608
    rows = connection.execute(query, parameters).fetchall()
    return [table.read(dict(zip(table.columns, row, strict=True))) for row in rows]


def _assigned(columns: tuple[str, ...], separator: str) -> str:
    return separator.join(f"{column} = :{column}" for column in columns)
