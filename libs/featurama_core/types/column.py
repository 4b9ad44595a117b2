"""Columns of values: what every read answers with and every write consists of. A value never travels alone.

Numbers stay numpy arrays from the storage to the wire; text is an object array of str; a vector column is
float32[n, length]. A slot whose status is not PRESENT holds the type's zero value.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from featurama_core.types.values import Int64Array, Status, UInt8Array, ValueArray, ValueType, empty_values


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """One feature's values for n rows.

    values: see `ValueArray`; status: uint8[n] of `Status`; event_time: int64[n] microseconds, 0 where there is none
    (always so in writes, where the row carries it). `version` 0 in a write: the newest.
    `reference` is the pinned reference of a resolved column, `distance@1`.
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
        return bool((self.status == Status.PRESENT).all())

    def take(self, rows: Int64Array) -> Column:
        """The given rows, in the given order."""
        return replace(self, values=self.values[rows], status=self.status[rows], event_time=self.event_time[rows])

    def to_list(self) -> list[object]:
        """Python values, None where there is no value."""
        values: list[object] = self.values.tolist()
        if self.all_present:
            return values
        present = (self.status == Status.PRESENT).tolist()
        return [value if there else None for value, there in zip(values, present, strict=True)]


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
    """`values` with the zero value wherever `status` is not PRESENT; the same array when all are."""
    hidden = status != Status.PRESENT
    if not hidden.any():
        return values
    out = values.copy()
    out[hidden] = empty_values(value_type, 1, vector_length)[0]
    return out


def concatenate(columns: list[Column]) -> Column:
    """Rows of several columns of one feature, one after another."""
    if len(columns) == 1:
        return columns[0]
    return replace(
        columns[0],
        values=np.concatenate([column.values for column in columns]),
        status=np.concatenate([column.status for column in columns]),
        event_time=np.concatenate([column.event_time for column in columns]),
    )
