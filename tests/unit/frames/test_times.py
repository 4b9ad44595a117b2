"""Times of columns: every unit and tick numpy has, the ends of the calendar and of 64 bits, zones and their changes."""

from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np
import pytest

from featurama_core.frames.cells import Cells
from featurama_core.frames.times import event_times, ingest_times
from featurama_core.frames.zones import AS_IT_IS, TimeRules
from featurama_core.types.errors import InvalidInput, Reason

FIELD = "timestamp"


def micros(*moment: int) -> int:
    """A moment in UTC, microseconds."""
    return round((datetime(*moment, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()) * 1_000_000


def zoned(values: list[str | int], unit: str) -> Cells:
    """Times in UTC, of a numpy unit such as `10ns`."""
    return Cells(np.array(values, dtype=f"datetime64[{unit}]"), zoned=True)


@pytest.mark.parametrize(
    ("unit", "ticks", "expected"),
    [
        ("ns", [1_999, -1], [1, -1]),
        ("10ns", [199, 200, -1, -100], [1, 2, -1, -1]),
        ("7ns", [143, 142, -1], [1, 0, -1]),
        ("250ns", [3, 4, -5], [0, 1, -2]),
        ("2000ns", [3, -3], [6, -6]),
        ("25ps", [40_000, -1], [1, -1]),
        ("us", [5, -5], [5, -5]),
        ("25us", [3, -3], [75, -75]),
        ("5ms", [1, -1], [5_000, -5_000]),
        ("30s", [2, -2], [60_000_000, -60_000_000]),
        ("2D", [1], [2 * 86_400_000_000]),
    ],
)
def test_times_in_ticks_of_any_size_are_floored_to_microseconds(
    unit: str, ticks: list[str | int], expected: list[int]
) -> None:
    """A tick may be several units long; times before 1970 are floored too, not cut towards it."""
    found, problems = event_times(zoned(ticks, unit), FIELD, AS_IT_IS)
    assert expected == found.tolist()
    assert {} == problems


@pytest.mark.parametrize(
    ("unit", "length"),
    [("10ns", 10), ("500ns", 500), ("1000ns", 1_000), ("us", 1_000), ("25us", 25_000), ("s", 10**9)],
)
def test_a_time_far_from_today_is_the_same_in_every_unit(unit: str, length: int) -> None:
    """64 bits of nanoseconds end in the year 2262, ticks of ten reach further: they are not counted in single ones."""
    moments = [micros(2900, 1, 1), micros(1100, 1, 1)]
    found, problems = event_times(zoned([each * 1_000 // length for each in moments], unit), FIELD, AS_IT_IS)
    assert {} == problems
    assert moments == found.tolist()


@pytest.mark.parametrize("unit", ["1000000000ns", "us", "s", "D", "Y"])
def test_a_time_outside_the_calendar_is_a_problem_of_its_row(unit: str) -> None:
    """However far outside: coarse units reach beyond 64 bits of microseconds."""
    far = 2**60
    found, problems = event_times(zoned([far, "2026-01-01", -far, "NaT"], unit), FIELD, AS_IT_IS)
    assert [0, micros(2026, 1, 1), 0, 0] == found.tolist()
    assert [
        (0, "timestamp lies outside the years 1 to 9999"),
        (2, "timestamp lies outside the years 1 to 9999"),
        (3, "timestamp is missing"),
    ] == sorted((row, message) for row, (_, message) in problems.items())
    assert {Reason.INVALID_TIME} == {reason for reason, _ in problems.values()}


def test_the_first_and_last_microsecond_of_the_calendar_are_times() -> None:
    """A microsecond beyond either is not."""
    first, last = micros(1, 1, 1), micros(9999, 12, 31, 23, 59, 59) + 999_999
    found, problems = event_times(zoned([first - 1, first, last, last + 1], "us"), FIELD, AS_IT_IS)
    assert [0, first, last, 0] == found.tolist()
    assert {0, 3} == set(problems)


def test_the_callers_array_is_not_changed_by_what_is_refused() -> None:
    """Refused rows become zeros in an array of our own."""
    given = np.array([2**62, 7])
    found, problems = event_times(Cells(given), FIELD, TimeRules(unit="us"))
    assert [0, 7] == found.tolist()
    assert {0} == set(problems)
    assert [2**62, 7] == given.tolist()


def test_ingest_times_are_floored_to_microseconds() -> None:
    """In any unit, also before 1970: the digits below belong to the number of the import."""
    fine, problems = ingest_times(zoned([1_234_567_891, -1], "ns"), "ingested_at", AS_IT_IS)
    assert ([1_234_567, -1], {}) == (fine.tolist(), problems)
    coarse, problems = ingest_times(zoned([3, -3], "25us"), "ingested_at", AS_IT_IS)
    assert ([75, -75], {}) == (coarse.tolist(), problems)


def test_an_ingest_time_that_nanoseconds_cannot_hold_is_a_problem_of_its_row() -> None:
    """64 bits of them reach from 1678 to 2261; what lies beyond would wrap round into another century."""
    given = ["2300-01-01", "2261-01-01", "1600-01-01", "1678-01-01"]
    found, problems = ingest_times(zoned(given, "us"), "ingested_at", AS_IT_IS)
    assert [0, micros(2261, 1, 1), 0, micros(1678, 1, 1)] == found.tolist()
    outside = (Reason.INVALID_TIME, "ingested_at lies outside the years 1678 to 2261")
    assert {0: outside, 2: outside} == problems


def test_a_missing_ingest_time_is_a_problem_of_its_row() -> None:
    """It is no moment of its own."""
    cells = Cells(np.array(["NaT", "2020-01-01"], dtype="datetime64[ns]"), np.array([True, False]), zoned=True)
    found, problems = ingest_times(cells, "ingested_at", AS_IT_IS)
    assert [0, micros(2020, 1, 1)] == found.tolist()
    assert {0: (Reason.INVALID_TIME, "ingested_at is missing")} == problems


def naive(*texts: str) -> Cells:
    """Wall-clock times without a zone."""
    return Cells(np.array(texts, dtype="datetime64[us]"))


def test_a_naive_column_is_refused_unless_its_zone_is_declared() -> None:
    """With the zone it means that zone's wall clock, in summer as in winter."""
    with pytest.raises(InvalidInput) as refused:
        event_times(naive("2026-01-01"), FIELD, AS_IT_IS)
    assert Reason.NAIVE_TIME == refused.value.reason
    found, problems = event_times(naive("2026-01-01T12:00", "2026-07-01T12:00"), FIELD, TimeRules("Europe/Berlin"))
    assert [micros(2026, 1, 1, 11), micros(2026, 7, 1, 10)] == found.tolist()
    assert {} == problems


def test_a_time_that_a_zone_skips_or_has_twice_is_a_problem_of_its_row() -> None:
    """The hour that a change of clocks takes away and the one that it repeats; its ends are clear."""
    changes = naive(
        "2026-03-29T01:59:59.999999",
        "2026-03-29T02:00",
        "2026-03-29T02:59:59.999999",
        "2026-03-29T03:00",
        "2026-10-25T01:59:59.999999",
        "2026-10-25T02:30",
        "2026-10-25T03:00",
    )
    found, problems = event_times(changes, FIELD, TimeRules("Europe/Berlin"))
    assert {1, 2, 5} == set(problems)
    clear = found[[0, 3, 4, 6]].tolist()
    change, back = micros(2026, 3, 29, 1), micros(2026, 10, 25, 1)
    assert [change - 1, change, back - 3_600_000_000 - 1, back + 3_600_000_000] == clear


def test_before_1973_clocks_change_at_any_second() -> None:
    """Monrovia went from 44 minutes and 30 seconds behind to UTC in January 1972."""
    found, problems = event_times(
        naive("1972-01-06T23:59:59", "1972-01-07T00:44:29", "1972-01-07T00:44:30"), FIELD, TimeRules("Africa/Monrovia")
    )
    assert {1} == set(problems)
    assert [micros(1972, 1, 7, 0, 44, 29), micros(1972, 1, 7, 0, 44, 30)] == found[[0, 2]].tolist()


def test_texts_and_datetimes_are_read_one_by_one() -> None:
    """One without a zone is a problem of its row; a column without any zone is refused as a whole."""
    mixed = np.array(
        ["2026-01-01T00:00:00+01:00", datetime(2026, 1, 1, tzinfo=UTC), "2026-01-01", "soon"], dtype=object
    )
    found, problems = event_times(Cells(mixed), FIELD, AS_IT_IS)
    assert [micros(2025, 12, 31, 23), micros(2026, 1, 1)] == found[:2].tolist()
    assert {2: Reason.NAIVE_TIME, 3: Reason.INVALID_TIME} == {row: reason for row, (reason, _) in problems.items()}
    with pytest.raises(InvalidInput) as refused:
        event_times(Cells(np.array(["2026-01-01", None], dtype=object)), FIELD, AS_IT_IS)
    assert Reason.NAIVE_TIME == refused.value.reason


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("kind", ["int64", "float64", "object", "text", "decimals"])
def test_a_number_of_a_declared_unit_is_the_same_time_in_every_kind(unit: str, kind: str) -> None:
    """Integers, whole doubles and texts of digits; without a unit each is refused, and the message names the fix."""
    per = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    number = 1_767_268_800 * per
    values = {
        "int64": np.array([number]),
        "float64": np.array([float(number)]),
        "object": np.array([number], dtype=object),
        "text": np.array([str(number)], dtype=object),
        "decimals": np.array([f"{number}.0"], dtype=object),
    }[kind]
    found, problems = event_times(Cells(values), FIELD, TimeRules(unit=unit))  # type: ignore[arg-type]
    assert ([1_767_268_800_000_000], {}) == (found.tolist(), problems)
    with pytest.raises(InvalidInput, match="time_unit=") as refused:
        event_times(Cells(values), FIELD, AS_IT_IS)
    assert "numbers such as 1" in refused.value.message


def test_fractions_of_seconds_are_read_to_the_microsecond() -> None:
    """As a text exactly and floored, as a double to the nearest, because its digits are no decimal ones."""
    texts = np.array(["1767268800.1234569", "-0.5"], dtype=object)
    found, _ = event_times(Cells(texts), FIELD, TimeRules(unit="s"))
    assert [1_767_268_800_123_456, -500_000] == found.tolist()
    doubles = np.array([1_767_268_800.1, -0.5, np.inf])
    found, problems = event_times(Cells(doubles), FIELD, TimeRules(unit="s"))
    assert ([1_767_268_800_100_000, -500_000, 0], {2}) == (found.tolist(), set(problems))


def test_a_date_means_its_first_instant_in_the_zone() -> None:
    """Where midnight is skipped or comes twice as elsewhere; a day that the zone skips is a problem of its row."""
    beirut = TimeRules("Asia/Beirut")
    days = np.array(["2023-03-26", "2023-03-27"], dtype="datetime64[D]")
    found, problems = event_times(Cells(days), FIELD, beirut)
    assert ([micros(2023, 3, 25, 22), micros(2023, 3, 26, 21)], {}) == (found.tolist(), problems)
    single = np.array([date(2023, 3, 26), "2023-03-27"], dtype=object)
    assert found.tolist() == event_times(Cells(single), FIELD, beirut)[0].tolist()
    havana = event_times(Cells(np.array(["2025-11-02"], dtype="datetime64[D]")), FIELD, TimeRules("America/Havana"))
    assert [micros(2025, 11, 2, 4)] == havana[0].tolist()
    toronto = event_times(Cells(np.array([date(1919, 3, 31)], dtype=object)), FIELD, TimeRules("America/Toronto"))
    assert [micros(1919, 3, 31, 4, 30)] == toronto[0].tolist()
    skipped = event_times(Cells(np.array(["2011-12-30"], dtype="datetime64[D]")), FIELD, TimeRules("Pacific/Apia"))
    assert {0} == set(skipped[1])
    with pytest.raises(InvalidInput, match="timezone="):
        event_times(Cells(days), FIELD, AS_IT_IS)


def test_a_declared_form_reads_the_texts_of_a_column() -> None:
    """Each by itself; a text of another form is a problem of its row and is quoted."""
    rules = TimeRules("Europe/Berlin", form="%Y/%m/%d %H:%M")
    found, problems = event_times(Cells(np.array(["2026/01/01 10:00", "2026-01-01"], dtype=object)), FIELD, rules)
    assert micros(2026, 1, 1, 9) == found[0]
    assert {1: "timestamp '2026-01-01' is not a time of the form %Y/%m/%d %H:%M"} == {
        row: message for row, (_, message) in problems.items()
    }
    days, _ = event_times(Cells(np.array(["20260101"], dtype=object)), FIELD, TimeRules("UTC", form="iso8601"))
    assert [micros(2026, 1, 1)] == days.tolist()


@pytest.mark.parametrize(
    ("rules", "field"),
    [({"timezone": "Mars/Dome"}, "timezone"), ({"unit": "h"}, "time_unit"), ({"form": "%H"}, "time_format")],
)
def test_rules_that_cannot_be_followed_are_refused_before_any_read(rules: dict[str, str], field: str) -> None:
    """The error names the argument."""
    with pytest.raises(InvalidInput) as refused:
        TimeRules(**rules)  # type: ignore[arg-type]
    assert field == refused.value.metadata["field"]
