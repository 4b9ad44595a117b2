"""Which stored value is visible, and with which status: every bound at its exact microsecond."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from featurama_core.retrieval.as_of import HistoryKeys
from featurama_core.retrieval.visibility import (
    AsOf,
    ReadBounds,
    admitted,
    check_settled,
    first_kept,
    horizon,
    ingest_bound,
    is_gone,
    may_see,
    newest,
    newest_per_event_time,
    per_entity,
    statuses,
)
from featurama_core.types.errors import FailedPrecondition, Reason
from featurama_core.types.schema import FeatureGroup
from featurama_core.types.times import MAX_TIME, MIN_TIME, Duration
from featurama_core.types.values import Status

NOW = 1_000_000


def ints(*values: int) -> Any:
    return np.array(values, dtype=np.int64)


def bytes_of(*values: Status) -> Any:
    return np.array(values, dtype=np.uint8)


def kept(retention: int | None) -> FeatureGroup:
    return FeatureGroup("kept", retention=None if retention is None else Duration(retention))


def at_now(now: int = NOW) -> AsOf:
    return ReadBounds(None, now, at_now=True).rows(None)


@pytest.mark.parametrize(
    ("retention", "deleted", "expected"),
    [(None, MIN_TIME, MIN_TIME), (None, 7, 7), (100, MIN_TIME, NOW - 100), (100, NOW - 50, NOW - 50)],
)
def test_the_horizon_is_the_later_of_tombstone_and_retention(
    retention: int | None, deleted: int, expected: int
) -> None:
    """One bound, or one per entity."""
    group = kept(retention)
    assert expected == horizon(group, deleted, NOW)
    assert [expected, expected] == np.broadcast_to(horizon(group, ints(deleted, deleted), NOW), 2).tolist()


def test_a_value_is_kept_until_exactly_its_retention() -> None:
    """At now - retention it is gone, a microsecond after it is shown."""
    gone = horizon(kept(100), MIN_TIME, NOW)
    assert [True, False, False] == is_gone(ints(NOW - 100, NOW - 99, NOW), gone).tolist()
    assert NOW - 99 == first_kept([gone])


def test_the_first_kept_moment_is_that_of_the_most_lasting_feature() -> None:
    """Over single bounds and bounds of entities."""
    assert 6 == first_kept([9, ints(12, 5), 30])
    assert MIN_TIME + 1 == first_kept([9, MIN_TIME])


def test_a_tombstone_covers_its_own_microsecond() -> None:
    """And nothing after it."""
    gone = horizon(kept(None), 50, NOW)
    status = statuses(
        bytes_of(Status.PRESENT, Status.NULL_VALUE, Status.PRESENT), ints(50, 49, 51), gone, None, at_now()
    )
    assert [Status.NOT_FOUND, Status.NOT_FOUND, Status.PRESENT] == status.tolist()


@pytest.mark.parametrize(
    ("age", "ttl", "expected"),
    [
        (0, 60, Status.PRESENT),
        (60, 60, Status.PRESENT),
        (61, 60, Status.OUTSIDE_MAX_AGE),
        (-5, 60, Status.PRESENT),
        (10**9, None, Status.PRESENT),
    ],
)
def test_a_value_is_valid_until_exactly_its_ttl(age: int, ttl: int | None, expected: Status) -> None:
    """Counted from the row's own moment; a read at now has no upper bound."""
    moment = ints(5_000)
    rows = ReadBounds(None, NOW).rows(moment)
    assert [expected] == statuses(bytes_of(Status.PRESENT), moment - age, MIN_TIME, ttl, rows).tolist()
    assert [expected] == statuses(bytes_of(Status.PRESENT), ints(NOW - age), MIN_TIME, ttl, at_now()).tolist()


def test_ttl_leaves_what_is_no_value_alone() -> None:
    """NOT_FOUND stays NOT_FOUND and ERROR stays ERROR; an old null is old."""
    stored = bytes_of(Status.NOT_FOUND, Status.ERROR, Status.NULL_VALUE)
    status = statuses(stored, ints(MIN_TIME, 5, 5), MIN_TIME, 10, at_now())
    assert [Status.NOT_FOUND, Status.ERROR, Status.OUTSIDE_MAX_AGE] == status.tolist()


def test_an_error_of_unknown_time_is_never_gone() -> None:
    """Of a known time it is: what was deleted is not reported."""
    stored = bytes_of(Status.ERROR, Status.ERROR)
    status = statuses(stored, ints(MAX_TIME, 5), ints(NOW, NOW), 10, at_now())
    assert [Status.ERROR, Status.NOT_FOUND] == status.tolist()


def test_features_of_one_group_are_judged_together() -> None:
    """Statuses of several features share event times, ttl and horizon."""
    stored = np.stack([bytes_of(Status.PRESENT, Status.NULL_VALUE), bytes_of(Status.NOT_FOUND, Status.PRESENT)])
    status = statuses(stored, ints(NOW - 5, NOW - 50), ints(MIN_TIME, NOW - 50), 100, at_now())
    assert [[Status.PRESENT, Status.NOT_FOUND], [Status.NOT_FOUND, Status.NOT_FOUND]] == status.tolist()


def keys(*rows: tuple[int, int, int]) -> HistoryKeys:
    columns = np.array(rows, dtype=np.int64).reshape(-1, 3)
    return HistoryKeys.of(*(np.ascontiguousarray(columns[:, at]) for at in range(3)))


HISTORY = keys((0, 10, 1_000), (0, 20, 9_000), (0, 20, 30_000), (1, 5, 2_000))


def test_the_newest_event_wins_and_among_equals_the_later_correction() -> None:
    """The moment is included; an entity without history has no winner."""
    rows = ReadBounds(None, NOW).rows(ints(20, 19, 9, 5, 100))
    (winner,) = newest(HISTORY, [None], ints(0, 0, 0, 1, -1), rows)
    assert [2, 0, -1, 3, -1] == winner.tolist()


def test_known_at_hides_later_corrections() -> None:
    """One bound for all rows, or each row's own moment."""
    bounds = ReadBounds(9, NOW)
    assert [1] == newest(HISTORY, [None], ints(0), bounds.rows(ints(100)))[0].tolist()
    label = ReadBounds("label", NOW)
    assert [-1, 1, 2] == newest(HISTORY, [None], ints(0, 0, 0), label.rows(ints(0, 29, 30)))[0].tolist()


def test_known_at_counts_beside_a_mask() -> None:
    """A feature that the newest admitted row lacks is taken from an older admitted one."""
    mask = np.array([True, False, True, True])
    (winner,) = newest(HISTORY, [mask], ints(0, 0), ReadBounds(9, NOW).rows(ints(100, 5)))
    assert [0, -1] == winner.tolist()
    (winner,) = newest(HISTORY, [mask], ints(0), ReadBounds("label", NOW).rows(ints(25)))
    assert [0] == winner.tolist()


def test_a_read_at_now_has_no_upper_bound() -> None:
    """Also a value whose event time lies ahead of the clock is the newest; known_at bounds it nevertheless."""
    ahead = keys((0, 10, 1), (0, NOW + 5, 2_000))
    assert [1] == newest(ahead, [None], ints(0), at_now())[0].tolist()
    known = ReadBounds(1, NOW, at_now=True).rows(None)
    assert [0] == newest(ahead, [None], ints(0), known)[0].tolist()


def test_a_single_bound_stands_for_all_rows() -> None:
    """As history is read up to one moment."""
    assert [0, 3] == newest(HISTORY, [None], ints(0, 1), AsOf(15, None, 15, NOW, NOW))[0].tolist()


def test_history_admits_both_its_ends_and_what_was_known() -> None:
    """From `start`, up to the moment, ingested at or before the bound, and not gone."""
    assert [True, True, True, True] == admitted(HISTORY, at_now(), MIN_TIME).tolist()
    assert [True, True, True, False] == admitted(HISTORY, at_now(), MIN_TIME, start=10).tolist()
    assert [False, True, True, False] == admitted(HISTORY, at_now(), 10).tolist()
    assert [True, False, False, True] == admitted(HISTORY, AsOf(19, None, 0, NOW, NOW), MIN_TIME).tolist()
    assert [True, True, False, True] == admitted(HISTORY, AsOf(None, 9_000, 0, NOW, NOW), MIN_TIME).tolist()
    gone = per_entity(ints(10, 4), HISTORY.entity)
    assert [False, True, True, True] == admitted(HISTORY, at_now(), gone).tolist()
    assert 10 == per_entity(10, HISTORY.entity)


def test_every_bound_of_history_counts_beside_the_others() -> None:
    """Each of the four takes what the others leave; the moment itself is included."""
    rows = keys((0, 1, 1), (0, 2, 1), (0, 3, 1), (0, 4, 1), (0, 4, 9), (0, 5, 1))
    shown = admitted(rows, AsOf(4, 5, 0, NOW, NOW), 1, start=3)
    assert [False, False, True, True, False, False] == shown.tolist()
    assert [False, False, True, True, True, True] == admitted(rows, at_now(), 2, start=2).tolist()
    assert [False, False, True, True, True, False] == admitted(rows, AsOf(4, None, 0, NOW, NOW), 2).tolist()
    assert [False, False, True, True, False, True] == admitted(rows, AsOf(None, 5, 0, NOW, NOW), 2).tolist()


def test_one_winner_per_entity_and_event_time() -> None:
    """The last admitted correction; an entity's last value stands beside the next one's first of the same time."""
    everything = np.ones(4, dtype=np.bool_)
    assert [0, 2, 3] == newest_per_event_time(HISTORY, everything).tolist()
    assert [0, 1, 3] == newest_per_event_time(HISTORY, np.array([True, True, False, True])).tolist()
    neighbours = keys((0, 5, 1), (1, 5, 1), (1, 5, 2))
    assert [0, 2] == newest_per_event_time(neighbours, np.ones(3, dtype=np.bool_)).tolist()
    assert [] == newest_per_event_time(HISTORY, ~everything).tolist()


def test_a_row_may_see_a_period_that_begins_at_its_moment() -> None:
    """With a ttl only periods that reach into it."""
    moments = ints(9, 10, 50)
    assert [False, True, True] == may_see(moments, 10, 20, None).tolist()
    assert [False, True, True] == may_see(moments, 10, 20, 31).tolist()
    assert [False, True, False] == may_see(moments, 10, 20, 30).tolist()


def test_known_at_admits_the_whole_microsecond() -> None:
    """Ingest times have three digits more; the ends of int64 do not wrap."""
    assert 5_999 == ingest_bound(5)
    assert [5_999, -1] == np.asarray(ingest_bound(ints(5, -1))).tolist()
    lowest = -(2**63) // 1_000 + 1
    assert [lowest * 1_000 + 999] * 2 == np.asarray(ingest_bound(ints(lowest, -(2**62)))).tolist()


def test_an_unsettled_known_at_is_refused_at_its_exact_microsecond() -> None:
    """The newest one that is settled passes; of rows the first wrong one is named, counted from `first_row`."""
    check_settled(None, NOW, 100)
    check_settled(NOW - 100, NOW, 100)
    check_settled(ints(), NOW, 100)
    with pytest.raises(FailedPrecondition, match="known_at is 1970"):
        check_settled(NOW - 99, NOW, 100)
    with pytest.raises(FailedPrecondition, match="label row 12, used as known_at"):
        check_settled(ints(0, 5, NOW), NOW, 100, first_row=10)
    with pytest.raises(FailedPrecondition, match="label row 1, used as known_at") as refused:
        check_settled(ints(5, NOW), NOW, 100)
    assert (Reason.KNOWN_AT_NOT_SETTLED, "known_at") == (refused.value.reason, refused.value.metadata["field"])


def test_taking_rows_takes_their_own_bounds() -> None:
    """Single bounds stay, those of rows follow."""
    taken = ReadBounds("label", NOW).rows(ints(1, 2, 3)).take(ints(2, 0))
    assert [3, 1] == np.asarray(taken.event_time).tolist()
    assert [3_999, 1_999] == np.asarray(taken.ingested_at).tolist()
    assert [[3, 1]] * 2 == [np.asarray(each).tolist() for each in (taken.age_from, taken.ruled_at)]
    single = at_now().take(ints(0, 0))
    assert (None, None, NOW, NOW) == (single.event_time, single.ingested_at, single.age_from, single.now)
    assert NOW == single.ruled_at


def test_moments_are_not_looked_at_in_a_read_at_now() -> None:
    """Retention counts from the request's begin in every read."""
    rows = ReadBounds(7, NOW, at_now=True).rows(ints(1, 2))
    assert (None, 7_999, NOW, NOW) == (rows.event_time, rows.ingested_at, rows.age_from, rows.now)
    rows = ReadBounds(7, NOW).rows(ints(1, 2))
    assert (7_999, NOW) == (rows.ingested_at, rows.now)


def test_the_ttl_is_that_of_the_moment_at_which_the_row_looks() -> None:
    """Now, or the moment up to which it knows; ages count from the row's own moment all the same."""
    moments = ints(1, 2)
    assert NOW == ReadBounds(None, NOW).rows(moments).ruled_at == ReadBounds(None, NOW).rows(moments).now
    assert 7 == ReadBounds(7, NOW).rows(moments).ruled_at
    assert [1, 2] == np.asarray(ReadBounds("label", NOW).rows(moments).ruled_at).tolist()
    assert (7, NOW) == (ReadBounds(7, NOW, at_now=True).rows(None).ruled_at, at_now().ruled_at)
    assert NOW - 7 == ReadBounds(None, NOW, at_now=True, aged_at=NOW - 7).rows(None).ruled_at
    assert [1, 2] == np.asarray(ReadBounds(7, NOW).rows(moments).age_from).tolist()


def test_ages_of_newest_values_may_count_from_another_moment() -> None:
    """A set that is built again reckons from the first build."""
    assert NOW - 7 == ReadBounds(None, NOW, at_now=True, aged_at=NOW - 7).rows(None).age_from
