"""Which changes of a registered definition are possible, and what is said of the others."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.registry.drafts import RATING, TEAM, refusal

from featurama_core.registry import changes_to, checked_changes, is_lower, someone_else_changed
from featurama_core.types.errors import Conflict, InvalidInput, Reason
from featurama_core.types.schema import FeatureGroup, FeatureService
from featurama_core.types.values import ValueType

pytestmark = pytest.mark.unit

INVALID = Reason.INVALID_DEFINITION
GROUP = FeatureGroup("weekly", "team", ttl="1d", retention="2d", buckets=4)


def retention(text: str | None) -> Any:
    return FeatureGroup(retention=text).retention


def test_a_definition_becomes_another_by_the_fields_that_differ() -> None:
    """If only fields differ that a revision may change."""
    assert {} == changes_to(RATING, RATING)
    assert {"description": "new", "owner": "us"} == changes_to(RATING, replace(RATING, description="new", owner="us"))
    wanted = FeatureGroup("weekly", "team", ttl="1d", buckets=8)
    assert {"retention": None, "buckets": 8} == changes_to(GROUP, wanted)
    assert changes_to(RATING, replace(RATING, value_type=ValueType.BOOL, owner="us")) is None
    assert changes_to(TEAM, FeatureGroup("team")) is None
    assert changes_to(TEAM, FeatureService("team", ("rating",))) is None


def test_only_fields_that_differ_are_changed() -> None:
    """A text is read as a duration is."""
    assert {"owner": "us"} == checked_changes(RATING, {"description": "", "owner": "us"})
    assert {"ttl": retention("12h")} == checked_changes(GROUP, {"ttl": "12h", "retention": "2d", "buckets": 4})
    assert {"buckets": 8} == checked_changes(GROUP, {"buckets": 8})
    assert {} == checked_changes(TEAM, {})


def test_what_a_change_makes_is_checked() -> None:
    """As a new definition is."""
    words = "retention must not be shorter than ttl"
    assert (INVALID, "retention", words) == refusal(InvalidInput, checked_changes, GROUP, {"retention": "23h"})
    assert (INVALID, "buckets") == refusal(InvalidInput, checked_changes, GROUP, {"buckets": 5})[:2]


def test_buckets_are_not_fewer() -> None:
    words = "buckets of 'weekly' are 4; give more, periods that hold values keep theirs"
    assert (INVALID, "buckets", words) == refusal(InvalidInput, checked_changes, GROUP, {"buckets": 2})


def test_packed_history_stays_packed() -> None:
    """Rows become packed cells, never the other way."""
    assert {"history": "packed"} == checked_changes(GROUP, {"history": "packed"})
    packed = FeatureGroup("weekly", "team", history="packed")
    assert {} == checked_changes(packed, {"history": "packed"})
    words = "history of 'weekly' is packed and stays so; register another group to store rows"
    assert (INVALID, "history", words) == refusal(InvalidInput, checked_changes, packed, {"history": "rows"})


def test_a_retention_is_lowered_to_an_hour_or_more() -> None:
    """A group that begins with less keeps it, and may raise it."""
    endless, short = FeatureGroup("g"), FeatureGroup("g", retention="30m")
    for before in (endless, FeatureGroup("g", retention="2h"), FeatureGroup("g", retention="1h")):
        assert checked_changes(before, {"retention": "1h", "description": "x"})["description"] == "x"
        words = "retention 59m is too short to lower to; give at least 1h"
        assert (INVALID, "retention", words) == refusal(InvalidInput, checked_changes, before, {"retention": "59m"})
    assert {"description": "x"} == checked_changes(short, {"description": "x", "retention": "30m"})
    assert {"retention": retention("31m")} == checked_changes(short, {"retention": "31m"})
    assert {"retention": None} == checked_changes(short, {"retention": None})


def test_a_retention_is_lower_than_a_longer_one_or_none() -> None:
    day = FeatureGroup(retention="1d")
    assert [True, False, False, False] == [is_lower(retention(each), day) for each in ("23h", "1d", "25h", None)]
    assert [True, False] == [is_lower(retention(each), FeatureGroup()) for each in ("1d", None)]


def test_a_change_of_an_older_revision_says_which() -> None:
    def change() -> None:
        raise someone_else_changed(GROUP, 3)

    words = "someone else changed feature group 'weekly' since revision 3; look at it and change it again"
    assert (Reason.REVISION_CONFLICT, "expected_revision", words) == refusal(Conflict, change)
