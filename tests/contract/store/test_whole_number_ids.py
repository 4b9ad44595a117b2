"""Entities that a frame, a list or a file names by whole numbers: a declared cast reads them as ids."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from tests.opened import OpenedStore

from featurama_core.datasets.verify import verify
from featurama_core.store_datasets import rebuilt
from featurama_core.types.errors import InvalidInput

from .standing_clock import Unique

AT = "2026-01-01T00:00:00Z"
LATER = "2026-06-01T00:00:00Z"
LARGE = 9_007_199_254_740_993  # a double would change its last digit

Read = Callable[..., Any]


@pytest.fixture
async def bikes(store: OpenedStore, unique: Unique) -> str:
    """A feature with values of two stations."""
    name = unique("bikes")
    await store.register_feature(name, "int")
    await store.write_features({"entity_id": [str(LARGE), "7"], name: [3, 4]}, timestamp=AT)
    return name


async def online(store: OpenedStore, rows: Any, feature: str, **casts: Any) -> dict[str, list[Any]]:
    return (await store.get_online_features(rows, [feature], **casts)).to_dict()


async def as_of(store: OpenedStore, rows: Any, feature: str, **casts: Any) -> dict[str, list[Any]]:
    return (await store.get_historical_features(rows, [feature], LATER, **casts)).to_dict()


async def in_set(store: OpenedStore, rows: Any, feature: str, **casts: Any) -> dict[str, list[Any]]:
    return await (await store.training_set(rows, [feature], timestamp=LATER, **casts)).to_dict()


@pytest.mark.parametrize("read", [as_of, in_set])
@pytest.mark.parametrize("library", [dict, pd.DataFrame, pa.table])
async def test_a_cast_reads_a_column_of_whole_numbers_as_ids(
    store: OpenedStore, bikes: str, read: Read, library: Callable[..., Any]
) -> None:
    """No digit is lost, and the column comes back as it was given."""
    rows = library({"entity_id": [7, LARGE]})
    found = await read(store, rows, bikes, casts={"entity_id": "text"})
    assert ([7, LARGE], [4, 3]) == (found["entity_id"], found[bikes])


async def test_a_cast_reads_listed_numbers_as_ids(store: OpenedStore, bikes: str) -> None:
    """Without the cast the error shows the id as text."""
    assert [3, 4] == (await online(store, [LARGE, 7], bikes, casts={"entity_id": "text"}))[bikes]
    with pytest.raises(InvalidInput) as caught:
        await online(store, [LARGE], bikes)
    assert f"entity_ids[0]: entity_id must be text; give '{LARGE}', not {LARGE}" == caught.value.message


@pytest.mark.parametrize("read", [as_of, in_set])
async def test_the_error_of_a_column_of_numbers_names_the_cast(store: OpenedStore, bikes: str, read: Read) -> None:
    with pytest.raises(InvalidInput) as caught:
        await read(store, pd.DataFrame({"entity_id": [7]}), bikes)
    expected = "column entity_id holds int64; it must hold text; declare casts={'entity_id': 'text'}"
    assert expected == caught.value.message


@pytest.mark.parametrize("read", [online, as_of, in_set])
@pytest.mark.parametrize(
    ("casts", "message"),
    [
        ({"speed": "text"}, "casts names the column speed, which holds no entities and no times of the rows"),
        ({"entity_id": "str"}, "the cast of 'entity_id' is 'str'; it is one of bool, int, double, text"),
    ],
)
async def test_a_cast_of_another_column_or_of_no_kind_is_refused(
    store: OpenedStore, bikes: str, read: Read, casts: dict[str, str], message: str
) -> None:
    with pytest.raises(InvalidInput, match=message):
        await read(store, ["7"], bikes, casts=casts)


async def test_a_written_set_keeps_the_cast_in_its_manifest(store: OpenedStore, bikes: str, tmp_path: Path) -> None:
    """A verification reads the label rows again as they were read."""
    pyarrow.parquet.write_table(pa.table({"Station ID": [7, LARGE]}), tmp_path / "labels.parquet")
    training = await store.training_set(
        tmp_path / "labels.parquet",
        [bikes],
        entity_column="Station ID",
        timestamp=LATER,
        casts={"Station ID": "text"},
    )
    manifest = await training.write(tmp_path / "set.parquet")
    assert {"Station ID": "text"} == manifest.request["casts"]
    assert [4, 3] == pyarrow.parquet.read_table(tmp_path / "set.parquet").column(bikes).to_pylist()
    found = await verify(tmp_path / "set.parquet", partial(rebuilt, store.space))
    assert [] == [*found.problems, *found.differences]
