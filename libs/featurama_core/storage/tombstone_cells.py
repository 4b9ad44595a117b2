"""Tombstones among the latest cells of an entity.

The content of a tombstone is its time, counted from MIN_TIME, so its first bit is 0. Every packed cell is longer, and a
cell truncated to this length begins with an ingest time after 1970, whose first bit is 1.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from featurama_core.storage.records import TOMBSTONE_BYTES, Cells
from featurama_core.types.times import MIN_TIME


def pack_tombstone(deleted_through: int) -> bytes:
    """The content of a tombstone."""
    return (deleted_through - MIN_TIME).to_bytes(TOMBSTONE_BYTES, "big")


def unpack_tombstones(cells: Cells) -> Iterator[tuple[int, int, int]]:
    """(position of the entity, id of the tombstone, deleted through) of each tombstone."""
    if not cells.may_hold_tombstones:
        return
    for at in np.flatnonzero(cells.is_tombstone).tolist():
        yield cells.entities[at], cells.layout_ids[at], int.from_bytes(cells.cells[at], "big") + MIN_TIME
