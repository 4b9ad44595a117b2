"""Definitions: a row each, written once; what may change later is updated in place."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from featurama_core.storage.port import Catalogue
from featurama_core.storage.sqlite.connections import Transaction
from featurama_core.types.errors import Reason, Unknown
from featurama_core.types.schema import (
    Definition,
    EntityType,
    FeatureDefinition,
    FeatureGroup,
    FeatureService,
)
from featurama_core.types.values import ValueType


@dataclass(frozen=True, slots=True)
class _Table:
    """How one kind of definition lies in its table. The key comes first in a row."""

    select_all: str
    select_one: str
    insert: str
    update: str
    keys: int
    row: Callable[[Any], tuple[object, ...]]
    changes: Callable[[Any], tuple[object, ...]]
    read: Callable[..., Any]
    reason: Reason


def _feature(
    name: str, version: int, entity_type: str, group: str, value_type: int, vector_length: int,
    references: str | None, description: str, tags: str, owner: str, deprecated: int, created_at: int,
) -> FeatureDefinition:  # fmt: skip
    return FeatureDefinition(
        name=name,
        value_type=ValueType(value_type),
        version=version,
        entity_type=entity_type,
        group=group,
        vector_length=vector_length,
        references=references,
        description=description,
        tags=tuple(json.loads(tags)),
        owner=owner,
        deprecated=bool(deprecated),
        created_at=created_at,
    )


def _feature_row(d: FeatureDefinition) -> tuple[object, ...]:
    tags = json.dumps(list(d.tags), ensure_ascii=False)
    return (
        d.name, d.version, d.entity_type, d.group, int(d.value_type), d.vector_length,
        d.references, d.description, tags, d.owner, int(d.deprecated), d.created_at,
    )  # fmt: skip


def _group(*row: Any) -> FeatureGroup:
    name, entity_type, description, ttl, retention, buckets, deprecated, created_at = row
    return FeatureGroup(name, entity_type, description, ttl, retention, buckets, bool(deprecated), created_at)


def _group_row(d: FeatureGroup) -> tuple[object, ...]:
    return (
        d.name,
        d.entity_type,
        d.description,
        d.ttl,
        d.retention,
        d.buckets,
        int(d.deprecated),
        d.created_at,
    )


_TABLES: dict[type[Any], _Table] = {
    EntityType: _Table(
        "SELECT name, description, deprecated, created_at FROM entity_types ORDER BY name",
        "SELECT name, description, deprecated, created_at FROM entity_types WHERE name = ?",
        "INSERT OR IGNORE INTO entity_types VALUES (?, ?, ?, ?)",
        "UPDATE entity_types SET description = ?, deprecated = ? WHERE name = ?",
        keys=1,
        row=lambda d: (d.name, d.description, int(d.deprecated), d.created_at),
        changes=lambda d: (d.description, int(d.deprecated), d.name),
        read=lambda name, text, deprecated, at: EntityType(name, text, bool(deprecated), at),
        reason=Reason.UNKNOWN_ENTITY_TYPE,
    ),
    FeatureGroup: _Table(
        "SELECT * FROM feature_groups ORDER BY name",
        "SELECT * FROM feature_groups WHERE name = ?",
        "INSERT OR IGNORE INTO feature_groups VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        "UPDATE feature_groups SET description = ?, retention = ?, buckets = ?, deprecated = ? WHERE name = ?",
        keys=1,
        row=_group_row,
        changes=lambda d: (d.description, d.retention, d.buckets, int(d.deprecated), d.name),
        read=_group,
        reason=Reason.UNKNOWN_FEATURE_GROUP,
    ),
    FeatureDefinition: _Table(
        "SELECT * FROM feature_metadata ORDER BY feature_name, version",
        "SELECT * FROM feature_metadata WHERE feature_name = ? AND version = ?",
        "INSERT OR IGNORE INTO feature_metadata VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        "UPDATE feature_metadata SET deprecated = ? WHERE feature_name = ? AND version = ?",
        keys=2,
        row=_feature_row,
        changes=lambda d: (int(d.deprecated), d.name, d.version),
        read=_feature,
        reason=Reason.UNKNOWN_FEATURE,
    ),
    FeatureService: _Table(
        "SELECT * FROM feature_services ORDER BY name",
        "SELECT * FROM feature_services WHERE name = ?",
        "INSERT OR IGNORE INTO feature_services VALUES (?, ?, ?, ?, ?)",
        "UPDATE feature_services SET deprecated = ? WHERE name = ?",
        keys=1,
        row=lambda d: (d.name, json.dumps(list(d.features)), d.description, int(d.deprecated), d.created_at),
        changes=lambda d: (int(d.deprecated), d.name),
        read=lambda name, features, text, deprecated, at: FeatureService(
            name, tuple(json.loads(features)), text, bool(deprecated), at
        ),
        reason=Reason.UNKNOWN_FEATURE_SERVICE,
    ),
}


def load_catalogue(connection: sqlite3.Connection, incarnation: str) -> Catalogue:
    """Every definition of one snapshot, by name and version."""

    def all_of(kind: type[Any]) -> list[Any]:
        table = _TABLES[kind]
        return [table.read(*row) for row in connection.execute(table.select_all)]

    return Catalogue(
        incarnation,
        all_of(EntityType),
        all_of(FeatureGroup),
        all_of(FeatureDefinition),
        all_of(FeatureService),
    )


def put_definition(transaction: Transaction, definition: Definition) -> Definition:
    """Store it unless its key is taken. -> what is stored."""
    table = _TABLES[type(definition)]
    row = table.row(definition)
    transaction.execute(table.insert, row)
    stored: Definition = table.read(*transaction.execute(table.select_one, row[: table.keys]).fetchone())
    return stored


def update_definition(transaction: Transaction, definition: Definition) -> None:
    """Replace what may change; Unknown unless it is there."""
    table = _TABLES[type(definition)]
    if transaction.execute(table.update, table.changes(definition)).rowcount == 0:
        raise Unknown(f"{definition.name!r} is not registered", reason=table.reason, name=definition.name)
