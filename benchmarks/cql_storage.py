"""The cluster store, measured: writes in both modes, online reads, scans, histories; 50 doubles a cell.

    python benchmarks/cql_storage.py cassandra://127.0.0.1:9042 --rows 10000

Works in a namespace of its own (prefix bench_), which it removes. Needs a running CQL server.
"""

from __future__ import annotations

import argparse
import statistics
import time
import uuid

import numpy as np
import uvloop

from featurama_core.storage.layouts import Layout
from featurama_core.storage.open import open_storage
from featurama_core.storage.packed_cell import pack
from featurama_core.storage.port import NamespaceOptions, NamespaceStorage
from featurama_core.storage.records import CellRun, WriteBatch
from featurama_core.storage.settings import StorageSettings
from featurama_core.types.column import column_of
from featurama_core.types.schema import FeatureDefinition, FeatureGroup
from featurama_core.types.values import ValueType
from featurama_core.types.writes import Outcome, StoredColumn, WriteMode

FEATURES, BATCH, ENTITIES = 50, 1_000, 1_000
HOUR = 3_600_000_000
GROUP = FeatureGroup("bench")
DEFINITIONS = [FeatureDefinition(f"f{n:02}", ValueType.DOUBLE, group="bench") for n in range(FEATURES)]
LAYOUT = Layout.of(DEFINITIONS)


def make_batch(number: int, rng: np.random.Generator) -> WriteBatch:
    """Row r of batch b: entity r, event time b hours after the first."""
    event_time = np.full(BATCH, 1_790_000_000_000_000 + number * HOUR, dtype=np.int64)
    columns = [column_of(d.name, d.value_type, rng.random(BATCH), version=1) for d in DEFINITIONS]
    cells = pack(LAYOUT, columns, event_time, event_time * 1_000)
    stored = [StoredColumn(d, GROUP, c) for d, c in zip(DEFINITIONS, columns, strict=True)]
    run = CellRun(GROUP, LAYOUT, np.arange(BATCH, dtype=np.int64), cells)
    ids = [f"delivery_{row:08}" for row in range(ENTITIES)]
    return WriteBatch(ids, event_time, event_time * 1_000, stored, [run])


async def measure(storage: NamespaceStorage, batches: list[WriteBatch]) -> None:
    await storage.put_layouts([LAYOUT])
    half = len(batches) // 2
    for mode, some in ((WriteMode.ATOMIC, batches[:half]), (WriteMode.BULK, batches[half:])):
        started = time.perf_counter()
        for batch in some:
            outcomes = await storage.write(batch, mode)
            assert (outcomes == Outcome.ACCEPTED).all()
        seconds = time.perf_counter() - started
        print(f"write {mode.name:8}            {len(some) * BATCH * FEATURES / seconds:12,.0f} values/s")
    for count, turns in ((1, 1_000), (100, 200)):
        took = []
        for turn in range(turns):
            ids = [f"delivery_{(turn * 37 + n * 11) % ENTITIES:08}" for n in range(count)]
            started = time.perf_counter()
            cells = await storage.read_cells(ids)
            took.append((time.perf_counter() - started) * 1e6)
            assert len(cells.cells) == count
        p50, p99 = statistics.median(took), statistics.quantiles(took, n=100)[98]
        rate = count * len(took) / sum(took) * 1e6
        print(f"read_cells {count:3} entities p50 {p50:8,.0f} us   p99 {p99:8,.0f} us {rate:10,.0f} entities/s")
    started, rows = time.perf_counter(), 0
    for partition in await storage.partitions(GROUP):
        async for block in storage.scan_history(DEFINITIONS, GROUP, partition):
            rows += sum(len(history.entity) for history in block.histories)
    assert rows == len(batches) * BATCH * FEATURES
    print(f"scan                      {rows / (time.perf_counter() - started):12,.0f} values/s")
    pairs = [(definition, GROUP) for definition in DEFINITIONS]
    for label, newest in (("all", None), ("newest 1", 1)):
        started = time.perf_counter()
        ids = [f"delivery_{n:08}" for n in range(200)]
        found = await storage.read_history(ids, pairs, start=0, end=2**61, newest=newest)
        seconds, values = time.perf_counter() - started, sum(len(history.entity) for history in found)
        print(f"history, 200 entities, {label:8} {seconds * 1e3:8,.0f} ms {values / seconds:12,.0f} values/s")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("url", help="storage URL without options")
    parser.add_argument("--rows", type=int, default=10_000)
    arguments = parser.parse_args()
    rng = np.random.default_rng(3000)
    batches = [make_batch(number, rng) for number in range(arguments.rows // BATCH)]
    name = f"run_{uuid.uuid4().hex[:12]}"
    settings = StorageSettings(f"{arguments.url}/?keyspace_prefix=bench_", request_timeout_ms=20_000)
    async with open_storage(settings) as storage:
        await storage.create_namespace(name, NamespaceOptions())
        try:
            await measure(await storage.namespace(name), batches)
        finally:
            await storage.drop_namespace(name)


if __name__ == "__main__":
    uvloop.run(main())
