"""What Ray Data answers beside the single-process engine, on a storage that is given: one JSON object of verdicts.

A process of its own, so that Ray's processes end with it: python -m tests.service.ray_checks URL NAMESPACE
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

import numpy as np
import pyarrow as pa
import ray

from featurama_cli.world_writing import write_world
from featurama_core import Stores
from featurama_core.model.writes import WriteMode
from featurama_core.storage.port import NamespaceOptions
from featurama_core.store import FeatureStore
from featurama_trainer import ray as on_ray
from featurama_world import DELIVERY_METRICS, PLANET_CONDITIONS, World, WorldConfig

WORLD = World(WorldConfig(deliveries=150, planets=8, days=70, readings_per_day=4, seed=5))
PLANETS = next(WORLD.entities()).column("entity_id").to_pylist()
HOUR = 3_600_000_000
FEATURES = [
    "distance",
    "destination",
    "origin.traffic_level",
    "destination.traffic_level",
    "destination.mood",
    "assigned_to.energy_level",
    "delay_minutes",
]


def labels(seed: int) -> pa.Table:
    """Rows in no order, some twice, some of entities and moments of which nothing is known, with a column of theirs."""
    known = pa.concat_tables(WORLD.labels()).drop_columns(["actual_duration"])
    draw = np.random.default_rng(seed)
    rows = known.take(pa.array(draw.integers(0, known.num_rows, 400)))
    shift = draw.integers(-40, 40, 400) * 86_400_000_000
    times = np.minimum(rows.column("timestamp").cast(pa.int64()).to_numpy() + shift, WORLD.config.end_us)
    ids = [f"stranger_{at}" if at % 50 == 0 else each for at, each in enumerate(rows.column("entity_id").to_pylist())]
    moments = pa.array(times).cast(pa.timestamp("us", "UTC"))
    return pa.table({"weight": draw.random(400), "timestamp": moments, "entity_id": ids})


async def fill(store: FeatureStore) -> None:
    """A world, and a group with ttl, nulls and several buckets."""
    await write_world(store, WORLD)
    await store.register_feature_group("moods", "planet", ttl="10d", buckets=4)
    await store.register_feature("mood", "text", group="moods")
    await write(store, moods())


async def correct(store: FeatureStore) -> None:
    """Corrections and deletions, an hour later."""
    await write(store, moods().slice(50, 60).set_column(2, "mood", pa.array(["corrected"] * 60)))
    await store.delete_entity("delivery_00000007")
    await store.delete_feature_values(PLANETS[1], ["traffic_level"])


def moods() -> pa.Table:
    times = WORLD.config.start_us + np.arange(200) * 30_000_000_000
    return pa.table(
        {
            "entity_id": [PLANETS[at % len(PLANETS)] for at in range(200)],
            "timestamp": pa.array(times).cast(pa.timestamp("us", "UTC")),
            "mood": [None if at % 9 == 0 else f"mood {at}" for at in range(200)],
        }
    )


async def write(store: FeatureStore, frame: pa.Table) -> None:
    report = await store.write_features(frame, mode=WriteMode.BULK)
    assert report.accepted == frame.num_rows, report.verdicts[:1]


async def expected(store: FeatureStore, rows: pa.Table, **asked: Any) -> pa.Table:
    found = await store.training_set(rows, FEATURES, **asked)
    return await found.to_arrow()


async def expected_history(store: FeatureStore) -> dict[tuple[str, int], float | None]:
    """What each planet's own history says."""
    found = {}
    for table in WORLD.entities():
        for row in table.to_pylist():
            if row["entity_type"] == "planet":
                values = (await store.get_feature_history(row["entity_id"], "traffic_level")).to_dict()
                pairs = zip(values["timestamp"], values["value"], strict=True)
                found.update({(row["entity_id"], at): value for at, value in pairs})
    return found


def table_of(dataset: Any) -> pa.Table:
    return pa.concat_tables(ray.get(dataset.to_arrow_refs()))


async def prepare(url: str, namespace: str) -> dict[str, Any]:
    known_at = time.time_ns() // 1_000 - HOUR // 2
    async with Stores.open(url, clock=lambda: time.time_ns() - HOUR * 1_000) as earlier:
        if namespace not in await earlier.storage.list_namespaces():
            await earlier.storage.create_namespace(namespace, NamespaceOptions())
        await fill(await earlier.get(namespace))
    async with Stores.open(url) as stores:
        store = await stores.get(namespace)
        await correct(store)
        rows = labels(1)
        return {
            "rows": rows,
            "known_at": known_at,
            "near": await expected(store, rows, statuses=True, event_times=True),
            "far": await expected(store, rows),
            "known": await expected(store, rows, known_at=known_at),
            "history": await expected_history(store),
        }


def check(url: str, namespace: str) -> dict[str, Any]:
    wanted = asyncio.run(prepare(url, namespace))
    rows = wanted["rows"]
    verdicts: dict[str, Any] = {"corrections matter": not wanted["known"].equals(wanted["far"])}
    with on_ray.connected(num_cpus=2):
        asked = {"namespace": namespace, "tasks": 2, "concurrency": 2}
        near = on_ray.training_set(url, rows, FEATURES, statuses=True, event_times=True, **asked)
        verdicts["near"] = table_of(near).equals(wanted["near"])
        far = on_ray.training_set(url, rows, FEATURES, broadcast=2, **asked)
        verdicts["far"] = table_of(far).equals(wanted["far"])
        one = on_ray.training_set(url, rows, FEATURES, known_at=wanted["known_at"], namespace=namespace)
        verdicts["known"] = table_of(one).equals(wanted["known"])
        history = on_ray.history(url, ["traffic_level", "weather_index"], namespace=namespace, tasks=2, concurrency=2)
        found = [row for row in history.take_all() if row["traffic_level"] is not None]
        verdicts["history"] = {(row["entity_id"], row["timestamp"]): row["traffic_level"] for row in found} == (
            wanted["history"]
        )
        for group in (DELIVERY_METRICS, PLANET_CONDITIONS):
            made = on_ray.generate(WORLD.config, group, rows_a_task=WORLD.rows(group) // 2 + 1)
            alone = pa.concat_tables(each.table for each in WORLD.batches(groups=[group]))
            order = [("entity_id", "ascending"), ("timestamp", "ascending")]
            verdicts[group] = table_of(made).sort_by(order).equals(alone.sort_by(order))
    verdicts["shut down"] = not ray.is_initialized()
    return verdicts


if __name__ == "__main__":
    began = time.monotonic()
    print(json.dumps(check(sys.argv[1], sys.argv[2]) | {"seconds": round(time.monotonic() - began, 1)}))
