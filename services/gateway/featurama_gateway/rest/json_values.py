"""Feature values as JSON: int64 as numbers; NaN and infinities as the strings of proto JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featurama import Column, Status, ValueType

Json = float | int | bool | str | list[float] | None

_SPECIAL = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_json(value: object) -> Json:
    """A feature value, or None, in JSON."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    assert value is None or isinstance(value, (float, int, bool, str, list))
    return value


def row_values(columns: Sequence[Column], row: int) -> dict[str, Json]:
    """Feature name -> value, null if it is not PRESENT."""
    return {column.name: value_at(column, row) for column in columns}


def value_at(column: Column, row: int) -> Json:
    """One value of a column, null if it is not PRESENT."""
    if column.status[row] != Status.PRESENT:
        return None
    value = column.values[row]
    return to_json(value.tolist() if hasattr(value, "tolist") else value)


def given_columns(features: Mapping[str, Json]) -> list[Column]:
    """One row of given features. A null overrides the stored value with null."""
    return [_given(name, value) for name, value in features.items()]


def rfc3339(micros: int) -> str:
    """Microseconds since 1970 UTC as RFC 3339."""
    return (_EPOCH + timedelta(microseconds=int(micros))).isoformat().replace("+00:00", "Z")


def _given(name: str, value: Json) -> Column:
    if isinstance(value, bool):
        return _column(name, ValueType.BOOL, np.array([value], dtype=np.bool_))
    if isinstance(value, int):
        return _column(name, ValueType.INT, np.array([value], dtype=np.int64))
    if isinstance(value, list):
        return _column(name, ValueType.VECTOR, np.array([value], dtype=np.float32))
    if isinstance(value, str) and value not in _SPECIAL:
        return _column(name, ValueType.TEXT, np.array([value], dtype=np.object_))
    number = _SPECIAL[value] if isinstance(value, str) else value
    status = Status.NULL_VALUE if number is None else Status.PRESENT
    return _column(name, ValueType.DOUBLE, np.array([0.0 if number is None else number], dtype=np.float64), status)


def _column(name: str, value_type: ValueType, values: NDArray[Any], status: Status = Status.PRESENT) -> Column:
    return Column(
        name=name,
        value_type=value_type,
        values=values,
        status=np.array([status], dtype=np.uint8),
        event_time=np.zeros(1, dtype=np.int64),
    )
