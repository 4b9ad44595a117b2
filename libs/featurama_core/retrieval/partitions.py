"""Reads the history of a group for the rows of one join, period by period, newest first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing, suppress
from itertools import groupby

import numpy as np

from featurama_core.datasets.plan import PlannedRead, Strategy
from featurama_core.datasets.progress import Stage
from featurama_core.retrieval.join import RowJoin
from featurama_core.retrieval.planner import Planner
from featurama_core.retrieval.source import ValueSource
from featurama_core.retrieval.visibility import horizon, is_gone, may_see
from featurama_core.storage.records import Partition, ScanBlock
from featurama_core.types.errors import FeaturamaError
from featurama_core.types.references import ResolvedFeature
from featurama_core.types.times import MAX_TIME, MIN_TIME
from featurama_core.types.values import Int64Array

VALUES_AT_ONCE = 1_000_000
"""Target number of stored values per read of lookups."""
SEEKS_AT_ONCE = 4_096
"""Label rows per read of seeks."""
_FIRST_ENTITIES, _MOST_ENTITIES = 32, 5_000

Finished = Callable[[int], Awaitable[None]]


class GroupReader:
    """Reads the history of features of one group for the rows of one join."""

    def __init__(
        self, source: ValueSource, features: Sequence[ResolvedFeature], join: RowJoin, *, strategy: Strategy, now: int
    ) -> None:
        self._source = source
        self._length = source.history_period
        self._group = features[0].group
        self._features = features
        self.join = join
        self._planner = Planner(source, features, join, strategy)
        self._gone = horizon(self._group, MIN_TIME, now)
        self._codes = {entity_id: code for code, entity_id in enumerate(join.rows.entity_ids)}

    async def periods(self) -> list[list[Partition]]:
        """The partitions that label rows may need: one list per period, newest first."""
        if not len(self.join.rows):
            return []
        newest = int(self.join.rows.event_time.max()) // self._length
        found = sorted(await self._source.partitions(self._group), key=lambda each: each.period, reverse=True)
        ends = np.array([(each.period + 1) * self._length - 1 for each in found], dtype=np.int64)
        kept = (~is_gone(ends, self._gone)).tolist()
        wanted = [each for each, is_kept in zip(found, kept, strict=True) if is_kept and each.period <= newest]
        return [list(each) for _, each in groupby(wanted, key=lambda each: each.period)]

    async def read(self, periods: Sequence[list[Partition]], stage: Stage, finished: Finished) -> None:
        """Join every period. `finished` is called after each."""
        for partitions in periods:
            period = partitions[0].period
            start = period * self._length
            entities = await asyncio.to_thread(self.join.entities, start, start + self._length)
            values = 0
            if len(entities):
                rows = await asyncio.to_thread(self.join.needing, start)
                strategy, _ = await self._planner.choose(partitions, entities, rows)
                if strategy == "scan":
                    values = await self._scans(partitions, start)
                elif strategy == "seek":
                    values = await self._seek(partitions, rows, start)
                else:
                    values = await self._look_up(entities, start)
            stage.advance(1, values)
            await finished(period)

    async def explain(self, periods: Sequence[list[Partition]], scale: float = 1.0) -> list[PlannedRead]:
        """An estimate of the reads of `read`: a label row is assumed to need only the newest period that it may see.
        scale: ratio of all entities to those of the label rows.
        """
        reads = []
        for partitions in periods:
            start = partitions[0].period * self._length
            rows = await asyncio.to_thread(self._reaching, start, partitions is periods[0])
            if len(rows):
                reads.append(
                    await self._planner.explain(partitions, np.unique(self.join.rows.entity[rows]), rows, scale)
                )
        return reads

    def _reaching(self, start: int, newest: bool) -> Int64Array:
        time = self.join.rows.event_time
        reached = may_see(time, start, MAX_TIME, None)
        if not newest:
            reached &= ~may_see(time, start + self._length, MAX_TIME, None)
        return np.flatnonzero(reached)

    async def _scans(self, partitions: Sequence[Partition], start: int) -> int:
        values = 0
        for partition in partitions:
            async with aclosing(_ahead(self._planner.scan(partition))) as blocks:
                async for block in blocks:
                    values += sum(len(each.entity) for each in block.histories)
                    await asyncio.to_thread(self._join_block, block, start)
        return values

    def _join_block(self, block: ScanBlock, start: int) -> None:
        known = self._codes.get
        codes = np.fromiter((known(each, -1) for each in block.entity_ids), np.int64, len(block.entity_ids))
        self.join.take(codes, block.histories, start)

    async def _seek(self, partitions: Sequence[Partition], rows: Int64Array, start: int) -> int:
        values = 0
        lacking = [rows[:0]]
        for partition in partitions:
            for first in range(0, len(rows), SEEKS_AT_ONCE):
                some = rows[first : first + SEEKS_AT_ONCE]
                wanted = await asyncio.to_thread(self.join.seeks, some)
                sought = await self._source.seek(wanted, self._features, self._group, partition)
                values += sum(len(each.history.entity) for each in sought)
                lacking.append(await asyncio.to_thread(self.join.take_events, some, wanted, sought))
        return values + await self._look_up(np.unique(np.concatenate(lacking)), start)

    async def _look_up(self, entities: Int64Array, start: int) -> int:
        values = 0
        entity_ids = self.join.rows.entity_ids
        sizes = _Sizes()
        for codes in sizes.cut(entities):
            wanted = [entity_ids[code] for code in codes.tolist()]
            histories = await self._source.lookup(wanted, self._features, start, start + self._length - 1)
            read = sum(len(each.entity) for each in histories)
            sizes.learn(read, len(wanted))
            values += read
            await asyncio.to_thread(self.join.take, codes, histories, start)
        return values


class _Sizes:
    """The number of entities per read of lookups, adapted so that the number of values stays bounded."""

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


async def _ahead(blocks: AsyncIterator[ScanBlock]) -> AsyncGenerator[ScanBlock, None]:
    """The same blocks. The next one is read during the processing of the current one."""
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
