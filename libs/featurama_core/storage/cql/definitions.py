"""Definitions: a row each, made by a conditional statement; what may change later is updated by another.

All statements on one row are conditional, so that their clock is the servers' own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from featurama_core.storage.cql.failures import RefusedStatement
from featurama_core.storage.cql.fan_out import collect
from featurama_core.storage.cql.statements import Statements
from featurama_core.storage.port import Catalogue
from featurama_core.types.errors import InvalidInput, Reason, StoreUnavailable, Unknown
from featurama_core.types.schema import (
    Definition,
    EntityType,
    FeatureDefinition,
    FeatureGroup,
    FeatureService,
)
from featurama_core.types.times import DAY, SECOND
from featurama_core.types.values import ValueType

_PROBE = "INSERT INTO ks.namespace_info (key, value) VALUES ('ttl_probe', '') USING TTL ?"


@dataclass(frozen=True, slots=True)
class _Table:
    """How one kind of definition lies in its table. Columns: the key first, then the others."""

    name: str
    columns: tuple[str, ...]
    keys: int
    changing: tuple[str, ...]
    row: Callable[[Any], dict[str, Any]]
    read: Callable[[Mapping[str, Any]], Any]
    reason: Reason

    @property
    def select(self) -> str:
        """All rows."""
        return f"SELECT {', '.join(self.columns)} FROM ks.{self.name}"  # noqa: S608 - our own names

    def insert(self, columns: Sequence[str]) -> str:
        """A row of these columns: a bound NULL would be a tombstone."""
        marks = ", ".join("?" * len(columns))
        return f"INSERT INTO ks.{self.name} ({', '.join(columns)}) VALUES ({marks}) IF NOT EXISTS"  # noqa: S608

    @property
    def update(self) -> str:
        """What may change."""
        changes = ", ".join(f"{column} = ?" for column in self.changing)
        key = " AND ".join(f"{column} = ?" for column in self.columns[: self.keys])
        return f"UPDATE ks.{self.name} SET {changes} WHERE {key} IF EXISTS"  # noqa: S608


def _feature_row(d: FeatureDefinition) -> dict[str, Any]:
    return {
        "feature_name": d.name, "version": d.version, "entity_type": d.entity_type, "feature_group": d.group,
        "value_type": int(d.value_type), "vector_length": d.vector_length, "references_type": d.references,
        "description": d.description, "tags": json.dumps(list(d.tags), ensure_ascii=False), "owner": d.owner,
        "deprecated": d.deprecated, "created_at": d.created_at,
    }  # fmt: skip


def _feature(row: Mapping[str, Any]) -> FeatureDefinition:
    return FeatureDefinition(
        name=row["feature_name"],
        value_type=ValueType(row["value_type"]),
        version=row["version"],
        entity_type=row["entity_type"],
        group=row["feature_group"],
        vector_length=row["vector_length"],
        references=row["references_type"],
        description=row["description"],
        tags=tuple(json.loads(row["tags"])),
        owner=row["owner"],
        deprecated=row["deprecated"],
        created_at=row["created_at"],
    )


_TYPE_COLUMNS = ("name", "description", "deprecated", "created_at")
_GROUP_COLUMNS = (
    "name", "entity_type", "description", "ttl", "retention", "buckets", "deprecated", "created_at"
)  # fmt: skip
_FEATURE_COLUMNS = (
    "feature_name", "version", "entity_type", "feature_group", "value_type", "vector_length", "references_type",
    "description", "tags", "owner", "deprecated", "created_at",
)  # fmt: skip


def _service_row(d: FeatureService) -> dict[str, Any]:
    row = _named(_TYPE_COLUMNS)(d)
    return {"name": d.name, "features": json.dumps(list(d.features)), **row}


def _service(row: Mapping[str, Any]) -> FeatureService:
    return FeatureService(
        row["name"], tuple(json.loads(row["features"])), row["description"], row["deprecated"], row["created_at"]
    )


def _named(columns: Sequence[str]) -> Callable[[Any], dict[str, Any]]:
    return lambda d: {column: getattr(d, column) for column in columns}


_TABLES: dict[type[Any], _Table] = {
    EntityType: _Table(
        "entity_types", _TYPE_COLUMNS, 1, ("description", "deprecated"),
        _named(_TYPE_COLUMNS), lambda row: EntityType(**row), Reason.UNKNOWN_ENTITY_TYPE,
    ),
    FeatureGroup: _Table(
        "feature_groups", _GROUP_COLUMNS, 1, ("description", "retention", "buckets", "deprecated"),
        _named(_GROUP_COLUMNS), lambda row: FeatureGroup(**row), Reason.UNKNOWN_FEATURE_GROUP,
    ),
    FeatureDefinition: _Table(
        "feature_metadata", _FEATURE_COLUMNS, 2, ("deprecated",),
        _feature_row, _feature, Reason.UNKNOWN_FEATURE,
    ),
    FeatureService: _Table(
        "feature_services", ("name", "features", "description", "deprecated", "created_at"), 1, ("deprecated",),
        _service_row, _service, Reason.UNKNOWN_FEATURE_SERVICE,
    ),
}  # fmt: skip


async def load_catalogue(statements: Statements, incarnation: str) -> Catalogue:
    """Every definition, by name and version."""

    async def all_of(kind: type[Any]) -> list[Any]:
        table = _TABLES[kind]
        rows = await statements.driver.read(await statements.get(table.select), ())
        return [table.read(dict(zip(table.columns, row, strict=True))) for row in rows]

    types, groups, features, services = await collect(list(_TABLES), all_of, len(_TABLES))
    return Catalogue(
        incarnation,
        sorted(types, key=_name),
        sorted(groups, key=_name),
        sorted(features, key=lambda feature: feature.key),
        sorted(services, key=_name),
    )


async def put_definition(statements: Statements, definition: Definition) -> Definition:
    """Store it unless its key is taken. -> what is stored."""
    await _check_retention(statements, definition)
    table = _TABLES[type(definition)]
    row = {column: value for column, value in table.row(definition).items() if value is not None}
    standing = await statements.driver.decide(await statements.get(table.insert(tuple(row))), list(row.values()))
    if standing is None:
        return definition
    stored: Definition = table.read({column: standing[column] for column in table.columns})
    return stored


async def update_definition(statements: Statements, definition: Definition) -> None:
    """Replace what may change; Unknown unless it is there."""
    await _check_retention(statements, definition)
    table = _TABLES[type(definition)]
    row = table.row(definition)
    values = [row[column] for column in (*table.changing, *table.columns[: table.keys])]
    if await statements.driver.decide(await statements.get(table.update), values) is not None:
        raise Unknown(f"{definition.name!r} is not registered", reason=table.reason, name=definition.name)


async def _check_retention(statements: Statements, definition: Definition) -> None:
    """Ask the server whether it can express the expiry of a row that is written today."""
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


def _name(definition: EntityType | FeatureGroup | FeatureService) -> str:
    return definition.name
