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
    ValueType,
    empty_values,
)

CODEC_VERSION = 1

_SIGN = np.uint64(1 << 63)


@dataclass(frozen=True, slots=True, eq=False)
class Unpacked:
    """c decoded cells. event_time, ingested_at: int64[c]. values: per decoded field an array of length c.

    status: uint8[fields, c]. readable: bool[c]. Where it is False, the times are meaningless and every status is ERROR.
    """

    event_time: Int64Array
    ingested_at: Int64Array
    values: list[ValueArray]
    status: UInt8Array
    readable: BoolArray


def pack(layout: Layout, columns: Sequence[Column], event_time: Int64Array, ingested_at: Int64Array) -> list[bytes]:
    """N rows -> n cells. columns[f] belongs to layout.fields[f]; its status is PRESENT, NULL_VALUE or NOT_FOUND."""
    rows = len(event_time)
    head = np.zeros(rows, dtype=_head_dtype(len(layout.fields)))
    head["ingested_at"] = _ordered(ingested_at)
    head["event_time"] = _ordered(event_time)
    head["codec"] = CODEC_VERSION
    status = np.stack([column.status for column in columns], axis=1)
    head["masks"][:, 0] = np.packbits(status == Status.NOT_FOUND, axis=1)
    head["masks"][:, 1] = np.packbits(status == Status.NULL_VALUE, axis=1)
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
    count = len(layout.fields)
    wanted = range(count) if fields is None else fields
    dtype = _head_dtype(count)
    width = dtype.itemsize
    sizes = np.fromiter(map(len, cells), dtype=np.int64, count=len(cells))
    tailed = layout.tailed
    readable = sizes >= width if tailed else sizes == width
    if not readable.all():
        blank = bytes(width)
        cells = [cell if good else blank for cell, good in zip(cells, readable.tolist(), strict=True)]
        sizes = np.where(readable, sizes, width)
    joined = b"".join(cells)
    heads = np.frombuffer(b"".join([cell[:width] for cell in cells]) if tailed else joined, dtype=dtype)
    readable &= heads["codec"] == CODEC_VERSION
    if not heads["masks"].any():
        status = np.full((count, len(cells)), Status.PRESENT, dtype=np.uint8)
    else:
        status = _statuses(heads, count)
    slots = heads["slots"].T
    tails: dict[int, _Tail] = {}
    if tailed:
        starts = np.cumsum(sizes) - sizes
        for position in tailed:
            tail = tails[position] = _Tail(joined, starts + width, starts + sizes, slots[position].astype(np.int64))
            wrong = (status[position] == Status.PRESENT) & ~tail.fits(layout.fields[position])
            readable &= ~wrong
            status[position][wrong] = Status.ERROR
    if fields is None:
        block = slots.copy()
    else:
        picked = np.array(fields, dtype=np.intp)
        status, block = status[picked], slots[picked]
    doubles = block.view(np.float64)
    values = [
        doubles[row]
        if (value_type := layout.fields[position].value_type) is ValueType.DOUBLE
        else block[row]
        if value_type is ValueType.INT
        else block[row].astype(np.bool_)
        if value_type is ValueType.BOOL
        else tails[position].read(layout.fields[position], status[row] == Status.PRESENT)
        for row, position in enumerate(wanted)
    ]
    if not readable.all():
        status[:, ~readable] = Status.ERROR
    return Unpacked(
        event_time=_from_ordered(heads["event_time"]),
        ingested_at=_from_ordered(heads["ingested_at"]),
        values=values,
        status=status,
        readable=readable,
    )


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
    absent, null = np.unpackbits(heads["masks"], axis=2, count=fields).transpose(1, 0, 2)
    found: UInt8Array = np.maximum(null + np.uint8(Status.PRESENT), absent * np.uint8(Status.NOT_FOUND))
    return np.ascontiguousarray(found.T)


@lru_cache(maxsize=256)
def _head_dtype(fields: int) -> np.dtype[np.void]:
    mask = (fields + 7) // 8
    return np.dtype(
        [
            ("ingested_at", ">u8"),
            ("event_time", ">u8"),
            ("codec", "u1"),
            ("masks", "u1", (2, mask)),
            ("slots", "<i8", (fields,)),
        ]
    )


def _ordered(times: Int64Array) -> NDArray[np.uint64]:
    return times.view(np.uint64) ^ _SIGN


def _from_ordered(times: NDArray[np.uint64]) -> Int64Array:
    return (times.astype(np.uint64) ^ _SIGN).view(np.int64)


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
