"""Columns of values as rows for a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from featurama_cli.output import when
from featurama_core.types.column import Column
from featurama_core.types.errors import InvalidInput, Unknown
from featurama_core.types.names import DEFAULT_ENTITY_TYPE
from featurama_core.types.references import FeatureRef
from featurama_core.types.values import Status

if TYPE_CHECKING:
    from featurama_core.api import FeatureStore
    from featurama_core.frames.results import OnlineFeatures

_LOOKED_UP = 20
_UNTIMED = (Status.NOT_FOUND, Status.ERROR)


def names_of(features: str | None, service: str | None) -> list[str] | None:
    """`a,b@2` as references. Raises InvalidInput if a service is also given."""
    if features is None:
        return None
    if service is not None:
        raise InvalidInput("--features and --service exclude each other; give one", field="features")
    return [each.strip() for each in features.split(",") if each.strip()]


def value_rows(entity_ids: Sequence[str], columns: Sequence[Column]) -> list[dict[str, object]]:
    """One row per entity and feature: value, status, event time, version."""
    versions = [_version(column) for column in columns]
    values = [column.to_list() for column in columns]
    return [
        {
            "entity_id": entity_id,
            "feature": column.name,
            "version": version,
            "value": value[row],
            "status": Status(int(column.status[row])).name,
            "event_time": None if column.status[row] in _UNTIMED else when(int(column.event_time[row])),
        }
        for row, entity_id in enumerate(entity_ids)
        for column, version, value in zip(columns, versions, values, strict=True)
    ]


async def of_other_types(store: FeatureStore, read: OnlineFeatures) -> list[str]:
    """A line for every feature without any value that describes another entity type than all requested entities."""
    kinds: set[str] = set()
    missing = [column for column in read.columns if (column.status == Status.NOT_FOUND).all()]
    for entity_id in read.entity_ids[:_LOOKED_UP] if missing else ():
        try:
            kinds.add((await store.get_entity(entity_id)).entity_type)
        except Unknown:
            return []
    found = []
    for column in missing[:_LOOKED_UP]:
        reference = FeatureRef.parse(column.reference)
        feature = await store.get_feature((reference.via or reference).name)
        if feature.entity_type not in (*kinds, DEFAULT_ENTITY_TYPE):
            asked = " and ".join(sorted(kinds))
            found.append(f"{column.name} is a feature of entity type {feature.entity_type}, not of {asked}.")
    return found


def _version(column: Column) -> int | None:
    if column.version:
        return column.version
    return FeatureRef.parse(column.reference).version if column.reference else None
