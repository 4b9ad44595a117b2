"""Columns as the public message, for rare calls and for peers whose arrays the twin cannot read.

It is slower than the twin by a factor of ten, and decisive: a column that cannot be read here is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

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
from featurama_core.types.column import Column
from featurama_core.types.values import Int64Array, ValueArray, ValueType


def columns_to_proto(
    columns: Sequence[Column], *, statuses: bool | None = None, event_times: bool = False
) -> list[columns_pb2.Column]:
    """Public messages. statuses, event_times: as in `columns_to_wire`."""
    return [column_to_proto(column, statuses=statuses, event_times=event_times) for column in columns]


def columns_from_proto(columns: Iterable[columns_pb2.Column], rows: int, *, written: bool = False) -> list[Column]:
    """Columns of `rows` rows. InvalidInput names an invalid column. written: whether they are part of a write."""
    plain = Plain.of(rows)
    return [_from_proto(column, plain, written=written) for column in columns]


def column_to_proto(column: Column, *, statuses: bool | None = None, event_times: bool = False) -> columns_pb2.Column:
    """One column as its public message."""
    message = columns_pb2.Column(
        name=column.name,
        version=column.version,
        reference=column.reference,
        value_type=columns_pb2.ValueType.ValueType(column.value_type),
        vector_length=column.vector_length,
    )
    getattr(message, ARRAYS[column.value_type]).extend(column.values.ravel().tolist())
    if statuses or not column.all_present:
        message.statuses.extend(column.status.tolist())
    if event_times:
        message.event_time_us.extend(column.event_time.tolist())
    return message


def column_from_proto(message: columns_pb2.Column, rows: int, *, written: bool = False) -> Column:
    """One column of `rows` rows from its public message."""
    return _from_proto(message, Plain.of(rows), written=written)


def _from_proto(message: columns_pb2.Column, plain: Plain, *, written: bool) -> Column:
    value_type = typed(message)
    check_only(message, value_type)
    # An open enum may have any int32: clipped, so that none wraps to a known status.
    statuses = np.array(message.statuses, dtype=np.int64).clip(0, 255).astype(np.uint8)
    return column_from(
        message,
        value_type,
        _values(message, value_type),
        statuses if len(statuses) else None,
        np.array(message.event_time_us, dtype=np.int64) if message.event_time_us else None,
        plain=plain,
        written=written,
    )


def times_from_proto(times: Sequence[int], rows: int, field: str) -> Int64Array:
    """int64[rows]. Raises `Unreadable` for another number of times."""
    if len(times) != rows:
        raise Unreadable(f"{field} has {len(times)} times for {rows} rows; send one per row", field=field)
    return np.array(times, dtype=np.int64)


def _values(message: columns_pb2.Column, value_type: ValueType) -> ValueArray:
    array = getattr(message, ARRAYS[value_type])
    if value_type is ValueType.TEXT:
        return texts(array)
    values: ValueArray = np.array(array, dtype=DTYPES[value_type])
    return whole_vectors(values, message) if value_type is ValueType.VECTOR else values
