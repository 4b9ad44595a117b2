"""The online walk: the newest values of many entities, merged from one partition each, with truthful statuses."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from featurama_core.namespace import Namespace
from featurama_core.retrieval.plan import PathPlan, follow
from featurama_core.storage.latest import Latest, merge_latest
from featurama_core.storage.port import Consistency
from featurama_core.types.column import Column, masked
from featurama_core.types.errors import StoreUnavailable
from featurama_core.types.references import ResolvedFeature
from featurama_core.types.schema import FeatureDefinition, FeatureGroup
from featurama_core.types.times import MIN_TIME
from featurama_core.types.values import Int64Array, Status, UInt8Array, ValueArray, empty_values


async def read_online(
    namespace: Namespace,
    entity_ids: Sequence[str],
    features: Sequence[ResolvedFeature],
    consistency: Consistency | None = None,
) -> tuple[list[Column], int]:
    """-> (a column a feature, a row an id; the wall clock ages were reckoned from). Repeated ids are read once."""
    now = namespace.now()
    plan = PathPlan.of(features)
    own = await _newest(namespace, entity_ids, plan.own, now, consistency)
    through: list[Column] = []
    for reference, targets in plan.followed:
        hops = follow(own[reference])
        read = await _targets(namespace, hops.targets, targets, now, consistency) if hops.targets else []
        through.extend(hops.column(each, read[at] if read else None) for at, each in enumerate(targets))
    return plan.in_order(own, through), now


async def _targets(
    namespace: Namespace,
    entity_ids: Sequence[str],
    features: Sequence[ResolvedFeature],
    now: int,
    consistency: Consistency | None,
) -> list[Column]:
    """`_newest` of the entities that references name: the asked entities stand, also where no target answers."""
    try:
        return await _newest(namespace, entity_ids, features, now, consistency)
    except StoreUnavailable:
        rows = len(entity_ids)
        failed = np.full(rows, Status.ERROR, dtype=np.uint8), np.zeros(rows, dtype=np.int64)
        return [
            aged(
                each.definition,
                empty_values(each.value_type, rows, each.definition.vector_length),
                *failed,
                None,
                now,
            )
            for each in features
        ]


async def _newest(
    namespace: Namespace,
    entity_ids: Sequence[str],
    features: Sequence[ResolvedFeature],
    now: int,
    consistency: Consistency | None,
) -> list[Column]:
    distinct = list(dict.fromkeys(entity_ids))
    cells, layouts = await namespace.read_cells(distinct, consistency)
    if cells.failed.all():
        raise StoreUnavailable("the store did not answer for any entity; try again")
    latest = merge_latest(cells, len(distinct), [each.definition for each in features], layouts)
    columns = [
        column_at(each.definition, each.group, newest, now) for each, newest in zip(features, latest, strict=True)
    ]
    if len(distinct) == len(entity_ids):
        return columns
    position = {entity_id: at for at, entity_id in enumerate(distinct)}
    rows = np.fromiter((position[each] for each in entity_ids), dtype=np.int64, count=len(entity_ids))
    return [column.take(rows) for column in columns]


def column_at(definition: FeatureDefinition, group: FeatureGroup, latest: Latest, now: int) -> Column:
    """Reckon ttl and retention from `now`: the column that is answered."""
    status, event_time = latest.status, latest.event_time
    if group.retention is not None:
        expired = (event_time < now - group.retention) & (status != Status.ERROR)
        if expired.any():
            status = np.where(expired, np.uint8(Status.NOT_FOUND), status)
            event_time = np.where(expired, MIN_TIME, event_time)
    return aged(definition, latest.values, status, event_time, group.ttl, now)


def aged(
    definition: FeatureDefinition,
    values: ValueArray,
    status: UInt8Array,
    event_time: Int64Array,
    ttl: int | None,
    moment: int | Int64Array,
) -> Column:
    """A column as of `moment` (one, or one a row): values older than ttl are withheld, empty slots are zero."""
    if ttl is not None:
        found = (status == Status.PRESENT) | (status == Status.NULL_VALUE)
        old = found & (event_time < np.subtract(moment, ttl))
        status = np.where(old, np.uint8(Status.OUTSIDE_MAX_AGE), status)
    no_time = (status == Status.NOT_FOUND) | (status == Status.ERROR)
    return Column(
        name=definition.name,
        value_type=definition.value_type,
        values=masked(values, definition.value_type, status, definition.vector_length),
        status=status,
        event_time=np.where(no_time, 0, event_time),
        version=definition.version,
        reference=definition.reference,
    )
