"""The packed cell: all values of one write for one entity, event time and layout.

    offset 0        ingested_at   8 bytes, big-endian, offset binary
    offset 8        event time    8 bytes, big-endian, offset binary
    offset 16       codec version 1 byte
    offset 17       absent mask   1 bit per field, most significant first
                    null bitmap   1 bit per field
                    slots         8 bytes per field, little-endian: double, int, bool; (offset, length) of text, vectors
                    tail          UTF-8 text and float32 vectors; offsets count from its start

The order of the bytes makes concurrent writes converge: of two cells with one event time the larger bytes win. That is
the later correction, and of one correction the cell with more deleted fields. Absent and null slots are zero.
Cells of one layout are encoded and decoded together. Only text is handled value by value in Python.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from featurama_core.storage.layouts import TAIL_TYPES, Layout, LayoutField
from featurama_core.types.column import Column
from featurama_core.types.values import (
    BoolArray,
    Int64Array,
    Status,
    UInt8Array,
    ValueArray,
    ValueArrays,
    ValueType,
    all_present,
    all_true,
    empty_values,
)

CODEC_VERSION = 1

_SIGN = np.int64(-(2**63))


class Unpacked(NamedTuple):
    """c decoded cells. event_time: int64[c]. values: per decoded field an array of length c.

    status: uint8[fields, c], perhaps read-only. readable: bool[c]. Where it is False, the times are meaningless and
    every status is ERROR. whole: whether every cell holds a value of every field. heads: what the cells begin with.
    """

    heads: NDArray[np.void]
    event_time: Int64Array
    values: ValueArrays
    status: UInt8Array
    readable: BoolArray
    whole: bool

    @property
    def ingested_at(self) -> Int64Array:
        """int64[c]."""
        return _turned(self.heads["ingested_at"])


def pack(layout: Layout, columns: Sequence[Column], event_time: Int64Array, ingested_at: Int64Array) -> list[bytes]:
    """N rows -> n cells. columns[f] belongs to layout.fields[f]; its status is PRESENT, NULL_VALUE or NOT_FOUND."""
    rows = len(event_time)
    head = np.zeros(rows, dtype=_head_dtype(len(layout.fields)))
    head["ingested_at"] = _turned(ingested_at)
    head["event_time"] = _turned(event_time)
    status = np.stack([column.status for column in columns], axis=1)
    absent, null = (np.packbits(status == each, axis=1) for each in (Status.NOT_FOUND, Status.NULL_VALUE))
    head["mark"] = np.hstack([np.full((rows, 1), CODEC_VERSION, dtype=np.uint8), absent, null])
    slots = np.zeros((rows, len(columns)), dtype=np.int64)
    tails: list[list[bytes]] = []
    tail_size = np.zeros(rows, dtype=np.int64)
    for position, (field, column) in enumerate(zip(layout.fields, columns, strict=True)):
        present = column.status == Status.PRESENT
        if field.value_type in TAIL_TYPES:
            parts = _tail_parts(field, column, present)
            sizes = np.fromiter(map(len, parts), dtype=np.int64, count=rows)
            slots[:, position] = np.where(present, tail_size << 32 | sizes, 0)
            tail_size += sizes
            tails.append(parts)
        else:
            slots[:, position] = np.where(present, _slot_bits(field, column.values), 0)
    head["slots"] = slots
    joined, width = head.tobytes(), head.dtype.itemsize
    cells = [joined[at : at + width] for at in range(0, rows * width, width)]
    if not tails:
        return cells
    return [b"".join((cell, *parts)) for cell, parts in zip(cells, zip(*tails, strict=True), strict=True)]


def unpack(layout: Layout, cells: Sequence[bytes], fields: Sequence[int] | None = None) -> Unpacked:
    """C cells of one layout -> columns. Truncated cells and those of another codec version are not readable.

    fields: positions in `layout.fields` of the fields that are decoded, in the order of the columns; None for all.
    """
    count, tailed = len(layout.fields), layout.tailed
    dtype = _head_dtype(count)
    width = dtype.itemsize
    if min(map(len, cells), default=width) < width or (not tailed and max(map(len, cells), default=width) > width):
        # No codec has the version 0.
        blank = bytes(width)
        cells = [each if len(each) == width or (tailed and len(each) > width) else blank for each in cells]
    joined = b"".join(cells)
    heads = np.frombuffer(b"".join([cell[:width] for cell in cells]) if tailed else joined, dtype=dtype)
    return _unpacked(layout, heads, cells, joined, fields)


def unpack_joined(layout: Layout, joined: bytes, sizes: Int64Array, fields: Sequence[int] | None = None) -> Unpacked:
    """`unpack` for cells that follow each other. sizes: int64[c], their lengths."""
    dtype = _head_dtype(len(layout.fields))
    if layout.tailed or (sizes != dtype.itemsize).any():
        ends = np.cumsum(sizes).tolist()
        return unpack(layout, [joined[start:end] for start, end in pairwise([0, *ends])], fields)
    return _unpacked(layout, np.frombuffer(joined, dtype=dtype), (), joined, fields)


def _unpacked(
    layout: Layout, heads: NDArray[np.void], cells: Sequence[bytes], joined: bytes, fields: Sequence[int] | None
) -> Unpacked:
    """cells, joined: not used for a layout without tails."""
    count, tailed, width = len(layout.fields), layout.tailed, heads.dtype.itemsize
    chosen = layout.choice(None if fields is None else tuple(fields))
    whole = not tailed and heads["mark"].tobytes() == _nothing_lacks(count) * len(heads)
    status = all_present(len(chosen.fields), len(heads)) if whole else _statuses(heads, count)
    readable: BoolArray = all_true(len(heads)) if whole else heads["mark"][:, 0] == CODEC_VERSION
    slots = heads["slots"].T
    tails: dict[int, _Tail] = {}
    if tailed:
        sizes = np.fromiter(map(len, cells), dtype=np.int64, count=len(cells))
        starts = np.cumsum(sizes) - sizes
        for position in tailed:
            tail = tails[position] = _Tail(joined, starts + width, starts + sizes, slots[position].astype(np.int64))
            wrong = (status[position] == Status.PRESENT) & ~tail.fits(layout.fields[position])
            readable &= ~wrong
            status[position][wrong] = Status.ERROR
    block = slots.copy() if fields is None else slots[chosen.positions]
    if fields is not None and not whole:
        status = status[chosen.positions]
    doubles: NDArray[np.float64] = block.view(np.float64)
    values: ValueArrays = doubles
    if not chosen.are_doubles:
        values = list(doubles)
        for row, (position, field) in enumerate(zip(chosen.positions.tolist(), chosen.fields, strict=True)):
            if field.value_type in TAIL_TYPES:
                values[row] = tails[position].read(field, status[row] == Status.PRESENT)
            elif field.value_type is not ValueType.DOUBLE:
                values[row] = block[row] if field.value_type is ValueType.INT else block[row].astype(np.bool_)
    if not whole and np.count_nonzero(readable) < len(heads):
        status = np.where(readable, status, np.uint8(Status.ERROR))
    return Unpacked(heads, _turned(heads["event_time"]), values, status, readable, whole)


def without_fields(layout: Layout, cell: bytes, deleted: Sequence[bool]) -> bytes:
    """A readable cell with its deleted fields made absent, which makes the bytes larger. Slots and text are removed."""
    decoded = unpack(layout, [cell])
    if not decoded.readable[0]:
        raise ValueError("an unreadable cell cannot be rewritten")
    columns = []
    for field, values, status, gone in zip(layout.fields, decoded.values, decoded.status, deleted, strict=True):
        kept = np.array([Status.NOT_FOUND], dtype=np.uint8) if gone else status
        columns.append(Column(field.name, field.value_type, values, kept, decoded.event_time, field.version))
    return pack(layout, columns, decoded.event_time, decoded.ingested_at)[0]


def _statuses(heads: NDArray[np.void], fields: int) -> UInt8Array:
    """uint8[fields, c] from the masks. A field that is absent and null is absent."""
    masks = heads["mark"][:, 1:].reshape(len(heads), 2, (fields + 7) // 8)
    absent, null = np.unpackbits(masks, axis=2, count=fields).transpose(1, 0, 2)
    found: UInt8Array = np.maximum(null + np.uint8(Status.PRESENT), absent * np.uint8(Status.NOT_FOUND))
    return np.ascontiguousarray(found.T)


@lru_cache(maxsize=256)
def _head_dtype(fields: int) -> np.dtype[np.void]:
    mask = (fields + 7) // 8
    return np.dtype(
        [
            ("ingested_at", ">i8"),
            ("event_time", ">i8"),
            ("mark", "u1", (1 + 2 * mask,)),  # codec version, absent mask, null bitmap
            ("slots", "<i8", (fields,)),
        ]
    )


@lru_cache(maxsize=256)
def _nothing_lacks(fields: int) -> bytes:
    """The mark of a cell that holds a value of every field."""
    return bytes([CODEC_VERSION, *bytes(2 * ((fields + 7) // 8))])


def _turned(times: Int64Array) -> Int64Array:
    """Times in offset binary as integers, and the other way round."""
    return times ^ _SIGN


def _slot_bits(field: LayoutField, values: ValueArray) -> Int64Array:
    if field.value_type is ValueType.DOUBLE:
        return np.ascontiguousarray(values, dtype=np.float64).view(np.int64)
    return values.astype(np.int64)


def _tail_parts(field: LayoutField, column: Column, present: BoolArray) -> list[bytes]:
    if field.value_type is ValueType.TEXT:
        return [text.encode() if there else b"" for text, there in zip(column.values, present.tolist(), strict=True)]
    joined = np.ascontiguousarray(column.values, dtype="<f4").tobytes()
    width = field.vector_length * 4
    starts = range(0, len(present) * width, width)
    return [joined[at : at + width] if there else b"" for at, there in zip(starts, present.tolist(), strict=True)]


@dataclass(frozen=True, slots=True, eq=False)
class _Tail:
    """Positions of the texts or vectors of one field. joined: all cells; start, end: the tail of each cell."""

    joined: bytes
    start: Int64Array
    end: Int64Array
    slots: Int64Array

    def fits(self, field: LayoutField) -> BoolArray:
        offset, length = self.slots >> 32, self.slots & 0xFFFFFFFF
        good: BoolArray = (offset >= 0) & (self.start + offset + length <= self.end)
        if field.value_type is ValueType.VECTOR:
            good &= length == field.vector_length * 4
        return good

    def read(self, field: LayoutField, present: BoolArray) -> ValueArray:
        begin = self.start + (self.slots >> 32)
        out = empty_values(field.value_type, len(present), field.vector_length)
        if field.value_type is ValueType.VECTOR:
            bytes_of = np.frombuffer(self.joined, dtype=np.uint8)
            picked = bytes_of[begin[present, None] + np.arange(field.vector_length * 4)]
            out[present] = np.ascontiguousarray(picked).view("<f4")
            return out
        end = begin + (self.slots & 0xFFFFFFFF)
        for row in np.flatnonzero(present).tolist():
            out[row] = self.joined[begin[row] : end[row]].decode("utf-8", "replace")
        return out
