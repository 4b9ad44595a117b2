"""Wide frames: a column a feature, a row stands or falls as a whole."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.values import ValueType
from featurama_core.types.writes import WriteMode, WriteUnit

pytestmark = pytest.mark.unit

T0 = 1_767_225_600_000_000  # 2026-01-01
TIMES = pd.date_range("2026-01-01", periods=3, freq="h", tz="UTC")
IDS = ["char_fry", "char_leela", "char_bender"]
HOUR = 3_600_000_000


def wide(**features):
    return pd.DataFrame({"entity_id": IDS, "timestamp": TIMES, **features})


def test_every_column_becomes_a_column_of_its_own_type(prepare, unpack):
    frame = wide(speed=[1.5, 2.5, 3.5], count=[1, 2, 3], good=[True, False, True], name=["a", "b", "c"])
    kinds = {(feature, kind) for _, _, _, feature, kind, _ in unpack(prepare(frame))}
    assert {("speed", "double"), ("count", "int"), ("good", "bool"), ("name", "text")} == kinds


def test_rows_keep_their_order_and_unit(prepare):
    (prepared,) = prepare(wide(count=[1, 2, 3]))
    assert IDS == prepared.request.entity_ids
    assert [T0, T0 + HOUR, T0 + 2 * HOUR] == prepared.request.event_time.tolist()
    assert WriteUnit.ROW is prepared.request.unit
    assert [0, 1, 2] == prepared.rows.tolist()


EXPECTED = {
    (0, "char_fry", T0, "count", "int", 7),
    (1, "char_leela", T0 + HOUR, "count", "null", None),
    (2, "char_bender", T0 + 2 * HOUR, "count", "int", 9),
    (0, "char_fry", T0, "name", "text", "x"),
    (1, "char_leela", T0 + HOUR, "name", "null", None),
    (2, "char_bender", T0 + 2 * HOUR, "name", "text", "z"),
    (0, "char_fry", T0, "good", "bool", True),
    (1, "char_leela", T0 + HOUR, "good", "bool", False),
    (2, "char_bender", T0 + 2 * HOUR, "good", "null", None),
    (0, "char_fry", T0, "spot", "vector", (1.0, 2.0)),
    (1, "char_leela", T0 + HOUR, "spot", "null", None),
    (2, "char_bender", T0 + 2 * HOUR, "spot", "vector", (5.0, 6.0)),
}
TABLE = pa.table(
    {
        "entity_id": IDS,
        "timestamp": pa.array(TIMES),
        "count": pa.array([7, None, 9], pa.int32()),
        "name": ["x", None, "z"],
        "good": [True, False, None],
        "spot": pa.array([[1, 2], None, [5, 6]], pa.list_(pa.float32(), 2)),
    }
)


@pytest.mark.parametrize(
    "frame",
    [
        TABLE,
        TABLE.slice(0).combine_chunks().to_batches()[0],
        pa.concat_tables([TABLE.slice(0, 1), TABLE.slice(1)]),
        pl.from_arrow(TABLE),
        TABLE.to_pandas(types_mapper=pd.ArrowDtype),
        TABLE.to_pandas().astype({"count": "Int64", "name": "category", "good": "boolean"}),
        TABLE.to_pydict(),
        {
            "entity_id": np.array(IDS),
            "timestamp": np.array([T0, T0 + HOUR, T0 + 2 * HOUR]),
            "count": np.ma.MaskedArray([7, 0, 9], mask=[False, True, False]),
            "name": np.array(["x", None, "z"], dtype=object),
            "good": [True, False, None],
            "spot": np.ma.MaskedArray([[1.0, 2], [0, 0], [5, 6]], mask=[[0, 0], [1, 1], [0, 0]]),
        },
    ],
    ids=["arrow", "batch", "chunked", "polars", "pandas-arrow", "pandas", "lists", "numpy"],
)
def test_the_same_frame_of_any_library_gives_the_same_values(frame, prepare, unpack):
    """Integers with missing cells stay integers: the missing ones are nulls."""
    write = prepare(frame)
    assert [] == write.local
    assert EXPECTED == set(unpack(write))


def test_an_empty_cell_is_a_null_or_is_left_out(prepare, unpack):
    frame = wide(speed=[1.0, np.nan, 3.0], name=["a", None, pd.NA])
    nulls = [(row, feature) for row, _, _, feature, kind, _ in unpack(prepare(frame)) if kind == "null"]
    assert [(1, "speed"), (1, "name"), (2, "name")] == sorted(nulls, key=lambda null: (null[0], -len(null[1])))
    skipped = prepare(frame, nulls="skip")
    assert [(0, "speed"), (2, "speed"), (0, "name")] == [(value[0], value[3]) for value in unpack(skipped)]
    assert [1] == skipped.idle.tolist()


def test_a_slot_without_a_value_holds_zero(prepare):
    (prepared,) = prepare(wide(speed=[1.0, np.nan, 3.0], name=["a", None, "b"]))
    speed, name = prepared.request.columns
    assert [1.0, 0.0, 3.0] == speed.values.tolist()
    assert ["a", "", "b"] == name.values.tolist()


def test_a_column_of_empty_cells_is_written_as_nulls(prepare, unpack):
    values = unpack(prepare(wide(name=[None, None, None])))
    assert ["null"] * 3 == [kind for *_, kind, _ in values]


def test_values_of_several_types_become_several_columns(prepare):
    (prepared,) = prepare(wide(thing=pd.Series([True, 1, 2.5], dtype=object)))
    types = [column.value_type for column in prepared.request.columns]
    assert {ValueType.BOOL, ValueType.INT, ValueType.DOUBLE} == set(types)
    assert {"thing"} == {column.name for column in prepared.request.columns}
    assert (np.sum([column.status == 1 for column in prepared.request.columns], axis=0) == 1).all()


@pytest.mark.parametrize("strange", [2**63, {"a": 1}, b"raw", np.longdouble(1), 1j, ["a"], "\ud800", [1e300], []])
def test_a_cell_that_no_type_holds_costs_its_row_only(strange, prepare, unpack):
    column = pd.Series([1, strange, 3], dtype=object)
    write = prepare(wide(thing=column, other=[1, 2, 3]))
    (verdict,) = write.local
    assert (1, "thing") == (verdict.row, verdict.field)
    assert {0, 2} == {row for row, *_ in unpack(write)}


def test_unsigned_integers_beyond_64_bits_are_refused_by_row(prepare, unpack):
    write = prepare(wide(count=np.array([1, 2**63, 3], dtype=np.uint64)))
    assert [(1, Reason.TYPE_MISMATCH)] == [(verdict.row, verdict.reason) for verdict in write.local]
    assert [1, 3] == [value for *_, value in unpack(write)]


def test_vectors_of_different_lengths_are_sent_for_the_server_to_judge(prepare):
    (prepared,) = prepare(wide(spot=[[1.0, 2.0], [1.0, 2.0, 3.0], np.array([1, 2])]))
    assert [2, 3] == sorted(column.vector_length for column in prepared.request.columns)
    assert all(column.values.dtype == np.float32 for column in prepared.request.columns)


def test_rows_without_id_or_time_are_refused_by_row(prepare, unpack):
    frame = pd.DataFrame(
        {"entity_id": ["a", None, "c", ""], "timestamp": [*TIMES[:2], pd.NaT, TIMES[2]], "x": range(4)}
    )
    write = prepare(frame)
    reasons = [(verdict.row, verdict.reason) for verdict in write.local]
    assert [(1, Reason.INVALID_ENTITY_ID), (2, Reason.INVALID_TIME), (3, Reason.INVALID_ENTITY_ID)] == reasons
    assert [0] == [row for row, *_ in unpack(write)]


def test_naive_times_need_a_declared_zone(prepare):
    frame = wide(x=[1, 2, 3]).assign(timestamp=TIMES.tz_localize(None))
    with pytest.raises(InvalidInput) as refused:
        prepare(frame)
    assert Reason.NAIVE_TIME is refused.value.reason
    (prepared,) = prepare(frame, timezone="Europe/Berlin")
    assert T0 - HOUR == prepared.request.event_time[0]


@pytest.mark.parametrize("as_text", [False, True])
def test_a_time_that_its_zone_skips_or_has_twice_is_refused_by_row(as_text, prepare):
    times = ["2026-03-29 01:59", "2026-03-29 02:30", "2026-10-25 02:30"]
    column = times if as_text else pd.to_datetime(times)
    write = prepare(wide(x=[1, 2, 3]).assign(timestamp=column), timezone="Europe/Berlin")
    assert [(1, Reason.INVALID_TIME), (2, Reason.INVALID_TIME)] == [(each.row, each.reason) for each in write.local]


@pytest.mark.parametrize(
    "times",
    [
        [1, 2, 3],
        [np.int64(1), np.int64(2), np.int64(3)],
        np.array([1, 2, 3]),
        np.array([1.0, 2.0, 3.0]),
        ["1", "2.0", "3"],
    ],
)
def test_numbers_are_times_of_the_declared_unit(times, prepare):
    """Integers, doubles and texts of digits alike; without a unit they are refused."""
    frame = {"entity_id": IDS, "timestamp": times, "x": [1, 2, 3]}
    (prepared,) = prepare(frame, time_unit="s")
    assert [1_000_000, 2_000_000, 3_000_000] == prepared.request.event_time.tolist()
    with pytest.raises(InvalidInput, match="time_unit="):
        prepare(frame, time_unit=None)


def test_one_naive_time_among_zoned_ones_is_refused_by_row(prepare):
    times = ["2026-01-01T00:00Z", "2026-01-01T00:00", TIMES[2].to_pydatetime()]
    write = prepare({"entity_id": IDS, "timestamp": times, "x": [1, 2, 3]})
    assert [(1, Reason.NAIVE_TIME)] == [(verdict.row, verdict.reason) for verdict in write.local]


def test_times_finer_than_a_microsecond_are_floored(prepare):
    times = pd.to_datetime([1_999, -1, 0], unit="ns", utc=True)
    (prepared,) = prepare(wide(x=[1, 2, 3]).assign(timestamp=times))
    assert [1, -1, 0] == prepared.request.event_time.tolist()


@pytest.mark.parametrize("unit", ["s", "ms", "D"])
def test_coarse_times_are_microseconds(unit, prepare):
    times = np.array(["2026-01-01", "2026-01-02", "2500-01-01"], dtype=f"datetime64[{unit}]")
    (prepared,) = prepare({"entity_id": IDS, "timestamp": times, "x": [1, 2, 3]}, timezone="UTC")
    assert times.astype("datetime64[us]").view(np.int64).tolist() == prepared.request.event_time.tolist()


def test_times_beyond_the_calendar_are_refused_by_row(prepare):
    times = np.array(["2026-01-01", "200000-01-01", "-200000-01-01"], dtype="datetime64[s]")
    write = prepare({"entity_id": IDS, "timestamp": times, "x": [1, 2, 3]}, timezone="UTC")
    assert [1, 2] == [verdict.row for verdict in write.local]


def test_requests_hold_at_most_a_batch_and_have_ids_of_their_own(prepare):
    frame = {"entity_id": [f"e{i}" for i in range(25)], "timestamp": [T0] * 25, "x": list(range(25))}
    write = prepare(frame, batch_size=10)
    requests = [prepared.request for prepared in write]
    assert [10, 10, 5] == [len(request) for request in requests]
    ids = [request.request_id for request in requests]
    assert sorted(set(ids)) == ids


def test_rows_of_one_entity_and_time_are_never_parted(prepare):
    frame = {"entity_id": ["a", "b", "c", "a", "b", "a"], "timestamp": [T0] * 6, "x": list(range(6))}
    requests = [(p.request.entity_ids, p.rows.tolist()) for p in prepare(frame, batch_size=2)]
    assert [(["a"] * 3, [0, 3, 5]), (["b", "b"], [1, 4]), (["c"], [2])] == requests


def test_identical_rows_beyond_a_request_are_sent_once(prepare, unpack):
    count = 10_050
    frame = {"entity_id": ["a"] * count, "timestamp": [T0] * count, "x": [1] * (count - 1) + [2]}
    write = prepare(frame)
    assert [0, count - 1] == [row for row, *_ in unpack(write)]
    assert count - 2 == len(write.twins)


def test_different_rows_beyond_a_request_conflict(prepare, unpack):
    count = 10_050
    frame = {"entity_id": ["a"] * count + ["b"], "timestamp": [T0] * (count + 1), "x": list(range(count + 1))}
    write = prepare(frame)
    assert ["b"] == [entity for _, entity, *_ in unpack(write)]
    assert {Reason.CONFLICTING_DUPLICATE} == {verdict.reason for verdict in write.local}
    assert count == len(write.local)


def test_an_import_carries_its_ingest_times(prepare):
    known = pd.to_datetime(["2026-02-01", "2026-02-02", None], utc=True)
    with pytest.raises(InvalidInput, match="BULK"):
        prepare(wide(x=[1, 2, 3], ingested_at=known))
    write = prepare(wide(x=[1, 2, 3], ingested_at=known), mode=WriteMode.BULK)
    (prepared,) = write
    assert (
        known[:2].astype("int64").tolist()
        == (prepared.request.ingested_at // (1_000 if known.unit == "us" else 1)).tolist()
    )
    assert [2] == [verdict.row for verdict in write.local]


@pytest.mark.parametrize(
    ("frame", "named"),
    [
        ({"entity_id": ["a"], "x": [1]}, "timestamp"),
        ({"timestamp": [T0], "x": [1]}, "entity_id"),
        ({"entity_id": ["a"], "timestamp": [T0]}, "feature"),
        ({"entity_id": ["a"], "timestamp": [T0], "distance@2": [1]}, "version="),
        ({"entity_id": ["a"], "timestamp": [T0], "event_time": [1]}, "event_time"),
        ({"entity_id": ["a"], "timestamp": [T0], "Bad": [1]}, "Bad"),
        ({"entity_id": ["a"], "timestamp": [T0], "x": [1, 2]}, "length"),
        ({"entity_id": [1], "timestamp": np.array([True]), "x": [1]}, "timestamp"),
        ({"entity_id": np.array([1]), "timestamp": [T0], "x": [1]}, "entity_id"),
        (pl.LazyFrame({"entity_id": ["a"]}), "collect"),
        ([1, 2], "frame"),
        (pd.DataFrame({0: [1]}), "name"),
        (pd.DataFrame([[1, 2]], columns=["x", "x"]), "twice"),
    ],
)
def test_a_frame_that_cannot_be_written_is_refused_with_the_name_of_what_is_wrong(frame, named, prepare):
    with pytest.raises(InvalidInput, match=named):
        prepare(frame)


@pytest.mark.parametrize(
    "options",
    [
        {"version": 0},
        {"batch_size": 0},
        {"batch_size": 10_001},
        {"nulls": "drop"},
        {"timezone": "Mars/Dome"},
        {"mode": "atomic"},
    ],
)
def test_options_out_of_bounds_are_refused(options, prepare):
    with pytest.raises(InvalidInput):
        prepare(
            {"entity_id": ["a"], "timestamp": np.array([0], dtype="M8[us]"), "x": [1]},
            **({"timezone": "UTC"} | options),
        )


def test_a_version_is_said_of_every_column(prepare):
    (prepared,) = prepare(wide(x=[1, 2, 3], y=[1, 2, 3]), version=2)
    assert [2, 2] == [column.version for column in prepared.request.columns]


def test_an_empty_frame_makes_no_request(prepare):
    write = prepare(wide(x=[1, 2, 3]).iloc[:0])
    assert (0, []) == (write.rows, list(write))
