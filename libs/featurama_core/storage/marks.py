"""Deletion marks as they lie among an entity's latest cells.

A mark's content is its time alone, counted from MIN_TIME: its first bit is 0. Every packed cell is longer, and one that
was cut to this length begins with an ingest time after 1970, whose first bit is 1.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from featurama_core.storage.port import Cells
from featurama_core.types.times import MIN_TIME
from featurama_core.types.values import BoolArray, Int64Array

MARK_BYTES = 8


def pack_mark(deleted_through: int) -> bytes:
    """Content of a mark's row."""
    return (deleted_through - MIN_TIME).to_bytes(MARK_BYTES, "big")


def marks_in(cells: Cells) -> BoolArray:
    """bool[c]: which cells are marks."""
    found = (len(cell) == MARK_BYTES and cell[0] < 0x80 for cell in cells.cells)
    return np.fromiter(found, np.bool_, len(cells.cells))


def unpack_marks(cells: Cells, marks: BoolArray) -> Iterator[tuple[int, int, int]]:
    """(position of the entity, id of the mark, deleted through) of each mark."""
    for at in np.flatnonzero(marks).tolist():
        yield int(cells.entity[at]), int(cells.layout_id[at]), int.from_bytes(cells.cells[at], "big") + MIN_TIME


def layouts_in(cells: Cells) -> set[int]:
    """Ids of the layouts that these cells are written in."""
    ids: Int64Array = cells.layout_id[~marks_in(cells)]
    return set(ids.tolist())
