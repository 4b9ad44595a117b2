"""Directories of files: one table by column names, joined without loss; keys are judged file by file."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.feather
import pyarrow.ipc
import pyarrow.parquet
import pytest

from featurama_core.datasets.spine_sources import label_source
from featurama_core.files.layout import FileLayout
from featurama_core.frames.spine import SpineColumns
from featurama_core.frames.zones import TimeRules
from featurama_core.types.errors import InvalidInput, Reason

pytestmark = pytest.mark.unit

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
MILLIS, MICROS, TOKYO = pa.timestamp("ms", "UTC"), pa.timestamp("us", "UTC"), pa.timestamp("us", "Asia/Tokyo")
KEYS = {"entity_id": ["a"], "timestamp": [NOON]}


def written(folder: Path, **tables: Any) -> Path:
    for name, columns in tables.items():
        table = columns if isinstance(columns, pa.Table) else pa.table(columns)
        pa.parquet.write_table(table, folder / f"{name}.parquet")
    return folder


def read(path: Path, columns: SpineColumns | None = None, **layout: Any) -> pa.Table:
    source = label_source(path, columns or SpineColumns.of(), FileLayout.of(**layout))
    return pa.Table.from_batches(source.batches(), source.schema)


def column(path: Path, name: str = "x") -> tuple[str, list[object]]:
    found = read(path).column(name)
    return str(found.type), found.to_pylist()


def test_columns_are_matched_by_name(tmp_path: Path) -> None:
    """In any order; a file that lacks one has nulls there."""
    written(tmp_path, a=KEYS | {"x": [1], "y": ["u"]}, b={"y": ["v"], **KEYS, "z": [2.5], "x": [2]}, c=KEYS)
    rows = read(tmp_path).drop_columns(["timestamp", "entity_id"]).to_pylist()
    assert [{"x": 1, "y": "u", "z": None}, {"x": 2, "y": "v", "z": 2.5}, {"x": None, "y": None, "z": None}] == rows


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (pa.array([1], pa.int32()), pa.array([2**40]), ("int64", [1, 2**40])),
        (pa.array([1], pa.uint8()), pa.array([-1], pa.int8()), ("int64", [1, -1])),
        (pa.array([1], pa.uint8()), pa.array([2**64 - 1], pa.uint64()), ("uint64", [1, 2**64 - 1])),
        (pa.array([1]), pa.array([0.5]), ("double", [1.0, 0.5])),
        (pa.array([0.5], pa.float32()), pa.array([0.1]), ("double", [0.5, 0.1])),
        (pa.nulls(1), pa.array(["u"]), ("string", [None, "u"])),
        (pa.array(["u"]), pa.array(["v"], pa.large_string()), ("large_string", ["u", "v"])),
        (pa.array(["u"]), pa.array(["v"]).dictionary_encode(), ("string", ["u", "v"])),
        (pa.array([[1]]), pa.array([[0.5]]), ("list<item: double>", [[1.0], [0.5]])),
        (pa.array([NOON], MILLIS), pa.array([NOON], MICROS), ("timestamp[us, tz=UTC]", [NOON] * 2)),
        (pa.array([NOON], TOKYO), pa.array([NOON], MICROS), ("timestamp[us, tz=UTC]", [NOON] * 2)),
    ],
)  # fmt: skip
def test_types_are_joined_without_loss(tmp_path: Path, first: Any, second: Any, expected: Any) -> None:
    """Whichever file comes first."""
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    assert expected == column(written(tmp_path / "in", a=KEYS | {"x": first}, b=KEYS | {"x": second}))
    back = column(written(tmp_path / "out", a=KEYS | {"x": second}, b=KEYS | {"x": first}))
    assert (expected[0], expected[1][::-1]) == back


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (pa.array([1]), pa.array(["1"])),
        (pa.array([True]), pa.array([1])),
        (pa.array([date(2026, 1, 1)]), pa.array([NOON])),
        (pa.array([NOON]), pa.array([NOON.replace(tzinfo=None)])),
        (pa.array([2**53 + 1]), pa.array([0.5])),
        (pa.array([-1]), pa.array([2**64 - 1], pa.uint64())),
        (
            pa.array([datetime(9000, 1, 1, tzinfo=UTC).replace(tzinfo=None)], pa.timestamp("s")),
            pa.array([0], pa.timestamp("ns")),
        ),
    ],
    ids=["text", "bool", "date", "naive", "beyond 2^53", "beyond int64", "beyond nanoseconds"],
)
def test_types_that_would_lose_something_are_refused_with_both_files_named(
    tmp_path: Path, first: Any, second: Any
) -> None:
    """Also where the types could be joined but a value does not fit."""
    written(tmp_path, a=KEYS | {"x": first}, b=KEYS | {"x": second})
    with pytest.raises(InvalidInput) as refused:
        read(tmp_path)
    assert Reason.TYPE_MISMATCH is refused.value.reason
    assert all(named in refused.value.message for named in ("a.parquet", "b.parquet", "column x"))


def test_times_are_judged_file_by_file_before_they_are_joined(tmp_path: Path) -> None:
    """A naive file is of the declared zone, a zoned one of its own, numbers of the declared unit, in any order."""
    naive, moment = NOON.replace(tzinfo=None), int(NOON.timestamp())
    written(
        tmp_path, a={"entity_id": ["a"], "timestamp": [naive]}, b=KEYS, c={"entity_id": ["a"], "timestamp": [moment]}
    )
    (tmp_path / "d.csv").write_text("entity_id,timestamp\na,2026-07-01T14:00+02:00\n")
    table = read(tmp_path, SpineColumns.of(times=TimeRules("Europe/Berlin", "s")))
    assert [10, 12, 12, 12] == [each.hour for each in table.column("timestamp").to_pylist()]
    with pytest.raises(InvalidInput, match=r"^a\.parquet: column timestamp has no time zone"):
        read(tmp_path)
    with pytest.raises(InvalidInput, match=r"^c\.parquet: column timestamp holds numbers"):
        read(tmp_path, SpineColumns.of(times=TimeRules("Europe/Berlin")))


def test_a_file_that_lacks_a_key_is_named(tmp_path: Path) -> None:
    """It would have nulls there."""
    written(tmp_path, a=KEYS, b={"entity_id": ["a"]})
    with pytest.raises(InvalidInput, match=r"^b\.parquet: the label rows lack the column timestamp"):
        read(tmp_path)


def test_ids_of_another_type_are_refused_with_the_file_named(tmp_path: Path) -> None:
    """An integer id is not taken as its text because the other file holds text."""
    written(tmp_path, a=KEYS, b=KEYS | {"entity_id": [1]})
    with pytest.raises(InvalidInput, match=r"column entity_id is string in a.parquet and int64 in b.parquet"):
        read(tmp_path)


def test_folders_give_columns(tmp_path: Path) -> None:
    """Text unless a type is declared; %-escapes are read, and the name of no value is null."""
    for name in ("city=r%20m/day=01", "city=oslo/day=02", "city=__HIVE_DEFAULT_PARTITION__/day=03"):
        (tmp_path / name).mkdir(parents=True)
        written(tmp_path / name, x=KEYS | {"y": [1]})
    table = read(tmp_path)
    assert [(None, "03"), ("oslo", "02"), ("r m", "01")] == [(each["city"], each["day"]) for each in table.to_pylist()]
    assert [3, 2, 1] == read(tmp_path, types={"day": "int"}).column("day").to_pylist()


def test_a_column_of_a_folder_that_the_file_has_too_must_agree(tmp_path: Path) -> None:
    """polars writes it into both; a value that differs is named."""
    (tmp_path / "n=1").mkdir()
    written(tmp_path / "n=1", x=KEYS | {"n": [1]})
    assert ("int64", [1]) == column(tmp_path, "n")
    written(tmp_path / "n=1", x=KEYS | {"n": [2]})
    with pytest.raises(InvalidInput, match=r"n=1/x.parquet, row 0, column n: 2 differs from the folder n=1"):
        read(tmp_path)


def test_the_same_files_in_other_folders_are_other_rows(tmp_path: Path) -> None:
    """The fingerprint has the folders, and how the files were read."""
    prints = []
    for city in ("oslo", "rome"):
        (tmp_path / city / f"city={city}").mkdir(parents=True)
        written(tmp_path / city / f"city={city}", x=KEYS)
        prints.append(label_source(tmp_path / city, SpineColumns.of()).fingerprint())
    assert prints[0] != prints[1]
    declared = label_source(tmp_path / "rome", SpineColumns.of(), FileLayout.of({"city": "text"})).fingerprint()
    assert prints[1] != declared


@pytest.mark.parametrize("ending", ["parquet", "feather"])
def test_the_index_that_pandas_writes_is_no_column(tmp_path: Path, ending: str) -> None:
    """Named or not, as of the same frame in memory; a key that only the index has is taken from it."""
    frame = pd.DataFrame(KEYS | {"x": [1]}, index=pd.Index([7]))
    for name, each in {
        "unnamed": frame,
        "named": frame.rename_axis("number"),
        "key": frame.set_index("entity_id"),
    }.items():
        path = tmp_path / f"{name}.{ending}"
        table = pa.Table.from_pandas(each)
        pa.parquet.write_table(table, path) if ending == "parquet" else pa.feather.write_feather(table, path)
        assert [*KEYS, "x"] == read(path).column_names
        memory = label_source(table, SpineColumns.of()).schema.names if name != "key" else [*KEYS, "x"]
        assert [*KEYS, "x"] == memory


def test_arrow_files_and_streams_are_read(tmp_path: Path) -> None:
    """Also with categories as polars writes them."""
    table = pa.table(KEYS | {"x": [1]})
    with pa.ipc.new_stream(str(tmp_path / "a.arrows"), table.schema) as stream:
        stream.write_table(table)
    pl.from_arrow(table).with_columns(y=pl.lit("u").cast(pl.Categorical)).write_ipc(tmp_path / "b.arrow")
    assert [{"x": 1, "y": None}, {"x": 1, "y": "u"}] == read(tmp_path).select(["x", "y"]).to_pylist()


def test_a_column_twice_in_a_file_is_refused(tmp_path: Path) -> None:
    """One of them would win silently."""
    table = pa.Table.from_arrays(
        [pa.array(["a"]), pa.array([NOON]), pa.array([1]), pa.array([2])], ["entity_id", "timestamp", "x", "x"]
    )
    written(tmp_path, a=table)
    with pytest.raises(InvalidInput, match=r"a.parquet: column 'x' appears twice"):
        read(tmp_path)
