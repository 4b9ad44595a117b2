"""The strategy for reading each period of a group, and its estimated cost.

Both strategies find the same values. A scan reads a whole partition, including entities without label rows; slices read
each entity separately. Slices are chosen for few entities; otherwise both are measured on a sample and the faster one
is chosen.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass

import numpy as np

from featurama_core.datasets.plan import ChosenStrategy, PlannedRead, Strategy
from featurama_core.retrieval.source import ValueSource
from featurama_core.storage.records import Partition, ScanBlock
from featurama_core.types.references import ResolvedFeature
from featurama_core.types.times import to_rfc3339
from featurama_core.types.values import Int64Array

FEW_ENTITIES = 200
_SAMPLE = 32


@dataclass(frozen=True, slots=True)
class _Sample:
    """Measurements of one period of a group. per_slice, per_scanned: seconds per entity. values: stored values per
    entity. scanned: estimated number of entities in the period.
    """

    per_slice: float
    values: float
    per_scanned: float
    scanned: float


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
    """Chooses the strategy for one pass over one group. It samples at most once."""

    def __init__(
        self,
        source: ValueSource,
        features: Sequence[ResolvedFeature],
        entity_ids: Sequence[str],
        strategy: Strategy,
    ) -> None:
        self._source = source
        self._group = features[0].group
        self._features = features
        self._entity_ids = entity_ids
        self._strategy = strategy
        self._sample: _Sample | None = None
        self._begun: _Begun | None = None

    async def choose(
        self, partitions: Sequence[Partition], entities: Int64Array, scale: float = 1.0
    ) -> tuple[ChosenStrategy, str]:
        """The strategy for one period and these entities (codes), or `scale` times as many, and its reason."""
        if self._strategy != "auto":
            return self._strategy, "as requested"
        needed = round(len(entities) * scale)
        if needed <= FEW_ENTITIES:
            return "lookup", f"few entities ({needed}) are needed"
        sample = await self._sampled(partitions, entities)
        slices, scan = needed * sample.per_slice, sample.scanned * sample.per_scanned
        which = f"{needed} of about {max(sample.scanned, needed):.0f} entities are needed"
        if slices <= scan:
            await self._end_begun()
            return "lookup", f"{which}: {_text(slices)} by lookups, {_text(scan)} by a scan"
        return "scan", f"{which}: {_text(scan)} by a scan, {_text(slices)} by lookups"

    async def explain(self, partitions: Sequence[Partition], entities: Int64Array, scale: float = 1.0) -> PlannedRead:
        """The chosen strategy with its estimates."""
        strategy, reason = await self.choose(partitions, entities, scale)
        sample = await self._sampled(partitions, entities)
        await self._end_begun()
        needed = round(len(entities) * scale)
        if strategy == "lookup":
            rows, seconds = needed * sample.values, needed * sample.per_slice
        else:
            rows, seconds = sample.scanned * sample.values, sample.scanned * sample.per_scanned
        period = partitions[0].period * self._source.history_period
        return PlannedRead(
            self._group.name,
            len(self._features),
            to_rfc3339(period),
            len(partitions),
            strategy,
            reason,
            needed,
            round(rows),
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

    async def _sampled(self, partitions: Sequence[Partition], entities: Int64Array) -> _Sample:
        if self._sample is None:
            self._sample = await self._take(partitions, entities)
        return self._sample

    async def _take(self, partitions: Sequence[Partition], entities: Int64Array) -> _Sample:
        length = self._source.history_period
        start = partitions[0].period * length
        picked = entities[np.unique(np.linspace(0, len(entities) - 1, _SAMPLE).astype(np.int64))]
        began = time.perf_counter()
        sampled = [self._entity_ids[code] for code in picked.tolist()]
        sliced = await self._source.lookup(sampled, self._features, start, start + length - 1)
        sliced_at = time.perf_counter()
        values = sum(len(each.entity) for each in sliced) / len(picked)
        blocks = self._source.scan(self._features, self._group, partitions[0])
        self._begun = _Begun(partitions[0], [], blocks)
        first = await self._begun.advance()
        scanned_at = time.perf_counter()
        more = first is not None and len(partitions) == 1 and await self._begun.advance() is not None
        per_slice = (sliced_at - began) / len(picked)
        if first is None:
            return _Sample(per_slice, values, 0.0, 0.0)
        wanted = {self._entity_ids[code] for code in entities.tolist()}
        met = len(wanted.intersection(first.entity_ids))
        inside = len(first.entity_ids)
        per_scanned = (scanned_at - sliced_at) / inside
        if more or len(partitions) > 1:
            # Ids are sorted by their bytes: the share of label rows' entities in the first block is assumed for all.
            total = max(len(entities) * inside / max(met, 0.5), inside)
        else:
            total = inside
        return _Sample(per_slice, values, per_scanned, total)


def _text(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{1_000 * seconds:.2g} ms"
