"""Definitions as rows: one table per kind, with the same columns in every adapter."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from featurama_core.types.entity_keys import KeyColumn, key_columns
from featurama_core.types.errors import Reason
from featurama_core.types.roles import Role, roles_of
from featurama_core.types.schema import EntityType, FeatureDefinition, FeatureGroup, FeatureService
from featurama_core.types.times import Duration
from featurama_core.types.values import ValueType

_ATTRIBUTES = {"feature_name": "name", "feature_group": "group", "references_type": "references"}
"""Columns whose attribute has another name."""


def _same(value: Any) -> Any:
    return value


def _to_json(texts: tuple[str, ...]) -> str:
    return json.dumps(list(texts), ensure_ascii=False)


def _from_json(text: str) -> tuple[str, ...]:
    return tuple(json.loads(text))


def _keys_to_json(keys: tuple[KeyColumn, ...]) -> str:
    return json.dumps([[each.name, each.value_type.label] for each in keys])


def _keys_from_json(text: str | None) -> tuple[KeyColumn, ...]:
    return key_columns(dict(json.loads(text or "[]")))


def _roles_to_json(roles: tuple[Role, ...]) -> str:
    return json.dumps([[each.name, each.entity_type] for each in roles])


def _roles_from_json(text: str | None) -> tuple[Role, ...]:
    return roles_of(dict(json.loads(text or "[]")))


def _duration(micros: int | None) -> Duration | None:
    return None if micros is None else Duration(micros)


_TO_COLUMN: dict[str, Callable[[Any], Any]] = {
    "value_type": int, "tags": _to_json, "features": _to_json, "keys": _keys_to_json,
    "roles": _roles_to_json,
}  # fmt: skip
_FROM_COLUMN: dict[str, Callable[[Any], Any]] = {
    "value_type": ValueType, "tags": _from_json, "features": _from_json, "deprecated": bool,
    "deleted": bool,
    "ttl": _duration, "retention": _duration, "keys": _keys_from_json,
    "roles": _roles_from_json,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class DefinitionTable:
    """The table of one kind of definition.

    columns: the `keys` columns of the primary key first. changing: the columns that may change later. reason: of the
    error for a definition that is not registered.
    """

    kind: type[Any]
    name: str
    keys: int
    columns: tuple[str, ...]
    changing: tuple[str, ...]
    reason: Reason

    @property
    def key(self) -> tuple[str, ...]:
        """The columns of the primary key."""
        return self.columns[: self.keys]

    def row(self, definition: Any) -> dict[str, Any]:
        """Column -> stored value."""
        return {
            column: _TO_COLUMN.get(column, _same)(getattr(definition, _ATTRIBUTES.get(column, column)))
            for column in self.columns
        }

    def read(self, row: Mapping[str, Any]) -> Any:
        """The inverse of `row`."""
        values = {column: _FROM_COLUMN.get(column, _same)(row[column]) for column in self.columns}
        return self.kind(**{_ATTRIBUTES.get(column, column): value for column, value in values.items()})


DEFINITION_TABLES: dict[type[Any], DefinitionTable] = {
    table.kind: table
    for table in (
        DefinitionTable(
            EntityType, "entity_types", 1,
            ("name", "description", "keys", "deprecated", "created_at", "deleted"),
            ("description", "deprecated", "deleted"), Reason.UNKNOWN_ENTITY_TYPE,
        ),
        DefinitionTable(
            FeatureGroup, "feature_groups", 1,
            (
                "name", "entity_type", "description", "ttl", "retention", "buckets", "deprecated", "created_at",
                "deleted",
            ),
            ("description", "retention", "buckets", "deprecated", "deleted"), Reason.UNKNOWN_FEATURE_GROUP,
        ),
        DefinitionTable(
            FeatureDefinition, "feature_metadata", 2,
            (
                "feature_name", "version", "entity_type", "feature_group", "value_type", "vector_length",
                "references_type", "description", "tags", "owner", "deprecated", "created_at", "deleted",
            ),
            ("deprecated", "deleted"), Reason.UNKNOWN_FEATURE,
        ),
        DefinitionTable(
            FeatureService, "feature_services", 1,
            ("name", "features", "description", "roles", "deprecated", "created_at", "deleted"),
            ("deprecated", "deleted"), Reason.UNKNOWN_FEATURE_SERVICE,
        ),
    )
}  # fmt: skip
