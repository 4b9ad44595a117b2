"""Rows that were not accepted, grouped by kind."""

from __future__ import annotations

import pytest

from featurama_core.types.errors import Reason
from featurama_core.types.problems import Problems
from featurama_core.types.writes import Outcome, Verdict

pytestmark = pytest.mark.unit


def shown(*messages: str, field: str = "year", reason: Reason = Reason.TYPE_MISMATCH) -> list[str]:
    verdicts = [Verdict(row, 0, Outcome.REJECTED, reason, field, each) for row, each in enumerate(messages)]
    return [str(each) for each in Problems(verdicts).found()]


def test_messages_that_differ_by_a_value_are_one_problem_with_three_examples() -> None:
    values = ["'n/a'", "'it\\'s'", '"don\'t"', "'x'...", "'n/a'"]
    assert ["""5 rows: year 'n/a', 'it\\'s', "don't", ... is not an int (row 0, 1, 2, 3, 4)"""] == shown(
        *(f"year {each} is not an int" for each in values)
    )


def test_numbers_and_times_are_values_and_digits_of_names_are_none() -> None:
    assert ["2 rows: year2 1.5, -3e+20 is not an int (row 0, 1)"] == shown(
        "year2 1.5 is not an int", "year2 -3e+20 is not an int"
    )
    assert ["2 rows: at 2024-10-27 02:30:00, 2024-03-31 02:31:00.5 is skipped (row 0, 1)"] == shown(
        "at 2024-10-27 02:30:00 is skipped", "at 2024-03-31 02:31:00.5 is skipped"
    )
    assert 2 == len(shown("year1 5 is not an int", "year2 5 is not an int"))


def test_what_is_the_same_in_all_messages_is_shown_once() -> None:
    assert ["2 rows: note has 9000, 9001 bytes; at most 8192 are allowed (row 0, 1)"] == shown(
        "note has 9000 bytes; at most 8192 are allowed", "note has 9001 bytes; at most 8192 are allowed"
    )


def test_verdicts_come_in_parts_and_the_most_frequent_are_first() -> None:
    """Other reasons and fields are other problems, also of one message."""
    problems = Problems()
    for start in (0, 10):
        problems.add(
            Verdict(start + row, 0, Outcome.REJECTED, Reason.INVALID_VALUE, field, f"{start} is wrong")
            for row, field in enumerate(["a", "b", "b"])
        )
    found = [(each.units, each.field, each.message, each.first_rows) for each in problems.found()]
    assert [(4, "b", "0, 10 is wrong", (1, 2, 11, 12)), (2, "a", "0, 10 is wrong", (0, 10))] == found
