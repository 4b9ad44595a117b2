"""Long frames: a row a value, each judged by itself; and what holds for both shapes."""

from __future__ import annotations

import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.sent_units import units_sent

from featurama_core.frames.mapping import Mapping
from featurama_core.frames.writes import write_requests
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.request_ids import RequestIds
from featurama_core.types.writes import WriteMode, WriteUnit

pytestmark = pytest.mark.unit

T0 = 1_767_225_600_000_000


def long(rows):
    columns = list(zip(*rows, strict=True)) if rows else [[], [], [], []]
    return dict(zip(("entity_id", "feature_name", "value", "timestamp"), map(list, columns), strict=True))


def test_values_of_one_entity_and_time_share_a_request_row(prepare, unpack):
    frame = long([("a", "x", 1, T0), ("b", "x", 2, T0), ("a", "y", "z", T0)])
    (prepared,) = prepare(frame)
    assert WriteUnit.VALUE is prepared.request.unit
    assert ["a", "b"] == prepared.request.entity_ids
    assert 3 == units_sent(prepared.request)
    assert {(0, "a", T0, "x", "int", 1), (1, "b", T0, "x", "int", 2), (2, "a", T0, "y", "text", "z")} == set(
        unpack(prepare(frame))
    )


def test_an_empty_value_is_a_null_and_what_is_not_there_is_not_written(prepare, unpack):
    values = unpack(prepare(long([("a", "x", None, T0), ("a", "y", float("nan"), T0), ("b", "x", 1.5, T0)])))
    assert [(0, "null"), (1, "null"), (2, "double")] == sorted((row, kind) for row, _, _, _, kind, _ in values)


def test_repeated_values_of_one_key_go_in_one_request(prepare, unpack):
    """The k-th value of a feature is in the k-th row of its key, so that the server can judge all of them."""
    frame = long([("a", "x", 1, T0), ("b", "x", 5, T0), ("a", "x", 2, T0), ("a", "y", 3, T0), ("a", "x", 1, T0)])
    requests = list(prepare(frame, batch_size=1))
    assert [["a"] * 3, ["b"]] == [prepared.request.entity_ids for prepared in requests]
    assert [0, 1, 2, 3, 4] == sorted(row for row, *_ in unpack(prepare(frame)))


def test_a_bad_name_or_value_costs_its_row_only(prepare, unpack):
    frame = long([("a", "x@2", 1, T0), ("a", "x", b"raw", T0), ("a", None, 1, T0), ("a", "x", 4, T0)])
    write = prepare(frame)
    reasons = [(verdict.row, verdict.reason) for verdict in write.local]
    assert [(0, Reason.INVALID_NAME), (1, Reason.TYPE_MISMATCH), (2, Reason.INVALID_NAME)] == reasons
    assert [3] == [row for row, *_ in unpack(write)]


@pytest.mark.parametrize("missing", ["entity_id", "feature_name", "value", "timestamp"])
def test_a_long_frame_names_the_column_it_lacks(missing, prepare):
    frame = long([("a", "x", 1, T0)])
    del frame[missing]
    with pytest.raises(InvalidInput, match=missing):
        prepare(frame)


def test_a_long_frame_has_no_other_columns(prepare):
    with pytest.raises(InvalidInput, match="'colour'"):
        prepare(long([("a", "x", 1, T0)]) | {"colour": ["red"]})


def test_an_import_keeps_the_ingest_time_of_each_value(prepare):
    frame = long([("a", "x", 1, T0), ("a", "y", 2, T0), ("a", "x", 3, T0), ("a", "y", 4, T0)])
    imported = frame | {"ingested_at": pd.Series([10, 20, 30, 10])}
    told = {}
    for prepared in prepare(imported, mode=WriteMode.BULK, batch_size=1, ingested_at_unit="us"):
        for position, column in enumerate(prepared.request.columns):
            for row in range(len(prepared.request)):
                if column.status[row] == 1:
                    told[int(prepared.rows[position, row])] = int(prepared.request.ingested_at[row])
    assert {0: 10_000, 1: 20_000, 2: 30_000, 3: 10_000} == told


def test_folded_repeats_leave_one_of_each(prepare, unpack):
    frame = long([("a", "x", 1, T0)] * 10_020 + [("a", "y", 2, T0)])
    write = prepare(frame)
    assert {0, 10_020} == {row for row, *_ in unpack(write)}
    assert 10_019 == len(write.twins)


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), st.text("abc é", max_size=3)
)
KEYS = st.tuples(st.sampled_from(["a", "b", "c"]), st.integers(T0, T0 + 3))


@given(
    st.dictionaries(KEYS, st.tuples(VALUES, VALUES), min_size=1, max_size=12),
    st.integers(1, 5),
    st.sampled_from(["dict", "pandas"]),
)
@settings(max_examples=60, deadline=None)
def test_long_and_wide_of_the_same_data_give_the_same_values(data, batch_size, library):
    wide = {
        "entity_id": [entity for entity, _ in data],
        "timestamp": [time for _, time in data],
        "x": [x for x, _ in data.values()],
        "y": [y for _, y in data.values()],
    }
    rows = [(entity, name, v, t) for (entity, t), pair in data.items() for name, v in zip("xy", pair, strict=True)]
    frames = [wide, long(rows)]
    if library == "pandas":
        frames = [pd.DataFrame({name: pd.Series(c, dtype=object) for name, c in frame.items()}) for frame in frames]
        for frame in frames:
            frame["timestamp"] = pd.to_datetime(frame["timestamp"].astype("int64"), unit="us", utc=True)
    told = [_values(frame, batch_size) for frame in frames]
    assert len(rows) == len(told[0])
    assert told[0] == told[1]


def _values(frame, batch_size):
    values = []
    for prepared in write_requests(
        frame, batch_size=batch_size, request_ids=RequestIds(), mapping=Mapping.of(time_unit="us")
    ):
        request = prepared.request
        for column in request.columns:
            for row in range(len(request)):
                if column.status[row] != 3:
                    shown = repr(column.to_list()[row]), column.value_type if column.status[row] == 1 else 0
                    values.append((request.entity_ids[row], int(request.event_time[row]), column.name, *shown))
    return sorted(values)


ANY = st.one_of(VALUES, st.just(b"raw"), st.just(2**70), st.lists(st.floats(width=32, allow_nan=False), max_size=3))
LONG_ROWS = st.tuples(
    st.one_of(st.sampled_from(["a", "b", ""]), st.none()),
    st.sampled_from(["x", "y", "Bad"]),
    ANY,
    st.one_of(st.integers(T0, T0 + 1), st.none()),
)


@given(st.lists(LONG_ROWS, max_size=20), st.integers(1, 4), st.sampled_from(["write", "skip"]), st.booleans())
@settings(max_examples=100, deadline=None)
def test_every_row_is_in_exactly_one_unit(rows, batch_size, nulls, is_long):
    """Sent in one request, refused here, or idle: never two of them, never none."""
    frame = long(rows)
    if not is_long:
        frame = {"entity_id": frame["entity_id"], "timestamp": frame["timestamp"], "x": frame["value"]}
    write = write_requests(
        frame, batch_size=batch_size, nulls=nulls, request_ids=RequestIds(), mapping=Mapping.of(time_unit="us")
    )
    settled = [verdict.row for verdict in write.local] + write.idle.tolist() + write.twins[:, 0].tolist()
    for prepared in write:
        carried = prepared.frame_rows().tolist()
        assert units_sent(prepared.request) == len(carried)
        assert prepared.request.columns
        settled += carried
    assert list(range(len(rows))) == sorted(settled)


@given(st.data())
@settings(max_examples=25, deadline=None)
def test_the_callers_frame_is_never_changed(data):
    floats = data.draw(st.lists(st.floats(allow_nan=True), min_size=2, max_size=6))
    things = data.draw(st.lists(ANY, min_size=len(floats), max_size=len(floats)))
    frame = pd.DataFrame(
        {
            "entity_id": ["a"] * len(floats),
            "timestamp": pd.date_range("2026-01-01", periods=len(floats), tz="UTC"),
            "x": floats,
            "y": pd.Series(things, dtype=object),
        },
        index=range(5, 5 + len(floats)),
    )
    before, copy = frame.copy(deep=True), pl.DataFrame({"entity_id": frame["entity_id"].to_list(), "x": floats})
    list(write_requests(frame, request_ids=RequestIds(), mapping=Mapping.of(time_unit="us")))
    pd.testing.assert_frame_equal(before, frame)
    list(write_requests(copy.with_columns(timestamp=T0), request_ids=RequestIds(), mapping=Mapping.of(time_unit="us")))
    assert copy.equals(pl.DataFrame({"entity_id": frame["entity_id"].to_list(), "x": floats}), null_equal=True)
