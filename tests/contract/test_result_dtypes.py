"""Every result is converted alike: the same dtypes and the same exact values, whichever call found them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet
import pytest

from featurama_core.frames.schemas import facts_of
from featurama_core.types.errors import InvalidInput
from tests.opened import OpenedStore, open_store

HOUR = 3_600_000_000
START = 1_780_000_000_000_000
LARGE = 2**60 + 1
NAMES = ["amount", "count", "good", "note", "spot"]
PANDAS = {
    "amount": "float64",
    "count": "Int64",
    "good": "boolean",
    "note": "string",
    "spot": "object",
    "count__status": "string",
    "count__event_time": "datetime64[us, UTC]",
}
POLARS = {
    "amount": pl.Float64(),
    "count": pl.Int64(),
    "good": pl.Boolean(),
    "note": pl.String(),
    "spot": pl.Array(pl.Float32(), 2),
    "count__status": pl.String(),
    "count__event_time": pl.Datetime("us", "UTC"),
}
VALUES = {
    "amount": [0.1, None],
    "count": [LARGE, None],
    "good": [True, None],
    "note": ["x", None],
    "spot": [[1.5, 2.0], None],
}


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[OpenedStore]:
    """`full` has a value of every type, `void` nulls."""
    async with open_store(f"sqlite:///{tmp_path / 'store'}") as opened:
        for name, kind in zip(NAMES, ("double", "int", "bool", "text"), strict=False):
            await opened.register_feature(name, kind)
        await opened.register_feature("spot", "vector[2]")
        frame = {"entity_id": ["full", "void"], "timestamp": [START, START]}
        await opened.write_features(frame | VALUES, time_unit="us")
        yield opened


def labels() -> Any:
    """Carried columns beside nulls and without; those without have the same dtypes."""
    return pa.table(
        {
            "entity_id": ["full", "void"],
            "timestamp": pa.array([START + HOUR] * 2).cast(pa.timestamp("us", "UTC")),
            "large": pa.array([LARGE, None], pa.int64()),
            "small": pa.array([7, None], pa.int8()),
            "sure": pa.array([None, True]),
            "whole": pa.array([LARGE, LARGE + 2]),
            "word": ["u", None],
            "local": pa.array([START // 1_000, None]).cast(pa.timestamp("ms", "Europe/Berlin"), safe=False),
        }
    )


CARRIED = {"large": "Int64", "small": "Int8", "sure": "boolean", "whole": "Int64", "word": "string"}


async def results(store: OpenedStore, path: Path) -> dict[str, tuple[Any, Any]]:
    """The answer of each call as a pandas and as a polars frame, with statuses and event times."""
    shown = {"statuses": True, "event_times": True}
    pyarrow.parquet.write_table(labels(), path)
    online = await store.get_online_features(["full", "void"], NAMES)
    past = await store.get_historical_features(labels(), NAMES)
    found = {"online": online, "historical": past}
    built = {
        "training set": await store.training_set(labels(), NAMES, **shown),  # type: ignore[arg-type]
        "training set of a file": await store.training_set(path, NAMES, **shown),  # type: ignore[arg-type]
    }
    # A zone is read from a file.
    frames = await asyncio.to_thread(
        lambda: {name: (each.to_pandas(**shown), each.to_polars(**shown)) for name, each in found.items()}
    )
    return frames | {name: (await each.to_pandas(), await each.to_polars()) for name, each in built.items()}


async def test_a_value_type_has_one_dtype_and_its_exact_values_in_every_result(
    store: OpenedStore, tmp_path: Path
) -> None:
    """2^60 + 1 beside a null, a bool beside a null, vectors, text and times: online, historical and training set."""
    for name, (pandas, polars) in (await results(store, tmp_path / "l.parquet")).items():
        assert PANDAS == {column: str(pandas[column].dtype) for column in PANDAS}, name
        assert POLARS == {column: polars.schema[column] for column in POLARS}, name
        for column in NAMES:
            shown = [None if each is pd.NA or each is None else each for each in pandas[column]]
            if column in ("amount", "note"):
                shown = [None if each != each else each for each in shown]
            if column == "spot":
                assert np.float32 == shown[0].dtype
                shown = [None if each is None else each.tolist() for each in shown]
            assert VALUES[column] == shown, (name, column)
            assert VALUES[column] == polars[column].to_list(), (name, column)
        assert [pd.Timestamp(START, unit="us", tz="UTC")] * 2 == pandas["count__event_time"].tolist()


async def test_a_dtype_does_not_depend_on_nulls(store: OpenedStore) -> None:
    """A row in which every value is present has the dtypes of one in which none is."""
    for row in (0, 1):
        rows = labels().slice(row, 1)
        past = await store.get_historical_features(rows, NAMES)
        built = await store.training_set(rows, NAMES)
        for frame in (await asyncio.to_thread(past.to_pandas), await built.to_pandas()):
            assert {name: PANDAS[name] for name in NAMES} == {name: str(frame[name].dtype) for name in NAMES}
            assert CARRIED == {column: str(frame[column].dtype) for column in CARRIED}


async def test_carried_columns_keep_what_they_came_with(store: OpenedStore, tmp_path: Path) -> None:
    """Arrow, a file and polars: integers beside nulls keep every digit, and zones their names."""
    polars = pl.from_arrow(labels())
    assert isinstance(polars, pl.DataFrame)
    frames = {name: pandas for name, (pandas, _) in (await results(store, tmp_path / "l.parquet")).items()}
    past = await store.get_historical_features(polars, NAMES)
    frames["polars, historical"] = await asyncio.to_thread(past.to_pandas)
    frames["polars, training set"] = await (await store.training_set(polars, NAMES)).to_pandas()
    del frames["online"]
    for name, frame in frames.items():
        assert CARRIED == {column: str(frame[column].dtype) for column in CARRIED}, name
        assert "datetime64[ms, Europe/Berlin]" == str(frame["local"].dtype), name
        assert (LARGE, 7, True) == (frame["large"][0], frame["small"][0], frame["sure"][1]), name
        assert [False, True] == frame["large"].isna().tolist(), name
        assert [LARGE, LARGE + 2] == frame["whole"].tolist(), name


def pandas_labels() -> pd.DataFrame:
    """One column per dtype that people have, beside missing values where it can have them."""
    times = pd.to_datetime([START + HOUR] * 2, unit="us", utc=True)
    return pd.DataFrame(
        {
            "entity_id": pd.array(["full", "void"], dtype="str"),
            "timestamp": times.astype("datetime64[ns, UTC]"),
            "large": pd.array([LARGE, None], dtype="Int64"),
            "whole": pd.array([1, 2], dtype="Int64"),
            "plain": np.array([LARGE, 2]),
            "byte": np.array([1, 2], dtype=np.uint8),
            "sure": np.array([True, False]),
            "kind": pd.Categorical(["u", None], ordered=True),
            "rate": np.array([0.5, np.nan], dtype=np.float32),
            "text": pd.array(["x", None], dtype="string"),
            "python": np.array(["x", None], dtype=object),
            "price": np.array([Decimal("1.50"), None], dtype=object),
            "at": pd.to_datetime(["2026-01-01", None]).astype("datetime64[ms]"),
            "took": pd.to_timedelta([1, 2], unit="ms").astype("timedelta64[us]"),
        },
        index=[7, 9],
    )


async def test_columns_of_a_pandas_frame_come_back_with_their_dtypes(store: OpenedStore, tmp_path: Path) -> None:
    """Of historical features, of a training set, and of its files, which pandas reads. Frames have the index too."""
    given = pandas_labels()
    past = await store.get_historical_features(given, NAMES)
    built = await store.training_set(given, NAMES)
    await built.write(tmp_path / "set")
    await built.write(tmp_path / "set.arrow")
    with_index = {"historical", "training set"}
    frames = {
        "historical": past.to_pandas(),
        "historical, by Arrow": past.to_arrow().to_pandas(),
        "training set": await built.to_pandas(),
        "training set, by Arrow": (await built.to_arrow()).to_pandas(),
        "Parquet": await asyncio.to_thread(pd.read_parquet, tmp_path / "set"),
        "Arrow": await asyncio.to_thread(pd.read_feather, tmp_path / "set.arrow"),
    }
    for name, frame in frames.items():
        expected = given if name in with_index else given.reset_index(drop=True)
        found = frame[list(expected.columns)]
        assert expected.dtypes.astype(str).to_dict() == found.dtypes.astype(str).to_dict(), name
        pd.testing.assert_frame_equal(expected, found)
        assert {each: PANDAS[each] for each in NAMES} == {each: str(frame[each].dtype) for each in NAMES}, name


async def test_texts_of_a_polars_frame_are_of_a_type_that_every_reader_knows(store: OpenedStore) -> None:
    """polars has views of strings, which older readers of Parquet do not know."""
    frame = pl.from_arrow(labels())
    past = await store.get_historical_features(frame, NAMES)
    built = await store.training_set(frame, NAMES)
    for table in (past.to_arrow(), await built.to_arrow()):
        assert {pa.large_string()} == {table.schema.field(name).type for name in ("entity_id", "word")}


async def test_every_result_is_an_arrow_stream(store: OpenedStore) -> None:
    """polars, pyarrow and DuckDB take it as a table."""
    online = await store.get_online_features(["full", "void"], NAMES)
    past = await store.get_historical_features(labels(), NAMES)
    history = await store.get_feature_history("full", "count")
    for result in (online, past, history):
        table = await asyncio.to_thread(result.to_arrow)
        assert table.equals(pa.table(result))
        assert table.equals(pa.RecordBatchReader.from_stream(result).read_all())
        shown = pl.from_arrow(table)
        assert isinstance(shown, pl.DataFrame)
        assert shown.equals(pl.DataFrame(result))
    with duckdb.connect() as engine:
        engine.register("online", online)
        assert [(LARGE,), (None,)] == engine.sql('SELECT "count" FROM online').fetchall()


async def test_a_table_names_its_features(store: OpenedStore) -> None:
    """With versions and types, in the metadata of its schema."""
    past = await store.get_historical_features(labels(), ["count", "spot"])
    built = await store.training_set(labels(), ["count@1", "spot"])
    expected = [
        {"column": "count", "reference": "count@1", "type": "int"},
        {"column": "spot", "reference": "spot@1", "type": "vector[2]"},
    ]
    for table in (past.to_arrow(statuses=True), await built.to_arrow()):
        assert expected == facts_of(table.schema)["features"]
    (history,) = facts_of((await store.get_feature_history("full", "count")).to_arrow().schema)["features"]
    assert {"column": "value", "reference": "count@1", "type": "int"} == history


@pytest.mark.parametrize(
    ("column", "dtype", "expected"),
    [
        ([LARGE, None], "Int64", [LARGE, None]),
        (np.ma.MaskedArray([LARGE, 0], mask=[False, True]), "Int64", [LARGE, None]),
        (pl.Series([LARGE, None]), "Int64", [LARGE, None]),
        (pa.array([LARGE, None]), "Int64", [LARGE, None]),
        ([None, False], "boolean", [None, False]),
        (["x", None], "string", ["x", None]),
        (np.array(["x", "y"]), "string", ["x", "y"]),
        ([7, 8], "Int64", [7, 8]),
        (np.array([1.5, 2.5], dtype=np.float32), "float32", [1.5, 2.5]),
    ],
    ids=str,
)
async def test_columns_of_a_mapping_keep_every_digit(
    store: OpenedStore, column: Any, dtype: str, expected: list[Any]
) -> None:
    """Lists, masked arrays, polars and Arrow columns, in pandas, polars and numpy."""
    given = {"entity_id": ["full", "void"], "timestamp": [START + HOUR] * 2, "y": column}
    made = await store.get_historical_features(given, ["count"], time_unit="us")
    frame = made.to_pandas()
    assert dtype == str(frame["y"].dtype)
    assert expected == [None if each is pd.NA or each != each else each for each in frame["y"]]
    assert expected == made.to_polars()["y"].to_list() == made.to_numpy()["y"].tolist() == made.to_dict()["y"]
    assert made.to_numpy()["y"].dtype != np.float64


async def test_a_history_has_the_same_dtypes(store: OpenedStore) -> None:
    page = await store.get_feature_history("full", "count")
    assert "Int64" == str(page.to_pandas()["value"].dtype)
    assert [LARGE] == page.to_pandas()["value"].tolist() == page.to_polars()["value"].to_list()
    void = (await store.get_feature_history("void", "count")).to_pandas(statuses=True)
    assert ["Int64", "string", "datetime64[us, UTC]"] == [
        str(void[name].dtype) for name in ("value", "value__status", "timestamp")
    ]


async def test_arrays_and_lists_of_carried_columns_show_what_is_missing_alike(store: OpenedStore) -> None:
    """numpy: masked, NaT or None; lists: None; from pandas, polars and Arrow."""
    table = labels().append_column("tags", pa.array([["a"], None]))
    given = {"arrow": table, "polars": pl.from_arrow(table), "pandas": table.to_pandas(types_mapper={
        pa.int64(): pd.Int64Dtype(), pa.int8(): pd.Int8Dtype(), pa.bool_(): pd.BooleanDtype()
    }.get)}  # fmt: skip
    local = datetime.fromtimestamp(START // 1_000_000, UTC)
    for name, frame in given.items():
        past = await store.get_historical_features(frame, ["count"])
        arrays, lists = await asyncio.to_thread(past.to_numpy), await asyncio.to_thread(past.to_dict)
        assert [False, True] == arrays["large"].mask.tolist() == arrays["small"].mask.tolist(), name
        assert (LARGE, np.int8) == (arrays["large"][0], arrays["small"].dtype), name
        assert ["u", None] == arrays["word"].tolist() == lists["word"], name
        assert [False, True] == np.isnat(arrays["local"]).tolist(), name
        assert ([LARGE, None], [7, None], [None, True]) == (lists["large"], lists["small"], lists["sure"]), name
        assert [local, None] == lists["local"], name
        assert None is lists["tags"][1], name


async def test_periods_and_intervals_of_pandas_come_back(store: OpenedStore) -> None:
    """They are extension types of Arrow, which pandas defines."""
    frame = pd.DataFrame(
        {"entity_id": ["full", "void"], "timestamp": pd.to_datetime([START + HOUR] * 2, unit="us", utc=True)}
    )
    frame["month"], frame["range"] = pd.period_range("2026-01", periods=2, freq="M"), pd.interval_range(0, 2)
    built = await store.training_set(frame, ["count"])
    pd.testing.assert_frame_equal(frame[["month", "range"]], (await built.to_pandas())[["month", "range"]])


async def test_a_column_that_a_library_or_format_cannot_hold_is_named(store: OpenedStore, tmp_path: Path) -> None:
    """A column of the caller of a type that pandas, polars, Parquet or CSV lack; files are refused before any read."""
    mixed = pa.UnionArray.from_sparse(pa.array([0, 1], pa.int8()), [pa.array([1, 2]), pa.array(["a", "b"])])
    table = labels().append_column("mixed", mixed)
    past, built = await store.get_historical_features(table, ["count"]), await store.training_set(table, ["count"])
    for made, library in ((past.to_pandas, "pandas"), (past.to_polars, "polars"), (past.to_numpy, "numpy")):
        with pytest.raises(InvalidInput, match=rf"{library} cannot hold the column mixed, which is sparse_union"):
            await asyncio.to_thread(made)
    for file_format in ("parquet", "csv", "arrow", "arrows"):
        with pytest.raises(InvalidInput, match=rf"{file_format} files cannot hold the column mixed, which is sparse"):
            await built.write(tmp_path / "built", format=file_format)  # type: ignore[arg-type]
    assert [] == await asyncio.to_thread(lambda: list(tmp_path.glob("*built*")))


async def test_columns_that_a_csv_has_no_form_for_are_texts_or_refused(store: OpenedStore, tmp_path: Path) -> None:
    """Times within lists are texts, bytes are texts if they are UTF-8, other bytes are refused by name."""
    words = labels().append_column("raw", pa.array([b"x", None])).append_column("days", pa.array([[START], None]).cast(
        pa.list_(pa.timestamp("us", "UTC"))
    ))  # fmt: skip
    built = await store.training_set(words, ["count"])
    await built.write(tmp_path / "built.csv")
    lines = (tmp_path / "built.csv").read_text().splitlines()
    assert (True, True) == ('"x"' in lines[1], "2026-05-28" in lines[1])
    other = await store.training_set(labels().append_column("raw", pa.array([b"x", b"\xff"])), ["count"])
    with pytest.raises(InvalidInput, match="the column raw has bytes that are not UTF-8"):
        await other.write(tmp_path / "other.csv")
