"""Revisions: the fields of a definition that may change, and the moment from which each change is in force.

A revision is in force from its start, included, until the start of the next one, excluded. The first one counts as in
force since for ever. A definition has the fields of its newest revision and holds the earlier ones in `earlier`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from featurama_core.types.schema import Definition, EntityType, FeatureDefinition, FeatureGroup, FeatureService
from featurama_core.types.times import MAX_TIME, MIN_TIME
from featurama_core.types.values import Int64Array

D = TypeVar("D", bound=Definition)

Bound = int | Int64Array
"""One bound for all rows, or int64[n], one per row."""

REVISED: dict[type[Definition], tuple[str, ...]] = {
    EntityType: ("description",),
    FeatureGroup: ("description", "ttl", "retention", "buckets", "history"),
    FeatureDefinition: ("description", "tags", "owner"),
    FeatureService: ("description",),
}
"""The fields that a revision may change. The others are the same for ever."""


def revisions(definition: D) -> tuple[D, ...]:
    """All revisions of a definition, the first one first; number n is at n - 1."""
    return (*definition.earlier, definition)


def revised(definition: D, changes: Mapping[str, Any], start: int) -> D:
    """The definition with one more revision. start: microseconds, later than that of its newest one."""
    earlier = (*definition.earlier, replace(definition, earlier=()))
    return replace(definition, **changes, revision=definition.revision + 1, start=start, earlier=earlier)


def in_force(definition: D, moment: int) -> D:
    """The revision that is in force at a moment, microseconds."""
    return next(each for each in reversed(revisions(definition)) if each.start <= moment)


def ttl_at(group: FeatureGroup, moment: Bound) -> Bound | None:
    """The ttl in force at each moment, microseconds; None for no limit. In an array MAX_TIME stands for no limit."""
    if not group.earlier:
        return group.ttl
    if not isinstance(moment, np.ndarray):
        return in_force(group, moment).ttl
    every = revisions(group)
    ttls = np.array([MAX_TIME if each.ttl is None else each.ttl for each in every], dtype=np.int64)
    at: Int64Array = ttls[np.searchsorted([each.start for each in every[1:]], moment, side="right")]
    return at


def with_ttl_of(group: FeatureGroup, revision: int) -> FeatureGroup:
    """The group in which later revisions than `revision` do not change the ttl. Retentions stay as they are."""
    if revision >= group.revision:
        return group
    kept = revisions(group)[revision - 1].ttl
    later = [replace(each, ttl=kept) for each in group.earlier[revision:]]
    return replace(group, ttl=kept, earlier=(*group.earlier[:revision], *later))


def retained_after(group: FeatureGroup, now: int) -> int:
    """Values with event times at or before this time are past retention, for ever. MIN_TIME without a retention.

    It is the largest, over all revisions that have started, of min(now - retention, end of the revision): a value lives
    for the shortest retention in force since its event time.
    """
    if not group.earlier:
        return MIN_TIME if group.retention is None else now - group.retention
    past = MIN_TIME
    end = MAX_TIME
    for each in reversed(revisions(group)):
        if each.retention is not None and each.start <= now:
            past = max(past, min(now - each.retention, end))
        end = each.start
    return past


def retained_until(group: FeatureGroup, event_time: Int64Array) -> Int64Array:
    """The first moment at which a value of each event time is past retention, MAX_TIME if never: int64[n].

    The inverse of `retained_after`, as far as the revisions are known.
    """
    until = np.full(len(event_time), MAX_TIME, dtype=np.int64)
    end = MAX_TIME
    for each in reversed(revisions(group)):
        if each.retention is not None:
            gone = np.maximum(event_time + each.retention, each.start)
            until = np.where(event_time <= end, np.minimum(until, gone), until)
        end = each.start
    return until
