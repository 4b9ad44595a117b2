"""Which ttl and which retention apply when: every start and end at its exact microsecond, and against plain Python."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from featurama_core.retrieval.visibility import horizon, is_gone
from featurama_core.types.revisions import (
    REVISED,
    in_force,
    retained_after,
    retained_until,
    revised,
    revisions,
    ttl_at,
    with_ttl_of,
)
from featurama_core.types.schema import EntityType, FeatureDefinition, FeatureGroup, FeatureService
from featurama_core.types.times import MAX_TIME, MIN_TIME, Duration

NOW = 1_000_000
Plain = list[tuple[int, int | None]]
"""(start, length) of each revision; the start of the first one counts as for ever."""


def group_of(found: Plain) -> FeatureGroup:
    """A group whose revisions have these lengths as retention and as ttl."""
    lengths = [None if length is None else Duration(length) for _, length in found]
    group = FeatureGroup("g", ttl=lengths[0], retention=lengths[0])
    for (start, _), length in zip(found[1:], lengths[1:], strict=True):
        group = revised(group, {"ttl": length, "retention": length}, start)
    return group


def is_past(found: Plain, event_time: int, now: int) -> bool:
    """Whether a value is past a retention, one revision after the other."""
    for number, (start, retention) in enumerate(found):
        has_started = number == 0 or start <= now
        reaches = number + 1 == len(found) or event_time <= found[number + 1][0]
        if has_started and reaches and retention is not None and event_time <= now - retention:
            return True
    return False


def length_at(found: Plain, moment: int) -> int | None:
    """The length in force at a moment."""
    in_force_then = found[0][1]
    for start, length in found[1:]:
        if start <= moment:
            in_force_then = length
    return in_force_then


@st.composite
def histories(draw: st.DrawFn) -> Plain:
    """Up to five revisions around NOW, often with the same starts and lengths as the moments that are tried."""
    starts = draw(st.lists(st.integers(NOW - 40, NOW + 10), max_size=4, unique=True))
    lengths = st.one_of(st.none(), st.integers(1, 45))
    return [(0, draw(lengths)), *((start, draw(lengths)) for start in sorted(starts))]


@given(found=histories(), now=st.integers(NOW - 45, NOW + 60))
def test_the_horizon_is_what_every_single_revision_says(found: Plain, now: int) -> None:
    """For every event time around it, and the moment at which a value goes is the inverse."""
    group = group_of(found)
    times = np.arange(NOW - 100, NOW + 70, dtype=np.int64)
    gone = [is_past(found, each, now) for each in times.tolist()]
    assert gone == is_gone(times, horizon(group, MIN_TIME, now)).tolist()
    assert gone == (retained_until(group, times) <= now).tolist()


@given(found=histories(), moments=st.lists(st.integers(NOW - 50, NOW + 20), min_size=1, max_size=20))
def test_the_ttl_is_that_in_force_at_each_moment(found: Plain, moments: list[int]) -> None:
    """One by one, and all at once."""
    group = group_of(found)
    expected = [length_at(found, each) for each in moments]
    assert expected == [ttl_at(group, each) for each in moments]
    at_once = ttl_at(group, np.array(moments, dtype=np.int64))
    if len(found) == 1:
        assert found[0][1] == at_once
    else:
        assert isinstance(at_once, np.ndarray)
        assert [MAX_TIME if each is None else each for each in expected] == at_once.tolist()


@given(found=histories(), moment=st.integers(NOW - 50, NOW + 20), pinned=st.integers(1, 6))
def test_a_pinned_ttl_is_not_changed_by_later_revisions(found: Plain, moment: int, pinned: int) -> None:
    """Retentions are: no manifest chooses one."""
    group = with_ttl_of(group_of(found), pinned)
    assert length_at(found[:pinned], moment) == ttl_at(group, moment)
    assert retained_after(group_of(found), moment) == retained_after(group, moment)
    assert group.revision == len(found)


def test_a_pinned_ttl_stays_in_force_in_all_later_revisions() -> None:
    """From its own start on; those before it keep theirs, and each revision keeps its number, start and retention."""
    group = group_of([(0, 5), (NOW, 7), (NOW + 9, None), (NOW + 20, 8)])
    moments = (NOW - 1, NOW, NOW + 9, NOW + 20)
    for pinned, expected in ((1, [5, 5, 5, 5]), (2, [5, 7, 7, 7]), (3, [5, 7, None, None]), (4, [5, 7, None, 8])):
        made = with_ttl_of(group, pinned)
        assert expected == [ttl_at(made, each) for each in moments] == [each.ttl for each in revisions(made)]
        kept = [(each.revision, each.start, each.retention) for each in revisions(made)]
        assert [(each.revision, each.start, each.retention) for each in revisions(group)] == kept
        assert group == with_ttl_of(group, 5)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (NOW - 1, NOW - 1 - 500),
        # A shorter one counts from its start on, the start included.
        (NOW, NOW - 100),
        (NOW + 7, NOW - 93),
        (NOW + 299, NOW + 199),
        # What the first raise finds stays gone, and values after it live longer.
        (NOW + 300, NOW + 200),
        (NOW + 400, NOW + 300),
        (NOW + 401, NOW + 300),
        (NOW + 1_300, NOW + 300),
        (NOW + 1_301, NOW + 301),
    ],
)
def test_a_value_lives_for_the_shortest_retention_in_force_since_its_event_time(now: int, expected: int) -> None:
    """From 500 to 100 and then to 1,000."""
    assert expected == retained_after(group_of([(0, 500), (NOW, 100), (NOW + 300, 1_000)]), now)


def test_what_a_limit_took_does_not_come_back_without_one() -> None:
    """A value at the very start of the revision without a retention is gone too: only later ones are helped."""
    group = group_of([(0, 100), (NOW, None)])
    assert NOW - 1 == retained_after(group, NOW + 99)
    assert NOW == retained_after(group, NOW + 100) == retained_after(group, NOW + 10_000)
    assert [NOW + 100, MAX_TIME] == retained_until(group, np.array([NOW, NOW + 1])).tolist()


def test_names_types_and_references_are_not_revised() -> None:
    """The fields that a revision may change, kind by kind."""
    assert {
        EntityType: ("description",),
        FeatureGroup: ("description", "ttl", "retention", "buckets", "history"),
        FeatureDefinition: ("description", "tags", "owner"),
        FeatureService: ("description",),
    } == REVISED


def test_a_revision_is_in_force_from_its_start_on() -> None:
    """And the first one since for ever."""
    group = group_of([(0, 1), (NOW, 2), (NOW + 1, 3)])
    assert [1, 1, 2, 3] == [in_force(group, each).revision for each in (MIN_TIME, NOW - 1, NOW, NOW + 1)]
    assert [1, 2, 3] == [each.revision for each in revisions(group)]
    assert [(), (), (1, 2)] == [tuple(one.revision for one in each.earlier) for each in revisions(group)]
