"""Which stored value is visible at a moment, and with which status. Numpy only: no clock, no I/O.

The one place that compares event times, ingest times, deletion bounds, retention and ttl:
- A value is gone when its event time is at or before its horizon: a tombstone covers it, or its retention has ended.
- A row sees values with event time at or before its moment and ingest time at or before its bound.
- Of these the last in the order (entity, event time, ingest time, value bytes) wins. A winner that is gone stands for
  nothing: everything before it is gone as well, so the horizon may be applied after the search.
- A winner that is older than ttl, counted from the row's own moment, is OUTSIDE_MAX_AGE.

Event times and moments are microseconds since 1970 UTC, ingest times have the unit of the stores (nanosecond-like).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from featurama_core.retrieval.as_of import HistoryKeys, Mask, as_of_many
from featurama_core.types.errors import FailedPrecondition, Reason
from featurama_core.types.times import MIN_TIME, to_rfc3339
from featurama_core.types.values import BoolArray, Int64Array, Status, UInt8Array

Bound = int | Int64Array
"""One bound for all rows, or int64[n], one per row."""

KnownAt = int | Literal["label"] | None
"""Microseconds, the own moment of every row, or no bound."""

_MIN_KNOWN_AT = -(2**63) // 1_000 + 1


@dataclass(frozen=True, slots=True, eq=False)
class AsOf:
    """What n rows may see.

    event_time: the newest event time that a row sees, None: no upper bound (a read at now). ingested_at: the newest
    ingest time, None: no bound. age_from: the moment from which ttl is measured. now: the moment from which retention
    is measured.
    """

    event_time: Bound | None
    ingested_at: Bound | None
    age_from: Bound
    now: int

    def take(self, rows: Int64Array) -> AsOf:
        """The given rows, in the given order."""
        age_from = self.age_from[rows] if isinstance(self.age_from, np.ndarray) else self.age_from
        return AsOf(_taken(self.event_time, rows), _taken(self.ingested_at, rows), age_from, self.now)


@dataclass(frozen=True, slots=True)
class ReadBounds:
    """What one request may see, before its rows are known.

    known_at: see `KnownAt`. now: microseconds, when the request began. at_now: the rows have no moments and no upper
    bound. aged_at: for rows at now, the moment from which ttl is measured, if it is not `now`.
    """

    known_at: KnownAt
    now: int
    at_now: bool = False
    aged_at: int | None = None

    def rows(self, event_time: Int64Array | None) -> AsOf:
        """Rows with these moments, int64[n]; they are not looked at in a read at now."""
        if self.at_now or event_time is None:
            known = None if self.known_at is None else ingest_bound(_moment(self.known_at))
            return AsOf(None, known, self.now if self.aged_at is None else self.aged_at, self.now)
        bound = event_time if self.known_at == "label" else self.known_at
        return AsOf(event_time, None if bound is None else ingest_bound(bound), event_time, self.now)


def horizon(retention: int | None, deleted_through: Bound, now: int) -> Bound:
    """Event times at or before it are gone. retention: microseconds, None: kept for ever. deleted_through: the bound
    of the tombstones, MIN_TIME where there is none.
    """
    if retention is None:
        return deleted_through
    expired = now - retention - 1
    if isinstance(deleted_through, np.ndarray):
        bound: Int64Array = np.maximum(deleted_through, expired)
        return bound
    return max(deleted_through, expired)


def per_entity(bound: Bound, entity: Int64Array) -> Bound:
    """The bound of each stored row, from those of entities, by the codes int64[h] of the rows' entities."""
    return bound[entity] if isinstance(bound, np.ndarray) else bound


def is_gone(event_time: Int64Array, gone: Bound) -> Mask:
    """Which event times lie at or before their horizon."""
    return event_time <= gone


def first_kept(horizons: Sequence[Bound]) -> int:
    """The first event time that one of these horizons leaves."""
    return min(int(np.min(each)) for each in horizons) + 1


def newest(keys: HistoryKeys, present: Sequence[Mask | None], entity: Int64Array, as_of: AsOf) -> list[Int64Array]:
    """Position of the winning stored row of each row, -1 where there is none: one int64[n] per feature, read-only.

    keys: h stored rows in the order (entity, event time, ingest time, value bytes). present[i]: bool[h], which of them
    hold feature i, None: all. entity: int64[n], the code of each row's entity. Features with equal masks share one
    result.
    """
    event_time = as_of.event_time
    if isinstance(event_time, int):
        event_time = np.full(len(entity), event_time, dtype=np.int64)
    return as_of_many(keys, present, entity, event_time, known_at=as_of.ingested_at)


def newest_per_event_time(keys: HistoryKeys, admitted: Mask) -> Int64Array:
    """Positions of the admitted rows that win at their (entity, event time), ascending."""
    rows = np.flatnonzero(admitted)
    entity, time = keys.entity[rows], keys.time[rows]
    last = np.ones(len(rows), dtype=np.bool_)
    last[:-1] = (entity[1:] != entity[:-1]) | (time[1:] != time[:-1])
    return rows[last]


def admitted(keys: HistoryKeys, as_of: AsOf, gone: Bound, *, start: int = MIN_TIME) -> Mask:
    """Which of h stored rows may be shown: not gone (`gone` per stored row, or one), from `start` on, and within
    `as_of`, whose bounds are single ones.
    """
    shown: BoolArray = ~is_gone(keys.time, gone)
    if start > MIN_TIME:
        shown &= keys.time >= start
    if as_of.event_time is not None:
        shown &= keys.time <= as_of.event_time
    if as_of.ingested_at is not None:
        shown &= keys.ingested <= as_of.ingested_at
    return shown


def statuses(stored: UInt8Array, event_time: Int64Array, gone: Bound, ttl: int | None, as_of: AsOf) -> UInt8Array:
    """The statuses that are answered, of the same shape as `stored`.

    stored: uint8[n], or uint8[features, n], the winners' own: PRESENT, NULL_VALUE, NOT_FOUND (no winner) or ERROR.
    event_time: int64[n], the winners'; MAX_TIME for an ERROR whose event time is unknown, which is never gone. gone,
    ttl (microseconds, None: valid for ever): of the features, which have them in common.
    """
    status = stored
    lost = is_gone(event_time, gone)
    if lost.any():
        status = np.where(lost, np.uint8(Status.NOT_FOUND), status)
    if ttl is None:
        return status
    old = event_time < np.subtract(as_of.age_from, ttl)
    if not old.any():
        return status
    held = (status == Status.PRESENT) | (status == Status.NULL_VALUE)
    return np.where(held & old, np.uint8(Status.OUTSIDE_MAX_AGE), status)


def may_see(moment: Int64Array, start: int, end: int, ttl: int | None) -> Mask:
    """Which rows, by their moments int64[n], may show a value with start <= event time < end. ttl: beyond which a value
    is of no use, None: never.
    """
    reached = moment >= start
    return reached if ttl is None else reached & (moment - ttl < end)


def ingest_bound(known_at: Bound) -> Bound:
    """The largest ingest time that a `known_at` admits."""
    if isinstance(known_at, np.ndarray):
        # Before the year 1678 the product would leave int64, and wrap to a bound that admits everything.
        bound: Int64Array = np.maximum(known_at, _MIN_KNOWN_AT) * 1_000 + 999
        return bound
    return known_at * 1_000 + 999


def check_settled(known_at: Bound | None, now: int, settling_time: int, *, first_row: int = 0) -> None:
    """Refuse a `known_at` that later writes could still change. first_row: of the label rows that it is given for.

    Raises:
        FailedPrecondition: KNOWN_AT_NOT_SETTLED, naming the moment and the newest one that is settled.
    """
    if known_at is None or (isinstance(known_at, np.ndarray) and not len(known_at)):
        return
    settled = now - settling_time
    latest = int(np.max(known_at))
    if latest <= settled:
        return
    where = "known_at"
    if isinstance(known_at, np.ndarray):
        where = f"label row {first_row + int(np.argmax(known_at))}, used as known_at,"
    raise FailedPrecondition(
        f"{where} is {to_rfc3339(latest)}; it must not be later than {to_rfc3339(settled)}, because younger writes may "
        "still be under way",
        reason=Reason.KNOWN_AT_NOT_SETTLED,
        field="known_at",
    )


def _moment(known_at: int | str) -> int:
    # "label" without moments is refused where a request is read.
    assert isinstance(known_at, int)
    return known_at


def _taken(bound: Bound | None, rows: Int64Array) -> Bound | None:
    return bound[rows] if isinstance(bound, np.ndarray) else bound
