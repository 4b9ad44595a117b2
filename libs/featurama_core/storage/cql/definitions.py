"""Definitions: one row each, made by a conditional statement; the fields that may change are updated by another.

All statements on one row are conditional, so that their clock is the servers' own.
"""

from __future__ import annotations

from operator import itemgetter
from typing import Any

from featurama_core.storage.cql.failures import RefusedStatement
from featurama_core.storage.cql.fan_out import collect
from featurama_core.storage.cql.statements import Statements
from featurama_core.storage.definition_rows import DEFINITION_TABLES, DefinitionTable
from featurama_core.storage.port import Definitions
from featurama_core.types.errors import InvalidInput, Reason, StoreUnavailable, Unknown
from featurama_core.types.schema import Definition, FeatureGroup
from featurama_core.types.times import DAY, SECOND

_PROBE = "INSERT INTO ks.namespace_info (key, value) VALUES ('ttl_probe', '') USING TTL ?"


async def load_definitions(statements: Statements) -> Definitions:
    """Every definition, by name and version."""

    async def all_of(table: DefinitionTable) -> list[Any]:
        query = f"SELECT {', '.join(table.columns)} FROM ks.{table.name}"  # noqa: S608 - our own names
        rows = await statements.driver.read(await statements.get(query), ())
        # Columns of the key come first, and no two rows share a key.
        return [table.read(dict(zip(table.columns, row, strict=True))) for row in sorted(rows, key=itemgetter(0, 1))]

    tables = list(DEFINITION_TABLES.values())
    return Definitions(statements.incarnation, *await collect(tables, all_of, len(tables)))


async def put_definition(statements: Statements, definition: Definition) -> Definition:
    """Store a definition unless its key is taken. -> the stored definition."""
    await _check_retention(statements, definition)
    table = DEFINITION_TABLES[type(definition)]
    # A bound NULL would be a tombstone.
    row = {column: value for column, value in table.row(definition).items() if value is not None}
    marks = ", ".join("?" * len(row))
    insertion = f"INSERT INTO ks.{table.name} ({', '.join(row)}) VALUES ({marks}) IF NOT EXISTS"  # noqa: S608
    standing = await statements.driver.decide(await statements.get(insertion), list(row.values()))
    if standing is None:
        return definition
    stored: Definition = table.read(standing)
    return stored


async def update_definition(statements: Statements, definition: Definition) -> None:
    """Replace the fields that may change; Unknown unless it is registered."""
    await _check_retention(statements, definition)
    table = DEFINITION_TABLES[type(definition)]
    row = table.row(definition)
    changes = ", ".join(f"{column} = ?" for column in table.changing)
    key = " AND ".join(f"{column} = ?" for column in table.key)
    update = f"UPDATE ks.{table.name} SET {changes} WHERE {key} IF EXISTS"  # noqa: S608
    values = [row[column] for column in (*table.changing, *table.key)]
    if await statements.driver.decide(await statements.get(update), values) is not None:
        raise Unknown(f"{definition.name!r} is not registered", reason=table.reason, name=definition.name)


async def _check_retention(statements: Statements, definition: Definition) -> None:
    """Raise InvalidInput unless the server can express the expiry of a row that is written now."""
    if not isinstance(definition, FeatureGroup) or definition.retention is None:
        return
    seconds = -(-definition.retention // SECOND) + DAY // SECOND
    try:
        if seconds < 2**31:
            await statements.driver.write(await statements.get(_PROBE), (seconds,))
            return
    except StoreUnavailable as error:
        if not isinstance(error.__cause__, RefusedStatement):
            raise
    raise InvalidInput(
        "retention is longer than this CQL server can keep a time (an expiry before 2038, at most 20 years);"
        " give a shorter one, or none",
        reason=Reason.INVALID_DEFINITION,
        field="retention",
    )
