"""Reading history in packed cells: slices of (entity, period) partitions, and scans of (group, period, bucket).

A cell of other layouts lies between the cells of the features that are read; it is not decoded.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from contextlib import aclosing
from itertools import groupby
from operator import itemgetter
from typing import Any

from featurama_core.storage.cql.fan_out import collect
from featurama_core.storage.cql.layouts import known_layouts
from featurama_core.storage.cql.statements import Statements
from featurama_core.storage.layouts import Layout, LayoutField
from featurama_core.storage.packed_history import Row, decode
from featurama_core.storage.records import History, Partition, ScanBlock
from featurama_core.types.schema import FeatureDefinition, FeatureGroup

_FIRST_PAGE, _LARGEST_PAGE = 100, 5_000
_PAGE_BYTES = 4 * 1024 * 1024

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
            rows = await driver.read(query, (self._entity_ids[code], period, *self._bounds))
            return [(code, *row) for row in rows]

        return await self._decoded([row for rows in await collect(wanted, read, driver.width) for row in rows])

    async def newest(self, count: int) -> list[History]:
        """At least the `count` newest values of each (entity, feature), with all corrections of each event time."""
        codes = range(len(self._entity_ids))
        found = await collect(codes, lambda code: self._newest(code, count), self._statements.driver.width)
        return await self._decoded([row for rows in found for row in rows])

    async def _newest(self, code: int, count: int) -> list[Row]:
        query = await self._statements.get(_SLICE)
        taken: list[Row] = []
        lacking = dict.fromkeys(range(len(self._features)), count)
        page_rows = min(max(2 * count, _FIRST_PAGE // 5), _LARGEST_PAGE)
        for period in reversed(self._periods):
            values = (self._entity_ids[code], period, *self._bounds)
            async with aclosing(self._statements.driver.pages(query, values, page_rows)) as pages:  # type: ignore[type-var]
                async for rows in _whole_times(pages):
                    own = [(code, *row) for row in rows]
                    for position, history in enumerate(await self._decoded(own)):
                        lacking[position] -= len(history.entity)
                    taken += own
                    if max(lacking.values()) <= 0:
                        return taken
        return taken

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
    return decode([row for row in rows if row[3] in holding], features, layouts)


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


async def _whole_times(pages: AsyncIterator[list[Any]]) -> AsyncIterator[list[Any]]:
    """Rows newest first, in lists that never end inside of an event time."""
    kept: list[Any] = []
    async for page in pages:
        kept += page
        whole = [row for row in kept if row[0] != kept[-1][0]]
        if whole:
            yield whole
            kept = kept[len(whole) :]
    if kept:
        yield kept


def _next_rows(page: Sequence[Any]) -> int:
    size = sum(len(row[4]) for row in page) // max(len(page), 1)
    return min(max(_PAGE_BYTES // max(size, 1), _FIRST_PAGE // 2), _LARGEST_PAGE)
