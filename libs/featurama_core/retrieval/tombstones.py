"""Deletion marks and retention, applied to what joins found: nothing that is gone is shown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from featurama_core.retrieval.online import aged
from featurama_core.retrieval.spill import Winners, newer_than
from featurama_core.storage.port import Mark
from featurama_core.types.column import Column
from featurama_core.types.references import ResolvedFeature
from featurama_core.types.times import MIN_TIME
from featurama_core.types.values import Int64Array


class Marks:
    """The marks of a namespace, by entity."""

    def __init__(self, marks: Iterable[Mark]) -> None:
        self._by_entity: dict[str, dict[str, int]] = {}
        for mark in marks:
            through = self._by_entity.setdefault(mark.entity_id, {})
            through[mark.feature_name] = max(mark.deleted_through, through.get(mark.feature_name, MIN_TIME))

    def bounds(self, entity_ids: Any) -> MarkedRows:
        """Which of these entities (Arrow string array) have marks."""
        if not self._by_entity:
            return MarkedRows(len(entity_ids), [])
        marked = pa.array(list(self._by_entity), pa.string())
        rows = np.flatnonzero(pc.is_in(entity_ids, value_set=marked).to_numpy(zero_copy_only=False))
        names = entity_ids.take(pa.array(rows)).to_pylist()
        return MarkedRows(
            len(entity_ids), [(row, self._by_entity[name]) for row, name in zip(rows.tolist(), names, strict=True)]
        )


class MarkedRows:
    """The rows of one part that have marks."""

    def __init__(self, rows: int, marked: list[tuple[int, dict[str, int]]]) -> None:
        self._rows = rows
        self._marked = marked

    def through(self, feature_name: str) -> Int64Array | int:
        """int64[n], or one bound: up to which event time this feature is deleted in each row."""
        if not self._marked:
            return MIN_TIME
        bound = np.full(self._rows, MIN_TIME, dtype=np.int64)
        for row, marks in self._marked:
            bound[row] = max(marks.get("", MIN_TIME), marks.get(feature_name, MIN_TIME))
        return bound


def shown(feature: ResolvedFeature, winners: Winners, marked: MarkedRows, moment: Int64Array | int, now: int) -> Column:
    """The column that is answered: marks, retention (reckoned from `now`) and ttl (from `moment`) applied."""
    retention = feature.group.retention
    kept = MIN_TIME if retention is None else now - retention
    bound = np.maximum(marked.through(feature.definition.name), kept - 1)
    left = newer_than(winners, feature.definition, bound)
    return aged(feature.definition, left.values, left.status, left.event_time, feature.group.ttl, moment)
