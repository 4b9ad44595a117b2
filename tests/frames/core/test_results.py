"""What reads answer with, in every shape."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from featurama_core.frames import tables
from featurama_core.frames.results import FeatureHistory, HistoricalFeatures, OnlineFeatures
from featurama_core.frames.spine import SpineColumns, label_rows
from featurama_core.types.column import Column
from featurama_core.types.errors import FailedPrecondition, InvalidInput
from featurama_core.types.values import Status, ValueType
from featurama_core.types.writes import WriteMode

pytestmark = pytest.mark.unit

T0 = 1_767_225_600_000_000
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


def column(name, value_type, values, *, status=(1, 2), reference=""):
    return Column(
        name,
        value_type,
        np.array(values, dtype=object) if value_type is ValueType.TEXT else np.array(values),
        np.array(status, dtype=np.uint8),
        np.array([T0, 0], dtype=np.int64),
        1,
        reference or f"{name}@1",
    )


def online(status=(Status.PRESENT, Status.NOT_FOUND)):
    return OnlineFeatures(
        entity_ids=["char_fry", "char_<b>"],
        columns=[
            column("speed", ValueType.DOUBLE, [1.5, 0.0], status=status),
            column("count", ValueType.INT, [7, 0], status=status),
            column("good", ValueType.BOOL, [True, False], status=status),
            column("name", ValueType.TEXT, ["x", ""], status=status),
            column("spot", ValueType.VECTOR, np.array([[1, 2], [0, 0]], dtype=np.float32), status=status),
        ],
        as_of_time=T0,
    )


def test_a_dict_holds_python_values_and_none():
    expected = {
        "entity_id": ["char_fry", "char_<b>"],
        "speed": [1.5, None],
        "count": [7, None],
        "good": [True, None],
        "name": ["x", None],
        "spot": [[1.0, 2.0], None],
    }
    assert expected == online().to_dict()


def test_statuses_and_event_times_come_when_asked_for():
    told = online().to_dict(statuses=True, event_times=True)
    assert ["PRESENT", "NOT_FOUND"] == told["speed__status"]
    assert [NEW_YEAR, None] == told["speed__event_time"]


def test_pandas_keeps_integers_whole():
    frame = online().to_pandas(event_times=True)
    assert ["float64", "Int64", "boolean"] == [str(frame[name].dtype) for name in ("speed", "count", "good")]
    assert "datetime64[us, UTC]" == str(frame["speed__event_time"].dtype)
    assert [False, True] == frame["name"].isna().tolist() == frame["spot"].isna().tolist()
    assert np.float32 == frame["spot"][0].dtype
    whole = online(status=(1, 1)).to_pandas()
    assert ["float64", "Int64", "boolean"] == [str(whole[name].dtype) for name in ("speed", "count", "good")]


def test_polars_has_its_own_types_and_nulls():
    frame = online().to_polars(event_times=True)
    types = [frame.schema[name] for name in ("speed", "count", "good", "name", "spot", "spot__event_time")]
    assert [pl.Float64, pl.Int64, pl.Boolean, pl.String, pl.Array(pl.Float32, 2), pl.Datetime("us", "UTC")] == types
    assert {1} == {frame[name].null_count() for name in ("speed", "count", "good", "name", "spot")}


def test_arrow_has_its_own_types_and_nulls():
    table = online().to_arrow(event_times=True)
    types = [str(table.schema.field(name).type) for name in ("speed", "count", "good", "name", "spot")]
    assert ["double", "int64", "bool", "string"] == types[:4]
    assert pa.list_(pa.float32(), 2) == table.schema.field("spot").type
    assert pa.timestamp("us", "UTC") == table.schema.field("speed__event_time").type
    assert [1.0, 2.0] == table["spot"][0].as_py()
    assert {1} == {table[name].null_count for name in ("speed", "count", "good", "name", "spot")}


def test_numpy_masks_what_has_no_empty_value():
    arrays = online().to_numpy(event_times=True)
    assert np.isnan(arrays["speed"][1])
    assert np.isnan(arrays["spot"][1]).all()
    assert [False, True] == arrays["count"].mask.tolist() == arrays["good"].mask.tolist()
    assert arrays["name"][1] is None
    assert np.isnat(arrays["speed__event_time"][1])


@pytest.mark.parametrize("shape", ["to_pandas", "to_polars", "to_arrow", "to_numpy", "to_dict", "_repr_html_"])
def test_no_rows_have_every_shape(shape):
    empty = [each.take(np.arange(0)) for each in online().columns]
    result = OnlineFeatures(entity_ids=[], columns=empty, as_of_time=T0)
    assert getattr(result, shape)() is not None
    assert 0 == len(result)


def test_a_shape_is_a_copy():
    result = online(status=(1, 1))
    result.to_numpy()["speed"][0] = 99
    frame = result.to_pandas()
    frame.loc[0, "count"] = 99
    result.to_dict()["entity_id"][0] = "x"
    assert [1.5, 7, "char_fry"] == [result.columns[0].values[0], result.columns[1].values[0], result.entity_ids[0]]


def test_html_is_escaped_and_short():
    rows = 30
    many = OnlineFeatures(
        ["<script>"] * rows, [column("x", ValueType.INT, [1, 2], status=(1, 1)).take(np.zeros(rows, dtype=int))], T0
    )
    text = many._repr_html_()
    assert "<script>" not in text
    assert 10 == text.count("&lt;script&gt;")


def test_two_versions_of_a_feature_are_named_by_their_references():
    columns = [column("x", ValueType.INT, [1, 2], reference=f"x@{version}") for version in (1, 2, 2)]
    assert ["entity_id", "x@1", "x@2"] == list(OnlineFeatures(["a", "b"], columns, T0).to_dict())


FRAMES = {
    "pandas": pd.DataFrame(
        {
            "note": pd.Categorical(["u", "v"]),
            "entity_id": ["a", "b"],
            "timestamp": pd.to_datetime(["2026-01-01", "2026-01-02"], utc=True).astype("datetime64[ns, UTC]"),
        },
        index=[7, 9],
    )
}
FRAMES["polars"] = pl.from_pandas(FRAMES["pandas"])
FRAMES["arrow"] = pa.Table.from_pandas(FRAMES["pandas"], preserve_index=False)


@pytest.mark.parametrize("kind", FRAMES)
@pytest.mark.parametrize("shape", ["pandas", "polars", "arrow"])
def test_label_rows_come_back_with_all_their_columns(kind, shape):
    labels = label_rows(FRAMES[kind], SpineColumns())
    assert (kind, ["a", "b"], [T0, T0 + 86_400_000_000]) == (labels.kind, labels.entity_ids, labels.event_time.tolist())
    result = HistoricalFeatures(labels.carried, [column("x", ValueType.INT, [1, 0])], T0)
    table = getattr(result, f"to_{shape}")()
    told = (
        table.to_pydict()
        if shape == "arrow"
        else {name: table[name].to_list() for name in table.columns}
        if (shape == "pandas")
        else table.to_dict(as_series=False)
    )
    assert ["note", "entity_id", "timestamp", "x"] == list(told)
    assert (["u", "v"], ["a", "b"]) == (told["note"], told["entity_id"])
    assert pd.to_datetime(told["timestamp"]).tolist() == FRAMES["pandas"]["timestamp"].tolist()
    if kind == shape == "pandas":
        pd.testing.assert_frame_equal(
            FRAMES["pandas"].reset_index(drop=True), table[["note", "entity_id", "timestamp"]]
        )
    assert ["u", "v"] == result.to_dict()["note"] == result.to_numpy()["note"].tolist()


@pytest.mark.parametrize(
    "ids", [["a", "b"], ("a", "b"), np.array(["a", "b"]), pd.Series(["a", "b"]), pl.Series(["a", "b"])]
)
def test_a_list_of_ids_has_one_time_for_all(ids):
    labels = label_rows(ids, SpineColumns.of(timestamp="2026-01-01T00:00:00Z"))
    result = HistoricalFeatures(labels.carried, [], T0)
    assert {"entity_id": ["a", "b"], "timestamp": [NEW_YEAR] * 2} == result.to_dict()
    assert "datetime64[us, UTC]" == str(result.to_pandas()["timestamp"].dtype)
    assert [5, 5] == label_rows(ids, SpineColumns(), now=5).event_time.tolist()


def test_a_frame_without_times_takes_one_for_all():
    labels = label_rows(FRAMES["pandas"].drop(columns="timestamp"), SpineColumns.of(timestamp=T0))
    assert ["note", "entity_id", "timestamp"] == list(labels.carried)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("char_fry", T0), "list"),
        ((["a"],), "timestamp"),
        ((["a", ""], T0), "label row 1"),
        (({"entity_id": ["a"]},), "timestamp"),
        (({"timestamp": [1]},), "entity_id"),
        (({"entity_id": ["a", "b"], "timestamp": [NEW_YEAR, None]},), "label row 1"),
        (({"entity_id": ["a", "b"], "timestamp": [T0, None]},), "time_unit="),
        (({"entity_id": ["a"], "timestamp": [T0]}, T0), "timestamp="),
        (({"entity_id": ["a"], "timestamp": ["2026-01-01"]},), "zone"),
    ],
)
def test_labels_that_cannot_be_read_are_refused_by_row(arguments, named):
    labels, *timestamp = arguments
    columns = SpineColumns.of(timestamp=timestamp[0] if timestamp else None)
    with pytest.raises(InvalidInput, match=named):
        label_rows(labels, columns)


def test_a_label_column_with_the_name_of_a_feature_is_refused():
    labels = label_rows({"entity_id": ["a"], "timestamp": [NEW_YEAR], "x": [1]}, SpineColumns())
    with pytest.raises(InvalidInput, match="'x'"):
        HistoricalFeatures(labels.carried, [column("x", ValueType.INT, [1, 0])], T0).to_dict()


def test_a_history_is_a_long_frame_that_can_be_imported(prepare, unpack):
    """The import floors its ingest times to the microsecond; the digits below are the import's number."""
    known = np.array([T0 * 1_000 + 123, T0 * 1_000 + 7], dtype=np.int64)
    values = column("speed", ValueType.DOUBLE, [1.5, 0.0])
    history = FeatureHistory(entity_id="a", column=values, ingested_at=known, as_of_time=T0)
    frame = history.to_pandas()
    assert ["entity_id", "feature_name", "timestamp", "value", "ingested_at"] == list(frame.columns)
    assert ["PRESENT", "NULL_VALUE"] == history.to_dict(statuses=True)["value__status"]
    for each in (frame, history.to_polars(), history.to_arrow()):
        (prepared,) = write = prepare(each, mode=WriteMode.BULK)
        assert [T0 * 1_000, T0 * 1_000] == prepared.request.ingested_at.tolist()
        assert {(0, "a", T0, "speed", "double", 1.5), (1, "a", 0, "speed", "null", None)} == set(unpack(write))


def test_a_library_that_is_not_there_is_named():
    with pytest.raises(FailedPrecondition, match="pip install no_such_frames"):
        tables.library("no_such_frames")
