"""Files of label rows that name several entities: interrupted, resumed, built again, the same after later writes."""

from __future__ import annotations

import asyncio
import uuid
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest
from tests.contract.interrupted import built_in_pieces
from tests.opened import OpenedStore, open_store

from featurama_core.datasets.dataset import TrainingDataset
from featurama_core.datasets.progress import Progress
from featurama_core.datasets.verify import verify
from featurama_core.retrieval import spilled
from featurama_core.store_datasets import rebuilt

from .league import (
    FEATURES,
    HOUR,
    OF_TEAM,
    ROLES,
    START,
    Clock,
    League,
    in_small_parts,
    matches,
    of_one,
    write,
)


@pytest.mark.parametrize("noted_every", [-1.0, 1e9])
async def test_a_build_that_is_interrupted_goes_on_and_ends_the_same(
    store: OpenedStore, league: League, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, noted_every: float
) -> None:
    """Cancelled after each report in turn: the label rows are read once, and the files are those of a build
    that was not interrupted, reckoned from the moment at which the first attempt began.
    """
    in_small_parts(monkeypatch)
    monkeypatch.setattr(spilled, "_NOTED_EVERY", noted_every)

    async def small() -> TrainingDataset:
        return await store.training_set(matches(100), FEATURES, roles=ROLES, memory="60KB", statuses=True)

    whole = await (await small()).write(tmp_path / "whole")
    resumed, stages = await built_in_pieces(small, tmp_path / "set", lambda: league.clock.advance(1))
    # It may have been the report at which one attempt ended.
    assert 1 <= stages.count("labels") <= 2
    assert len(whole.files) == 2
    assert [each["sha256"] for each in whole.files] == [each["sha256"] for each in resumed.files]
    assert whole.features == resumed.features
    assert resumed.content["as_of_time"] == whole.content["as_of_time"]
    assert await asyncio.to_thread(lambda: [path.name for path in tmp_path.glob(".*")]) == []


async def test_a_resumed_build_has_one_moment_for_all_roles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Retention in a role that the interrupted build had not come to is reckoned from when that build began."""
    # So few rows are answered at once, unless they are said to be many.
    monkeypatch.setattr(spilled, "ROWS_AT_ONCE", 0)
    clock = Clock((START + 9 * HOUR) * 1_000)
    async with open_store(f"sqlite:///{tmp_path / 'store'}", clock=clock) as store:
        for kind, feature in (("team", "rating"), ("person", "cards")):
            await store.register_entity_type(kind)
            await store.register_feature_group(f"of_{kind}", kind, retention="10h")
            await store.register_feature(feature, "int", group=f"of_{kind}")
            await store.write_features({"entity_id": [kind], "timestamp": [START], feature: [5]}, time_unit="us")
        rows, roles = pa.table({"home": ["team"], "referee": ["person"]}), {"home": "team", "referee": "person"}

        def interrupt(progress: Progress) -> None:
            if progress.stage == "history":
                raise KeyboardInterrupt

        async def build(name: str, **more: Any) -> list[tuple[Any, ...]]:
            made = await store.training_set(rows, ["rating", "cards"], roles=roles, timestamp=START + HOUR)
            await made.write(tmp_path / name, **more)
            read = await asyncio.to_thread(
                pyarrow.parquet.read_table, tmp_path / name, columns=["home.rating", "referee.cards"]
            )
            return [tuple(each.values()) for each in read.to_pylist()]

        with pytest.raises(KeyboardInterrupt):
            await build("set", progress=interrupt)
        clock.advance(2 * HOUR)
        assert await build("set", resume=True) == [(5, 5)]
        assert await build("new") == [(None, None)]


async def test_a_set_of_roles_is_built_again_and_a_deletion_is_named(store: OpenedStore, tmp_path: Path) -> None:
    """By the column of the role whose entity, or what that refers to, has lost values, of files that keep types and of
    those that do not. A manifest of one entity per row has no word of roles.
    """
    home, away, referee, town, port = (
        f"{each}_{uuid.uuid4().hex[:8]}" for each in ("home", "away", "referee", "town", "port")
    )
    at = START + 5 * HOUR
    frames: list[dict[str, Any]] = [
        {"entity_id": [home, away], "rating": [1.0, None], "city": [town, port], "squad": [[1.0, 2.0]] * 2},
        {"entity_id": [referee], "cards": [1], "note": ["x"]},
        {"entity_id": [town, port], "population": [5, 6]},
    ]
    for frame in frames:
        await store.write_features(frame | {"timestamp": [at] * len(frame["entity_id"])}, time_unit="us")
    last = {"home": [home], "odds": [1.0], "timestamp": [at], "away": [away], "referee": [referee]}
    table = matches(80)
    table = pa.concat_tables([table, pa.table(last).cast(table.schema)])
    row = len(table) - 1
    made = await store.training_set(table, FEATURES, roles=ROLES | {"away": {"type": "team", "columns": ["away"]}})
    names = ["set", "set.csv"]
    for name in names:
        manifest = await made.write(tmp_path / name)
        assert manifest.request["entity_column"] is None
        assert manifest.request["roles"] == {role: {"type": kind, "columns": [role]} for role, kind in ROLES.items()}
        references = [each["reference"] for each in manifest.features]
        assert references[:4] == ["away.rating@1", "home.city@1.population@1", "home.rating@1", "referee.cards@1"]

    async def differences(name: str) -> list[tuple[Any, ...]]:
        found = await verify(tmp_path / name, partial(rebuilt, store.space))
        assert found.is_good
        return [(each.column, each.cause, each.first_rows) for each in found.differences or ()]

    for name in names:
        assert await differences(name) == []
    await store.delete_feature_values(home, ["rating"])
    for name in names:
        assert await differences(name) == [("home.rating", "deletion", (row,))]
    await store.delete_entity(referee)
    await store.delete_entity(town)
    await store.delete_feature_values(port, ["population"])
    gone = ["away.city.population", "home.city.population", "home.rating", "referee.cards", "referee.note"]
    for name in names:
        assert await differences(name) == [(each, "deletion", (row,)) for each in gone]
    single = await (await store.training_set(of_one(table, "home"), OF_TEAM)).write(tmp_path / "single")
    assert "roles" not in single.request
    assert single.request["entity_column"] == "entity_id"


async def test_the_bytes_are_the_same_after_later_writes(store: OpenedStore, league: League, tmp_path: Path) -> None:
    """Law 9, and whichever way history is read."""
    asked: Any = {"roles": ROLES, "known_at": league.settled}
    made = await store.training_set(matches(90), FEATURES, strategy="scan", **asked)
    first = await made.write(tmp_path / "first")
    await write(store, 5_000)
    made = await store.training_set(matches(90), FEATURES, strategy="lookup", **asked)
    second = await made.write(tmp_path / "second")
    assert first.files == second.files
    assert first.request == second.request
    other = await store.training_set(matches(90), FEATURES, roles=ROLES)
    assert first.files != (await other.write(tmp_path / "other")).files
