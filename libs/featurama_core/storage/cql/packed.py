"""Reading history in packed cells: slices of (entity, period) partitions, and scans of (group, period, bucket).

A cell of other layouts lies between the cells of the features that are read; it is not decoded.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from contextlib import AsyncExitStack, aclosing
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np

from featurama_core.off_loop import off_loop
from featurama_core.storage.cql.fan_out import collect
from featurama_core.storage.cql.layouts import known_layouts
from featurama_core.storage.cql.statements import Statements
from featurama_core.storage.layouts import Layout, LayoutField
from featurama_core.storage.packed_history import KnownLayouts, Row, StoredRows, decode
from featurama_core.storage.records import History, Partition, ScanBlock
from featurama_core.types.schema import FeatureDefinition, FeatureGroup

_FIRST_PAGE, _FIRST_OF_SLICE, _LARGEST_PAGE = 100, 250, 2_000
"""A cell may have 400 KiB, and usually has half of one: what comes first says how many are read next."""
_PAGE_BYTES = 4 * 1024 * 1024
_FEW_CELLS = 500
"""Cells that are decoded on the event loop."""

_SLICE = (
    "SELECT timestamp, ingested_at, layout_id, packed FROM ks.feature_values_packed"
    " WHERE entity_id = ? AND period = ? AND timestamp >= ? AND timestamp <= ?"
)
_SCAN = (
    "SELECT entity_id, timestamp, ingested_at, layout_id, packed FROM ks.feature_values_packed_by_group"
    " WHERE feature_group = ? AND period = ? AND bucket = ?"
)


class PackedSlices:
    """The packed history of entities with start <= event time <= end. periods: that may hold such cells, ascending."""

    def __init__(
        self,
        statements: Statements,
        entity_ids: Sequence[str],
        features: Sequence[FeatureDefinition],
        bounds: tuple[int, int],
        periods: Sequence[int],
    ) -> None:
        self._statements = statements
        self._entity_ids = entity_ids
        self._features = features
        self._bounds = bounds
        self._periods = periods

    async def all(self) -> list[History]:
        """Every value: one History per feature, in order."""
        query = await self._statements.get(_SLICE)
        driver = self._statements.driver
        wanted = [(code, period) for code in range(len(self._entity_ids)) for period in self._periods]

        async def read(one: tuple[int, int]) -> list[Row]:
            code, period = one
            at = (self._entity_ids[code], period, *self._bounds)
            pages = driver.pages(query, at, _FIRST_OF_SLICE, next_rows=_next_rows)
            return [(code, *row) async for page in pages for row in page]

        return await self._decoded([row for rows in await collect(wanted, read, driver.width) for row in rows])

    async def newest(self, count: int) -> list[History]:
        """At least the `count` newest values of each (entity, feature), with all corrections of each event time."""
        # A cell may lack features, so the depth needed is known only after decoding: rounds of twice the depth over the
        # entities that still lack values.
        sources = {code: self._newest_first(code, count) for code in range(len(self._entity_ids))}
        stored = np.zeros((len(self._features), len(self._entity_ids)), dtype=np.int64)
        rows: list[Row] = []
        async with AsyncExitStack() as opened:
            for source in sources.values():
                await opened.enter_async_context(aclosing(source))  # type: ignore[type-var]
            while sources:
                found = await collect(list(sources.values()), _advance, self._statements.driver.width)
                taken = [row for some in found for row in some or ()]
                rows += taken
                for position, history in enumerate(await self._decoded(taken)):
                    stored[position] += np.bincount(history.entity, minlength=len(self._entity_ids))
                lacking = set(np.flatnonzero(stored.min(axis=0, initial=count) < count).tolist())
                sources = {
                    code: source
                    for (code, source), some in zip(sources.items(), found, strict=True)
                    if some is not None and code in lacking
                }
        return await self._decoded(rows)

    async def _newest_first(self, code: int, count: int) -> AsyncIterator[list[Row]]:
        """The rows of an entity, newest first, in lists that never end inside of an event time."""
        query = await self._statements.get(_SLICE)
        page_rows = min(count + 1, _FIRST_PAGE)
        for period in reversed(self._periods):
            at = (self._entity_ids[code], period, *self._bounds)
            kept: list[Row] = []
            pages = self._statements.driver.pages(query, at, page_rows, next_rows=_twice)
            async with aclosing(pages):  # type: ignore[type-var]
                async for page in pages:
                    kept += [(code, *row) for row in page]
                    whole = [row for row in kept if row[1] != kept[-1][1]]
                    if whole:
                        yield whole
                        kept = kept[len(whole) :]
            if kept:
                yield kept

    async def _decoded(self, rows: Sequence[Row]) -> list[History]:
        return await decoded(self._statements, rows, self._features)


async def scan_packed(
    statements: Statements, features: Sequence[FeatureDefinition], group: FeatureGroup, partition: Partition
) -> AsyncIterator[ScanBlock]:
    """Blocks of whole entities, ids ascending. An entity without values of the features may be among them."""
    values = (group.name, partition.period, partition.bucket)
    query = await statements.get(_SCAN)
    kept: list[Any] = []
    async with aclosing(statements.driver.pages_ahead(query, values, _FIRST_PAGE, _next_rows)) as pages:  # type: ignore[type-var]
        async for page in pages:
            kept += page
            # The last entity may have further rows.
            cut = next((at for at in range(len(kept) - 1, -1, -1) if kept[at][0] != kept[-1][0]), -1) + 1
            if cut:
                yield await _block(statements, kept[:cut], features)
                kept = kept[cut:]
    if kept:
        yield await _block(statements, kept, features)


async def decoded(statements: Statements, rows: Sequence[Row], features: Sequence[FeatureDefinition]) -> list[History]:
    """(entity code, event time, ingested_at, layout id, cell) -> one History per feature, in order."""
    layouts = await known_layouts(statements, {row[3] for row in rows})
    holding = holding_layouts({row[3]: layouts[row[3]] for row in rows}.values(), features)
    held = [row for row in rows if row[3] in holding]
    return await off_loop(len(held) > _FEW_CELLS, _decode, held, features, layouts)


def _decode(rows: Sequence[Row], features: Sequence[FeatureDefinition], layouts: KnownLayouts) -> list[History]:
    return decode(StoredRows.of(rows), features, layouts)


def holding_layouts(layouts: Iterable[Layout], features: Sequence[FeatureDefinition]) -> Collection[int]:
    """Ids of the layouts that hold one of these features."""
    fields = {LayoutField.of(feature) for feature in features}
    return {layout.layout_id for layout in layouts if not fields.isdisjoint(layout.fields)}


async def _block(statements: Statements, rows: Sequence[Any], features: Sequence[FeatureDefinition]) -> ScanBlock:
    entity_ids: list[str] = []
    coded: list[Row] = []
    for code, (entity_id, of_entity) in enumerate(groupby(rows, itemgetter(0))):
        entity_ids.append(entity_id)
        coded += [(code, *row[1:]) for row in of_entity]
    return ScanBlock(entity_ids, await decoded(statements, coded, features))


async def _advance(source: AsyncIterator[list[Row]]) -> list[Row] | None:
    return await anext(source, None)


def _next_rows(page: Sequence[Any]) -> int:
    size = sum(len(row[-1]) for row in page) // max(len(page), 1)
    return min(max(_PAGE_BYTES // max(size, 1), _FIRST_PAGE // 2), _LARGEST_PAGE)


def _twice(page: Sequence[Any]) -> int:
    return min(max(2 * len(page), _FIRST_PAGE), _next_rows(page))
