"""Definitions: one row each, made by a conditional statement; flags are updated and revisions appended by others. Every
change is then appended to a list, in which readers find what changed after the revision that they know.

All statements on one row are conditional, so that their clock is the servers' own.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from functools import partial
from operator import itemgetter
from typing import Any, TypeVar

from featurama_core.storage.cql import feature_names
from featurama_core.storage.cql.driver import SERIAL, ReadLevel
from featurama_core.storage.cql.failures import RefusedStatement
from featurama_core.storage.cql.fan_out import collect, for_each
from featurama_core.storage.cql.statements import Statements
from featurama_core.storage.definition_rows import DEFINITION_TABLES, DefinitionTable, next_text
from featurama_core.storage.port import MOST_CHANGES, Flag
from featurama_core.storage.records import Definitions
from featurama_core.types.errors import InvalidInput, Reason, StoreUnavailable, Unknown
from featurama_core.types.schema import Definition, FeatureDefinition, FeatureGroup
from featurama_core.types.times import DAY, MIN_TIME, SECOND

D = TypeVar("D", bound=Definition)

_AT_ONCE = 64
_KEYS_PER_CHANGE = 1_000
_FIRST_REVISION = 1
_CHANGES_PER_PAGE = 4
_FEATURES = DEFINITION_TABLES[FeatureDefinition]
_VERSIONS = f"SELECT {', '.join(_FEATURES.columns)} FROM ks.{_FEATURES.name} WHERE feature_name = ?"  # noqa: S608
_BY_NAME = {table.name: table for table in DEFINITION_TABLES.values()}
_NEWEST = "SELECT revision FROM ks.registry_changes WHERE bucket = 0 LIMIT 1"
_CHANGES = "SELECT revision, keys FROM ks.registry_changes WHERE bucket = 0 AND revision > ?"
_APPEND = "INSERT INTO ks.registry_changes (bucket, revision, keys) VALUES (0, ?, ?) IF NOT EXISTS"
_PROBE = "INSERT INTO ks.namespace_info (key, value) VALUES ('ttl_probe', '') USING TTL ?"


async def load_definitions(statements: Statements, after: int = 0) -> Definitions:
    """What changed after a revision, by name."""
    driver = statements.driver
    kinds = [table for table in DEFINITION_TABLES.values() if table.kind is not FeatureDefinition]
    revision, keys = await _changed(statements, after)
    if keys is None:
        # The revision was read before the rows: what changes meanwhile is read again at the next time.
        everything = await collect(kinds, partial(_all_of, statements), len(kinds))
        named = None if after else frozenset[str]()
        return Definitions(statements.incarnation, *everything, revision=revision, changed_features=named)
    names = frozenset(name for table, name, *_ in keys if table == _FEATURES.name)
    ordered = sorted(key for key in keys if key[0] != _FEATURES.name)

    async def changed(key: tuple[Any, ...]) -> Any:
        name, *values = key
        return await _one(statements, _BY_NAME[name], values)

    found = dict(zip(ordered, await collect(ordered, changed, driver.width), strict=True))
    rows = ([found[key] for key in ordered if key[0] == table.name and found[key]] for table in kinds)
    return Definitions(statements.incarnation, *rows, revision=revision, changed_features=names)


async def read_features(statements: Statements, names: Sequence[str]) -> list[FeatureDefinition]:
    """All versions of features, by name and version."""
    driver = statements.driver
    query = await statements.get(_VERSIONS)
    found = await collect(names, lambda name: driver.read(query, (name,)), driver.width)
    return _definitions(_FEATURES, [row for rows in found for row in rows])


async def put_definitions(
    statements: Statements, definitions: Sequence[Definition], judged_at: int | None = None
) -> list[Definition]:
    """Store definitions, each unless its key is taken, if nothing has changed since. -> the stored ones, in order.

    One kind after the other: a definition is never there before those that it names. A crash leaves some of them stored
    but not announced; open readers learn of these when they are registered again.
    """
    for definition in definitions:
        await _check_retention(statements, definition)
    if judged_at not in (None, await _newest(statements)):
        return []
    stored: dict[int, Definition] = {}

    async def put(at: int) -> None:
        stored[at] = await _put(statements, definitions[at])

    try:
        for kind in DEFINITION_TABLES:
            places = [at for at, each in enumerate(definitions) if type(each) is kind]
            await for_each(places, put, min(_AT_ONCE, statements.driver.width))
    finally:
        await _announce(statements, definitions)
    return [stored[at] for at in range(len(definitions))]


async def put_flag(statements: Statements, definition: Definition, flag: Flag) -> None:
    """Replace a flag; Unknown unless it is registered, and for `deprecated` not deleted."""
    table = DEFINITION_TABLES[type(definition)]
    row = table.row(definition)
    # Rows of the first schema have no `deleted`. EXISTS stands alone, and every row has the time of its creation.
    condition = "EXISTS" if flag == "deleted" else f"created_at > {MIN_TIME} AND deleted != true"
    update = f"UPDATE ks.{table.name} SET {flag} = ? WHERE {_is_key(table)} IF {condition}"  # noqa: S608
    values = [row[column] for column in (flag, *table.key)]
    try:
        if await statements.driver.decide(await statements.get(update), values) is not None:
            raise _unknown(table, definition)
    finally:
        await _announce(statements, [definition])


async def put_revision(statements: Statements, definition: Definition) -> bool:
    """Append the newest revision of a definition, unless its number is taken. Unknown unless it is registered."""
    await _check_retention(statements, definition)
    table, key = DEFINITION_TABLES[type(definition)], _key(definition)[1:]
    query = await statements.get(f"SELECT revisions FROM ks.{table.name} WHERE {_is_key(table)}")  # noqa: S608
    found = await statements.driver.read(query, key, SERIAL)
    if not found:
        raise _unknown(table, definition)
    before = found[0][0]
    if (after := next_text(definition, before)) is None:
        return False
    update = f"UPDATE ks.{table.name} SET revisions = ? WHERE {_is_key(table)} IF revisions = "  # noqa: S608
    condition = ("null", []) if before is None else ("?", [before])
    try:
        prepared = await statements.get(update + condition[0])
        standing = await statements.driver.decide(prepared, [after, *key, *condition[1]])
        # After a lost answer the statement may find what it has written.
        return standing is None or standing["revisions"] == after
    finally:
        await _announce(statements, [definition])


async def read_definition(statements: Statements, definition: D) -> D:
    """A definition as stored, after conditional statements that have begun are settled. Unknown unless registered."""
    table = DEFINITION_TABLES[type(definition)]
    found: D | None = await _one(statements, table, _key(definition)[1:], SERIAL)
    if found is None:
        raise _unknown(table, definition)
    return found


def _unknown(table: DefinitionTable, definition: Definition) -> Unknown:
    return Unknown(f"{definition.name!r} is not registered", reason=table.reason, name=definition.name)


async def _put(statements: Statements, definition: Definition) -> Definition:
    table = DEFINITION_TABLES[type(definition)]
    if isinstance(definition, FeatureDefinition):
        await feature_names.put(statements, definition)
    # A bound NULL would be a tombstone.
    row = {column: value for column, value in table.row(definition).items() if value is not None}
    slots = ", ".join("?" * len(row))
    insertion = f"INSERT INTO ks.{table.name} ({', '.join(row)}) VALUES ({slots}) IF NOT EXISTS"  # noqa: S608
    standing = await statements.driver.decide(await statements.get(insertion), list(row.values()))
    if standing is None:
        return definition
    stored: Definition = table.read(standing)
    return stored


async def _announce(statements: Statements, definitions: Sequence[Definition]) -> None:
    """Append changes. They are announced after they are stored: a reader that sees the change sees the definition."""
    append = await statements.get(_APPEND)
    for first in range(0, len(definitions), _KEYS_PER_CHANGE):
        keys = [_key(each) for each in definitions[first : first + _KEYS_PER_CHANGE]]
        revision = await _newest(statements) + 1
        # A place that is taken, also by this statement after a lost answer, is left: announcing twice is harmless.
        while await statements.driver.decide(append, (revision, json.dumps(keys))) is not None:
            revision += 1


async def _changed(statements: Statements, after: int) -> tuple[int, set[tuple[Any, ...]] | None]:
    """(the newest revision, the keys that changed after a revision); None for the keys if there are too many."""
    if not after:
        return await _newest(statements), None
    keys: set[tuple[Any, ...]] = set()
    newest = after
    # Newest first. One announcement holds up to 1,000 keys, so a page is short.
    async for page in statements.driver.pages(await statements.get(_CHANGES), (after,), _CHANGES_PER_PAGE):
        for revision, text in page:
            newest = max(newest, revision)
            keys.update(map(tuple, json.loads(text)))
            await asyncio.sleep(0)  # other calls have their turn
        if len(keys) > MOST_CHANGES:
            return newest, None
    return newest, keys


async def _newest(statements: Statements) -> int:
    rows = await statements.driver.read(await statements.get(_NEWEST), ())
    return rows[0][0] if rows else _FIRST_REVISION


async def _all_of(statements: Statements, table: DefinitionTable) -> list[Any]:
    query = f"SELECT {', '.join(table.columns)} FROM ks.{table.name}"  # noqa: S608 - our own names
    rows = await statements.driver.read(await statements.get(query), ())
    return _definitions(table, rows)


def _definitions(table: DefinitionTable, rows: Sequence[Sequence[Any]]) -> list[Any]:
    # Columns of the key come first, and no two rows share a key.
    return [table.read(dict(zip(table.columns, row, strict=True))) for row in sorted(rows, key=itemgetter(0, 1))]


async def _one(
    statements: Statements, table: DefinitionTable, key: Sequence[Any], level: ReadLevel | None = None
) -> Any:
    query = f"SELECT {', '.join(table.columns)} FROM ks.{table.name} WHERE {_is_key(table)}"  # noqa: S608
    rows = await statements.driver.read(await statements.get(query), list(key), level)
    return table.read(dict(zip(table.columns, rows[0], strict=True))) if rows else None


def _key(definition: Definition) -> list[Any]:
    table = DEFINITION_TABLES[type(definition)]
    row = table.row(definition)
    return [table.name, *(row[column] for column in table.key)]


def _is_key(table: DefinitionTable) -> str:
    return " AND ".join(f"{column} = ?" for column in table.key)


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
