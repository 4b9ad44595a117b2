"""What leaves a store, embedded or behind servers: dtypes, tables without rows, files that others read."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset
import pyarrow.ipc
import pyarrow.parquet
import pytest

from featurama import FeatureStore
from featurama.errors import InvalidInput
from featurama_core.datasets.verify import verify
from featurama_core.frames.schemas import facts_of, named_features

AT = datetime(2026, 1, 1, tzinfo=UTC)
LARGE = 2**53 + 1
TYPES = {"amount": "double", "count": "int", "good": "bool", "note": "text", "spot": "vector[2]"}
DTYPES = {"amount": "float64", "count": "Int64", "good": "boolean", "note": "string", "spot": "object"}
VALUES: dict[str, list[Any]] = {
    "amount": [0.5, None],
    "count": [LARGE, None],
    "good": [True, None],
    "note": ["x", None],
    "spot": [[1.5, 2.0], None],
}


class Filled:
    """Two things, one without values, whose reference `home` names the other."""

    def __init__(self, store: FeatureStore, unique: Callable[[str], str]) -> None:
        self.store = store
        self.unique = unique
        self.ids = [unique("full"), unique("void")]

    async def fill(self) -> None:
        unique, store = self.unique, self.store
        await store.register_entity_type(unique("thing"))
        await store.register_feature_group(unique("things"), unique("thing"))
        for name, kind in TYPES.items():
            await store.register_feature(unique(name), kind, group=unique("things"))
        await store.register_feature(unique("home"), "text", group=unique("things"), references=unique("thing"))
        values = {unique(name): given for name, given in VALUES.items()}
        home = {unique("home"): [self.ids[0]] * 2}
        await store.write_features({"entity_id": self.ids, "timestamp": [AT] * 2, **values, **home})

    @property
    def features(self) -> list[str]:
        """All features but the reference, and one path."""
        return [*map(self.unique, TYPES), self.path]

    @property
    def path(self) -> str:
        return f"{self.unique('home')}.{self.unique('count')}"

    def labels(self) -> Any:
        """A row per thing with a carried integer beside a null."""
        times = pa.array([datetime(2026, 2, 1, tzinfo=UTC)] * 2, pa.timestamp("us", "UTC"))
        large = pa.array([LARGE, None], pa.int64())
        return pa.table({"entity_id": self.ids, "timestamp": times, "large": large})


@pytest.fixture
async def filled(either_store: FeatureStore, unique: Callable[[str], str]) -> Filled:
    made = Filled(either_store, unique)
    await made.fill()
    return made


async def test_every_result_has_the_dtypes_of_one_table(filled: Filled) -> None:
    """With nulls and without: online, historical, a set, a history."""
    store, unique, kinds = filled.store, filled.unique, DTYPES
    for rows in (filled.labels(), filled.labels().slice(0, 1)):
        online = await store.get_online_features(rows.column("entity_id").to_pylist(), filled.features)
        past = await store.get_historical_features(rows, filled.features)
        built = await store.training_set(rows, filled.features)
        for frame in (online.to_pandas(), past.to_pandas(), await built.to_pandas()):
            expected = {unique(name): dtype for name, dtype in kinds.items()} | {filled.path: "Int64"}
            assert expected == {name: str(frame[name].dtype) for name in expected}
            assert "string" == str(frame["entity_id"].dtype)
            assert LARGE == frame[unique("count")][0] == frame[filled.path][0]
        carried = past.to_pandas()[["timestamp", "large"]]
        assert ["datetime64[us, UTC]", "Int64"] == [str(each) for each in carried.dtypes]
        arrow = await built.to_arrow()
        assert past.to_arrow().equals(arrow)
        assert pl.DataFrame(past).equals(await built.to_polars())
        assert await asyncio.to_thread(past.to_dict) == await built.to_dict()
        arrays = await built.to_numpy()
        assert {name: each.dtype for name, each in past.to_numpy().items()} == {n: a.dtype for n, a in arrays.items()}
    for name, dtype in kinds.items():
        history = (await store.get_feature_history(filled.ids[0], unique(name))).to_pandas()
        assert [dtype, "datetime64[us, UTC]"] == [str(history[each].dtype) for each in ("value", "timestamp")]


async def test_without_label_rows_a_set_has_no_rows_and_all_columns(filled: Filled, tmp_path: Path) -> None:
    """A frame, a file, a CSV, a list of ids; also `known_at` of the rows, with statuses; as files that verify."""
    store, rows = filled.store, filled.labels().slice(0, 0)
    expected = [*rows.column_names, *filled.features]
    for past in (
        await store.get_historical_features(rows, filled.features),
        await store.get_historical_features(rows, filled.features, known_at="label"),
    ):
        frame = past.to_pandas()
        assert (0, expected) == (len(frame), list(frame.columns))
        assert "Int64" == str(frame[filled.path].dtype)
    ids = await store.get_historical_features([], filled.features)
    assert (0, filled.features) == (len(ids), list(ids.to_dict())[2:])
    await asyncio.to_thread(pyarrow.parquet.write_table, rows, tmp_path / "l.parquet")
    await asyncio.to_thread((tmp_path / "l.csv").write_text, "entity_id,timestamp,large\n")
    untyped = pd.DataFrame({"entity_id": [], "timestamp": [], "large": []})
    assert 0 == len(await store.get_historical_features(untyped, filled.features))
    for labels in (rows, tmp_path / "l.parquet", tmp_path / "l.csv", untyped):
        for known_at in (None, "label"):
            built = await store.training_set(labels, filled.features, known_at=known_at)  # type: ignore[arg-type]
            table = await built.to_arrow()
            assert (0, expected) == (table.num_rows, table.column_names)
            assert pa.int64() == table.schema.field(filled.path).type
    with_statuses = await store.training_set(rows, filled.features, statuses=True, event_times=True)
    assert 0 == len(await with_statuses.to_pandas())
    assert "0 label rows" in str(plan := await with_statuses.explain()) or "no label rows" in str(plan)
    for out in ("set", "set.parquet", "set.csv", "set.arrow", "set.arrows"):
        manifest = await with_statuses.write(tmp_path / out)
        assert (0, None, 1) == (manifest.rows, manifest.content["time_range"], len(manifest.files))
        assert (await verify(tmp_path / out)).is_good
    assert 0 == len(await asyncio.to_thread(pd.read_parquet, tmp_path / "set"))
    lonely = filled.unique("lonely")
    await store.register_entity_type(lonely)
    await store.register_feature(lonely, "int", entity_type=lonely)
    table = await (await store.training_set(features=[lonely], entity_type=lonely)).to_arrow()
    assert (0, ["entity_id", "timestamp", lonely]) == (table.num_rows, table.column_names)
    of_type, named = {filled.unique("thing"): "who"}, rows.rename_columns(["who", "timestamp", "large"])
    table = await (await store.training_set(named, filled.features, entity_columns=of_type)).to_arrow()
    in_role = [f"{filled.unique('thing')}.{each}" for each in filled.features]
    assert (0, [*named.column_names, *in_role]) == (table.num_rows, table.column_names)


async def test_a_directory_of_a_set_is_read_by_others_as_it_lies(filled: Filled, tmp_path: Path) -> None:
    """By polars, pandas, DuckDB and pyarrow, without options: the directory has nothing but its parts."""
    built = await filled.store.training_set(filled.labels(), filled.features)
    await built.write(tmp_path / "set")
    expected = await built.to_arrow()

    def read() -> None:
        folder = tmp_path / "set"
        assert ["part-00000.parquet"] == [path.name for path in folder.iterdir()]
        assert (tmp_path / "set.manifest.json").is_file()
        assert pl.read_parquet(folder).equals(pl.DataFrame(expected))
        assert pl.scan_parquet(folder).collect().equals(pl.DataFrame(expected))
        assert pyarrow.dataset.dataset(folder).to_table().equals(expected)
        pd.testing.assert_frame_equal(expected.to_pandas(), pd.read_parquet(folder))
        assert "Int64" == str(pd.read_parquet(folder)["large"].dtype)
        with duckdb.connect() as engine:
            found = engine.sql(f"SELECT large, \"{filled.path}\" FROM read_parquet('{folder}/*.parquet')").fetchall()
        assert [(LARGE, LARGE), (None, LARGE)] == found

    await asyncio.to_thread(read)


async def test_files_name_their_features_and_the_request_of_their_manifest(filled: Filled, tmp_path: Path) -> None:
    """In the schema's metadata: each column's pinned reference and type, and the hash that the manifest has too."""
    count = filled.unique("count")
    built = await filled.store.training_set(filled.labels(), [count, filled.path])
    features = [
        {"column": count, "reference": f"{count}@1", "type": "int"},
        {"column": filled.path, "reference": f"{filled.unique('home')}@1.{count}@1", "type": "int"},
    ]
    for out, opened in (
        ("set.parquet", pyarrow.parquet.read_schema),
        ("set.arrow", lambda path: pyarrow.ipc.open_file(path).schema),
        ("set.arrows", lambda path: pyarrow.ipc.open_stream(path).schema),
    ):
        manifest = await built.write(tmp_path / out)
        schema = await asyncio.to_thread(opened, tmp_path / out)
        assert features == named_features(schema)
        assert manifest.content["request_sha256"] == facts_of(schema)["request_sha256"]
        assert (await verify(tmp_path / out)).is_good
    text = await asyncio.to_thread((tmp_path / "set.arrow.manifest.json").read_text)
    content = json.loads(text)
    content["request"]["known_at"] = "label"
    await asyncio.to_thread((tmp_path / "set.arrow.manifest.json").write_text, json.dumps(content))
    assert "the SHA-256 of its request differs" in (await verify(tmp_path / "set.arrow")).problems[0]


async def test_a_set_with_its_manifest_in_the_directory_is_still_read(filled: Filled, tmp_path: Path) -> None:
    """As earlier versions wrote it; and through a link to the directory."""
    built = await filled.store.training_set(filled.labels(), filled.features)
    await built.write(tmp_path / "set")
    await asyncio.to_thread((tmp_path / "link").symlink_to, tmp_path / "set")
    assert (await verify(tmp_path / "link")).is_good
    await asyncio.to_thread((tmp_path / "set.manifest.json").rename, tmp_path / "set" / "_manifest.json")
    assert (await verify(tmp_path / "set")).is_good
    await built.write(tmp_path / "set", overwrite=True)
    assert ["part-00000.parquet"] == [path.name for path in await asyncio.to_thread(list, (tmp_path / "set").iterdir())]
    assert (await verify(tmp_path / "set")).is_good


async def test_dots_in_column_names_can_be_another_text(filled: Filled, tmp_path: Path) -> None:
    """In columns, statuses, files and the manifest. A clash that it makes is refused."""
    store, home, count = filled.store, filled.unique("home"), filled.unique("count")
    made = {"column_separator": "__", "statuses": True}
    built = await store.training_set(filled.labels(), [count, filled.path], **made)  # type: ignore[arg-type]
    names = [count, f"{count}__status", f"{home}__{count}", f"{home}__{count}__status"]
    assert names == (await built.to_arrow()).column_names[3:]
    manifest = await built.write(tmp_path / "set")
    assert [names[0], names[2]] == [each["name"] for each in manifest.features]
    assert (await verify(tmp_path / "set")).is_good
    taken = filled.labels().append_column(names[2], pa.array([1, 2]))
    with pytest.raises(InvalidInput, match=f"the label column '{names[2]}' and the feature '{filled.path}'"):
        await store.training_set(taken, [filled.path], column_separator="__")
    with pytest.raises(InvalidInput, match="column_separator is empty"):
        await store.training_set(filled.labels(), [filled.path], column_separator="")


@pytest.mark.parametrize("suffix", [".arrows", ".arrow"])
async def test_arrow_streams_are_read_beside_arrow_files(filled: Filled, tmp_path: Path, suffix: str) -> None:
    """Whichever of both a file is: other tools write streams to files named .arrow."""
    file = tmp_path / f"labels{suffix}"

    def write() -> None:
        with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_stream(sink, filled.labels().schema) as stream:
            stream.write_table(filled.labels(), max_chunksize=1)

    await asyncio.to_thread(write)
    built = await (await filled.store.training_set(file, filled.features)).to_arrow()
    assert built.equals(await (await filled.store.training_set(filled.labels(), filled.features)).to_arrow())
    await asyncio.to_thread(file.write_bytes, (await asyncio.to_thread(file.read_bytes))[:-200])
    with pytest.raises(InvalidInput, match=f"labels{suffix} cannot be read as {suffix[1:]}"):
        await (await filled.store.training_set(file, filled.features)).to_arrow()


async def test_plans_and_manifests_are_shown_as_text(filled: Filled, tmp_path: Path) -> None:
    """Rows, features with their nulls and ranges, files; the reads with reasons, or the calls to servers."""
    count = filled.unique("count")
    built = await filled.store.training_set(filled.labels(), [count])
    manifest = await built.write(tmp_path / "set")
    shown = str(manifest).splitlines()
    assert "2 rows from 2026-02-01T00:00:00.000000Z to 2026-02-01T00:00:00.000000Z" == shown[0]
    assert [count, f"{count}@1", "int", "1", f"{LARGE:,}", f"{LARGE:,}"] == shown[4].split()
    assert shown[-2].startswith("part-00000.parquet  2 ")
    assert f"manifest sha256 {manifest.sha256}" == shown[-1]
    plan = str(await built.explain())
    assert "2 label rows in 1 call to servers" in plan or ("because" in plan and "2 label rows of 2 entities" in plan)
