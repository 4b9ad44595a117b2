"""What a column on the wire must be before it becomes a `Column`: shared by the public message and its twin.

Either message arrives here as the same arrays, so both give the same columns and the same errors.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from featurama.v1 import columns_pb2
from featurama.wire.v1 import twin_pb2
from featurama_core.model.columns import Column, masked
from featurama_core.model.errors import InvalidInput, Reason
from featurama_core.model.values import (
    MAX_VECTOR_LENGTH,
    Int64Array,
    Status,
    UInt8Array,
    ValueArray,
    ValueType,
)

ColumnMessage = columns_pb2.Column | twin_pb2.Column
"""Either form; only the scalar fields, which they share, are read here."""


class Unreadable(InvalidInput):
    """A column (or array of times) that does not say what its message promises.

    From a twin it means: parse the public message, which alone decides.
    """


def typed(message: ColumnMessage) -> ValueType:
    """The column's type, one of the five, and its vector length checked."""
    try:
        value_type = ValueType(message.value_type)
    except ValueError as error:
        raise Unreadable(
            f"column {message.name!r}: value_type {message.value_type} is not known",
            reason=Reason.INVALID_ARGUMENT,
            field=message.name,
        ) from error
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
    rows: int,
    written: bool,
) -> Column:
    """A column of `rows` rows, every slot without a value set to its zero. None: not sent.

    `written`: the column is part of a write, so only PRESENT, NULL_VALUE and NOT_FOUND may stand in it.
    """
    check_length(message.name, len(values), rows)
    if statuses is None:
        statuses = np.full(rows, Status.PRESENT, dtype=np.uint8)
    else:
        check_length(message.name, len(statuses), rows, "statuses")
        last = Status.NOT_FOUND if written else Status.ERROR
        if rows and not (statuses.min() >= Status.PRESENT and statuses.max() <= last):
            allowed = ", ".join(status.name for status in Status if status <= last)
            raise Unreadable(
                f"column {message.name!r}: a status is none of {allowed}",
                reason=Reason.INVALID_ARGUMENT,
                field=message.name,
            )
        values = masked(values, value_type, statuses, message.vector_length)
    if event_time is None or written:
        event_time = np.zeros(rows, dtype=np.int64)
    else:
        check_length(message.name, len(event_time), rows, "event times")
    return Column(
        name=message.name,
        value_type=value_type,
        values=values,
        status=statuses,
        event_time=event_time,
        version=message.version,
        reference=message.reference,
    )


def texts(values: Sequence[str]) -> ValueArray:
    """object[n] of str."""
    array = np.empty(len(values), dtype=np.object_)
    array[:] = values
    return array


def check_length(name: str, found: int, rows: int, what: str = "values") -> None:
    """Refuse a column that has not one element a row."""
    if found != rows:
        raise Unreadable(
            f"column {name!r} has {found} {what} for {rows} rows; send one a row",
            reason=Reason.INVALID_ARGUMENT,
            field=name,
        )


def other_arrays_filled(name: str, value_type: ValueType) -> Unreadable:
    """The error for a column that fills an array which is not its type's."""
    return Unreadable(
        f"column {name!r}: value_type is {value_type.label}, but values of another type are filled",
        reason=Reason.TYPE_MISMATCH,
        field=name,
    )
