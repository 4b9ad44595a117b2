"""Columns of values: the content of every read and every write.

Numbers are numpy arrays from the storage to the wire, text is an object array of str, and a vector column is
float32[n, length]. A slot whose status is not PRESENT holds the zero value of its type.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from featurama_core.types.values import Int64Array, Status, UInt8Array, ValueArray, ValueType, empty_values, is_whole


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """One feature's values for n rows.

    values: see `ValueArray`. status: uint8[n] of `Status`. event_time: int64[n] microseconds, 0 where there is none,
    and in writes, where it belongs to the row. version: 0 in a write means the newest. reference: the pinned reference
    of a resolved column, such as `distance@1`.
    """

    name: str
    value_type: ValueType
    values: ValueArray
    status: UInt8Array
    event_time: Int64Array
    version: int = 0
    reference: str = ""

    def __len__(self) -> int:
        return len(self.status)

    @property
    def vector_length(self) -> int:
        """Length of each vector, 0 for other types."""
        return int(self.values.shape[1]) if self.value_type is ValueType.VECTOR else 0

    @property
    def all_present(self) -> bool:
        """Whether every row holds a value."""
        return is_whole(self.status)

    def take(self, rows: Int64Array | slice) -> Column:
        """The given rows, in the given order; a slice copies nothing."""
        return replace(self, values=self.values[rows], status=self.status[rows], event_time=self.event_time[rows])

    def spread(self, rows: Int64Array, total: int) -> Column:
        """A column of `total` rows with these values at `rows`, in their order, and NOT_FOUND at the others."""
        values = empty_values(self.value_type, total, self.vector_length)
        status = np.full(total, Status.NOT_FOUND, dtype=np.uint8)
        event_time = np.zeros(total, dtype=np.int64)
        values[rows], status[rows], event_time[rows] = self.values, self.status, self.event_time
        return replace(self, values=values, status=status, event_time=event_time)

    def to_list(self) -> list[object]:
        """Python values, None where there is no value."""
        values: list[object] = self.values.tolist()
        if self.all_present:
            return values
        present = (self.status == Status.PRESENT).tolist()
        return [value if there else None for value, there in zip(values, present, strict=True)]


@dataclass(frozen=True, slots=True, eq=False)
class Plain:
    """Read-only arrays shared by columns without other statuses and event times: all PRESENT, times 0."""

    present: UInt8Array
    zeros: Int64Array

    @classmethod
    def of(cls, rows: int) -> Plain:
        """For columns of at most `rows` rows."""
        present, zeros = np.full(rows, Status.PRESENT, dtype=np.uint8), np.zeros(rows, dtype=np.int64)
        present.flags.writeable = zeros.flags.writeable = False
        return cls(present, zeros)


def column_of(name: str, value_type: ValueType, values: ValueArray, *, version: int = 0) -> Column:
    """A column for a write in which every row holds a value."""
    rows = len(values)
    return Column(
        name=name,
        value_type=value_type,
        values=values,
        status=np.full(rows, Status.PRESENT, dtype=np.uint8),
        event_time=np.zeros(rows, dtype=np.int64),
        version=version,
    )


def masked(values: ValueArray, value_type: ValueType, status: UInt8Array, vector_length: int = 0) -> ValueArray:
    """`values` with the zero value wherever `status` is not PRESENT; the same array if all are PRESENT."""
    hidden = status != Status.PRESENT
    if not hidden.any():
        return values
    out = values.copy()
    out[hidden] = empty_values(value_type, 1, vector_length)[0]
    return out


def byte_ranks(column: Column) -> Int64Array:
    """int64[n], ascending by the bytes of the values: the last key of the order of stored values (semantics, "Ties").

    Numbers are compared as big-endian bytes and text as UTF-8, both unsigned, as on a CQL server. Unreadable values
    come first, then nulls and absent values, then the others.
    """
    readable = np.where(column.status == Status.PRESENT, 2, np.where(column.status == Status.ERROR, 0, 1))
    values: np.ndarray[tuple[int, ...], np.dtype[np.generic]] = column.values
    if column.value_type in (ValueType.DOUBLE, ValueType.INT):
        values = np.ascontiguousarray(values).view(np.uint64)
    elif column.value_type is ValueType.VECTOR:
        values = np.array([vector.astype(">f4").tobytes().hex() for vector in column.values], dtype=np.str_)
    elif column.value_type is ValueType.TEXT:
        values = np.array([text.encode("utf-8", "surrogatepass").hex() for text in column.values], dtype=np.str_)
    _, ranks = np.unique(values, return_inverse=True)
    ranked: Int64Array = readable * np.int64(len(ranks) + 1) + np.where(readable == 2, ranks.reshape(-1), 0)
    return ranked


def concatenate(columns: list[Column]) -> Column:
    """Columns of one feature appended to each other."""
    if len(columns) == 1:
        return columns[0]
    return replace(
        columns[0],
        values=np.concatenate([column.values for column in columns]),
        status=np.concatenate([column.status for column in columns]),
        event_time=np.concatenate([column.event_time for column in columns]),
    )
