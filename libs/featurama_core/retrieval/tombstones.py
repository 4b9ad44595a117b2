"""Deletion bounds of the entities of a read: from their latest cells, or from the list of all tombstones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from featurama_core.storage.layouts import tombstone_id
from featurama_core.storage.records import Cells, Tombstone
from featurama_core.storage.tombstone_cells import unpack_tombstones
from featurama_core.types.revisions import Bound
from featurama_core.types.times import MIN_TIME
from featurama_core.types.values import Int64Array


class Tombstones:
    """The deletion bounds of n entities or rows."""

    def __init__(
        self,
        rows: int,
        bounds: Mapping[int, Mapping[str | int, int]] | None = None,
        key: Callable[[str], str | int] = str,
    ) -> None:
        """bounds: row -> {key of a feature or of the whole entity: deleted through}. key: the key of a feature name."""
        self._rows = rows
        self._bounds = bounds or {}
        self._key = key

    @classmethod
    def of_cells(cls, cells: Cells, entities: int) -> Tombstones:
        """The deletion bounds of the entities of these cells."""
        if not cells.may_hold_tombstones:
            return cls(entities)
        bounds: dict[int, dict[str | int, int]] = {}
        for entity, key, through in unpack_tombstones(cells):
            bounds.setdefault(entity, {})[key] = through
        return cls(entities, bounds, tombstone_id)

    def __bool__(self) -> bool:
        """Whether anything is deleted."""
        return bool(self._bounds)

    def through(self, feature: str) -> Bound:
        """The event time through which this feature is deleted: int64[n], or MIN_TIME for all rows."""
        if not self._bounds:
            return MIN_TIME
        whole, own = self._key(""), self._key(feature)
        bound: Int64Array = np.full(self._rows, MIN_TIME, dtype=np.int64)
        for row, through in self._bounds.items():
            bound[row] = max(through.get(whole, MIN_TIME), through.get(own, MIN_TIME))
        return bound

    def take(self, rows: Int64Array) -> Tombstones:
        """The given rows, in the given order."""
        if not self._bounds:
            return Tombstones(len(rows))
        bounds = {at: self._bounds[row] for at, row in enumerate(rows.tolist()) if row in self._bounds}
        return Tombstones(len(rows), bounds, self._key)


class TombstoneList:
    """All tombstones of a namespace, by entity."""

    def __init__(self, tombstones: Iterable[Tombstone]) -> None:
        self._by_entity: dict[str, dict[str | int, int]] = {}
        for tombstone in tombstones:
            through = self._by_entity.setdefault(tombstone.entity_id, {})
            through[tombstone.feature_name] = max(
                tombstone.deleted_through, through.get(tombstone.feature_name, MIN_TIME)
            )

    @property
    def is_empty(self) -> bool:
        """Whether nothing was deleted."""
        return not self._by_entity

    def of(self, entity_ids: Sequence[str]) -> Tombstones:
        """The deletion bounds of the entity of each row."""
        if not self._by_entity:
            return Tombstones(len(entity_ids))
        found = {
            row: through for row, each in enumerate(entity_ids) if (through := self._by_entity.get(each)) is not None
        }
        return Tombstones(len(entity_ids), found)
