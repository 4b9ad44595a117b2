"""Columns as the public message, for rare calls and for peers whose arrays the twin cannot read.

It is slower than the twin by a factor of ten, and decisive: a column that cannot be read here is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from featurama.v1 import columns_pb2
from featurama.wire.shapes import ARRAYS, Arrays, check_only, checked_times, columns_from, whole_vectors
from featurama_core.types.column import Column
from featurama_core.types.values import DTYPES, Int64Array, ValueArray, ValueType


def columns_to_proto(
    columns: Sequence[Column], *, statuses: bool | None = None, event_times: bool = False
) -> list[columns_pb2.Column]:
    """Public messages. statuses, event_times: as in `columns_to_wire`."""
    return [_to_proto(column, statuses=statuses, event_times=event_times) for column in columns]


def columns_from_proto(columns: Iterable[columns_pb2.Column], rows: int, *, written: bool = False) -> list[Column]:
    """Columns of `rows` rows. InvalidInput names an invalid column. written: whether they are part of a write."""
    return columns_from(columns, rows, _arrays, written=written)


def times_from_proto(message: Any, rows: int, field: str) -> Int64Array:
    """int64[rows], the times in this field. Raises `Unreadable` for another number of times."""
    return checked_times(np.array(getattr(message, field), dtype=np.int64), rows, field)


def _to_proto(column: Column, *, statuses: bool | None, event_times: bool) -> columns_pb2.Column:
    message = columns_pb2.Column(
        name=column.name,
        version=column.version,
        reference=column.reference,
        value_type=column.value_type,  # type: ignore[arg-type]
        vector_length=column.vector_length,
    )
    getattr(message, ARRAYS[column.value_type]).extend(column.values.ravel().tolist())
    if statuses or not column.all_present:
        message.statuses.extend(column.status.tolist())
    if event_times:
        message.event_time_us.extend(column.event_time.tolist())
    return message


def _arrays(message: columns_pb2.Column, value_type: ValueType) -> Arrays:
    check_only(message, value_type)
    # An open enum may have any int32: clipped, so that none wraps to a known status.
    statuses = np.array(message.statuses, dtype=np.int64).clip(0, 255).astype(np.uint8)
    event_time = np.array(message.event_time_us, dtype=np.int64) if message.event_time_us else None
    return _values(message, value_type), statuses if len(statuses) else None, event_time


def _values(message: columns_pb2.Column, value_type: ValueType) -> ValueArray:
    values: ValueArray = np.array(getattr(message, ARRAYS[value_type]), dtype=DTYPES[value_type])
    return whole_vectors(values, message) if value_type is ValueType.VECTOR else values
