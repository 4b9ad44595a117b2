"""How fast is the embedded storage, below the store? Writes, online reads, history scans; 50 doubles per cell."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.pace import Figures, Pace, Target
from featurama_core.storage.layouts import Layout
from featurama_core.storage.packed_cell import pack
from featurama_core.storage.port import NamespaceOptions, NamespaceStorage
from featurama_core.storage.records import CellRun, WriteBatch
from featurama_core.storage.sqlite import SqliteStorage
from featurama_core.types.column import column_of
from featurama_core.types.schema import FeatureDefinition, FeatureGroup
from featurama_core.types.values import ValueType
from featurama_core.types.writes import Outcome, StoredColumn, WriteMode

TARGETS: list[Target] = []
ROWS, FEATURES, BATCH, ENTITIES = 100_000, 50, 1_000, 5_000
HOUR = 3_600_000_000
GROUP = FeatureGroup("bench")
DEFINITIONS = [FeatureDefinition(f"f{n:02}", ValueType.DOUBLE, group="bench") for n in range(FEATURES)]
LAYOUT = Layout.of(DEFINITIONS)


def make_batch(number: int, rng: np.random.Generator) -> WriteBatch:
    """Row r of batch b: entity (b x 1000 + r) mod 5000, an event time of its own."""
    rows = np.arange(number * BATCH, (number + 1) * BATCH, dtype=np.int64)
    event_time = 1_790_000_000_000_000 + rows // ENTITIES * HOUR
    ingested_at = event_time * 1_000
    columns = [column_of(d.name, d.value_type, rng.random(BATCH), version=1) for d in DEFINITIONS]
    cells = pack(LAYOUT, columns, event_time, ingested_at)
    stored = [StoredColumn(d, GROUP, c) for d, c in zip(DEFINITIONS, columns, strict=True)]
    run = CellRun(GROUP, LAYOUT, np.arange(BATCH, dtype=np.int64), cells)
    ids = [f"delivery_{row % ENTITIES:08}" for row in rows.tolist()]
    return WriteBatch(ids, event_time, ingested_at, stored, [run])


async def measured(storage: NamespaceStorage, batches: list[WriteBatch]) -> Figures:
    found: Figures = {}
    await storage.put_layouts([LAYOUT])
    half = len(batches) // 2
    for label, some, at_once in (("one_at_a_time", batches[:half], 1), ("sixteen_at_once", batches[half:], 16)):
        started = time.perf_counter()
        for first in range(0, len(some), at_once):
            writes = [storage.write(batch, WriteMode.ATOMIC) for batch in some[first : first + at_once]]
            assert all((outcomes == Outcome.ACCEPTED).all() for outcomes in await asyncio.gather(*writes))
        seconds = time.perf_counter() - started
        found[f"write_{label}_values_per_second"] = len(some) * BATCH * FEATURES / seconds
    single = [batch_of_one(batch, row) for batch in batches[:2] for row in range(0, BATCH, 2)]
    started = time.perf_counter()
    await asyncio.gather(*(storage.write(batch, WriteMode.ATOMIC) for batch in single))
    found["resend_of_1000_requests_rows_per_second"] = len(single) / (time.perf_counter() - started)
    for count in (1, 100):
        took = []
        for turn in range(1_000):
            ids = [f"delivery_{(turn * 37 + n * 11) % ENTITIES:08}" for n in range(count)]
            started = time.perf_counter()
            cells = await storage.read_cells(ids)
            took.append((time.perf_counter() - started) * 1e6)
            assert len(cells.cells) == count
        found[f"read_cells_of_{count}"] = {
            "p50_us": statistics.median(took),
            "p99_us": statistics.quantiles(took, n=100)[98],
        }
    started, rows = time.perf_counter(), 0
    for partition in await storage.partitions(GROUP):
        async for block in storage.scan_history(DEFINITIONS, GROUP, partition):
            rows += len(block.histories[0].entity)
    assert rows == len(batches) * BATCH
    found["scan_values_per_second"] = rows * FEATURES / (time.perf_counter() - started)
    pairs = [(definition, GROUP) for definition in DEFINITIONS]
    for label, newest in (("all", None), ("newest", 1)):
        started = time.perf_counter()
        ids = [f"delivery_{n:08}" for n in range(1_000)]
        histories = await storage.read_history(ids, pairs, start=0, end=2**62, newest=newest)
        seconds, values = time.perf_counter() - started, sum(len(history.entity) for history in histories)
        found[f"history_of_1000_entities_{label}"] = {"ms": seconds * 1e3, "values_per_second": values / seconds}
    return found


def batch_of_one(batch: WriteBatch, row: int) -> WriteBatch:
    (run,) = batch.runs
    one = CellRun(run.group, run.layout, np.zeros(1, dtype=np.int64), [run.cells[row]])
    at = slice(row, row + 1)
    return WriteBatch([batch.entity_ids[row]], batch.event_time[at], batch.ingested_at[at], [], [one])


async def stored() -> Figures:
    rng = np.random.default_rng(3000)
    batches = [make_batch(number, rng) for number in range(ROWS // BATCH)]
    with tempfile.TemporaryDirectory(prefix="featurama-bench-") as folder:
        async with SqliteStorage.open(folder) as storage:
            await storage.create_namespace("bench", NamespaceOptions())
            found = await measured(await storage.namespace("bench"), batches)
        size = await asyncio.to_thread(lambda: sum(path.stat().st_size for path in Path(folder).iterdir()))
    return found | {"bytes_per_value": size / (ROWS * FEATURES)}


def measure(pace: Pace) -> Figures:
    """One round; the figures are for the comparison of commits."""
    del pace
    return asyncio.run(stored())
