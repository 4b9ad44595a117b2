"""The number of an import, and the times that end in it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.imports import ImportRecord, ImportScope, known_import, next_number, numbered_times

SCOPE = ImportScope(("a", "b"), 10, 20, 30, 40)


def record(number: int, scope: ImportScope = SCOPE) -> ImportRecord:
    return ImportRecord(f"import {number}", number, scope)


@pytest.mark.parametrize(
    ("changes", "overlaps"),
    [
        ({}, True),
        ({"features": ("b", "c")}, True),
        ({"features": ("c",)}, False),
        ({"features": ()}, True),
        ({"first_event": 20, "last_event": 25}, True),
        ({"first_event": 21, "last_event": 25}, False),
        ({"first_event": 5, "last_event": 9}, False),
        ({"first_ingested": 40, "last_ingested": 45}, True),
        ({"first_ingested": 41, "last_ingested": 45}, False),
        ({"first_ingested": 25, "last_ingested": 29}, False),
    ],
)
def test_imports_meet_where_features_and_both_times_overlap(changes, overlaps):
    """The first and last times belong to an import; no features stand for all."""
    other = replace(SCOPE, **changes)
    assert overlaps == SCOPE.overlaps(other) == other.overlaps(SCOPE)
    assert (6 if overlaps else 0) == next_number([record(5, other)], SCOPE)


def test_the_number_is_one_more_than_the_largest_that_overlaps():
    apart = replace(SCOPE, features=("c",))
    assert 0 == next_number([], SCOPE)
    assert 8 == next_number([record(3), record(7), record(5), record(40, apart)], SCOPE)


def test_beyond_999_no_number_is_left():
    """The error says which times are used up and what to do instead."""
    assert 999 == next_number([record(998)], SCOPE)
    with pytest.raises(InvalidInput, match="give later ingest times, or write the corrections without") as caught:
        next_number([record(999)], SCOPE)
    assert Reason.LIMIT_EXCEEDED is caught.value.reason


def test_an_import_that_has_begun_is_known_by_its_id_and_scope():
    begun = [record(0), record(1)]
    assert begun[1] is known_import(begun, "import 1", SCOPE)
    assert known_import(begun, "import 2", SCOPE) is None
    with pytest.raises(InvalidInput) as caught:
        known_import(begun, "import 1", replace(SCOPE, last_event=21))
    assert Reason.INVALID_REQUEST_ID is caught.value.reason


def test_joined_scopes_hold_both():
    other = ImportScope(("c", "a"), 5, 12, 35, 99)
    assert ImportScope(("a", "b", "c"), 5, 20, 30, 99) == SCOPE.joined(other) == other.joined(SCOPE)


def test_a_record_is_read_back_from_its_row():
    assert record(7) == ImportRecord.of_row(*record(7).row())


def test_ingest_times_are_floored_to_the_microsecond_and_end_in_the_number():
    times = np.array([0, 999, 1_000, -1, 5_678_901])
    assert [7, 7, 1_007, -993, 5_678_007] == numbered_times(times, 7).tolist()
    assert numbered_times(times, 7).tolist() == numbered_times(numbered_times(times, 3), 7).tolist()
