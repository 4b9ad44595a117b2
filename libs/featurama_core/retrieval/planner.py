"""The strategy for reading each period of a group, and its estimated cost.

All strategies find the same values. A scan reads a whole partition, including entities without label rows; lookups read
each entity separately; seeks find the newest event of each label row, where the storage can. Seeks are chosen for few
rows and lookups for few entities; otherwise all are measured on a sample, and the fastest is chosen.
"""

from __future__ import annotations

import math
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass

import numpy as np

from featurama_core.datasets.plan import ChosenStrategy, PlannedRead, Strategy
from featurama_core.retrieval.join import RowJoin
from featurama_core.retrieval.source import ValueSource
from featurama_core.storage.records import Partition, ScanBlock
from featurama_core.types.references import ResolvedFeature
from featurama_core.types.times import to_rfc3339
from featurama_core.types.values import Int64Array

FEW = 200
"""Up to this number of label rows or entities, no sample is taken."""
_SAMPLE, _SAMPLE_ROWS = 32, 256


@dataclass(frozen=True, slots=True)
class _Scanned:
    """A sample of a scan. per_entity: seconds. entities: estimated number of entities in the period. values: stored
    values per entity of label rows.
    """

    per_entity: float
    entities: float
    values: float


@dataclass(frozen=True, slots=True)
class _Sample:
    """Measurements of one period of a group. per_seek: seconds per label row, infinite without seeks. per_lookup:
    seconds per entity. values: stored values per entity. scan: of this period or of a similar one.
    """

    period: int
    per_seek: float
    per_lookup: float
    values: float
    scan: _Scanned

    def seconds(self, entities: int, rows: int) -> dict[ChosenStrategy, float]:
        """The estimate of each strategy for some entities and label rows."""
        scan = self.scan.entities * self.scan.per_entity
        return {"lookup": entities * self.per_lookup, "seek": rows * self.per_seek, "scan": scan}


@dataclass(slots=True)
class _Begun:
    """A begun scan of a partition, and the blocks read so far."""

    partition: Partition
    read: list[ScanBlock]
    blocks: AsyncIterator[ScanBlock]

    async def advance(self) -> ScanBlock | None:
        block = await anext(self.blocks, None)
        if block is not None:
            self.read.append(block)
        return block

    async def close(self) -> None:
        await self.blocks.aclose()  # type: ignore[attr-defined]


class Planner:
    """Chooses the strategy for one pass over one group. It samples every period, and scans of those that hold another
    number of values per entity.
    """

    def __init__(
        self,
        source: ValueSource,
        features: Sequence[ResolvedFeature],
        join: RowJoin,
        strategy: Strategy,
    ) -> None:
        self._source = source
        self._group = features[0].group
        self._features = features
        self._join = join
        self._strategy = strategy if strategy != "seek" or source.seeks else "lookup"
        self._sample: _Sample | None = None
        self._begun: _Begun | None = None

    async def choose(
        self, partitions: Sequence[Partition], entities: Int64Array, rows: Int64Array, scale: float = 1.0
    ) -> tuple[ChosenStrategy, str]:
        """The strategy for one period, and its reason. entities: codes. rows: positions of label rows in the join.
        scale: ratio of all of them to the given ones.
        """
        if self._strategy != "auto":
            return self._strategy, "as requested"
        needed, seeks = round(len(entities) * scale), round(len(rows) * scale)
        if seeks <= FEW and self._source.seeks:
            return "seek", f"few label rows ({seeks}) need it"
        if needed <= FEW:
            return "lookup", f"few entities ({needed}) are needed"
        sample = await self._sampled(partitions, entities, rows)
        seconds = sample.seconds(needed, seeks)
        # The estimate of seeks is the roughest: they are chosen where they are far ahead.
        chosen = min(seconds, key=lambda each: seconds[each] * (2 if each == "seek" else 1))
        if chosen != "scan":
            await self._end_begun()
        costs = [f"{_text(seconds['lookup'])} by lookups", f"{_text(seconds['scan'])} by a scan"]
        if self._source.seeks:
            costs.append(f"{_text(seconds['seek'])} by {seeks} seeks")
        which = f"{needed} of about {max(sample.scan.entities, needed):.0f} entities are needed"
        return chosen, f"{which}: {', '.join(costs)}"

    async def explain(
        self, partitions: Sequence[Partition], entities: Int64Array, rows: Int64Array, scale: float = 1.0
    ) -> PlannedRead:
        """The chosen strategy with its estimates."""
        strategy, reason = await self.choose(partitions, entities, rows, scale)
        sample = await self._sampled(partitions, entities, rows)
        await self._end_begun()
        needed, seeks = round(len(entities) * scale), round(len(rows) * scale)
        seconds = sample.seconds(needed, seeks)[strategy]
        values = {
            "lookup": needed * sample.values,
            "seek": seeks * len(self._features),
            "scan": sample.scan.entities * sample.values,
        }[strategy]
        period = partitions[0].period * self._source.history_period
        return PlannedRead(
            self._group.name,
            len(self._features),
            to_rfc3339(period),
            len(partitions),
            strategy,
            reason,
            needed,
            round(values),
            round(seconds, 4),
        )

    async def scan(self, partition: Partition) -> AsyncGenerator[ScanBlock, None]:
        """The blocks of a partition. Blocks read for the sample are not read again."""
        begun = self._begun
        if begun is None or begun.partition != partition:
            await self._end_begun()
            begun = _Begun(partition, [], self._source.scan(self._features, self._group, partition))
        self._begun = None
        try:
            for block in begun.read:
                yield block
            async for block in begun.blocks:
                yield block
        finally:
            await begun.close()

    async def _end_begun(self) -> None:
        begun, self._begun = self._begun, None
        if begun is not None:
            await begun.close()

    async def _sampled(self, partitions: Sequence[Partition], entities: Int64Array, rows: Int64Array) -> _Sample:
        period, last = partitions[0].period, self._sample
        if last is not None and last.period == period:
            return last
        # Each finds the file as cold as a read of the whole period does: the smallest comes first.
        per_seek = await self._seeking(partitions, rows)
        per_lookup, values = await self._looking_up(partitions, entities)
        # The newest period is often incomplete, and no measure for others.
        if last is not None and last.scan.values / 2 <= values <= 2 * last.scan.values:
            scan = last.scan
        else:
            scan = await self._scanning(partitions, entities, values)
        self._sample = _Sample(period, per_seek, per_lookup, values, scan)
        return self._sample

    async def _looking_up(self, partitions: Sequence[Partition], entities: Int64Array) -> tuple[float, float]:
        """Seconds and stored values per entity."""
        length = self._source.history_period
        start = partitions[0].period * length
        sampled = [self._join.rows.entity_ids[code] for code in _spread(entities, _SAMPLE).tolist()]
        began = time.perf_counter()
        found = await self._source.lookup(sampled, self._features, start, start + length - 1)
        seconds = time.perf_counter() - began
        return seconds / len(sampled), sum(len(each.entity) for each in found) / len(sampled)

    async def _scanning(self, partitions: Sequence[Partition], entities: Int64Array, values: float) -> _Scanned:
        await self._end_begun()
        began = time.perf_counter()
        blocks = self._source.scan(self._features, self._group, partitions[0])
        self._begun = _Begun(partitions[0], [], blocks)
        first = await self._begun.advance()
        seconds = time.perf_counter() - began
        if first is None:
            return _Scanned(0.0, 0.0, values)
        inside = len(first.entity_ids)
        if len(partitions) == 1 and await self._begun.advance() is None:
            return _Scanned(seconds / inside, inside, values)
        # Ids are sorted by their bytes: the share of label rows' entities in the first block is assumed for all.
        met = len({self._join.rows.entity_ids[code] for code in entities.tolist()}.intersection(first.entity_ids))
        return _Scanned(seconds / inside, max(len(entities) * inside / max(met, 0.5), inside), values)

    async def _seeking(self, partitions: Sequence[Partition], rows: Int64Array) -> float:
        """Seconds per label row."""
        if not self._source.seeks:
            return math.inf
        picked = _spread(rows, _SAMPLE_ROWS)
        began = time.perf_counter()
        await self._source.seek(self._join.seeks(picked), self._features, self._group, partitions[0])
        return (time.perf_counter() - began) / len(picked)


def _spread(numbers: Int64Array, count: int) -> Int64Array:
    """At most `count` of the numbers, evenly spread."""
    return numbers[np.unique(np.linspace(0, len(numbers) - 1, count).astype(np.int64))]


def _text(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{1_000 * seconds:.2g} ms"
