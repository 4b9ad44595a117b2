"""Measurements over gRPC, through the public client."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from featurama import FeatureStore
from featurama_cli.demo.figures import Freshness, Latency, PointInTime
from featurama_cli.progress import Advance
from featurama_core.types.errors import CorruptData, StoreUnavailable
from featurama_core.types.values import Status
from featurama_world import World

TEN_FEATURES = (
    "distance",
    "package_weight",
    "hazard_level",
    "estimated_duration",
    "origin",
    "destination",
    "assigned_to",
    "actual_duration",
    "delay_minutes",
    "fuel_consumption",
)
SERVICE = "delivery_time"
_WARM = 20
_READS_AT_MOST = 1_000


async def online_latency(
    store: FeatureStore, entity_ids: Sequence[str], entities: int, calls: int, advance: Advance
) -> Latency:
    """Read `entities` entities x 10 features, `calls` times, sequentially; every value is checked."""
    seconds: list[float] = []
    for call in range(_WARM + calls):
        first = call * entities % max(1, len(entity_ids) - entities + 1)
        some = entity_ids[first : first + entities]
        began = time.perf_counter()
        read = await store.get_online_features(some, TEN_FEATURES)
        took = time.perf_counter() - began
        for column in read.columns:
            if not (column.status == Status.PRESENT).all():
                raise CorruptData(f"{column.name!r} of {some[0]} and others differs from the written value")
        if call >= _WARM:
            seconds.append(took)
            advance(1)
    return Latency.of(seconds)


async def freshness(store: FeatureStore, writes: int, advance: Advance) -> Freshness:
    """Write one value, then read until it is visible, and measure the time since the acknowledgement."""
    await store.register_entity_type("demo_clock", "Measures the freshness of the demonstration")
    await store.register_feature("demo_tick", "int", "Counts the writes", entity_type="demo_clock")
    seconds: list[float] = []
    at_once = 0
    for tick in range(1, writes + 1):
        row = {
            "entity_id": ["demo_clock"],
            "timestamp": np.array([time.time_ns() // 1_000]),
            "demo_tick": np.array([tick]),
        }
        report = await store.write_features(row, time_unit="us")
        if report.accepted != 1:
            raise StoreUnavailable(f"a write was not accepted: {report.verdicts[0].message}")
        acknowledged = time.perf_counter()
        for reads in range(1, _READS_AT_MOST + 1):
            read = await store.get_online_features(["demo_clock"], ["demo_tick"])
            if read.columns[0].to_list() == [tick]:
                at_once += reads == 1
                break
        else:
            raise CorruptData(f"an acknowledged write was not visible after {_READS_AT_MOST} reads")
        seconds.append(time.perf_counter() - acknowledged)
        advance(1)
    return Freshness(writes, at_once, Latency.of(seconds))


async def training_set(store: FeatureStore, world: World) -> PointInTime:
    """The values of the model's features at the dispatch of every delivery; every value must be present."""
    labels = pa.concat_tables(world.labels())
    began = time.perf_counter()
    read = await store.get_historical_features(labels, service=SERVICE)
    took = time.perf_counter() - began
    if len(read) != labels.num_rows:
        raise CorruptData(f"{labels.num_rows} label rows gave {len(read)}")
    for column in read.columns:
        if not (column.status == Status.PRESENT).all():
            raise CorruptData(f"{column.name!r} is missing in the training set")
    return PointInTime(labels.num_rows, len(read.columns), took, round(labels.num_rows / took))
