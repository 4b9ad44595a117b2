"""Which entities hold a value that is not deleted, from their latest cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from featurama_core.storage.layouts import Layout, tombstone_id
from featurama_core.storage.packed_cell import unpack
from featurama_core.storage.records import Cells
from featurama_core.storage.tombstone_cells import unpack_tombstones
from featurama_core.types.times import MIN_TIME
from featurama_core.types.values import BoolArray, Int64Array, Status


def entities_with_values(cells: Cells, layouts: Mapping[int, Layout], fields: Mapping[int, Sequence[int]]) -> list[int]:
    """Positions of the entities with a value of these fields that no deletion covers, ascending.

    fields: layout id -> positions of fields. An unreadable cell counts as a value.
    """
    deleted = cells.is_tombstone
    through: dict[int, dict[int, int]] = {}
    for entity, key, bound in unpack_tombstones(cells):
        through.setdefault(entity, {})[key] = bound
    found: set[int] = set()
    entity_of, layout_of = cells.entity, cells.layout_id
    for layout_id, positions in fields.items():
        at = np.flatnonzero((layout_of == layout_id) & ~deleted)
        # Most entities have no tombstone: their cells are not decoded.
        doubtful = np.isin(entity_of[at], list(through))
        there = _visible(cells, at[doubtful], layouts[layout_id], positions, through)
        found.update(entity_of[at[~doubtful]].tolist(), entity_of[at[doubtful][there]].tolist())
    return sorted(found)


def _visible(
    cells: Cells, at: Int64Array, layout: Layout, positions: Sequence[int], through: Mapping[int, Mapping[int, int]]
) -> BoolArray:
    """bool[n]: which of the n cells hold a value after the deletions of their entities."""
    held = unpack(layout, [cells.cells[each] for each in at.tolist()], positions)
    entities = cells.entity[at].tolist()
    visible = ~held.readable
    for status, position in zip(held.status, positions, strict=True):
        keys = tombstone_id(), tombstone_id(layout.fields[position].name)
        bound = [max(through[entity].get(key, MIN_TIME) for key in keys) for entity in entities]
        visible |= (status != Status.NOT_FOUND) & (held.event_time > np.array(bound, dtype=np.int64))
    return visible
