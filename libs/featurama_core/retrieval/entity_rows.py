"""Rows of (entity, moment) in the order of a join: by entity, then by moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from featurama_core.types.order import sort_pairs
from featurama_core.types.values import Int64Array


@dataclass(frozen=True, slots=True, eq=False)
class EntityRows:
    """n rows of one join, sorted by (entity, moment). entity_ids: e distinct ids. entity: int64[n], codes: positions in
    `entity_ids`. bounds: int64[e + 1], the rows of each entity. event_time: int64[n], moments. row: int64[n], row
    numbers.
    """

    entity_ids: Sequence[str]
    entity: Int64Array
    bounds: Int64Array
    event_time: Int64Array
    row: Int64Array

    def __len__(self) -> int:
        return len(self.row)

    @classmethod
    def of(cls, entity_ids: Sequence[str], event_time: Int64Array) -> EntityRows:
        """Rows in any order, numbered in this order."""
        distinct, entity = distinct_ids(entity_ids)
        return cls.sorted(distinct, entity, event_time, np.arange(len(entity), dtype=np.int64))

    @classmethod
    def sorted(
        cls, entity_ids: Sequence[str], entity: Int64Array, event_time: Int64Array, row: Int64Array
    ) -> EntityRows:
        """Rows with the codes of their entities, in any order."""
        order = sort_pairs(entity, event_time)
        entity = entity[order]
        bounds = np.searchsorted(entity, np.arange(len(entity_ids) + 1))
        return cls(entity_ids, entity, bounds, event_time[order], row[order])

    def positions(self, codes: Int64Array) -> tuple[Int64Array, Int64Array]:
        """Positions of the rows of these entities (code -1 has none), and the position in `codes` of each."""
        known = np.flatnonzero(codes >= 0)
        first = self.bounds[codes[known]]
        count = self.bounds[codes[known] + 1] - first
        total = np.cumsum(count)
        rows = np.repeat(first - (total - count), count) + np.arange(int(total[-1]) if len(total) else 0)
        return rows, np.repeat(known, count)


def distinct_ids(entity_ids: Sequence[str]) -> tuple[list[str], Int64Array]:
    """The distinct ids in order of appearance, and the position of each id among them: int64[n]."""
    codes: dict[str, int] = dict.fromkeys(entity_ids, 0)
    if len(codes) == len(entity_ids):
        return list(codes), np.arange(len(codes), dtype=np.int64)
    codes.clear()
    of_row = np.fromiter((codes.setdefault(each, len(codes)) for each in entity_ids), np.int64, len(entity_ids))
    return list(codes), of_row
