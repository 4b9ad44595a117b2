"""The stored value that is visible at a moment, and its status. Numpy only: no clock, no I/O.

Only this module compares event times, ingest times, deletion bounds, retention and ttl; which ttl and retention are in
force is the subject of `types.revisions`:
- A value is gone if its event time is at or before its horizon: a tombstone covers it, or its retention has ended.
- A row sees values with event time at or before its moment and ingest time at or before its bound.
- Of these the last in the order (entity, event time, ingest time, value bytes) wins. If a winner is gone, all earlier
  values are gone too, so the horizon may be applied after the search.
- A winner that is older than ttl, measured from the moment of the row, is OUTSIDE_MAX_AGE.

Event times and moments are microseconds since 1970 UTC, ingest times have the unit of the stores (nanosecond-like).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import numpy as np

from featurama_core.retrieval.as_of import HistoryKeys, Mask, as_of_many
from featurama_core.types.errors import FailedPrecondition, Reason
from featurama_core.types.revisions import Bound, retained_after
from featurama_core.types.schema import FeatureGroup
from featurama_core.types.times import MAX_TIME, MIN_TIME, KnownAt, to_rfc3339
from featurama_core.types.values import BoolArray, Int64Array, Status, UInt8Array

B = TypeVar("B", Bound, Bound | None)

_FEW = 256
_MIN_KNOWN_AT = -(2**63) // 1_000 + 1


class AsOf(NamedTuple):
    """Bounds of the values that n rows see.

    event_time: newest event time, None for no bound (a read at now). ingested_at: newest ingest time, None for no
    bound. age_from: ttl is measured from it. now: retention is measured from it. ruled_at: the moment of the ttl.
    """

    event_time: Bound | None
    ingested_at: Bound | None
    age_from: Bound
    now: int
    ruled_at: Bound

    def take(self, rows: Int64Array) -> AsOf:
        """The given rows, in the given order."""
        event_time, ingested_at = _taken(self.event_time, rows), _taken(self.ingested_at, rows)
        return AsOf(event_time, ingested_at, _taken(self.age_from, rows), self.now, _taken(self.ruled_at, rows))


class ReadBounds(NamedTuple):
    """Bounds of the values that one request sees, before its rows are known.

    known_at: see `KnownAt`. now: microseconds, the start of the request. at_now: whether the rows have no moments and
    no upper bound. aged_at: for rows at now, the moment that ttl is measured from; None for `now`.
    """

    known_at: KnownAt
    now: int
    at_now: bool = False
    aged_at: int | None = None

    def rows(self, event_time: Int64Array | None) -> AsOf:
        """Bounds of rows with these moments, int64[n], which are ignored in a read at now."""
        if self.at_now or event_time is None:
            aged_at = self.now if self.aged_at is None else self.aged_at
            if self.known_at is None:
                return AsOf(None, None, aged_at, self.now, aged_at)
            known_at = _moment(self.known_at)
            return AsOf(None, ingest_bound(known_at), aged_at, self.now, known_at)
        bound = event_time if self.known_at == "label" else self.known_at
        if bound is None:
            return AsOf(event_time, None, event_time, self.now, self.now)
        return AsOf(event_time, ingest_bound(bound), event_time, self.now, bound)


def horizon(group: FeatureGroup, deleted_through: Bound, now: int) -> Bound:
    """Values of a group with event times at or before the horizon are gone: past retention, or deleted.

    deleted_through: the bound of the tombstones, MIN_TIME without one.
    """
    past = retained_after(group, now)
    if isinstance(deleted_through, np.ndarray):
        bound: Int64Array = np.maximum(deleted_through, past)
        return bound
    return max(deleted_through, past)


def per_entity(bound: Bound, entity: Int64Array) -> Bound:
    """The bound of each stored row from the bounds of entities. entity: int64[h], the codes of the rows."""
    return bound[entity] if isinstance(bound, np.ndarray) else bound


def is_gone(event_time: Int64Array, gone: Bound) -> Mask:
    """True for event times at or before their horizon."""
    return event_time <= gone


def first_kept(horizons: Sequence[Bound]) -> int:
    """The first event time after the earliest of these horizons."""
    return min(int(np.min(each)) for each in horizons) + 1


def newest(keys: HistoryKeys, present: Sequence[Mask | None], entity: Int64Array, as_of: AsOf) -> list[Int64Array]:
    """Position of the winning stored row of each row, -1 if there is none: one int64[n] per feature, read-only.

    keys: h stored rows in the order (entity, event time, ingest time, value bytes). present[i]: bool[h], True for the
    rows that hold feature i; None for all. entity: int64[n], the entity code of each row. Features with equal masks
    share one result.
    """
    event_time = as_of.event_time
    if isinstance(event_time, int):
        event_time = np.full(len(entity), event_time, dtype=np.int64)
    return as_of_many(keys, present, entity, event_time, known_at=as_of.ingested_at)


def winners_of_events(keys: HistoryKeys, winner: Int64Array, event_time: Int64Array) -> Int64Array:
    """The winners, int64[n], that are of the given events, int64[n] event times; -1 for rows with another."""
    hit = winner >= 0
    hit[hit] = keys.time[winner[hit]] == event_time[hit]
    return np.where(hit, winner, -1)


def newest_per_event_time(keys: HistoryKeys, admitted: Mask) -> Int64Array:
    """Positions of the admitted rows that win at their (entity, event time), ascending."""
    rows = np.flatnonzero(admitted)
    entity, time = keys.entity[rows], keys.time[rows]
    last = np.ones(len(rows), dtype=np.bool_)
    last[:-1] = (entity[1:] != entity[:-1]) | (time[1:] != time[:-1])
    return rows[last]


def admitted(keys: HistoryKeys, as_of: AsOf, gone: Bound, *, start: int = MIN_TIME) -> Mask:
    """True for stored rows, bool[h], that are visible: not gone, from `start` on, and within `as_of`, whose bounds are
    single numbers.
    """
    shown: BoolArray = ~is_gone(keys.time, gone)
    if start > MIN_TIME:
        shown &= keys.time >= start
    if as_of.event_time is not None:
        shown &= keys.time <= as_of.event_time
    if as_of.ingested_at is not None:
        shown &= keys.ingested <= as_of.ingested_at
    return shown


def statuses(stored: UInt8Array, event_time: Int64Array, gone: Bound, ttl: Bound | None, as_of: AsOf) -> UInt8Array:
    """The statuses of results, in the shape of `stored`.

    stored: uint8[n] or uint8[features, n], the stored statuses of the winners: PRESENT, NULL_VALUE, NOT_FOUND (no
    winner) or ERROR. event_time: int64[n], of the winners; MAX_TIME for an ERROR of unknown time, which is never gone.
    gone, ttl (microseconds, None for no limit; `types.revisions.ttl_at`): the same for all features.
    """
    status = stored
    if isinstance(gone, int) and isinstance(as_of.age_from, int) and not isinstance(ttl, np.ndarray):
        # One comparison for all rows: nearly always nothing is hidden. Of few numbers Python finds the least sooner.
        few = len(event_time) <= _FEW
        oldest = min(event_time.tolist(), default=MAX_TIME) if few else int(np.min(event_time))
        if oldest > gone and (ttl is None or oldest >= as_of.age_from - ttl):
            return status
    lost = is_gone(event_time, gone)
    if np.count_nonzero(lost):
        status = np.where(lost, np.uint8(Status.NOT_FOUND), status)
    if ttl is None:
        return status
    old = event_time < as_of.age_from - ttl
    if not np.count_nonzero(old):
        return status
    held = (status == Status.PRESENT) | (status == Status.NULL_VALUE)
    return np.where(held & old, np.uint8(Status.OUTSIDE_MAX_AGE), status)


def may_see(moment: Int64Array, start: int, end: int, ttl: Bound | None) -> Mask:
    """True for rows with moments int64[n] that may see a value with start <= event time < end. ttl: the age beyond
    which a value is not needed, one or int64[n]; None for no limit.
    """
    reached = moment >= start
    return reached if ttl is None else reached & (moment - ttl < end)


def ingest_bound(known_at: Bound) -> Bound:
    """The largest ingest time that a `known_at` admits."""
    if isinstance(known_at, np.ndarray):
        # Before the year 1678 the product would overflow int64 and wrap to a bound that admits everything.
        bound: Int64Array = np.maximum(known_at, _MIN_KNOWN_AT) * 1_000 + 999
        return bound
    return known_at * 1_000 + 999


def check_settled(known_at: Bound | None, now: int, settling_time: int, *, first_row: int = 0) -> None:
    """Refuse a `known_at` whose values later writes could still change. first_row: number of its first label row.

    Raises:
        FailedPrecondition: KNOWN_AT_NOT_SETTLED, with the moment and the newest settled one.
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


def _taken(bound: B, rows: Int64Array) -> B:
    return bound[rows] if isinstance(bound, np.ndarray) else bound
