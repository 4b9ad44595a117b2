"""Files of label rows that name several entities: interrupted, resumed, built again, the same after later writes."""

from __future__ import annotations

import asyncio
import uuid
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from tests.contract.interrupted import built_in_pieces
from tests.opened import OpenedStore, open_store

from featurama_core.datasets.dataset import TrainingDataset
from featurama_core.datasets.progress import Progress
from featurama_core.datasets.verify import verify
from featurama_core.retrieval import spilled
from featurama_core.store_datasets import rebuilt

from .ride_city import (
    COLUMNS,
    DRIVER,
    HOUR,
    MIXED,
    START,
    City,
    Clock,
    in_small_parts,
    of_one,
    rides,
    write,
)


@pytest.mark.parametrize("noted_every", [-1.0, 1e9])
async def test_a_build_that_is_interrupted_goes_on_and_ends_the_same(
    store: OpenedStore, city: City, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, noted_every: float
) -> None:
    """Cancelled after each report in turn: the label rows are read once, and the files are those of a build
    that was not interrupted, reckoned from the moment at which the first attempt began.
    """
    in_small_parts(monkeypatch)
    monkeypatch.setattr(spilled, "_NOTED_EVERY", noted_every)

    async def small() -> TrainingDataset:
        return await store.training_set(rides(200), MIXED, entity_columns=COLUMNS, memory="60KB", statuses=True)

    whole = await (await small()).write(tmp_path / "whole")
    resumed, stages = await built_in_pieces(small, tmp_path / "set", lambda: city.clock.advance(1))
    # It may have been the report at which one attempt ended.
    assert 1 <= stages.count("labels") <= 2
    assert len(whole.files) == 4
    assert [each["sha256"] for each in whole.files] == [each["sha256"] for each in resumed.files]
    assert whole.features == resumed.features
    assert resumed.content["as_of_time"] == whole.content["as_of_time"]
    assert await asyncio.to_thread(lambda: [path.name for path in tmp_path.glob(".*")]) == []


async def test_a_resumed_build_has_one_moment_for_all_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Retention of a column that the interrupted build had not come to is reckoned from when that build began."""
    # So few rows are answered at once, unless they are said to be many.
    monkeypatch.setattr(spilled, "ROWS_AT_ONCE", 0)
    clock = Clock((START + 9 * HOUR) * 1_000)
    async with open_store(f"sqlite:///{tmp_path / 'store'}", clock=clock) as store:
        for kind, feature in (("driver", "rating"), ("customer", "trips")):
            await store.register_entity_type(kind)
            await store.register_feature_group(f"of_{kind}", kind, retention="10h")
            await store.register_feature(feature, "int", group=f"of_{kind}")
            await store.write_features({"entity_id": [kind], "timestamp": [START], feature: [5]}, time_unit="us")
        rows = pa.table({"driver_id": ["driver"], "customer_id": ["customer"]})

        def interrupt(progress: Progress) -> None:
            if progress.stage == "history":
                raise KeyboardInterrupt

        async def build(name: str, **more: Any) -> list[dict[str, Any]]:
            made = await store.training_set(rows, ["rating", "trips"], entity_columns=COLUMNS, timestamp=START + HOUR)
            await made.write(tmp_path / name, **more)
            read = await asyncio.to_thread(
                pyarrow.parquet.read_table, tmp_path / name, columns=["driver.rating", "customer.trips"]
            )
            return list(map(tuple, map(dict.values, read.to_pylist())))

        with pytest.raises(KeyboardInterrupt):
            await build("set", progress=interrupt)
        clock.advance(2 * HOUR)
        assert await build("set", resume=True) == [(5, 5)]
        assert await build("new") == [(None, None)]


async def test_a_set_of_several_columns_is_built_again_and_a_deletion_is_named(
    store: OpenedStore, tmp_path: Path
) -> None:
    """By the column of the feature, of files that keep types and of those that do not; a single column's manifest has
    no word of it.
    """
    table = rides(80)
    gone = [f"{each}_{uuid.uuid4().hex[:8]}" for each in ("driver", "customer", "zone")]
    at = START + 5 * HOUR
    await store.write_features(
        {"entity_id": [gone[0]], "timestamp": [at], "rating": [1.0], "home": [gone[2]]}, time_unit="us"
    )
    await store.write_features({"entity_id": [gone[1]], "timestamp": [at], "trips": [1], "nick": ["x"]}, time_unit="us")
    await store.write_features({"entity_id": [gone[2]], "timestamp": [at], "heat": [3]}, time_unit="us")
    last = {"fare": [1.0], "customer_id": [gone[1]], "timestamp": [at], "driver_id": [gone[0]]}
    table = pa.concat_tables([table, pa.table(last).cast(table.schema)])
    made = await store.training_set(table, MIXED, entity_columns=COLUMNS)
    names = ["set", "set.csv"]
    for name in names:
        manifest = await made.write(tmp_path / name)
        assert manifest.request["entity_column"] is None
        assert {role: each["columns"] for role, each in manifest.request["roles"].items()} == {
            role: [column] for role, column in COLUMNS.items()
        }
        assert (await verify(tmp_path / name, partial(rebuilt, store.space))).differences == ()
    row = len(table) - 1
    await store.delete_feature_values(gone[0], ["rating"])
    for name in names:
        found = await verify(tmp_path / name, partial(rebuilt, store.space))
        assert [(each.column, each.cause) for each in found.differences or ()] == [("driver.rating", "deletion")]
    await store.delete_entity(gone[1])
    for name in names:
        found = await verify(tmp_path / name, partial(rebuilt, store.space))
        shown = [(each.column, each.cause, each.first_rows) for each in found.differences or ()]
        assert shown == [(each, "deletion", (row,)) for each in ("customer.nick", "customer.trips", "driver.rating")]
        assert found.is_good
    await store.delete_feature_values(gone[2], ["heat"])
    found = await verify(tmp_path / "set", partial(rebuilt, store.space))
    causes = {(each.column, each.cause) for each in found.differences or ()}
    assert causes == {
        (each, "deletion") for each in ("customer.nick", "customer.trips", "driver.home.heat", "driver.rating")
    }
    single = await (await store.training_set(of_one(table, "driver_id"), DRIVER)).write(tmp_path / "single")
    assert "roles" not in single.request
    assert single.request["entity_column"] == "entity_id"


async def test_the_bytes_are_the_same_after_later_writes(store: OpenedStore, city: City, tmp_path: Path) -> None:
    """Law 9, and whichever way history is read."""
    made = await store.training_set(rides(90), MIXED, entity_columns=COLUMNS, known_at=city.settled, strategy="scan")
    first = await made.write(tmp_path / "first")
    await write(store, 5_000.0)
    made = await store.training_set(rides(90), MIXED, entity_columns=COLUMNS, known_at=city.settled, strategy="lookup")
    second = await made.write(tmp_path / "second")
    assert first.files == second.files
    assert first.request == second.request
    other = await store.training_set(rides(90), MIXED, entity_columns=COLUMNS)
    assert first.files != (await other.write(tmp_path / "other")).files
