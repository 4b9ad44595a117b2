"""Checks of a column on the wire, shared by the public message and its twin.

Both messages are converted from the same arrays, so both result in the same columns and the same errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np

from featurama.v1 import columns_pb2
from featurama.wire.v1 import twin_pb2
from featurama_core.types.column import Column, masked
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.values import (
    MAX_VECTOR_LENGTH,
    Int64Array,
    Status,
    UInt8Array,
    ValueArray,
    ValueType,
)

ColumnMessage = columns_pb2.Column | twin_pb2.Column
"""Either message. Both have the same fields."""


ARRAYS = {
    ValueType.DOUBLE: "double_values",
    ValueType.INT: "int_values",
    ValueType.TEXT: "text_values",
    ValueType.BOOL: "bool_values",
    ValueType.VECTOR: "vector_values",
}
"""The field of either message that holds the values of a type."""
DTYPES: dict[ValueType, type[Any]] = {
    ValueType.DOUBLE: np.float64,
    ValueType.INT: np.int64,
    ValueType.BOOL: np.bool_,
    ValueType.VECTOR: np.float32,
}
"""The elements of these arrays; text has none."""
_TYPES: dict[int, ValueType] = {int(each): each for each in ValueType}


class Unreadable(InvalidInput):
    """An invalid column or array of times.

    For a twin it means that the public message must be parsed, which is decisive.
    """


@dataclass(frozen=True, slots=True, eq=False)
class Plain:
    """Read-only arrays shared by columns without statuses or event times: all PRESENT, times 0."""

    rows: int
    present: UInt8Array
    zeros: Int64Array

    @classmethod
    def of(cls, rows: int) -> Plain:
        """For columns of `rows` rows. Unreadable for a negative number."""
        if rows < 0:
            raise Unreadable(f"{rows} is not a number of rows", field="row_count")
        present, zeros = np.full(rows, Status.PRESENT, dtype=np.uint8), np.zeros(rows, dtype=np.int64)
        present.flags.writeable = zeros.flags.writeable = False
        return cls(rows, present, zeros)


def number_problem(field: str, number: int, kind: type[IntEnum]) -> str:
    """Why a number is no member of an enum, and the members. 0 is a field that is not set."""
    *names, last = kind.__members__
    wrong = f"{field} {number} is not known" if number else f"{field} is not set"
    return f"{wrong}; send {', '.join(names)} or {last}"


def typed(message: ColumnMessage) -> ValueType:
    """The value type of a column, after a check of the type and of the vector length."""
    value_type = _TYPES.get(message.value_type)
    if value_type is None:
        raise Unreadable(
            f"column {message.name!r}: {number_problem('value_type', message.value_type, ValueType)}",
            reason=Reason.INVALID_ARGUMENT,
            field=message.name,
        )
    if value_type is ValueType.VECTOR and not 1 <= message.vector_length <= MAX_VECTOR_LENGTH:
        raise Unreadable(
            f"column {message.name!r}: vector_length must be from 1 to {MAX_VECTOR_LENGTH}",
            reason=Reason.VECTOR_LENGTH_MISMATCH,
            field=message.name,
        )
    return value_type


def column_from(
    message: ColumnMessage,
    value_type: ValueType,
    values: ValueArray,
    statuses: UInt8Array | None,
    event_time: Int64Array | None,
    *,
    plain: Plain,
    written: bool,
) -> Column:
    """A column as long as `plain`, with zero values in slots without a value. statuses, event_time: None if not sent.

    written: whether the column is part of a write; then the statuses are PRESENT, NULL_VALUE and NOT_FOUND.
    """
    rows, name = plain.rows, message.name
    check_length(name, len(values), rows)
    if statuses is None:
        statuses = plain.present
    else:
        check_length(name, len(statuses), rows, "statuses")
        last = Status.NOT_FOUND if written else Status.ERROR
        if rows and not (statuses.min() >= Status.PRESENT and statuses.max() <= last):
            allowed = ", ".join(status.name for status in Status if status <= last)
            raise Unreadable(
                f"column {name!r}: a status is not one of {allowed}",
                reason=Reason.INVALID_ARGUMENT,
                field=name,
            )
        values = masked(values, value_type, statuses, message.vector_length)
    if event_time is None or written:
        event_time = plain.zeros
    else:
        check_length(name, len(event_time), rows, "event times")
    return Column(name, value_type, values, statuses, event_time, message.version, message.reference)


def texts(values: Sequence[str]) -> ValueArray:
    """object[n] of str."""
    array = np.empty(len(values), dtype=np.object_)
    array[:] = values
    return array


def check_length(name: str, found: int, rows: int, what: str = "values") -> None:
    """Refuse a column without one element per row."""
    if found != rows:
        raise Unreadable(
            f"column {name!r} has {found} {what} for {rows} rows; send one per row",
            reason=Reason.INVALID_ARGUMENT,
            field=name,
        )


def check_only(message: ColumnMessage, value_type: ValueType) -> None:
    """Refuse a column that fills an array of another type than its own."""
    for each, array in ARRAYS.items():
        if each is not value_type and getattr(message, array):
            raise Unreadable(
                f"column {message.name!r}: value_type is {value_type.label}, but values of another type are filled",
                reason=Reason.TYPE_MISMATCH,
                field=message.name,
            )


def whole_vectors(numbers: ValueArray, message: ColumnMessage) -> ValueArray:
    """float32[n * vector_length] -> float32[n, vector_length]."""
    if len(numbers) % message.vector_length:
        raise Unreadable(
            f"column {message.name!r}: {len(numbers)} numbers are not whole vectors of {message.vector_length}",
            field=message.name,
        )
    vectors: ValueArray = numbers.reshape(-1, message.vector_length)
    return vectors
