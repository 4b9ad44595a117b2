"""Columns computed from the row's time: exact, the same bits however many rows, and never without a time."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from featurama_core.types.column import Column, column_of
from featurama_core.types.errors import InvalidInput
from featurama_core.types.times import MAX_TIME, MIN_TIME, to_micros
from featurama_core.types.values import Status, ValueType
from featurama_model.engineered import EngineeredSpec, matrix
from featurama_model.expressions import Cycle, Difference, Feature, Sum, TimePart

EVERY_TIME = EngineeredSpec(
    (
        TimePart("hour", "hour_of_day"),
        TimePart("weekday", "day_of_week"),
        *(Cycle(f"{cycle}_{wave}", cycle, wave) for cycle in ("day", "week", "year") for wave in ("sin", "cos")),
    )
)
TIMES = st.integers(MIN_TIME, MAX_TIME)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def test_parts_of_a_time_are_those_of_utc() -> None:
    moments = ["2026-11-23T18:30:00Z", "1969-12-28T00:00:00Z", "2024-02-29T23:59:59.999999Z"]
    built = matrix([], EVERY_TIME, np.array([to_micros(moment, "t") for moment in moments]))
    assert built[:, 0].tolist() == pytest.approx([18.5, 0.0, 24.0], abs=1e-6)
    assert built[:, 1].tolist() == [0.0, 6.0, 3.0]


@given(TIMES)
def test_a_cycle_is_the_sine_and_cosine_of_its_angle(moment: int) -> None:
    row = matrix([], EVERY_TIME, np.array([moment]))[0]
    since_monday = (EPOCH + timedelta(days=3, microseconds=moment % (7 * 86_400_000_000))) - EPOCH
    turns = {
        "day": (moment % 86_400_000_000) / 86_400_000_000,
        "week": (since_monday % timedelta(days=7)) / timedelta(days=7),
        "year": (moment % 31_556_952_000_000) / 31_556_952_000_000,
    }
    expected = [wave(math.tau * turns[cycle]) for cycle in turns for wave in (math.sin, math.cos)]
    assert row[2:].tolist() == pytest.approx(expected, abs=2e-7)


@given(st.lists(TIMES, min_size=1, max_size=70))
def test_times_computed_alone_are_the_same_bytes_as_together(moments: list[int]) -> None:
    together = matrix([], EVERY_TIME, np.array(moments))
    for row, moment in enumerate(moments):
        assert matrix([], EVERY_TIME, np.array([moment])).tobytes() == together[row : row + 1].tobytes()


def test_one_time_stands_for_every_row_as_serving_gives_it() -> None:
    column = column_of("a", ValueType.DOUBLE, np.arange(3.0))
    spec = EngineeredSpec((Feature("a", "a"), *EVERY_TIME.columns))
    np.testing.assert_array_equal(matrix([column], spec, 12_345), matrix([column], spec, np.full(3, 12_345)))


def test_a_spec_of_time_is_refused_without_one() -> None:
    with pytest.raises(InvalidInput, match="time is needed"):
        matrix([column_of("a", ValueType.DOUBLE, np.zeros(1))], EVERY_TIME)


def test_sums_and_differences_are_of_features() -> None:
    columns = [column_of(name, ValueType.DOUBLE, np.array([value])) for name, value in (("a", 5.0), ("b", 2.0))]
    spec = EngineeredSpec((Sum("s", ("a", "b", "b")), Difference("d", "a", "b")))
    np.testing.assert_array_equal(matrix(columns, spec), [[9.0, 3.0]])


@pytest.mark.parametrize("status", [each for each in Status if each is not Status.PRESENT])
def test_a_default_stands_for_a_value_that_is_not_present_and_for_no_other(status: Status) -> None:
    statuses = np.array([status, Status.PRESENT, Status.PRESENT], dtype=np.uint8)
    column = Column("a", ValueType.DOUBLE, np.array([0.0, 0.0, np.nan]), statuses, np.zeros(3, dtype=np.int64))
    built = matrix([column], EngineeredSpec.of_features(["a"], Sum("twice", ("a", "a"))), defaults={"a": 7.5})
    np.testing.assert_array_equal(built, [[7.5, 15.0], [0.0, 0.0], [np.nan, np.nan]])
