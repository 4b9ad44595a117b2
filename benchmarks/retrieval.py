"""What do the reads of an embedded store cost, without servers? CPU time per call, beside a yardstick of the same run.

The yardstick is the as-of kernel on arrays of a fixed size; machines and hours differ, the ratios to it less.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pyarrow as pa

import featurama
from benchmarks.pace import Figures, Pace, Target, medians
from featurama_core.retrieval.as_of import as_of
from featurama_core.types.writes import WriteMode

TARGETS: list[Target] = []
START, HOUR = 1_760_000_000_000_000, 3_600_000_000
NAMES = [f"f{number}" for number in range(50)]


async def fill(store: Any) -> None:
    """wide: 100 entities x 50 features, one value each. deep: 200 entities, 10 features, 100 events each.
    many: 20,000 entities, 10 features, 5 events each.
    """
    rng = np.random.default_rng(1)
    for group, count, entities, events in (("wide", 50, 100, 1), ("deep", 10, 200, 100), ("many", 10, 20_000, 5)):
        await store.register_entity_type(group)
        await store.register_feature_group(group, group, ttl="3650d")
        names = [f"{group}_{name}" for name in NAMES[:count]]
        for name in names:
            await store.register_feature(name, "double", group=group, entity_type=group)
        rows = np.arange(entities * events)
        for first in range(0, len(rows), 50_000):
            part = rows[first : first + 50_000]
            frame = {"entity_id": [f"{group}_{at % entities}" for at in part]}
            frame["timestamp"] = pa.array(START + part // entities * 30 * HOUR).cast(pa.timestamp("us", "UTC"))
            frame |= {name: rng.random(len(part)) for name in names}
            report = await store.write_features(pa.table(frame), mode=WriteMode.BULK, batch_size=10_000)
            assert report.accepted == len(part), report.verdicts[:1]


def labels(group: str, rows: int, entities: int, events: int) -> pa.Table:
    rng = np.random.default_rng(2)
    times = START + rng.integers(0, events * 30 * HOUR, rows)
    ids = [f"{group}_{at}" for at in rng.integers(0, entities, rows)]
    return pa.table({"entity_id": ids, "timestamp": pa.array(times).cast(pa.timestamp("us", "UTC"))})


def yardstick() -> None:
    rows = 50_000
    history = np.repeat(np.arange(500), 100), np.tile(np.arange(100), 500), np.tile(np.arange(100), 500)
    as_of(*history, np.arange(rows) % 500, np.arange(rows) % 100)


def cases(store: Any) -> dict[str, Callable[[], Awaitable[object]]]:
    wide, ids = [f"wide_{name}" for name in NAMES], [f"wide_{at}" for at in range(100)]
    deep, many = [f"deep_{name}" for name in NAMES[:10]], [f"many_{name}" for name in NAMES[:10]]
    one, table, big = labels("deep", 1, 200, 100), labels("deep", 100_000, 200, 100), labels("many", 100_000, 20_000, 5)

    async def of_set(rows: pa.Table, features: list[str]) -> object:
        return await (await store.training_set(rows, features)).to_arrow()

    return {
        "online 1 x 10": lambda: store.get_online_features(ids[:1], wide[:10]),
        "online 1 x 50": lambda: store.get_online_features(ids[:1], wide),
        "online 100 x 10": lambda: store.get_online_features(ids, wide[:10]),
        "online 100 x 50": lambda: store.get_online_features(ids, wide),
        "as of, 1 row": lambda: store.get_historical_features(one, deep),
        "set, 1 row": lambda: of_set(one, deep),
        "as of, 100,000 rows, 200 entities": lambda: store.get_historical_features(table, deep),
        "set, 100,000 rows, 200 entities": lambda: of_set(table, deep),
        "as of, 100,000 rows, 20,000 entities": lambda: store.get_historical_features(big, many),
        "set, 100,000 rows, 20,000 entities": lambda: of_set(big, many),
    }


async def calls(rounds: int) -> list[Figures]:
    """CPU milliseconds of each case, of every round."""
    with tempfile.TemporaryDirectory() as folder:
        async with featurama.connect(f"sqlite:///{folder}/store") as store:
            await fill(store)
            reads, found = cases(store), []
            for _ in range(rounds):
                began = time.process_time()
                yardstick()
                found.append({"yardstick": (time.process_time() - began) * 1_000})
                for name, read in reads.items():
                    # Short calls are repeated: one is shorter than the clock's noise.
                    repeats = 1 if "000" in name else 30
                    began = time.process_time()
                    for _ in range(repeats):
                        await read()
                    found[-1][name] = (time.process_time() - began) * 1_000 / repeats
    return found


def measure(pace: Pace) -> Figures:
    """Medians."""
    found = medians(asyncio.run(calls(5 * pace.rounds)))
    return {name: {"cpu_ms": ms, "of_yardstick": ms / found["yardstick"]} for name, ms in found.items()}
