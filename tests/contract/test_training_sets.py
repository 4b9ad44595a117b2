"""Training sets over the embedded store: sources, interruption, planning, files and their manifest."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from featurama import sync
from featurama_core.datasets.dataset import RecordedRequest, TrainingDataset
from featurama_core.datasets.files import format_of, new_file, sha256_of
from featurama_core.datasets.progress import Progress
from featurama_core.datasets.spine_sources import label_source
from featurama_core.datasets.verify import verify
from featurama_core.frames.spine import SpineColumns
from featurama_core.retrieval import spilled
from featurama_core.retrieval.plan import ReadPlan
from featurama_core.retrieval.sizes import Sizes
from featurama_core.retrieval.spilled import SpilledRetrieval
from featurama_core.retrieval.visibility import ReadBounds
from featurama_core.storage.settings import StorageSettings
from featurama_core.store_datasets import rebuilt
from featurama_core.types.errors import Conflict, FailedPrecondition, InvalidInput
from tests.opened import OpenedStore, open_store

from .interrupted import built_in_pieces
from .opened_files import OpenedFiles

HOUR = 3_600_000_000
START = 1_780_000_000_000_000
FEATURES = ["speed", "home", "home.mood", "note"]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[OpenedStore]:
    """40 things with 60 hours of values, in three months; each has a home, which changes."""
    async with open_store(StorageSettings(f"sqlite:///{tmp_path / 'store'}")) as opened:
        await opened.register_entity_type("thing")
        await opened.register_feature_group("moves", "thing", ttl="40d")
        await opened.register_feature_group("moods", "thing")
        await opened.register_feature("speed", "double", group="moves")
        await opened.register_feature("note", "text", group="moves")
        await opened.register_feature("home", "text", group="moods", references="thing")
        await opened.register_feature("mood", "int", group="moods")
        rows = np.arange(2_400)
        ids = [f"thing_{row % 40:02}" for row in rows]
        at = START + rows // 40 * 36 * HOUR
        await opened.write_features(
            {
                "entity_id": ids,
                "timestamp": at,
                "speed": [None if row % 7 == 0 else float(row) for row in rows],
                "note": [f"n{row}" for row in rows],
            },
            time_unit="us",
        )
        home = [f"thing_{(row * 7) % 40:02}" for row in rows]
        await opened.write_features({"entity_id": ids, "timestamp": at, "home": home, "mood": rows}, time_unit="us")
        yield opened


def labels(rows: int = 500) -> Any:
    """Things, one of them unknown, at times around what is stored."""
    draw = np.random.default_rng(3)
    return pa.table(
        {
            "entity_id": [f"thing_{each:02}" for each in draw.integers(0, 41, rows)],
            "timestamp": pa.array(START + draw.integers(-10, 2_200, rows) * HOUR).cast(pa.timestamp("us", "UTC")),
            "y": draw.random(rows),
        }
    )


def write_labels(file: Path) -> None:
    table = labels()
    with new_file(file, table.schema, format_of(file, None)) as write:
        write(table)


async def small_parts(store: OpenedStore, source: Any, features: list[str] | None = None) -> TrainingDataset:
    """A set of parts of 60 rows, joined in four passes."""
    columns = SpineColumns()
    begin = partial(
        SpilledRetrieval,
        store.space,
        ReadPlan.of(await store.space.resolve(features or FEATURES)),
        ReadBounds(None, store.now()),
        values_only=True,
        memory=1,
        strategy="auto",
        sizes=Sizes(part_rows=60, shards=4),
    )
    asked = RecordedRequest(tuple(FEATURES), None, None, statuses=False, event_times=False)
    return TrainingDataset(begin, await asyncio.to_thread(label_source, source, columns), columns, asked)


async def test_every_kind_of_labels_gives_the_same_set(store: OpenedStore, tmp_path: Path) -> None:
    """pandas, polars, Arrow, a mapping, Parquet, CSV and Arrow files, and a directory of parts."""
    table = labels()

    def write_files() -> None:
        pyarrow.parquet.write_table(table, tmp_path / "l.parquet")
        (tmp_path / "parts").mkdir()
        pyarrow.parquet.write_table(table.slice(0, 200), tmp_path / "parts" / "1.parquet")
        pyarrow.parquet.write_table(table.slice(200), tmp_path / "parts" / "2.parquet")
        times = [each.isoformat() for each in table.column("timestamp").to_pylist()]
        pyarrow.csv.write_csv(table.set_column(1, "timestamp", pa.array(times)), tmp_path / "l.csv")
        with pa.OSFile(str(tmp_path / "l.arrow"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as file:
            file.write_table(table)

    await asyncio.to_thread(write_files)
    kinds = [table, table.to_pandas(), pl.from_arrow(table), dict(zip(table.column_names, table.columns, strict=True))]
    kinds += [tmp_path / "l.parquet", tmp_path / "l.csv", str(tmp_path / "l.arrow"), tmp_path / "parts"]
    expected = (await store.get_historical_features(table, FEATURES)).to_pandas()
    for kind in kinds:
        made = await store.training_set(kind, FEATURES)
        built = await made.to_pandas()
        pd.testing.assert_frame_equal(expected[FEATURES], built[FEATURES], check_dtype=False)
        # A column of a CSV is text unless its type is declared.
        numbers = built["y"].astype("float64") if str(kind).endswith("l.csv") else built["y"]
        assert numbers.tolist() == table.column("y").to_pylist()


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".arrow"])
@pytest.mark.parametrize("known_at", [None, "label"])
async def test_a_label_file_is_read_once_a_build(
    store: OpenedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, known_at: Any
) -> None:
    """Opened once for its columns when the set is asked for, and once for all its rows, keys and its hash: by the
    build, or before it where the newest row says which versions are meant. A path is followed without reading again.
    """
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    file = tmp_path / f"l{suffix}"
    await asyncio.to_thread(write_labels, file)
    with OpenedFiles([file]) as opened:
        made = await store.training_set(file, ["speed@1", "home@1.mood@1"], known_at=known_at)
        asked = opened.count()
        manifest = await made.write(tmp_path / "new" / "set")
        built = opened.count()
    expected = ({file.name: 1}, {file.name: 1}) if known_at is None else ({file.name: 2}, {})
    assert expected == (asked, built)
    sha256 = await asyncio.to_thread(sha256_of, file)
    assert manifest.request["labels"] == {"kind": "files", "files": [{"name": file.name, "sha256": sha256}]}
    assert (await made.to_arrow()).num_rows == manifest.rows == 500
    left = await asyncio.to_thread(lambda: [*(tmp_path / "new").glob(".*"), *(tmp_path / "temporary").iterdir()])
    assert [] == left


async def test_a_text_of_a_label_file_may_hold_line_breaks(store: OpenedStore, tmp_path: Path) -> None:
    """Wherever a block of the file ends: here it can hardly end outside such a text."""
    rows = 10_000
    text = "line\n" * 100
    table = pa.table({"entity_id": ["thing_01"] * rows, "timestamp": ["2026-09-01T00:00:00Z"] * rows})
    table = table.append_column("why", pa.array([f"{row}:{text}" for row in range(rows)]))
    await asyncio.to_thread(pyarrow.csv.write_csv, table, tmp_path / "l.csv")
    built = await (await store.training_set(tmp_path / "l.csv", ["note"])).to_arrow()
    assert table.column("why").to_pylist() == built.column("why").to_pylist()


async def test_only_what_is_empty_in_a_text_column_of_a_csv_is_null(store: OpenedStore, tmp_path: Path) -> None:
    """NA is a country: as an id, and as a text that is carried, whatever stands beside it."""
    day = "2026-09-01T00:00:00Z"
    file = tmp_path / "l.csv"
    await asyncio.to_thread(
        file.write_text, f'entity_id,timestamp,why,y\nNA,{day},null,NA\nnull,{day},,2.5\n"nan",{day},so,\n'
    )
    built = await (await store.training_set(file, ["note"])).to_arrow()
    assert built.column("entity_id").to_pylist() == ["NA", "null", "nan"]
    assert built.column("why").to_pylist() == ["null", None, "so"]
    assert built.column("y").to_pylist() == ["NA", "2.5", None]
    with pytest.raises(InvalidInput, match=r"^l\.csv, row 0, column y: 'NA' is not double"):
        await (await store.training_set(file, ["note"], types={"y": "double"})).to_arrow()
    await asyncio.to_thread(file.write_text, f"entity_id,timestamp\nthing_01,{day}\n,{day}\n")
    with pytest.raises(InvalidInput, match=r"l\.csv, row 1: entity_id is missing"):
        await (await store.training_set(file, ["note"])).to_arrow()


async def test_a_declared_column_that_the_labels_lack_is_refused(store: OpenedStore, tmp_path: Path) -> None:
    """In a file and in a frame, with what there is; and declarations without label rows are."""
    rows = {"entity_id": ["thing_01"], "timestamp": ["2026-09-01T00:00:00Z"], "stars": [1]}
    await asyncio.to_thread(pyarrow.csv.write_csv, pa.table(rows), tmp_path / "l.csv")
    for labels in (rows, tmp_path / "l.csv"):
        with pytest.raises(InvalidInput, match=r"types names the column 'star',.* did you mean 'stars'"):
            await store.training_set(labels, ["note"], types={"star": "int"})
        with pytest.raises(InvalidInput, match=r"the column 'z',.* there are entity_id, timestamp, stars"):
            await store.training_set(labels, ["note"], types={"z": "int"})
        with pytest.raises(InvalidInput, match="casts names the column z"):
            await store.training_set(labels, ["note"], casts={"z": "text"})
    for declared in ({"types": {"z": "int"}}, {"casts": {"z": "text"}}):
        with pytest.raises(InvalidInput, match="are of labels=; give these too"):
            await store.training_set(features=["note"], entity_type="entity", **declared)  # type: ignore[arg-type]


async def test_columns_of_other_names_are_taken_and_kept(store: OpenedStore) -> None:
    """The entity and the time may have any name; a second entity column is carried like any other."""
    table = labels().rename_columns(["who", "when", "y"])
    made = await store.training_set(table, ["speed"], entity_column="who", time_column="when")
    assert (await made.to_arrow()).column_names == ["who", "when", "y", "speed"]


@pytest.mark.parametrize("noted_every", [-1.0, 1e9])
async def test_a_build_that_is_interrupted_goes_on_and_ends_the_same(
    store: OpenedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, noted_every: float
) -> None:
    """Cancelled after each report in turn: nothing is at the target, and what was finished and noted (at once, or only
    with the parts) is not done again.
    """
    monkeypatch.setattr(spilled, "_NOTED_EVERY", noted_every)
    whole = await (await small_parts(store, labels())).write(tmp_path / "whole")
    resumed, stages = await built_in_pieces(lambda: small_parts(store, labels()), tmp_path / "set")
    assert stages.count("labels") == 1
    assert [(each["name"], each["sha256"]) for each in whole.files] == [
        (each["name"], each["sha256"]) for each in resumed.files
    ]
    assert whole.features == resumed.features
    left = await asyncio.to_thread(lambda: [path.name for path in tmp_path.glob(".*")])
    assert left == []


async def test_a_set_that_could_not_be_put_in_place_is_put_there_when_it_is_resumed(
    store: OpenedStore, tmp_path: Path
) -> None:
    """The manifest comes first, so that a target that exists is complete. No part is written again."""
    (tmp_path / "set").symlink_to(tmp_path / "nowhere")
    with pytest.raises(NotADirectoryError):
        await (await small_parts(store, labels())).write(tmp_path / "set")
    assert (tmp_path / "set.manifest.json").is_file()
    parts = tmp_path / ".set.building" / "parts"
    finished = await asyncio.to_thread(lambda: {path.name: path.stat().st_ino for path in parts.iterdir()})
    (tmp_path / "set").unlink()
    manifest = await (await small_parts(store, labels())).write(tmp_path / "set", resume=True)
    left = await asyncio.to_thread(lambda: {path.name: path.stat().st_ino for path in (tmp_path / "set").iterdir()})
    assert finished == left
    assert len(manifest.files) == len(left) == 9
    assert (await verify(tmp_path / "set")).is_good


async def test_another_request_does_not_go_on_with_the_work_of_the_last(store: OpenedStore, tmp_path: Path) -> None:
    def interrupt(progress: Progress) -> None:
        if progress.stage == "writing":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await (await small_parts(store, labels())).write(tmp_path / "set", progress=interrupt)
    made = await small_parts(store, labels(120), ["speed"])
    manifest = await made.write(tmp_path / "set", resume=True)
    assert (manifest.rows, [each["name"] for each in manifest.features]) == (120, ["speed"])


async def test_a_target_is_built_by_one_call_at_a_time(store: OpenedStore, tmp_path: Path) -> None:
    """The second is refused, and the first is not disturbed; afterwards the target is free again."""
    second = await small_parts(store, labels(120), ["speed"])
    loop = asyncio.get_running_loop()
    others: list[Future[object]] = []

    def build_too(_: Progress) -> None:
        if not others:
            others.append(asyncio.run_coroutine_threadsafe(second.write(tmp_path / "set", overwrite=True), loop))

    manifest = await (await small_parts(store, labels())).write(tmp_path / "set", progress=build_too)
    with pytest.raises(Conflict, match="set is being built by another call"):
        await asyncio.wrap_future(others[0])
    assert 9 == len(manifest.files)
    assert (await verify(tmp_path / "set")).is_good
    assert 120 == (await second.write(tmp_path / "set", overwrite=True)).rows
    assert [] == await asyncio.to_thread(lambda: list(tmp_path.glob(".*")))


async def test_few_rows_are_read_by_seeks_and_few_entities_by_lookups(store: OpenedStore) -> None:
    """`explain` names the way and the reason, and counts what will be read."""
    made = await store.training_set(labels(), ["speed", "note"])
    plan = await made.explain()
    assert {read.strategy for read in plan.reads} == {"seek"}
    many = await store.training_set(pa.concat_tables([labels()] * 40), ["speed", "note"])
    assert {read.strategy for read in (await many.explain()).reads} == {"lookup"}
    assert (plan.label_rows, plan.label_entities, plan.partitions) == (500, 41, len(plan.reads))
    scanned = await store.training_set(labels(), ["speed", "note"], strategy="scan")
    assert {(read.strategy, read.reason) for read in (await scanned.explain()).reads} == {("scan", "as requested")}


async def test_explain_estimates_whom_a_reference_names(store: OpenedStore) -> None:
    """40 targets are met again and again in a sample, so there are no others; as many targets as rows are told too."""
    plan = await (await store.training_set(labels(20_000), ["home.mood"])).explain()
    own, path = (set(), set())
    for read in plan.reads:
        (path if read.via else own).add((read.group, read.via, read.sampled))
    assert (own, path) == ({("moods", "", 0)}, {("moods", "home@1", 500)})
    assert max(read.entities for read in plan.reads if read.via) == 40
    assert plan.paths == ("home@1.mood@1",)

    ids = [f"new_{row}" for row in range(3_000)]
    at = [START + HOUR] * 3_000
    await store.write_features(
        {"entity_id": ids, "timestamp": at, "home": ids[::-1], "mood": range(3_000)}, time_unit="us"
    )
    rows = pa.table({"entity_id": ids, "timestamp": pa.array(at).cast(pa.timestamp("us", "UTC"))})
    plan = await (await store.training_set(rows, ["home.mood"])).explain()
    assert [(read.via, read.entities) for read in plan.reads if read.via] == [("home@1", 3_000)]
    assert all(3_000 <= read.rows < 3_200 for read in plan.reads)
    empty = await (await store.training_set(rows.slice(0, 0), ["home.mood"])).explain()
    assert (empty.label_rows, empty.parts, empty.reads) == (0, 0, ())


async def test_the_files_of_every_format_hold_the_same_rows(store: OpenedStore, tmp_path: Path) -> None:
    """A directory of parts, or one file where the name says so; the manifest counts the nulls."""
    made = await store.training_set(labels(), ["speed"])
    table = await made.to_arrow()
    for name in ("set", "set.parquet", "set.arrow", "set.csv"):
        manifest = await made.write(tmp_path / name)
        assert manifest.rows == 500
        assert manifest.features[0]["nulls"] == table.column("speed").null_count
        assert (await verify(tmp_path / name)).is_good
    read = await asyncio.to_thread(pyarrow.parquet.read_table, tmp_path / "set")
    assert read.equals(table)
    assert (await asyncio.to_thread(pyarrow.csv.read_csv, tmp_path / "set.csv")).num_rows == 500
    with pytest.raises(Conflict):
        await made.write(tmp_path / "set")


async def test_a_set_that_is_built_again_is_the_same_until_something_is_deleted(
    store: OpenedStore, tmp_path: Path
) -> None:
    """Through a path too: the target's deletion explains it."""
    await (await store.training_set(labels(), FEATURES)).write(tmp_path / "set")
    assert (await verify(tmp_path / "set", partial(rebuilt, store.space))).differences == ()
    await store.delete_feature_values("thing_07", ["mood"])
    found = await verify(tmp_path / "set", partial(rebuilt, store.space))
    assert {(each.column, each.cause) for each in found.differences or ()} == {("home.mood", "deletion")}
    assert found.is_good
    at = START + np.arange(60) * 36 * HOUR
    await store.write_features(
        {"entity_id": ["thing_01"] * 60, "timestamp": at, "speed": np.full(60, 1e6)}, time_unit="us"
    )
    found = await verify(tmp_path / "set", partial(rebuilt, store.space))
    assert {each.cause for each in found.differences or ()} == {"deletion", "later_writes"}
    assert not found.is_good


async def test_what_cannot_work_is_refused_before_anything_is_read(store: OpenedStore) -> None:
    table = labels(10)
    with pytest.raises(FailedPrecondition, match="known_at is"):
        await store.training_set(table, ["speed"], known_at=store.now())
    with pytest.raises(InvalidInput, match="the label column 'speed' and the feature 'speed' have one name"):
        await store.training_set(table.rename_columns(["entity_id", "timestamp", "speed"]), ["speed"])
    with pytest.raises(InvalidInput, match="lack the column who"):
        await store.training_set(table, ["speed"], entity_column="who")
    with pytest.raises(InvalidInput, match="memory"):
        await store.training_set(table, ["speed"], memory="1MB")
    bad = table.set_column(0, "entity_id", pa.array(["thing_01"] * 9 + [""]))
    with pytest.raises(InvalidInput, match="label row 9: entity_id is empty"):
        await (await store.training_set(bad, ["speed"])).to_arrow()


async def test_leaving_a_stream_early_leaves_nothing_behind(
    store: OpenedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    batches = (await small_parts(store, labels())).batches()
    first = await anext(batches)
    assert first.num_rows == 60
    await batches.aclose()
    assert await asyncio.to_thread(lambda: list(tmp_path.glob("featurama-set-*"))) == []


def test_a_notebook_builds_a_set_without_a_loop(tmp_path: Path) -> None:
    """The blocking twin: a grid over the registered entities, as a frame and as batches."""
    with sync.connect(f"sqlite:///{tmp_path / 'store'}") as store:
        store.register_entity_type("thing")
        store.register_feature_group("moves", "thing")
        store.register_feature("speed", "double", group="moves")
        store.register_entity("a", "thing")
        store.write_features({"entity_id": ["a"], "timestamp": [START], "speed": [2.5]}, time_unit="us")
        grid = {"start": START - HOUR, "end": START + HOUR, "every": "1h"}
        made = store.training_set(features=["speed"], entity_type="thing", **grid)  # type: ignore[arg-type]
        frame = made.to_pandas()
        assert [str(each) for each in frame["speed"]] == ["nan", "2.5", "2.5"]
        assert sum(batch.num_rows for batch in made.batches()) == 3
        newest = store.training_set(features=["speed"], entity_type="thing").to_arrow()
        assert newest.column("speed").to_pylist() == [2.5]
