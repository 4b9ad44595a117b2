"""Every result is converted alike: the same dtypes and the same exact values, whichever call found them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet
import pytest

from tests.opened import OpenedStore, open_store

HOUR = 3_600_000_000
START = 1_780_000_000_000_000
LARGE = 2**60 + 1
NAMES = ["amount", "count", "good", "note", "spot"]
PANDAS = {
    "amount": "float64",
    "count": "Int64",
    "good": "boolean",
    "note": "str",
    "spot": "object",
    "count__status": "str",
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
    """Carried columns beside nulls and without."""
    return pa.table(
        {
            "entity_id": ["full", "void"],
            "timestamp": pa.array([START + HOUR] * 2).cast(pa.timestamp("us", "UTC")),
            "large": pa.array([LARGE, None], pa.int64()),
            "small": pa.array([7, None], pa.int8()),
            "sure": pa.array([None, True]),
            "whole": pa.array([LARGE, LARGE + 2]),
            "word": ["u", None],
            "local": pa.array([START, None]).cast(pa.timestamp("ms", "Europe/Berlin"), safe=False),
        }
    )


CARRIED = {"large": "Int64", "small": "Int8", "sure": "boolean", "whole": "int64", "word": "str"}


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
                shown = [None if isinstance(each, float) and np.isnan(each) else each for each in shown]
            if column == "spot":
                assert np.float32 == shown[0].dtype
                shown = [None if each is None else each.tolist() for each in shown]
            assert VALUES[column] == shown, (name, column)
            assert VALUES[column] == polars[column].to_list(), (name, column)
        assert [pd.Timestamp(START, unit="us", tz="UTC")] * 2 == pandas["count__event_time"].tolist()


async def test_without_nulls_integers_and_truth_values_are_numpys(store: OpenedStore) -> None:
    rows = labels().slice(0, 1)
    past = await store.get_historical_features(rows, NAMES)
    built = await store.training_set(rows, NAMES)
    for frame in (await asyncio.to_thread(past.to_pandas), await built.to_pandas()):
        assert ["int64", "bool"] == [str(frame[name].dtype) for name in ("count", "good")]


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


async def test_columns_of_a_pandas_frame_come_back_with_their_dtypes(store: OpenedStore) -> None:
    """Of historical features and of a training set, nullable integers without nulls and categories among them."""
    times = pd.to_datetime([START + HOUR] * 2, unit="us", utc=True)
    given = pd.DataFrame(
        {
            "entity_id": ["full", "void"],
            "timestamp": times.astype("datetime64[ns, UTC]"),
            "large": pd.array([LARGE, None], dtype="Int64"),
            "whole": pd.array([1, 2], dtype="Int64"),
            "kind": pd.Categorical(["u", "v"], ordered=True),
            "rate": np.array([0.5, np.nan], dtype=np.float32),
            "text": pd.array(["x", None], dtype="string"),
        }
    )
    for frame in (
        (await store.get_historical_features(given, NAMES)).to_pandas(),
        await (await store.training_set(given, NAMES)).to_pandas(),
    ):
        pd.testing.assert_frame_equal(given, frame[list(given.columns)])


@pytest.mark.parametrize(
    ("column", "dtype", "expected"),
    [
        ([LARGE, None], "Int64", [LARGE, None]),
        (np.ma.MaskedArray([LARGE, 0], mask=[False, True]), "Int64", [LARGE, None]),
        (pl.Series([LARGE, None]), "Int64", [LARGE, None]),
        (pa.array([LARGE, None]), "Int64", [LARGE, None]),
        ([None, False], "boolean", [None, False]),
        (["x", None], "str", ["x", None]),
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
    assert expected == made.to_polars()["y"].to_list() == made.to_numpy()["y"].tolist()
    assert made.to_numpy()["y"].dtype != np.float64


async def test_a_history_has_the_same_dtypes(store: OpenedStore) -> None:
    page = await store.get_feature_history("full", "count")
    assert "int64" == str(page.to_pandas()["value"].dtype)
    assert [LARGE] == page.to_pandas()["value"].tolist() == page.to_polars()["value"].to_list()
    void = (await store.get_feature_history("void", "count")).to_pandas(statuses=True)
    assert ["Int64", "str", "datetime64[us, UTC]"] == [
        str(void[name].dtype) for name in ("value", "value__status", "timestamp")
    ]
