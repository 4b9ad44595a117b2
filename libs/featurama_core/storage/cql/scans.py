"""Scanning a partition of a group. Its features are read concurrently, in pages sorted by entity id, and cut into
blocks of entities that are complete for all features. Cassandra sorts text by its UTF-8 bytes, as Python does.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np

from featurama_core.storage.cql.both_tables import aligned, both, only_in_rows
from featurama_core.storage.cql.decoding import history_of, int64s
from featurama_core.storage.cql.driver import PAGE_ROWS
from featurama_core.storage.cql.fan_out import for_each
from featurama_core.storage.cql.history_rows import VALUE_COLUMNS
from featurama_core.storage.cql.packed import scan_packed
from featurama_core.storage.cql.periods import period_of
from featurama_core.storage.cql.statements import Statements
from featurama_core.storage.records import History, Partition, ScanBlock
from featurama_core.types.schema import FeatureDefinition, FeatureGroup
from featurama_core.types.values import Int64Array

_ROWS_AHEAD = 100_000
"""Rows of all pages of one step together."""
_SMALLEST_PAGE = 500

_SCAN = " FROM ks.feature_values_by_name WHERE feature_name = ? AND period = ? AND bucket = ?"


@dataclass(frozen=True, slots=True, eq=False)
class _Page:
    """Rows of one feature name, entity ids ascending. values: one column per value type, in the order of the stream."""

    entity_ids: tuple[str, ...]
    version: Int64Array
    event_time: Int64Array
    ingested_at: Int64Array
    values: tuple[tuple[Any, ...], ...]

    @classmethod
    def of(cls, rows: list[Any]) -> _Page:
        ids, version, times, ingested, *values = zip(*rows, strict=True)
        return cls(ids, int64s(version), int64s(times), int64s(ingested), tuple(values))

    def part(self, start: int, end: int) -> _Page:
        return _Page(
            self.entity_ids[start:end],
            self.version[start:end],
            self.event_time[start:end],
            self.ingested_at[start:end],
            tuple(column[start:end] for column in self.values),
        )


@dataclass(slots=True, eq=False)
class _Stream:
    """The rows of one feature name that are read and not yet part of a block."""

    source: AsyncIterator[list[Any]]
    pages: list[_Page] = field(default_factory=list)
    done: bool = False

    async def advance(self) -> None:
        rows = await anext(self.source, None)
        if rows is None:
            self.done = True
        elif rows:
            self.pages.append(_Page.of(rows))

    @property
    def last(self) -> str:
        """The last entity read, which may have further rows; "" before the first."""
        return self.pages[-1].entity_ids[-1] if self.pages else ""

    def take(self, bound: str | None) -> list[_Page]:
        """Remove and return the rows of entities before `bound` (None: of all)."""
        if bound is None:
            taken, self.pages = self.pages, []
            return taken
        taken, kept = [], []
        for page in self.pages:
            cut = bisect_left(page.entity_ids, bound)
            if cut:
                taken.append(page.part(0, cut))
            if cut < len(page.entity_ids):
                kept.append(page.part(cut, len(page.entity_ids)) if cut else page)
        self.pages = kept
        return taken


async def scan_history(
    statements: Statements, features: Sequence[FeatureDefinition], group: FeatureGroup, partition: Partition
) -> AsyncIterator[ScanBlock]:
    """Blocks of whole entities, ids ascending. Where the values lie is read when the scan begins."""
    period = await period_of(statements, group, partition.period)
    if not period.packed:
        blocks = _scan_rows(statements, features, partition)
    elif not period.rows:
        blocks = scan_packed(statements, features, group, partition)
    else:
        blocks = _scan_both(statements, features, group, partition)
    async with aclosing(blocks):  # type: ignore[type-var]
        async for block in blocks:
            yield block


async def scan_unpacked(
    statements: Statements, features: Sequence[FeatureDefinition], group: FeatureGroup, partition: Partition
) -> AsyncIterator[ScanBlock]:
    """As `scan_history`, of the values that are in no packed cell."""
    pairs = _scan_pairs(statements, features, group, partition)
    async with aclosing(pairs):  # type: ignore[type-var]
        async for rows, packed in pairs:
            missing = [only_in_rows(*each) for each in zip(rows.histories, packed.histories, strict=True)]
            yield ScanBlock(rows.entity_ids, missing)


async def _scan_both(
    statements: Statements, features: Sequence[FeatureDefinition], group: FeatureGroup, partition: Partition
) -> AsyncIterator[ScanBlock]:
    pairs = _scan_pairs(statements, features, group, partition)
    async with aclosing(pairs):  # type: ignore[type-var]
        async for rows, packed in pairs:
            histories = [both(*each) for each in zip(rows.histories, packed.histories, features, strict=True)]
            yield ScanBlock(rows.entity_ids, histories)


def _scan_pairs(
    statements: Statements, features: Sequence[FeatureDefinition], group: FeatureGroup, partition: Partition
) -> AsyncIterator[tuple[ScanBlock, ScanBlock]]:
    rows = _scan_rows(statements, features, partition)
    return aligned(rows, scan_packed(statements, features, group, partition), features)


async def _scan_rows(
    statements: Statements, features: Sequence[FeatureDefinition], partition: Partition
) -> AsyncIterator[ScanBlock]:
    columns: dict[str, list[str]] = {}
    for feature in features:
        of_name = columns.setdefault(feature.name, [])
        if (column := VALUE_COLUMNS[feature.value_type]) not in of_name:
            of_name.append(column)
    page_rows = min(max(_ROWS_AHEAD // max(len(columns), 1), _SMALLEST_PAGE), PAGE_ROWS)
    async with AsyncExitStack() as open_streams:
        streams: dict[str, _Stream] = {}
        for name, of_name in columns.items():
            text = f"SELECT entity_id, version, timestamp, ingested_at, {', '.join(of_name)}{_SCAN}"
            values = (name, partition.period, partition.bucket)
            pages = statements.driver.pages_ahead(await statements.get(text), values, page_rows)
            streams[name] = _Stream(await open_streams.enter_async_context(aclosing(pages)))  # type: ignore[type-var]
        bound: str | None = ""
        while bound is not None:
            # The streams that end at the bound delay the others.
            behind = [stream for stream in streams.values() if not stream.done and stream.last <= bound]
            await for_each(behind, _Stream.advance, statements.driver.width)
            bound = min((stream.last for stream in streams.values() if not stream.done), default=None)
            taken = {name: stream.take(bound) for name, stream in streams.items()}
            if any(taken.values()):
                yield _block(features, columns, taken)


def _block(
    features: Sequence[FeatureDefinition], columns: dict[str, list[str]], taken: dict[str, list[_Page]]
) -> ScanBlock:
    seen = {entity_id for pages in taken.values() for page in pages for entity_id in page.entity_ids}
    entity_ids = sorted(seen)
    code = {entity_id: number for number, entity_id in enumerate(entity_ids)}
    histories = [_history(feature, columns[feature.name], taken[feature.name], code) for feature in features]
    return ScanBlock(entity_ids, histories)


def _history(feature: FeatureDefinition, columns: list[str], pages: list[_Page], code: dict[str, int]) -> History:
    if not pages:
        return History.nothing(feature)
    position = columns.index(VALUE_COLUMNS[feature.value_type])
    ids = chain.from_iterable(page.entity_ids for page in pages)
    version = np.concatenate([page.version for page in pages])
    entity = np.fromiter((code[entity_id] for entity_id in ids), dtype=np.int64, count=len(version))
    event_time = np.concatenate([page.event_time for page in pages])
    ingested_at = np.concatenate([page.ingested_at for page in pages])
    values: Sequence[Any] = list(chain.from_iterable(page.values[position] for page in pages))
    own = version == feature.version
    if not own.all():
        rows = np.flatnonzero(own)
        entity, event_time, ingested_at = entity[rows], event_time[rows], ingested_at[rows]
        values = [values[row] for row in rows.tolist()]
    return history_of(feature, entity, event_time, ingested_at, values)
