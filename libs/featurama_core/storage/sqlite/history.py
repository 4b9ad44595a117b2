"""Reading the history of given entities: slices of the periods with data."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from featurama_core.storage.packed_history import StoredRows, decode, join_blocks, recoded
from featurama_core.storage.records import History, Partition
from featurama_core.storage.sqlite.connections import Reader
from featurama_core.storage.sqlite.interning import as_json, group_key
from featurama_core.storage.sqlite.layouts import KnownLayouts
from featurama_core.storage.sqlite.rows import HistoryRows, Row
from featurama_core.types.schema import FeatureDefinition, FeatureGroup

BLOCK_ROWS = 65_536
"""Rows that are read and decoded at a time. Only a single entity with more rows exceeds it."""
_ENTITIES_AT_ONCE = 256

# One seek per period: DISTINCT would visit every row.
_PERIODS = """
WITH RECURSIVE periods(period) AS (
    SELECT min(period) FROM feature_history WHERE feature_group = :feature_group
    UNION ALL
    SELECT (SELECT min(period) FROM feature_history
            WHERE feature_group = :feature_group AND period > periods.period)
    FROM periods WHERE period IS NOT NULL
)
SELECT period FROM periods WHERE period IS NOT NULL ORDER BY period
"""
_WANTED = """
SELECT wanted.key, entities.id FROM json_each(?) AS wanted
CROSS JOIN entities ON entities.entity_id = wanted.value ORDER BY wanted.key
"""
_NEWEST_FIRST = """
SELECT timestamp, ingested_at, layout, cell FROM feature_history
WHERE feature_group = ? AND period = ? AND entity = ? AND timestamp BETWEEN ? AND ?
  AND layout IN (SELECT value FROM json_each(?))
ORDER BY timestamp DESC, ingested_at DESC, layout
"""


def periods_of(connection: Reader, key: int) -> list[int]:
    """Periods with rows of the group, ascending."""
    return [period for (period,) in connection.execute(_PERIODS, {"feature_group": key})]


def partitions(connection: sqlite3.Connection, group: FeatureGroup) -> list[Partition]:
    """One partition per period. `buckets` is ignored: one scan reads a file at a time."""
    key = group_key(connection, group.name)
    return [] if key is None else [Partition(period, 0, 1) for period in periods_of(connection, key)]


def read_history(
    connection: sqlite3.Connection,
    layouts: KnownLayouts,
    entity_ids: Sequence[str],
    features: Sequence[tuple[FeatureDefinition, FeatureGroup]],
    *,
    start: int,
    end: int,
    newest: int | None,
    history_period: int,
) -> list[History]:
    """See `NamespaceStorage.read_history`."""
    wanted = connection.execute(_WANTED, (as_json(list(entity_ids)),)).fetchall()
    code = np.array([row[0] for row in wanted], dtype=np.int64)
    entities = [row[1] for row in wanted]
    by_group: dict[str, list[int]] = {}
    for position, (_, group) in enumerate(features):
        by_group.setdefault(group.name, []).append(position)
    found: dict[int, History] = {}
    first, last = start // history_period, end // history_period
    for name, positions in by_group.items():
        wanted = [features[position][0] for position in positions]
        key = group_key(connection, name)
        periods = [] if key is None else [at for at in periods_of(connection, key) if first <= at <= last]
        slices = _Slices(connection, layouts, wanted, key, periods, start, end, layouts.holding(wanted))
        blocks = slices.newest(entities, newest) if newest is not None else slices.all(entities)
        histories = join_blocks(list(blocks) or [decode(StoredRows.of([]), wanted, layouts)], wanted)
        # Positions among the entities found -> among the entities requested.
        histories = histories if len(code) == len(entity_ids) else recoded(histories, code.__getitem__)
        found |= dict(zip(positions, histories, strict=True))
    return [found[position] for position in range(len(features))]


@dataclass(frozen=True, slots=True)
class _Slices:
    """The rows of one group for one read. holding: the layouts that hold one of the features."""

    connection: sqlite3.Connection
    layouts: KnownLayouts
    features: Sequence[FeatureDefinition]
    key: int | None
    periods: Sequence[int]
    start: int
    end: int
    holding: Sequence[int]

    def all(self, entities: Sequence[int]) -> Iterator[list[History]]:
        """Every row within the bounds, a block at a time."""
        rows = HistoryRows(self.connection, self.key, self.periods, self.holding, self.start, self.end)
        for block in rows.blocks(enumerate(entities), BLOCK_ROWS):
            yield decode(block, self.features, self.layouts)

    def newest(self, entities: Sequence[int], count: int) -> Iterator[list[History]]:
        """At least the `count` newest stored values of each (entity, feature), all corrections with them."""
        for first in range(0, len(entities), _ENTITIES_AT_ONCE):
            yield self._newest(range(first, min(first + _ENTITIES_AT_ONCE, len(entities))), entities, count)

    def _newest(self, positions: range, entities: Sequence[int], count: int) -> list[History]:
        # A row may lack features, so the depth needed is known only after decoding: rounds of twice the depth over
        # the entities that still lack values.
        sources = {position: _Newest(self._entity_rows(position, entities[position])) for position in positions}
        rows: list[tuple[int, *Row]] = []
        depth = max(count, 1)
        while True:
            for source in sources.values():
                rows += source.take(depth)
            histories = decode(StoredRows.of(rows), self.features, self.layouts)
            lacking = set()
            for history in histories:
                stored = np.bincount(history.entity - positions.start, minlength=len(positions))
                lacking |= set((np.flatnonzero(stored < count) + positions.start).tolist())
            sources = {at: source for at, source in sources.items() if at in lacking and not source.exhausted}
            if not sources:
                return histories
            depth *= 2

    def _entity_rows(self, position: int, entity: int) -> Iterator[tuple[int, *Row]]:
        for period in reversed(self.periods):
            bound = (self.key, period, entity, self.start, self.end, as_json(self.holding))
            for row in self.connection.execute(_NEWEST_FIRST, bound):
                yield position, *row


class _Newest:
    """Rows of one entity, newest first, taken by whole event times."""

    def __init__(self, rows: Iterator[tuple[int, *Row]]) -> None:
        self._rows = rows
        self._ahead: list[tuple[int, *Row]] = []
        self.exhausted = False

    def take(self, count: int) -> list[tuple[int, *Row]]:
        """At least `count` rows, with all rows of the last event time."""
        taken = self._ahead + list(islice(self._rows, count))
        self._ahead = []
        for row in self._rows if taken else ():
            if row[1] != taken[-1][1]:
                self._ahead = [row]
                return taken
            taken.append(row)
        self.exhausted = True
        return taken
