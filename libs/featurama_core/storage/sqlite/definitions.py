"""Definitions: one row each, written once; flags are updated in place, and revisions are appended.

Every row has in `revision` the number of its last change. The newest number of all is the registry's.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, TypeVar

from featurama_core.storage.definition_rows import DEFINITION_TABLES, DefinitionTable, next_text
from featurama_core.storage.port import MOST_CHANGES, FeaturesOf, Flag
from featurama_core.storage.records import Definitions
from featurama_core.storage.sqlite.connections import Reader, Transaction
from featurama_core.storage.sqlite.interning import as_json
from featurama_core.types.errors import Unknown
from featurama_core.types.schema import Definition, FeatureDefinition

_CHANGED = "SELECT feature_name FROM feature_metadata WHERE revision > ? LIMIT ?"
"""Not DISTINCT: the table would be scanned in the order of names."""
_KNOWN = "SELECT DISTINCT feature_name FROM feature_metadata WHERE feature_name IN (SELECT value FROM json_each(?))"

D = TypeVar("D", bound=Definition)


def load_definitions(connection: sqlite3.Connection, after: int, incarnation: str) -> Definitions:
    """What changed after a revision, of one snapshot."""
    revision = _revision(connection)
    if revision == after:
        return Definitions(incarnation, (), (), (), revision=revision)
    found = [
        _read(connection, table, "WHERE revision > ? ORDER BY name", (after,))
        for table in DEFINITION_TABLES.values()
        if table.kind is not FeatureDefinition
    ]
    changed = [name for (name,) in connection.execute(_CHANGED, (after, MOST_CHANGES + 1))] if after else []
    named = frozenset(changed) if len(changed) <= MOST_CHANGES else None
    return Definitions(incarnation, *found, revision=revision, changed_features=named)


def read_features(connection: sqlite3.Connection, names: Sequence[str]) -> list[FeatureDefinition]:
    """All versions of features, by name and version."""
    clause = "WHERE feature_name IN (SELECT value FROM json_each(?)) ORDER BY feature_name, version"
    return _read(connection, DEFINITION_TABLES[FeatureDefinition], clause, (as_json(names),))


def list_feature_names(connection: sqlite3.Connection, of: FeaturesOf | None, first: str, limit: int) -> list[str]:
    """The first names that are not less than `first`."""
    column, value = of or ("1", 1)
    query = f"SELECT DISTINCT feature_name FROM feature_metadata WHERE {column} = ? AND feature_name >= ?"  # noqa: S608
    return [name for (name,) in connection.execute(f"{query} ORDER BY feature_name LIMIT ?", (value, first, limit))]


def known_feature_names(connection: sqlite3.Connection, names: Sequence[str]) -> set[str]:
    """Those among the names that a feature has."""
    return {name for (name,) in connection.execute(_KNOWN, (as_json(names),))}


def put_definitions(
    transaction: Transaction, definitions: Sequence[Definition], judged_at: int | None = None
) -> list[Definition]:
    """Store definitions, each unless its key is taken, if nothing has changed since. -> the stored ones, in order."""
    newest = _revision(transaction)
    if judged_at not in (None, newest):
        return []
    revision = newest + 1
    stored: list[Definition] = []
    for definition in definitions:
        table = DEFINITION_TABLES[type(definition)]
        row = {**table.row(definition), "revision": revision}
        values = ", ".join(f":{column}" for column in row)
        insertion = f"INSERT OR IGNORE INTO {table.name} ({', '.join(row)}) VALUES ({values})"  # noqa: S608 - our own names
        is_new = transaction.execute(insertion, row).rowcount
        stored += [definition] if is_new else _read(transaction, table, f"WHERE {_assigned(table.key, ' AND ')}", row)
    return stored


def put_flag(transaction: Transaction, definition: Definition, flag: Flag) -> None:
    """Replace a flag; Unknown unless it is registered, and for `deprecated` not deleted."""
    table = DEFINITION_TABLES[type(definition)]
    _change(transaction, table, flag, table.row(definition), "" if flag == "deleted" else "AND NOT deleted")


def put_revision(transaction: Transaction, definition: Definition) -> bool:
    """Append the newest revision of a definition, unless its number is taken. Unknown unless it is registered."""
    table = DEFINITION_TABLES[type(definition)]
    row = table.row(definition)
    query = f"SELECT revisions FROM {table.name} WHERE {_assigned(table.key, ' AND ')}"  # noqa: S608 - our own names
    found = transaction.execute(query, row).fetchone()
    revisions = None if found is None else next_text(definition, found[0])
    if found is not None and revisions is None:
        return False
    _change(transaction, table, "revisions", {**row, "revisions": revisions})
    return True


def read_definition(transaction: Transaction, definition: D) -> D:
    """A definition as stored; Unknown unless it is registered."""
    table = DEFINITION_TABLES[type(definition)]
    found = _read(transaction, table, f"WHERE {_assigned(table.key, ' AND ')}", table.row(definition))
    if not found:
        raise _unknown(table, definition.name)
    stored: D = found[0]
    return stored


def _change(
    transaction: Transaction, table: DefinitionTable, column: str, row: dict[str, Any], condition: str = ""
) -> None:
    changes, key = _assigned((column, "revision"), ", "), _assigned(table.key, " AND ")
    row = {**row, "revision": _revision(transaction) + 1}
    if not transaction.execute(f"UPDATE {table.name} SET {changes} WHERE {key} {condition}", row).rowcount:  # noqa: S608
        raise _unknown(table, row[table.key[0]])


def _unknown(table: DefinitionTable, name: str) -> Unknown:
    return Unknown(f"{name!r} is not registered", reason=table.reason, name=name)


def _revision(connection: Reader) -> int:
    newest = " UNION ALL ".join(
        f"SELECT max(revision) AS newest FROM {table.name}"  # noqa: S608
        for table in DEFINITION_TABLES.values()
    )
    revision: int = connection.execute(f"SELECT ifnull(max(newest), 1) FROM ({newest})").fetchone()[0]  # noqa: S608
    return revision


def _read(connection: Reader, table: DefinitionTable, clause: str, parameters: Any = ()) -> list[Any]:
    query = f"SELECT {', '.join(table.columns)} FROM {table.name} {clause}"  # noqa: S608
    rows = connection.execute(query, parameters).fetchall()
    return [table.read(dict(zip(table.columns, row, strict=True))) for row in rows]


def _assigned(columns: tuple[str, ...], separator: str) -> str:
    return separator.join(f"{column} = :{column}" for column in columns)
