"""The cluster store, measured: writes of both forms of history against bare acsylla sending the same statements, online
reads, scans, histories; 50 doubles a cell.

    python benchmarks/cql_storage.py cassandra://127.0.0.1:9042 --rounds 5

Works in a namespace of its own (prefix bench_), which it removes. Needs a running CQL server. Runs of a kind and of its
bare counterpart alternate; a figure is the median of its runs.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator, Sequence
from itertools import chain, count
from typing import Any

import acsylla
import numpy as np
import uvloop

from featurama_core.storage.cql.driver import Bound, Driver
from featurama_core.storage.cql.values import BATCHES_AT_ONCE
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

FEATURES, BATCH, AT_ONCE = 50, 1_000, 2
"""AT_ONCE: writes under way, as those of a client's stream."""
HOUR = 3_600_000_000
RNG = np.random.default_rng(3000)
NUMBERS = count()

Sent = list[tuple[Sequence[Bound], bool]]
"""Batches: their statements, and whether each is logged."""


class Kind:
    """A group of one form of history. Its n-th batch holds the n-th hour of 1,000 entities."""

    def __init__(self, history: str) -> None:
        self.group = FeatureGroup(f"bench_{history}", history=history)
        self.definitions = [
            FeatureDefinition(f"{history}{n:02}", ValueType.DOUBLE, group=self.group.name) for n in range(FEATURES)
        ]
        self.layout = Layout.of(self.definitions)
        self.rows = 0

    def batch(self) -> WriteBatch:
        """The next batch."""
        event_time = np.full(BATCH, 1_790_000_000_000_000 + next(NUMBERS) * HOUR, dtype=np.int64)
        columns = [column_of(each.name, each.value_type, RNG.random(BATCH), version=1) for each in self.definitions]
        cells = pack(self.layout, columns, event_time, event_time * 1_000)
        stored = [StoredColumn(*each) for each in zip(self.definitions, [self.group] * FEATURES, columns, strict=True)]
        run = CellRun(self.group, self.layout, np.arange(BATCH, dtype=np.int64), cells)
        self.rows += BATCH
        return WriteBatch([f"delivery_{row:08}" for row in range(BATCH)], event_time, event_time * 1_000, stored, [run])


async def write(storage: NamespaceStorage, batches: Sequence[WriteBatch], mode: WriteMode) -> None:
    """Write through the store."""
    for outcomes in await asyncio.gather(*(storage.write(each, mode) for each in batches)):
        assert (outcomes == Outcome.ACCEPTED).all()


async def statements_of(storage: NamespaceStorage, driver: Driver, batch: WriteBatch, mode: WriteMode) -> Sent:
    """What the store sends for a batch; nothing is sent."""
    sent: Sent = []

    async def note(statements: Sequence[Bound], *, logged: bool) -> None:
        sent.append((statements, logged))

    driver.write_batch = note  # type: ignore[method-assign]
    try:
        await write(storage, [batch], mode)
    finally:
        del driver.write_batch  # type: ignore[method-assign]
    return sent


async def send(session: Any, writes: Sequence[Sent]) -> None:
    """The same batches by bare acsylla, as many at once."""
    source: Iterator[tuple[Sequence[Bound], bool]] = chain.from_iterable(writes)

    async def attempt(statements: Sequence[Bound], *, logged: bool) -> None:
        if len(statements) == 1:
            ((prepared, values),) = statements
            await session.execute(prepared.statement.bind(values))
            return
        batch = acsylla.create_batch_logged() if logged else acsylla.create_batch_unlogged()
        batch.set_consistency(acsylla.Consistency.LOCAL_QUORUM)
        batch.set_request_timeout(20_000)
        for prepared, values in statements:
            batch.add_statement(prepared.statement.bind(values))
        await session.execute_batch(batch)

    async def worker() -> None:
        for statements, logged in source:
            try:
                await attempt(statements, logged=logged)
            except acsylla.errors.CassException:  # as the store does after a timeout
                await attempt(statements, logged=logged)

    await asyncio.gather(*(worker() for _ in range(min(BATCHES_AT_ONCE * len(writes), 200))))


async def timed(work: Awaitable[object]) -> tuple[float, float]:
    """Seconds, and those of the CPU in this process."""
    began, cpu = time.perf_counter(), time.process_time()
    await work
    return time.perf_counter() - began, time.process_time() - cpu


async def measure_writes(storage: NamespaceStorage, kinds: dict[str, Kind], rounds: int) -> None:
    driver: Driver = storage._statements.driver  # type: ignore[attr-defined]  # noqa: SLF001 - the same session
    shapes = [(history, mode) for history in kinds for mode in WriteMode]
    own: dict[Any, list[tuple[float, float]]] = {shape: [] for shape in shapes}
    bare: dict[Any, list[tuple[float, float]]] = {shape: [] for shape in shapes}
    for turn in range(rounds + 1):
        for shape in shapes:
            kind, mode = kinds[shape[0]], shape[1]
            took = await timed(write(storage, [kind.batch() for _ in range(AT_ONCE)], mode))
            sent = [await statements_of(storage, driver, kind.batch(), mode) for _ in range(AT_ONCE)]
            raw = await timed(send(driver._session, sent))  # noqa: SLF001
            if turn:  # the first one prepares
                own[shape].append(took)
                bare[shape].append(raw)
    for shape in shapes:
        (seconds, cpu), (bare_seconds, bare_cpu) = [
            [statistics.median(each) for each in zip(*runs[shape], strict=True)] for runs in (own, bare)
        ]
        values = AT_ONCE * BATCH * FEATURES
        print(
            f"write {shape[0]:6} {shape[1].name:6} {values / seconds:10,.0f} /s {cpu / values * 1e6:5.2f} us CPU"
            f"   bare {values / bare_seconds:10,.0f} {bare_cpu / values * 1e6:5.2f}   {bare_seconds / seconds:.2f}"
        )


async def measure_reads(storage: NamespaceStorage, kinds: dict[str, Kind]) -> None:
    for number, turns in ((1, 1_000), (100, 200)):
        took = []
        for turn in range(turns):
            ids = [f"delivery_{(turn * 37 + n * 11) % BATCH:08}" for n in range(number)]
            took.append((await timed(storage.read_cells(ids)))[0] * 1e6)
        p50, p99 = statistics.median(took), statistics.quantiles(took, n=100)[98]
        rate = number * len(took) / sum(took) * 1e6
        print(f"read_cells {number:3} entities p50 {p50:8,.0f} us   p99 {p99:8,.0f} us {rate:10,.0f} entities/s")
    for name, kind in kinds.items():
        for scan in (scan_of, bare_scan_of):
            values = [await rate_of(lambda: scan(storage, kind)) for _ in range(3)]  # noqa: B023 - awaited here
            print(f"{scan.__doc__:10} {name:6}           {statistics.median(values):12,.0f} values/s")
        pairs = [(definition, kind.group) for definition in kind.definitions]
        for label, newest in (("all", None), ("newest 1", 1)):
            ids = [f"delivery_{n:08}" for n in range(200)]
            began = time.perf_counter()
            found = await storage.read_history(ids, pairs, start=0, end=2**61, newest=newest)
            seconds, held = time.perf_counter() - began, sum(len(history.entity) for history in found)
            print(f"history {name:6} 200 entities {label:8} {seconds * 1e3:8,.0f} ms {held / seconds:12,.0f} values/s")


async def rate_of(scan: Callable[[], Awaitable[int]]) -> float:
    """Values per second."""
    began = time.perf_counter()
    return await scan() / (time.perf_counter() - began)


async def scan_of(storage: NamespaceStorage, kind: Kind) -> int:
    """scan"""
    values = 0
    for partition in await storage.partitions(kind.group):
        async for block in storage.scan_history(kind.definitions, kind.group, partition):
            values += sum(len(history.entity) for history in block.histories)
    assert values == kind.rows * FEATURES
    return values


async def bare_scan_of(storage: NamespaceStorage, kind: Kind) -> int:
    """bare scan"""
    statements: Any = storage._statements  # type: ignore[attr-defined]  # noqa: SLF001
    of_name = "SELECT entity_id, version, timestamp, ingested_at, value_double FROM ks.feature_values_by_name"
    of_group = "SELECT entity_id, timestamp, ingested_at, layout_id, packed FROM ks.feature_values_packed_by_group"
    packed = kind.group.history == "packed"
    column, text = ("feature_group", of_group) if packed else ("feature_name", of_name)
    query = (await statements.get(f"{text} WHERE {column} = ? AND period = ? AND bucket = ?")).statement
    names = [kind.group.name] if packed else [each.name for each in kind.definitions]
    rows = 0
    for partition in await storage.partitions(kind.group):
        for name in names:
            statement = query.bind((name, partition.period, partition.bucket), page_size=5_000)
            more = True
            while more:
                result = await statements.driver._session.execute(statement)  # noqa: SLF001
                rows += sum(1 for row in result if row.as_tuple())
                more = result.has_more_pages()
                if more:
                    statement.set_page_state(result.page_state())
    return rows * (FEATURES if packed else 1)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("url", help="storage URL without options")
    parser.add_argument("--rounds", type=int, default=5, help="batches of 1,000 rows of each kind")
    arguments = parser.parse_args()
    name = f"run_{uuid.uuid4().hex[:12]}"
    settings = StorageSettings(f"{arguments.url}/?keyspace_prefix=bench_", request_timeout_ms=20_000)
    async with open_storage(settings) as storage:
        await storage.create_namespace(name, NamespaceOptions())
        try:
            namespace = await storage.namespace(name)
            kinds = {history: Kind(history) for history in ("rows", "packed")}
            await namespace.put_layouts([each.layout for each in kinds.values()])
            await measure_writes(namespace, kinds, arguments.rounds)
            await measure_reads(namespace, kinds)
        finally:
            await storage.drop_namespace(name)


if __name__ == "__main__":
    uvloop.run(main())
