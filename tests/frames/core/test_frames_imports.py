"""Frames of old history: their ingest times in every container, and what one import holds."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from featurama_core.frames.imports import frame_part
from featurama_core.frames.mapping import Mapping
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.imports import ImportScope
from featurama_core.types.writes import WriteMode

T0 = 1_780_000_000_000_000
KNOWN = 1_779_000_000_123_456
"""Microseconds."""
SECONDS, MILLIS, NANOS = KNOWN // 1_000_000, KNOWN // 1_000, KNOWN * 1_000 + 789

CONTAINERS = {
    "list": list,
    "objects": lambda values: np.array(values, dtype=object),
    "numpy scalars": lambda values: [np.int64(value) for value in values],
    "int64": lambda values: np.array(values, dtype=np.int64),
    "uint64": lambda values: np.array(values, dtype=np.uint64),
    "pandas": pd.Series,
    "pandas nullable": lambda values: pd.array(values, dtype="Int64"),
    "pandas arrow": lambda values: pd.Series(values, dtype="int64[pyarrow]"),
    "polars": pl.Series,
    "arrow": pa.array,
    "arrow chunked": lambda values: pa.chunked_array([values]),
}


def frame(ingested_at: object, rows: int = 1) -> dict[str, object]:
    return {"entity_id": ["a"] * rows, "timestamp": [T0] * rows, "ingested_at": ingested_at, "x": [1.0] * rows}


def ingested(write) -> list[int]:
    return [time for prepared in write for time in prepared.request.ingested_at.tolist()]


@pytest.mark.parametrize("container", CONTAINERS)
def test_numbers_without_a_unit_are_refused_in_every_container(container, prepare):
    """A number is a time only with a declared unit; the error names the option."""
    for number in (SECONDS, KNOWN, NANOS):
        with pytest.raises(InvalidInput, match="ingested_at_unit=") as caught:
            prepare(frame(CONTAINERS[container]([number])), mode=WriteMode.BULK)
        assert (Reason.INVALID_TIME, "ingested_at") == (caught.value.reason, caught.value.metadata["field"])


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize(
    ("unit", "number", "floor"), [("s", SECONDS, 10**6), ("ms", MILLIS, 10**3), ("us", KNOWN, 1), ("ns", NANOS, 1)]
)
def test_numbers_of_a_declared_unit_mean_the_same_in_every_container(container, unit, number, floor, prepare):
    """Floored to the microsecond: the digits below are the import's number."""
    write = prepare(frame(CONTAINERS[container]([number])), mode=WriteMode.BULK, ingested_at_unit=unit)
    assert [KNOWN // floor * floor * 1_000] == ingested(write)


@pytest.mark.parametrize(
    "times",
    [
        [datetime(2026, 2, 1, microsecond=7, tzinfo=UTC)],
        ["2026-02-01T01:00:00.000007+01:00"],
        [pd.Timestamp("2026-02-01T00:00:00.000007999Z")],
        pd.to_datetime(["2026-02-01T00:00:00.000007999Z"]).as_unit("ns"),
        pl.Series([datetime(2026, 2, 1, microsecond=7, tzinfo=UTC)]),
        pa.array([datetime(2026, 2, 1, microsecond=7, tzinfo=UTC)]),
        pa.array([pd.Timestamp("2026-02-01T00:00:00.000007999Z").value], pa.timestamp("ns", "UTC")),
    ],
    ids=["datetime", "text", "Timestamp", "pandas ns", "polars", "arrow us", "arrow ns"],
)
def test_zoned_times_are_read_with_and_without_a_unit(times, prepare):
    """A unit is about numbers only; finer times are floored."""
    expected = [pd.Timestamp("2026-02-01T00:00:00.000007Z").value]
    for unit in (None, "s", "ns"):
        assert expected == ingested(prepare(frame(times), mode=WriteMode.BULK, ingested_at_unit=unit))


def test_a_column_of_numbers_and_times_reads_each_by_itself(prepare):
    times = [datetime(2026, 2, 1, tzinfo=UTC), KNOWN, None]
    write = prepare(frame(times, 3), mode=WriteMode.BULK, ingested_at_unit="us")
    assert [2] == [verdict.row for verdict in write.local]
    assert sorted([pd.Timestamp("2026-02-01T00:00Z").value, KNOWN * 1_000]) == sorted(ingested(write))
    without = prepare(frame(times, 3), mode=WriteMode.BULK)
    assert [1, 2] == [verdict.row for verdict in without.local]
    assert "ingested_at_unit=" in without.local[0].message


@pytest.mark.parametrize("container", ["list", "int64", "arrow"])
@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_a_number_beyond_the_years_is_a_problem_of_its_row(container, unit, prepare):
    """Also where it times its unit is beyond 64 bits: no time wraps around."""
    numbers = [2**63 - 1, -(2**63), 0]
    write = prepare(frame(CONTAINERS[container](numbers), 3), mode=WriteMode.BULK, ingested_at_unit=unit)
    wrong = [1] if unit == "ns" else [0, 1]  # the last microsecond before 1678 is not whole
    assert wrong == [verdict.row for verdict in write.local]
    assert {Reason.INVALID_TIME} >= {verdict.reason for verdict in write.local}


def test_an_unknown_unit_is_refused(prepare):
    with pytest.raises(InvalidInput, match="s, ms, us, ns"):
        prepare(frame([KNOWN]), mode=WriteMode.BULK, ingested_at_unit="minutes")


@pytest.mark.parametrize("container", ["list", "int64", "uint64", "arrow", "polars"])
def test_event_times_as_numbers_need_a_unit_in_every_container(container, prepare):
    frame = {"entity_id": ["a"], "timestamp": CONTAINERS[container]([T0]), "x": [1.0]}
    (prepared,) = prepare(frame, time_unit="us")
    assert [T0] == prepared.request.event_time.tolist()
    with pytest.raises(InvalidInput, match="time_unit="):
        prepare(frame, time_unit=None)


def test_the_requests_of_an_import_carry_its_number(prepare):
    """Of all chunks, and each time that they are made."""
    write = prepare(frame([KNOWN, KNOWN + 1], 2), mode=WriteMode.BULK, ingested_at_unit="us", batch_size=1)
    assert [None, None] == [each.request.import_number for each in write]
    for _ in range(2):
        assert [41, 41] == [each.request.import_number for each in write.numbered(41)]


def test_the_scope_of_an_import_is_that_of_the_rows_that_are_sent(prepare):
    """Features by name, first and last event and ingest time; bad rows do not count, and without rows there is none."""
    wide = {
        "entity_id": ["a", "b", "", "c"],
        "timestamp": [T0, T0 + 5, 0, T0 + 2],
        "ingested_at": [KNOWN, KNOWN - 3, 1, KNOWN],
        "y": [1, 2, 3, 4],
        "x": [1, 2, 3, 4],
    }
    options = {"mode": WriteMode.BULK, "ingested_at_unit": "us"}
    assert ImportScope(("x", "y"), T0, T0 + 5, KNOWN - 3, KNOWN) == prepare(wide, **options).scope
    long = {name: wide[name] for name in ("entity_id", "timestamp", "ingested_at")}
    long |= {"feature_name": ["y", "x", "z", "y"], "value": [1, 2, 3, 4]}
    assert ImportScope(("x", "y"), T0, T0 + 5, KNOWN - 3, KNOWN) == prepare(long, **options).scope
    assert prepare(wide | {"entity_id": [""] * 4}, **options).scope is None
    del wide["ingested_at"]
    assert prepare(wide).scope is None


def test_rows_that_differ_in_ingest_time_are_no_repeats_of_each_other(prepare):
    """However many corrections of one moment an import holds: each is sent."""
    count = 10_050
    many = {
        "entity_id": ["a"] * count,
        "timestamp": [T0] * count,
        "ingested_at": np.arange(count) + KNOWN,
        "x": np.zeros(count),
    }
    write = prepare(many, mode=WriteMode.BULK, ingested_at_unit="us")
    assert (0, 0) == (len(write.local), len(write.twins))
    assert (many["ingested_at"] * 1_000).tolist() == ingested(write)


def test_the_keys_of_a_part_are_equal_for_what_an_import_holds_once(prepare):
    """In every frame of the import; ingest times count to the microsecond, in a long frame the feature counts too."""
    base = {"entity_id": "a", "timestamp": T0, "ingested_at": KNOWN * 1_000, "feature_name": "x", "value": 1}
    others = [
        base | {"entity_id": "b"},
        base | {"timestamp": T0 + 1},
        base | {"ingested_at": (KNOWN + 1) * 1_000},
        base | {"feature_name": "y"},
        base | {"timestamp": KNOWN, "ingested_at": T0 * 1_000},
    ]
    same = [base, base | {"value": 2}, base | {"ingested_at": KNOWN * 1_000 + 999}]

    def part(rows):
        return frame_part(
            {name: [row[name] for row in rows] for name in base}, Mapping.of(time_unit="us", ingested_at_unit="ns")
        )

    (key,) = set(part(same).keys.tolist())
    assert 1 + len(others) == len({key, *part([*others, base]).keys.tolist()})
    wide = [{"entity_id": "a", "timestamp": T0, "ingested_at": KNOWN, "x": value} for value in (1, 2)]
    read = frame_part(
        {name: [row[name] for row in wide] for name in wide[0]}, Mapping.of(time_unit="us", ingested_at_unit="us")
    )
    assert 1 == len(set(read.keys.tolist()))
    assert ImportScope(("x",), T0, T0, KNOWN, KNOWN) == read.scope


def test_a_part_leaves_out_rows_that_cannot_be_sent():
    read = frame_part(frame([KNOWN, None, KNOWN + 1], 3), Mapping.of(time_unit="us", ingested_at_unit="us"))
    assert ([0, 2], 2) == (read.rows.tolist(), len(read.keys))
    plain = frame_part({"entity_id": ["a", ""], "timestamp": [T0, T0], "x": [1, 2]}, Mapping.of(time_unit="us"))
    assert ([0], None) == (plain.rows.tolist(), plain.scope)
