"""Checks of a column on the wire, shared by the public message and its twin.

Both messages are converted from the same arrays, so both result in the same columns and the same errors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import IntEnum
from typing import TypeVar

from featurama.v1 import columns_pb2
from featurama.wire.v1 import twin_pb2
from featurama_core.types.column import Column, Plain, masked
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.values import (
    MAX_VECTOR_LENGTH,
    Int64Array,
    Status,
    UInt8Array,
    ValueArray,
    ValueType,
    is_whole,
)

ColumnMessage = columns_pb2.Column | twin_pb2.Column
"""Either message. Both have the same fields."""
M = TypeVar("M", columns_pb2.Column, twin_pb2.Column)

ARRAYS = {each: f"{each.label}_values" for each in ValueType}
"""The field of either message that holds the values of a type."""
MAX_NAME = 256
"""Characters of the name of a column: a path with a role and versions."""
_TYPES: dict[int, ValueType] = {int(each): each for each in ValueType}


class Unreadable(InvalidInput):
    """An invalid column or array of times.

    For a twin it means that the public message must be parsed, which is decisive.
    """


Arrays = tuple[ValueArray, UInt8Array | None, Int64Array | None]
"""Values, statuses and event times of a column on the wire; None for what was not sent."""


def number_problem(field: str, number: int, kind: type[IntEnum]) -> str:
    """Why a number is no member of an enum, and the members. 0 is a field that is not set."""
    *names, last = kind.__members__
    wrong = f"{field} {number} is not known" if number else f"{field} is not set"
    return f"{wrong}; send {', '.join(names)} or {last}"


def columns_from(
    messages: Iterable[M], rows: int, read: Callable[[M, ValueType], Arrays], *, written: bool
) -> list[Column]:
    """Columns of `rows` rows, with zero values in slots without a value. read: the arrays of a message of a type.

    written: whether the columns are part of a write; then the statuses are PRESENT, NULL_VALUE and NOT_FOUND.
    """
    if rows < 0:
        raise Unreadable(f"{rows} is not a number of rows", field="row_count")
    plain = Plain.of(rows)
    columns = []
    for message in messages:
        _check_name(message.name)
        value_type = _value_type(message)
        columns.append(_column(message, value_type, read(message, value_type), plain, written=written))
    return columns


def checked_times(times: Int64Array, rows: int, field: str) -> Int64Array:
    """The same times, if there is one per row."""
    if len(times) != rows:
        raise Unreadable(f"{field} has {len(times)} times for {rows} rows; send one per row", field=field)
    return times


def check_only(message: ColumnMessage, value_type: ValueType) -> None:
    """Refuse a column that fills an array of another type than its own."""
    for each, array in ARRAYS.items():
        if each is not value_type and getattr(message, array):
            problem = f": value_type is {value_type.label}, but values of another type are filled"
            raise unreadable(message.name, problem, Reason.TYPE_MISMATCH)


def whole_vectors(numbers: ValueArray, message: ColumnMessage) -> ValueArray:
    """float32[n * vector_length] -> float32[n, vector_length]."""
    if len(numbers) % message.vector_length:
        raise unreadable(message.name, f": {len(numbers)} numbers are not whole vectors of {message.vector_length}")
    vectors: ValueArray = numbers.reshape(-1, message.vector_length)
    return vectors


def unreadable(column: str, problem: str, reason: Reason = Reason.INVALID_ARGUMENT) -> Unreadable:
    """The error for a column."""
    return Unreadable(f"column {column!r}{problem}", reason=reason, field=column)


def _check_name(name: str) -> None:
    # The name stands in every error and verdict of the column.
    if len(name) > MAX_NAME:
        raise InvalidInput(
            f"the column name {name[:60]!r}... has {len(name)} characters; at most {MAX_NAME} are possible",
            reason=Reason.INVALID_NAME,
            field="columns",
        )


def _value_type(message: ColumnMessage) -> ValueType:
    value_type = _TYPES.get(message.value_type)
    if value_type is None:
        raise unreadable(message.name, f": {number_problem('value_type', message.value_type, ValueType)}")
    if value_type is ValueType.VECTOR and not 1 <= message.vector_length <= MAX_VECTOR_LENGTH:
        problem = f": vector_length must be from 1 to {MAX_VECTOR_LENGTH}"
        raise unreadable(message.name, problem, Reason.VECTOR_LENGTH_MISMATCH)
    return value_type


def _column(message: ColumnMessage, value_type: ValueType, arrays: Arrays, plain: Plain, *, written: bool) -> Column:
    name, rows = message.name, len(plain.zeros)
    values, statuses, event_time = arrays
    _check_length(name, len(values), rows, "values")
    if statuses is None:
        statuses = plain.present
    else:
        _check_length(name, len(statuses), rows, "statuses")
        if not is_whole(statuses):
            _check_statuses(name, statuses, written=written)
            values = masked(values, value_type, statuses, message.vector_length)
    if event_time is None or written:
        event_time = plain.zeros
    else:
        _check_length(name, len(event_time), rows, "event times")
    return Column(name, value_type, values, statuses, event_time, message.version, message.reference)


def _check_statuses(name: str, statuses: UInt8Array, *, written: bool) -> None:
    last = Status.NOT_FOUND if written else Status.ERROR
    if not (statuses.min() >= Status.PRESENT and statuses.max() <= last):
        allowed = ", ".join(status.name for status in Status if status <= last)
        raise unreadable(name, f": a status is not one of {allowed}")


def _check_length(name: str, found: int, rows: int, what: str) -> None:
    if found != rows:
        raise unreadable(name, f" has {found} {what} for {rows} rows; send one per row")
