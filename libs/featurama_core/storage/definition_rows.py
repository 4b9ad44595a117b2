"""Definitions as rows: one table per kind, with the same columns in every adapter.

The columns of a row hold the first revision. The later ones are a JSON list in `revisions`, null without any: each has
its start and the fields that a revision may change. Revisions are appended, never changed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from featurama_core.types.entity_keys import KeyColumn, key_columns
from featurama_core.types.errors import Reason
from featurama_core.types.revisions import REVISED, revised, revisions
from featurama_core.types.roles import Role, roles_of
from featurama_core.types.schema import Definition, EntityType, FeatureDefinition, FeatureGroup, FeatureService
from featurama_core.types.times import Duration
from featurama_core.types.values import ValueType

D = TypeVar("D", bound=Definition)

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


def _history(text: str | None) -> str:
    return text or "rows"  # groups of an earlier schema


def _duration(micros: int | None) -> Duration | None:
    return None if micros is None else Duration(micros)


CHANGING = ("deprecated", "deleted")
"""The columns that change in place."""
_TO_COLUMN: dict[str, Callable[[Any], Any]] = {
    "value_type": int, "tags": _to_json, "features": _to_json, "keys": _keys_to_json,
    "roles": _roles_to_json,
}  # fmt: skip
_FROM_COLUMN: dict[str, Callable[[Any], Any]] = {
    "value_type": ValueType, "tags": _from_json, "features": _from_json, "deprecated": bool,
    "deleted": bool,
    "ttl": _duration, "retention": _duration, "keys": _keys_from_json,
    "roles": _roles_from_json, "history": _history,
}  # fmt: skip
_FROM_REVISION: dict[str, Callable[[Any], Any]] = {"ttl": _duration, "retention": _duration, "tags": tuple}


@dataclass(frozen=True, slots=True)
class DefinitionTable:
    """The table of one kind of definition.

    columns: the `keys` columns of the primary key first. reason: of the error for a definition that is not registered.
    """

    kind: type[Any]
    name: str
    keys: int
    columns: tuple[str, ...]
    reason: Reason

    @property
    def key(self) -> tuple[str, ...]:
        """The columns of the primary key."""
        return self.columns[: self.keys]

    def row(self, definition: Any) -> dict[str, Any]:
        """Column -> stored value."""
        first, *later = revisions(definition)
        now = {name: getattr(definition, name) for name in CHANGING}
        row: dict[str, Any] = {"revisions": as_text(later)}
        for column in self.columns:
            if column != "revisions":
                name = _ATTRIBUTES.get(column, column)
                row[column] = _TO_COLUMN.get(column, _same)(now[name] if name in now else getattr(first, name))
        return row

    def read(self, row: Mapping[str, Any]) -> Any:
        """The inverse of `row`."""
        values = {
            _ATTRIBUTES.get(column, column): _FROM_COLUMN.get(column, _same)(row[column])
            for column in self.columns
            if column != "revisions"
        }
        return with_later(self.kind(**values), row["revisions"])


def with_later(first: D, text: str | None) -> D:
    """A definition from its first revision and the column `revisions`."""
    found = first
    for each in json.loads(text) if text else ():
        start = each.pop("start")
        found = revised(found, {name: _FROM_REVISION.get(name, _same)(value) for name, value in each.items()}, start)
    return found


def as_text(later: Sequence[Definition], stored: str | None = None) -> str | None:
    """The column `revisions` with these appended to those of `stored`, which stay as they are; None without any."""
    listed = json.loads(stored or "[]")
    listed += [{"start": each.start, **{name: getattr(each, name) for name in REVISED[type(each)]}} for each in later]
    return json.dumps(listed, ensure_ascii=False) if listed else None


def next_text(definition: Definition, stored: str | None) -> str | None:
    """The column `revisions` with the newest revision of `definition`; None unless it follows those of `stored`."""
    follows = definition.revision == len(json.loads(stored or "[]")) + 2
    return as_text([definition], stored) if follows else None


DEFINITION_TABLES: dict[type[Any], DefinitionTable] = {
    table.kind: table
    for table in (
        DefinitionTable(
            EntityType, "entity_types", 1,
            ("name", "description", "keys", "deprecated", "created_at", "deleted", "revisions"),
            Reason.UNKNOWN_ENTITY_TYPE,
        ),
        DefinitionTable(
            FeatureGroup, "feature_groups", 1,
            (
                "name", "entity_type", "description", "ttl", "retention", "buckets", "history", "deprecated",
                "created_at", "deleted", "revisions",
            ),
            Reason.UNKNOWN_FEATURE_GROUP,
        ),
        DefinitionTable(
            FeatureDefinition, "feature_metadata", 2,
            (
                "feature_name", "version", "entity_type", "feature_group", "value_type", "vector_length",
                "references_type", "description", "tags", "owner", "deprecated", "created_at", "deleted", "revisions",
            ),
            Reason.UNKNOWN_FEATURE,
        ),
        DefinitionTable(
            FeatureService, "feature_services", 1,
            ("name", "features", "description", "roles", "deprecated", "created_at", "deleted", "revisions"),
            Reason.UNKNOWN_FEATURE_SERVICE,
        ),
    )
}  # fmt: skip
