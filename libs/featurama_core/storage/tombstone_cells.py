"""Tombstones among the latest cells of an entity.

The content of a tombstone is its time, counted from MIN_TIME, so its first bit is 0. Every packed cell is longer, and a
cell truncated to this length begins with an ingest time after 1970, whose first bit is 1.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from featurama_core.storage.records import Cells
from featurama_core.types.times import MIN_TIME
from featurama_core.types.values import BoolArray, Int64Array

TOMBSTONE_BYTES = 8


def pack_tombstone(deleted_through: int) -> bytes:
    """The content of a tombstone."""
    return (deleted_through - MIN_TIME).to_bytes(TOMBSTONE_BYTES, "big")


def tombstones_in(cells: Cells) -> BoolArray:
    """bool[c], True where a cell is a tombstone."""
    found = (len(cell) == TOMBSTONE_BYTES and cell[0] < 0x80 for cell in cells.cells)
    return np.fromiter(found, np.bool_, len(cells.cells))


def unpack_tombstones(cells: Cells, tombstones: BoolArray) -> Iterator[tuple[int, int, int]]:
    """(position of the entity, id of the tombstone, deleted through) of each tombstone."""
    for at in np.flatnonzero(tombstones).tolist():
        yield int(cells.entity[at]), int(cells.layout_id[at]), int.from_bytes(cells.cells[at], "big") + MIN_TIME


def layouts_in(cells: Cells) -> set[int]:
    """Ids of the layouts of these cells."""
    ids: Int64Array = cells.layout_id[~tombstones_in(cells)]
    return set(ids.tolist())
