"""Reading a group's history for the label rows of one pass, period by period, newest first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from itertools import groupby

import numpy as np

from featurama_core.datasets.plan import PlannedRead, Reading
from featurama_core.datasets.progress import Stage
from featurama_core.namespace import Namespace
from featurama_core.retrieval.join import GroupJoin
from featurama_core.retrieval.planner import Planner
from featurama_core.storage.port import NamespaceStorage, Partition, ScanBlock
from featurama_core.types.errors import FeaturamaError
from featurama_core.types.references import ResolvedFeature
from featurama_core.types.values import Int64Array

VALUES_AT_ONCE = 1_000_000
"""Stored values that one read of slices should bring."""
_FIRST_ENTITIES, _MOST_ENTITIES = 32, 5_000

Finished = Callable[[int], Awaitable[None]]


class GroupReader:
    """Features of one group, for the label rows of one pass (`number` of `passes`)."""

    def __init__(
        self,
        namespace: Namespace,
        features: Sequence[ResolvedFeature],
        join: GroupJoin,
        *,
        reading: Reading,
        shard: tuple[int, int],
        now: int,
    ) -> None:
        self._storage: NamespaceStorage = namespace.storage
        self._length = namespace.storage.options.history_period
        self._group = features[0].group
        self._definitions = [each.definition for each in features]
        self.join = join
        self._shard = shard
        self._planner = Planner(self._storage, self._group, self._definitions, join.keys.entity_ids, reading)
        self._oldest = None if self._group.retention is None else now - self._group.retention
        self._codes = {entity_id: code for code, entity_id in enumerate(join.keys.entity_ids)}

    async def periods(self) -> list[list[Partition]]:
        """The partitions that label rows may need, a list a period, newest first."""
        if not len(self.join.keys):
            return []
        newest = int(self.join.keys.event_time.max()) // self._length
        found = sorted(await self._storage.partitions(self._group), key=lambda each: each.period, reverse=True)
        wanted = [
            each for each in found if each.period <= newest and not self._expired(each.period) and self._ours(each)
        ]
        return [list(each) for _, each in groupby(wanted, key=lambda each: each.period)]

    async def read(self, periods: Sequence[list[Partition]], stage: Stage, finished: Finished) -> None:
        """Join every period. `finished` is told each one that is."""
        for partitions in periods:
            period = partitions[0].period
            start = period * self._length
            entities = await asyncio.to_thread(self.join.entities, start, start + self._length)
            values = 0
            if len(entities):
                way, _ = await self._planner.choose(partitions, entities)
                read = self._slices(entities, start) if way == "slices" else self._scans(partitions, start)
                values = await read
            stage.advance(1, values)
            await finished(period)

    async def explain(self, periods: Sequence[list[Partition]], scale: float = 1.0) -> list[PlannedRead]:
        """What `read` would do, as far as can be told before: a label row is taken to need the newest period that it
        reaches, and no older one. scale: how many entities there are for each one that the label rows have.
        """
        reads = []
        for partitions in periods:
            start = partitions[0].period * self._length
            needed = await asyncio.to_thread(self._needed, start, partitions is periods[0])
            if len(needed):
                reads.append(await self._planner.explain(partitions, needed, scale))
        return reads

    def _needed(self, start: int, newest: bool) -> Int64Array:
        time = self.join.keys.event_time
        inside = time >= start if newest else (time >= start) & (time < start + self._length)
        codes: Int64Array = np.unique(self.join.keys.entity[inside])
        return codes

    def _expired(self, period: int) -> bool:
        return self._oldest is not None and (period + 1) * self._length <= self._oldest

    def _ours(self, partition: Partition) -> bool:
        # Buckets and shards are cut by the same hash, both into powers of two.
        number, passes = self._shard
        both = min(passes, partition.buckets)
        return partition.bucket % both == number % both

    async def _scans(self, partitions: Sequence[Partition], start: int) -> int:
        values = 0
        for partition in partitions:
            blocks = self._storage.scan_history(self._definitions, self._group, partition)
            async for block in _ahead(blocks):
                values += sum(len(each.entity) for each in block.histories)
                await asyncio.to_thread(self._join_block, block, start)
        return values

    def _join_block(self, block: ScanBlock, start: int) -> None:
        known = self._codes.get
        codes = np.fromiter((known(each, -1) for each in block.entity_ids), np.int64, len(block.entity_ids))
        self.join.take(codes, block.histories, start)

    async def _slices(self, entities: Int64Array, start: int) -> int:
        values = 0
        entity_ids = self.join.keys.entity_ids
        wanted = [(each, self._group) for each in self._definitions]
        sizes = _Sizes()
        for codes in sizes.cut(entities):
            asked = [entity_ids[code] for code in codes.tolist()]
            histories = await self._storage.read_history(asked, wanted, start=start, end=start + self._length - 1)
            read = sum(len(each.entity) for each in histories)
            sizes.learn(read, len(asked))
            values += read
            await asyncio.to_thread(self.join.take, codes, histories, start)
        return values


class _Sizes:
    """How many entities one read of slices asks for, so that what it brings stays bounded."""

    def __init__(self) -> None:
        self._size = _FIRST_ENTITIES

    def cut(self, entities: Int64Array) -> Iterator[Int64Array]:
        at = 0
        while at < len(entities):
            size = self._size
            yield entities[at : at + size]
            at += size

    def learn(self, values: int, entities: int) -> None:
        fits = VALUES_AT_ONCE * entities // max(values, 1)
        self._size = max(min(fits, 4 * self._size, _MOST_ENTITIES), 1)


async def _ahead(blocks: AsyncIterator[ScanBlock]) -> AsyncIterator[ScanBlock]:
    """The same blocks; the next one is read while the last one is worked on."""
    coming: asyncio.Future[ScanBlock | None] = asyncio.ensure_future(_next(blocks))
    try:
        while (block := await coming) is not None:
            coming = asyncio.ensure_future(_next(blocks))
            yield block
    finally:
        coming.cancel()
        with suppress(asyncio.CancelledError, FeaturamaError):
            await coming
        await blocks.aclose()  # type: ignore[attr-defined]


async def _next(blocks: AsyncIterator[ScanBlock]) -> ScanBlock | None:
    return await anext(blocks, None)
