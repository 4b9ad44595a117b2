"""The point-in-time walk: label rows (entity, t) -> the values as they were, by as-of joins over stored history.

The label rows are read in chunks of entities, so memory is bounded by the history of a chunk. Output rows are the
label rows: same number, same order. A store that does not answer fails the call: a training set has no ERROR for it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from featurama_core.namespace import Namespace
from featurama_core.retrieval.as_of import HistoryKeys, as_of_many
from featurama_core.retrieval.online import aged
from featurama_core.retrieval.plan import PathPlan, follow
from featurama_core.storage.latest import deleted_through
from featurama_core.storage.port import History
from featurama_core.types.column import Column
from featurama_core.types.errors import FailedPrecondition, Reason, StoreUnavailable
from featurama_core.types.references import ResolvedFeature
from featurama_core.types.times import MAX_TIME, MIN_TIME, known_at_bound, to_rfc3339
from featurama_core.types.values import BoolArray, Int64Array, Status, empty_values

ENTITIES_PER_READ = 1_000
_MIN_KNOWN_AT = -(2**63) // 1_000 + 1

KnownAt = int | Int64Array | None
"""Microseconds: one bound, one a label row, or none."""


async def read_as_of(
    namespace: Namespace,
    entity_ids: Sequence[str],
    event_time: Int64Array | None,
    features: Sequence[ResolvedFeature],
    *,
    known_at: KnownAt = None,
    now: int,
) -> list[Column]:
    """N label rows -> a column a feature with n rows. `now`: microseconds, when the request began.

    event_time None is the read at now: as online, it has no upper bound.
    `known_at` is settled (`check_settled`): no later write changes what it admits.
    """
    plan = PathPlan.of(features)
    own = await _as_of(namespace, entity_ids, event_time, plan.own, known_at, now)
    through: list[Column] = []
    for reference, targets in plan.followed:
        hops = follow(own[reference])
        read: list[Column] = []
        if hops.targets:
            known = known_at[hops.rows] if isinstance(known_at, np.ndarray) else known_at
            times = None if event_time is None else event_time[hops.rows]
            read = await _as_of(namespace, hops.targets, times, targets, known, now)
        through.extend(hops.column(each, read[at] if read else None) for at, each in enumerate(targets))
    return plan.in_order(own, through)


def check_settled(namespace: Namespace, known_at: KnownAt, now: int, *, first_row: int = 0) -> None:
    """Refuse a `known_at` that later writes could still change. `first_row`: of the label rows that it is given for."""
    if known_at is None:
        return
    settled = now - namespace.settings.settling_time
    newest = int(known_at.max()) if isinstance(known_at, np.ndarray) else known_at
    if newest <= settled:
        return
    where = "known_at"
    if isinstance(known_at, np.ndarray):
        where = f"label row {first_row + int(np.argmax(known_at))}, used as known_at,"
    raise FailedPrecondition(
        f"{where} is {to_rfc3339(newest)}; it must not be later than {to_rfc3339(settled)}, because younger writes may "
        "still be under way",
        reason=Reason.KNOWN_AT_NOT_SETTLED,
        field="known_at",
    )


def ingest_bound(known_at: KnownAt) -> KnownAt:
    """The largest ingest time that a `known_at` admits, in the unit of ingest times."""
    if known_at is None:
        return None
    if isinstance(known_at, np.ndarray):
        # Before the year 1678 the product would leave int64, and wrap to a bound that admits everything.
        bound: Int64Array = np.maximum(known_at, _MIN_KNOWN_AT) * 1_000 + 999
        return bound
    return known_at_bound(known_at)


async def _as_of(
    namespace: Namespace,
    entity_ids: Sequence[str],
    event_time: Int64Array | None,
    features: Sequence[ResolvedFeature],
    known_at: KnownAt,
    now: int,
) -> list[Column]:
    newest = np.full(len(entity_ids), MAX_TIME, dtype=np.int64) if event_time is None else event_time
    codes: dict[str, int] = {}
    label_entity = np.fromiter(
        (codes.setdefault(each, len(codes)) for each in entity_ids), dtype=np.int64, count=len(entity_ids)
    )
    distinct = list(codes)
    found = _Found(features, len(entity_ids))
    by_entity = np.argsort(label_entity, kind="stable")
    edges = np.searchsorted(label_entity[by_entity], np.arange(0, len(distinct) + ENTITIES_PER_READ, ENTITIES_PER_READ))
    for number, first in enumerate(range(0, len(distinct), ENTITIES_PER_READ)):
        chunk = distinct[first : first + ENTITIES_PER_READ]
        rows = by_entity[edges[number] : edges[number + 1]]
        histories, visible = await _visible_history(namespace, chunk, features, newest[rows], now)
        known = known_at[rows] if isinstance(known_at, np.ndarray) else known_at
        found.join(histories, visible, label_entity[rows] - first, newest[rows], known, rows)
    return found.columns(now if event_time is None else event_time)


async def read_winners(
    namespace: Namespace, entity_ids: Sequence[str], features: Sequence[ResolvedFeature], now: int
) -> list[History]:
    """The visible value of every (entity, event time), corrections resolved; codes are positions of distinct ids."""
    newest = np.full(1, MAX_TIME, dtype=np.int64)
    histories, visible = await _visible_history(namespace, entity_ids, features, newest, now)
    winners = []
    for history, shown in zip(histories, visible, strict=True):
        rows = np.flatnonzero(shown)
        entity, time = history.entity[rows], history.event_time[rows]
        # Sorted by ingest time within an event time: the last of a run wins.
        last = np.ones(len(rows), dtype=np.bool_)
        last[:-1] = (entity[1:] != entity[:-1]) | (time[1:] != time[:-1])
        rows = rows[last]
        winners.append(History(entity[last], time[last], history.ingested_at[rows], history.column.take(rows)))
    return winners


async def _visible_history(
    namespace: Namespace,
    entity_ids: Sequence[str],
    features: Sequence[ResolvedFeature],
    label_time: Int64Array,
    now: int,
) -> tuple[list[History], list[BoolArray]]:
    """Stored values up to the newest label, and per feature which of them no mark covers and retention has kept."""
    cells, _ = await namespace.read_cells(entity_ids)
    if cells.failed.any():
        raise StoreUnavailable("the store did not answer for every entity; try again")
    kept = [now - each.group.retention if each.group.retention is not None else MIN_TIME for each in features]
    histories = await namespace.storage.read_history(
        entity_ids,
        [(each.definition, each.group) for each in features],
        start=min(kept),
        end=int(label_time.max()) if len(label_time) else MAX_TIME,
    )
    visible = []
    for feature, history, oldest in zip(features, histories, kept, strict=True):
        deleted = deleted_through(cells, len(entity_ids), feature.definition.name)
        bound = np.maximum(deleted, oldest - 1)
        visible.append(history.event_time > bound[history.entity])
    return histories, visible


class _Found:
    """The winners of each feature, gathered chunk by chunk."""

    def __init__(self, features: Sequence[ResolvedFeature], rows: int) -> None:
        self._features = features
        self._values = [empty_values(each.value_type, rows, each.definition.vector_length) for each in features]
        self._status = [np.full(rows, Status.NOT_FOUND, dtype=np.uint8) for _ in features]
        self._time = [np.zeros(rows, dtype=np.int64) for _ in features]

    def join(
        self,
        histories: list[History],
        visible: list[BoolArray],
        label_entity: Int64Array,
        label_time: Int64Array,
        known_at: KnownAt,
        rows: Int64Array,
    ) -> None:
        """Join one chunk: label arrays are of the chunk's rows, `rows` says where they belong."""
        bound = ingest_bound(known_at)
        # Features of one cell share their key arrays: they are searched together.
        shared: dict[tuple[int, int, int], list[int]] = {}
        for at, history in enumerate(histories):
            key = id(history.entity), id(history.event_time), id(history.ingested_at)
            shared.setdefault(key, []).append(at)
        for members in shared.values():
            first = histories[members[0]]
            if not len(first.entity):
                continue
            keys = HistoryKeys.of(first.entity, first.event_time, first.ingested_at)
            masks = [None if visible[at].all() else visible[at] for at in members]
            winners = as_of_many(keys, masks, label_entity, label_time, known_at=bound)
            for at, winner in zip(members, winners, strict=True):
                hit = winner >= 0
                source, target = winner[hit], rows[hit]
                column = histories[at].column
                self._values[at][target] = column.values[source]
                self._status[at][target] = column.status[source]
                self._time[at][target] = histories[at].event_time[source]

    def columns(self, event_time: int | Int64Array) -> list[Column]:
        """A column a feature, ttl reckoned from each row's own t, or from one moment."""
        return [
            aged(each.definition, values, status, time, each.group.ttl, event_time)
            for each, values, status, time in zip(self._features, self._values, self._status, self._time, strict=True)
        ]
