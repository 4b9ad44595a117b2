"""Which value of an entity is the latest: the merge of its cells, deletion marks applied. Pure.

For each feature the newest (event time, ingested_at) among the cells whose layouts hold it. An unknown layout makes the
entity ERROR, an unreadable cell its layout's features; neither is ever answered with a guess.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from featurama_core.storage.layouts import Layout, mark_id
from featurama_core.storage.packed_cell import Unpacked, unpack
from featurama_core.storage.port import Cells
from featurama_core.types.schema import FeatureDefinition
from featurama_core.types.times import MIN_TIME
from featurama_core.types.values import BoolArray, Int64Array, Status, UInt8Array, ValueArray, empty_values

MARK_BYTES = 8
"""A mark's content is its time alone, counted from MIN_TIME: its first bit is 0. Every packed cell is longer, and one
that was cut to this length begins with an ingest time after 1970, whose first bit is 1.
"""


@dataclass(frozen=True, slots=True, eq=False)
class Latest:
    """The newest stored value of one feature version for n entities, whatever its age.

    status: uint8[n], PRESENT, NULL_VALUE, NOT_FOUND or ERROR; event_time: int64[n], MIN_TIME where nothing is found.
    """

    values: ValueArray
    status: UInt8Array
    event_time: Int64Array


def pack_mark(deleted_through: int) -> bytes:
    """Content of a mark's row."""
    return (deleted_through - MIN_TIME).to_bytes(MARK_BYTES, "big")


def layouts_in(cells: Cells) -> set[int]:
    """Ids of the layouts that these cells are written in."""
    return set(cells.layout_id[~_marks(cells)].tolist())


def deleted_through(cells: Cells, entities: int, feature_name: str) -> Int64Array:
    """int64[n]: up to which event time the entity's feature is deleted, by its own mark or the entity's."""
    through = np.full(entities, MIN_TIME, dtype=np.int64)
    for wanted in (mark_id(), mark_id(feature_name)):
        for position in np.flatnonzero(cells.layout_id == wanted).tolist():
            entity = cells.entity[position]
            content = int.from_bytes(cells.cells[position], "big") + MIN_TIME
            through[entity] = max(int(through[entity]), content)
    return through


def merge_latest(
    cells: Cells, entities: int, features: Sequence[FeatureDefinition], layouts: Mapping[int, Layout]
) -> list[Latest]:
    """A `Latest` a feature, in order. `layouts` holds every known layout among `layouts_in(cells)`."""
    merges = [_Merge(feature, entities) for feature in features]
    unknown = cells.failed.copy()
    for layout_id in layouts_in(cells):
        at = np.flatnonzero(cells.layout_id == layout_id)
        entity = cells.entity[at]
        layout = layouts.get(layout_id)
        if layout is None:
            unknown[entity] = True
            continue
        wanted = [(merge, layout.positions[merge.key]) for merge in merges if merge.key in layout.positions]
        if wanted:
            unpacked = unpack(layout, [cells.cells[position] for position in at.tolist()])
            for merge, position in wanted:
                merge.offer(entity, unpacked, position)
    has_marks = bool(_marks(cells).any())
    return [
        merge.result(unknown, deleted_through(cells, entities, merge.key[0]) if has_marks else None) for merge in merges
    ]


def _marks(cells: Cells) -> BoolArray:
    sizes = np.fromiter(map(len, cells.cells), dtype=np.int64, count=len(cells.cells))
    marks: BoolArray = sizes == MARK_BYTES
    for position in np.flatnonzero(marks).tolist():
        marks[position] = cells.cells[position][0] < 0x80
    return marks


class _Merge:
    """The winner so far of one feature, per entity."""

    def __init__(self, feature: FeatureDefinition, entities: int) -> None:
        self.key = feature.key
        self._values = empty_values(feature.value_type, entities, feature.vector_length)
        self._status = np.full(entities, Status.NOT_FOUND, dtype=np.uint8)
        self._event_time = np.full(entities, MIN_TIME, dtype=np.int64)
        self._ingested_at = np.full(entities, MIN_TIME, dtype=np.int64)
        self._broken = np.zeros(entities, dtype=np.bool_)
        self._empty = True

    def offer(self, entity: Int64Array, cells: Unpacked, position: int) -> None:
        """Take the cells that are newer. An entity has one cell of a layout, so no index repeats."""
        status, values = cells.status[position], cells.values[position]
        time, ingested = cells.event_time, cells.ingested_at
        self._broken[entity[~cells.readable]] = True
        held = cells.readable & (status != Status.NOT_FOUND)
        if not self._empty:
            old_time = self._event_time[entity]
            held &= (time > old_time) | ((time == old_time) & (ingested > self._ingested_at[entity]))
        if not held.all():
            entity, status, values, time, ingested = (
                entity[held], status[held], values[held], time[held], ingested[held]
            )  # fmt: skip
        self._empty = False
        self._values[entity] = values
        self._status[entity] = status
        self._event_time[entity] = time
        self._ingested_at[entity] = ingested

    def result(self, unknown: BoolArray, deleted: Int64Array | None) -> Latest:
        if deleted is not None:
            gone = (self._event_time <= deleted) & (self._status != Status.NOT_FOUND)
            self._status[gone] = Status.NOT_FOUND
            self._event_time[gone] = MIN_TIME
        self._status[unknown | self._broken] = Status.ERROR
        return Latest(self._values, self._status, self._event_time)
