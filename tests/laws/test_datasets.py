"""Training sets say, row for row, what single point-in-time reads say: in random worlds, read either way, on each
storage; and law 9 holds for the bytes of their files."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.opened import OpenedStore

from featurama_core.datasets.dataset import RecordedRequest, TrainingDataset
from featurama_core.datasets.spine_sources import label_source
from featurama_core.frames.spine import SpineColumns
from featurama_core.retrieval.plan import ReadPlan
from featurama_core.retrieval.sizes import Sizes
from featurama_core.retrieval.spilled import SpilledRetrieval
from featurama_core.retrieval.visibility import ReadBounds

from .oracle import SECOND, SETTLING
from .scene import RETENTION, Arena, Scene
from .strategies import SLOT, DrawnRequest, requests
from .wire import write_all

PINNED = [
    *("level@1", "level@2", "tally@1", "note@1", "flag@1", "shape@1", "pace@1", "link@1"),
    *("home@1.pace@1", "link@1.level@1", "home@1.home@1"),
]
KEPT = ["heat@1", "heat@2", "word@1", "home@1.heat@1", "link@1.word@1"]

Drawn = list[DrawnRequest]
WRITES = st.lists(requests(range(3), "growing", bad=False), min_size=1, max_size=6)  # type: ignore[arg-type]
LABELS = st.lists(st.tuples(st.integers(0, 3), st.integers(-10, 400)), min_size=1, max_size=12)


def test_training_sets_agree_with_point_in_time_reads(arena: Arena, examples: settings) -> None:
    """Values, statuses, event times; with no known_at, one for all, and each row's own; deleted and expired values."""

    @settings(examples, max_examples=max(examples.max_examples // 3, 6))
    @given(
        writes=WRITES,
        labels=LABELS,
        known=st.sampled_from([None, "label", 0, 30 * SECOND]),
        strategy=st.sampled_from(["scan", "lookup", "seek", "auto"]),
        forgotten=st.sampled_from(["", "level", "home", "heat", "all"]),
        aged=st.sampled_from([0, RETENTION // 2]),
    )
    def check(
        writes: Drawn, labels: list[tuple[int, int]], known: Any, strategy: Any, forgotten: str, aged: int
    ) -> None:
        with arena.scene() as scene:
            write_all(scene, writes)
            if forgotten:
                forget(scene, forgotten)
            scene.clock.advance(SETTLING + aged)
            rows = label_frame(scene, labels, settled=known == "label")
            known_at = known if known in (None, "label") else scene.clock.now - SETTLING - known
            features = [*PINNED, *KEPT, f"{scene.growing}@1"]
            store = scene.servers[0]
            expected = scene.run(store.get_historical_features(rows, features, known_at=known_at))
            built = scene.run(all_of(store, rows, features, known_at, strategy))
            assert told(expected.to_arrow(statuses=True, event_times=True)) == told(built)
            plain = scene.run(all_of(store, rows, features, known_at, strategy, statuses=False))
            assert told(expected.to_arrow()) == told(plain)

    check()


def test_the_newest_values_of_all_agree_with_online_reads(arena: Arena, examples: settings) -> None:
    """A set without labels and without a grid is an online read of every entity."""

    @settings(examples, max_examples=max(examples.max_examples // 3, 6))
    @given(writes=WRITES, strategy=st.sampled_from(["scan", "lookup", "seek"]))
    def check(writes: Drawn, strategy: Any) -> None:
        with arena.scene() as scene:
            write_all(scene, writes)
            store = scene.servers[0]
            for entity_id in scene.entities:
                scene.run(store.register_entity(entity_id, "thing"))
            features = [*PINNED, *KEPT]
            online = scene.run(store.get_online_features(scene.entities, features))
            made = store.training_set(
                features=features, entity_type="thing", statuses=True, event_times=True, strategy=strategy
            )

            async def build() -> Any:
                return await (await made).to_arrow()

            built = scene.run(build())
            listed = built.column("entity_id").to_pylist()
            rows = pa.array([listed.index(each) for each in scene.entities])
            shown = built.take(rows).drop_columns(["timestamp"])
            assert told(online.to_arrow(statuses=True, event_times=True)) == told(shown)

    check()


def test_the_files_of_a_set_are_the_same_after_later_writes(arena: Arena, examples: settings) -> None:
    """Law 9 for bytes, whichever way history is read and however much memory there is."""

    @settings(examples, max_examples=max(examples.max_examples // 3, 6))
    @given(before=WRITES, after=WRITES, labels=LABELS, file_format=st.sampled_from(["parquet", "arrow", "csv"]))
    def check(before: Drawn, after: Drawn, labels: list[tuple[int, int]], file_format: Any) -> None:
        folder = Path(tempfile.mkdtemp(prefix="featurama-law9-"))
        try:
            with arena.scene() as scene:
                write_all(scene, before)
                scene.clock.advance(SETTLING + 60 * SECOND)
                known_at = scene.clock.now - SETTLING
                rows = label_frame(scene, labels, settled=False)

                def build(name: str, server: int, strategy: Literal["scan", "lookup"]) -> dict[str, bytes]:
                    async def write() -> None:
                        made = await scene.servers[server].training_set(
                            rows, [*PINNED, scene.growing], known_at=known_at, statuses=True, strategy=strategy
                        )
                        await made.write(folder / name, format=file_format)

                    scene.run(write())
                    return {each.name: each.read_bytes() for each in (folder / name).glob("part-*")}

                first = build("first", 0, "scan")
                scene.grow()
                write_all(scene, after)
                scene.clock.advance(SECOND)
                write_all(scene, before)
                scene.restart(1)
                assert first == build("second", 1, "lookup")
                assert len(first) == 1
        finally:
            shutil.rmtree(folder)

    check()


def told(table: Any) -> list[str]:
    """Names, types and values, comparable where a value is NaN."""
    columns = zip(table.schema, table.columns, strict=True)
    return [f"{field.name} {field.type} {column.to_pylist()}" for field, column in columns]


async def all_of(
    store: OpenedStore, labels: Any, features: Sequence[str], known_at: Any, strategy: Any, *, statuses: bool = True
) -> Any:
    """The whole set in one table, made in what a large set needs: two rows a part, four shards, and, for scans, a
    spool that holds nothing and a pass a shard.
    """
    columns = SpineColumns()
    newest = known_at if known_at != "label" else max(labels.column("timestamp").cast(pa.int64()).to_pylist())
    begin = partial(
        SpilledRetrieval,
        store.space,
        ReadPlan.of(await store.space.resolve(features, known_at=newest)),
        ReadBounds(known_at, store.now()),
        values_only=not statuses,
        memory=100 if strategy == "scan" else 1 << 30,
        strategy=strategy,
        sizes=Sizes(part_rows=2, shards=4),
    )
    asked = RecordedRequest(tuple(features), None, None, statuses=statuses, event_times=statuses)
    source = await asyncio.to_thread(label_source, labels, columns)
    return (await TrainingDataset(begin, source, columns, asked).to_arrow()).combine_chunks()


def label_frame(scene: Scene, labels: list[tuple[int, int]], *, settled: bool) -> Any:
    """Entities (one that is unknown), times before and after what is stored, and a column that is carried."""
    entities = [*scene.entities, "nobody"]
    now = scene.clock.now - (SETTLING if settled else 0)
    times = [(now // SLOT - abs(slot) // 4 - settled) * SLOT + slot % 4 - 1 for _, slot in labels]
    return pa.table(
        {
            "entity_id": [entities[entity] for entity, _ in labels],
            "timestamp": pa.array(np.array(times)).cast(pa.timestamp("us", "UTC")),
            "label": np.arange(len(labels), dtype=np.float64),
        }
    )


def forget(scene: Scene, what: str) -> None:
    """Delete an entity, or a feature of it."""
    store = scene.servers[1]
    if what == "all":
        scene.run(store.delete_entity(scene.entities[0]))
    else:
        scene.run(store.delete_feature_values(scene.entities[0], [what]))
