"""Columns as the wire twin: numpy buffers without conversion.

On the wire, a packed array of fixed-width elements is the little-endian array after its length. A sender may split it
into chunks, which are joined here, or send it unpacked: then the twin has unknown fields, and the caller must parse the
public message (`Unreadable`). The resulting arrays are read-only.
"""

from __future__ import annotations

import sys
from collections.abc import Container, Iterable, Sequence
from typing import TypeVar

import numpy as np
from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet
from numpy.typing import NDArray

from featurama.v1 import columns_pb2
from featurama.wire.shapes import (
    ARRAYS,
    DTYPES,
    Plain,
    Unreadable,
    check_only,
    column_from,
    texts,
    typed,
    whole_vectors,
)
from featurama.wire.v1 import twin_pb2
from featurama_core.types.column import Column
from featurama_core.types.values import Int64Array, Status, ValueArray, ValueType

if sys.byteorder != "little":  # pragma: no cover
    raise ImportError("featurama.wire hands little-endian buffers to the wire; this machine is big-endian")

_Number = TypeVar("_Number", np.float64, np.int64, np.float32)

_PRESENT = int(Status.PRESENT)
_ARRAYS = range(twin_pb2.Column.DOUBLE_VALUES_FIELD_NUMBER, twin_pb2.Column.EVENT_TIME_US_FIELD_NUMBER + 1)


def columns_to_wire(
    columns: Sequence[Column], *, statuses: bool | None = None, event_times: bool = False
) -> list[twin_pb2.Column]:
    """Twin messages with the same bytes as the public ones.

    statuses: True to send them always, otherwise only if a row is not PRESENT. event_times: whether they are sent.
    """
    return [_to_wire(column, statuses=bool(statuses), event_times=event_times) for column in columns]


def columns_from_wire(columns: Iterable[twin_pb2.Column], rows: int, *, written: bool = False) -> list[Column]:
    """Columns of `rows` rows. written: whether they are part of a write. Raises `Unreadable`."""
    plain = Plain.of(rows)
    return [_from_wire(column, plain, written=written) for column in columns]


def times_to_wire(times: Int64Array) -> list[bytes]:
    """int64[n] as the chunks of a packed `sfixed64`."""
    return [np.ascontiguousarray(times, dtype=np.int64).tobytes()] if len(times) else []


def times_from_wire(chunks: Sequence[bytes], rows: int, field: str) -> Int64Array:
    """int64[rows] from the chunks of a packed `sfixed64`. Raises `Unreadable` for another number of times."""
    data = _joined(chunks)
    if len(data) != 8 * rows:
        raise Unreadable(f"{field} has {len(data) // 8} times for {rows} rows; send one per row", field=field)
    return np.frombuffer(data, dtype=np.int64)


def check_no_unknown(message: Message, numbers: Container[int]) -> None:
    """Raise `Unreadable` if the message has one of these fields in unpacked form, which the twin cannot read."""
    # 0.2 us per message. Fields of a later version of the contract have other numbers and are ignored.
    unknown = UnknownFieldSet(message)
    if len(unknown) and any(unknown[i].field_number in numbers for i in range(len(unknown))):
        raise Unreadable(f"{message.DESCRIPTOR.name} holds unpacked arrays")


def _to_wire(column: Column, *, statuses: bool, event_times: bool) -> twin_pb2.Column:
    value_type, values = column.value_type, column.values
    message = twin_pb2.Column(
        name=column.name,
        version=column.version,
        reference=column.reference,
        value_type=columns_pb2.ValueType.ValueType(value_type),
    )
    status = column.status.tobytes()
    if value_type is ValueType.VECTOR:
        message.vector_length = column.vector_length
    if not status:
        return message
    if value_type is ValueType.TEXT:
        message.text_values.extend(values.tolist())
    else:
        getattr(message, ARRAYS[value_type]).append(_data(values, DTYPES[value_type]))
    # Counting bytes takes a tenth of the time of comparing arrays of this size.
    if statuses or status.count(_PRESENT) != len(status):
        message.statuses.append(status)
    if event_times:
        message.event_time_us.append(_data(column.event_time, np.int64))
    return message


def _data(values: ValueArray, dtype: type[np.generic]) -> bytes:
    return values.tobytes() if values.dtype == dtype else values.astype(dtype).tobytes()


def _from_wire(message: twin_pb2.Column, plain: Plain, *, written: bool) -> Column:
    check_no_unknown(message, _ARRAYS)
    value_type = typed(message)
    if written:
        check_only(message, value_type)
    values = _values(message, value_type)
    statuses, event_time = message.statuses, message.event_time_us
    return column_from(
        message,
        value_type,
        values,
        np.frombuffer(_joined(statuses), dtype=np.uint8) if statuses else None,
        _fixed(event_time, np.int64, message.name) if event_time else None,
        plain=plain,
        written=written,
    )


def _values(message: twin_pb2.Column, value_type: ValueType) -> ValueArray:
    chunks = getattr(message, ARRAYS[value_type])
    if value_type is ValueType.TEXT:
        return texts(chunks)
    if value_type is ValueType.BOOL:
        flags = np.frombuffer(_joined(chunks), dtype=np.uint8)
        # A numpy bool is 0 or 1. Any other byte is part of a longer number.
        if flags.size and flags.max() > 1:
            raise Unreadable(f"column {message.name!r}: a truth value is neither 0 nor 1", field=message.name)
        return flags.view(np.bool_)
    values = _fixed(chunks, DTYPES[value_type], message.name)
    return whole_vectors(values, message) if value_type is ValueType.VECTOR else values


def _fixed(chunks: Sequence[bytes], dtype: type[_Number], name: str) -> NDArray[_Number]:
    data = _joined(chunks)
    try:
        return np.frombuffer(data, dtype=dtype)
    except ValueError as error:
        raise Unreadable(f"column {name!r}: {len(data)} bytes are not whole numbers", field=name) from error


def _joined(chunks: Sequence[bytes]) -> bytes:
    if len(chunks) == 1:
        return chunks[0]
    return b"".join(chunks)
