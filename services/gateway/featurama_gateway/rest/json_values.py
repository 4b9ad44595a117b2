"""Feature values as JSON: NaN, infinities and integers beyond 2^53 as the strings of proto JSON."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featurama import Column, Status, ValueType
from featurama_gateway.rest.fields import LargeIntegers

Json = float | int | bool | str | list[float] | None

_SPECIAL = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_EXACT = 2**53
"""Clients whose numbers are doubles, such as JavaScript, read integers up to this magnitude without loss."""
_INTEGER = re.compile("-?[1-9][0-9]{15,18}")
_DOUBLE, _INT = ValueType.DOUBLE, ValueType.INT
_PRESENT = int(Status.PRESENT)
_TIMED = frozenset(map(int, (Status.PRESENT, Status.NULL_VALUE, Status.OUTSIDE_MAX_AGE)))
_NAMES = {int(each): each.name for each in Status}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_json(value: object, large_integers: LargeIntegers = "string") -> Json:
    """A feature value, or None, in JSON."""
    if isinstance(value, int) and abs(value) > _EXACT and large_integers == "string":
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    assert value is None or isinstance(value, (float, int, bool, str, list))
    return value


def values_of(column: Column, large_integers: LargeIntegers = "string") -> list[Json]:
    """The values of a column, null where one is not PRESENT."""
    values: list[Json] = column.values.tolist()
    if _has_strings(values, column.value_type, large_integers):
        values = [to_json(each, large_integers) for each in values]
    if column.all_present:
        return values
    return [value if each == _PRESENT else None for value, each in zip(values, column.status.tobytes(), strict=True)]


def times_of(column: Column) -> list[str | None]:
    """The event times of a column, null where no value was found."""
    times = column.event_time.tolist()
    return [rfc3339(at) if each in _TIMED else None for at, each in zip(times, column.status.tobytes(), strict=True)]


def statuses_of(column: Column) -> list[str]:
    """The names of the statuses of a column."""
    return [_NAMES[each] for each in column.status.tobytes()]


def rows_of(columns: Sequence[Column], rows: int, large_integers: LargeIntegers) -> list[dict[str, Json]]:
    """Feature name -> value per row, null if it is not PRESENT."""
    names = [each.name for each in columns]
    if not names:
        return [{} for _ in range(rows)]
    values = [values_of(each, large_integers) for each in columns]
    return [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]


def given_columns(features: Mapping[str, Json]) -> list[Column]:
    """One row of given features. A null overrides the stored value with null."""
    return [_given(name, _number(value)) for name, value in features.items()]


@lru_cache(maxsize=16_384)
def rfc3339(micros: int) -> str:
    """Microseconds since 1970 UTC as RFC 3339."""
    return (_EPOCH + timedelta(microseconds=micros)).isoformat().replace("+00:00", "Z")


def _has_strings(values: list[Json], value_type: ValueType, large_integers: LargeIntegers) -> bool:
    """Whether some of the numbers are strings in JSON."""
    if value_type is _DOUBLE:
        return not all(map(math.isfinite, values))  # type: ignore[arg-type]
    if value_type is _INT and large_integers == "string":
        return bool(values) and (max(values) > _EXACT or min(values) < -_EXACT)  # type: ignore[operator, type-var]
    return False


def _number(value: Json) -> Json:
    """The number of a string that `to_json` makes of one; any other value unchanged."""
    if not isinstance(value, str):
        return value
    if _INTEGER.fullmatch(value) and abs(int(value)) > _EXACT and -(2**63) <= int(value) < 2**63:
        return int(value)
    return _SPECIAL.get(value, value)


def _given(name: str, value: Json) -> Column:
    if isinstance(value, bool):
        return _column(name, ValueType.BOOL, np.array([value], dtype=np.bool_))
    if isinstance(value, int):
        return _column(name, ValueType.INT, np.array([value], dtype=np.int64))
    if isinstance(value, list):
        return _column(name, ValueType.VECTOR, np.array([value], dtype=np.float32))
    if isinstance(value, str):
        return _column(name, ValueType.TEXT, np.array([value], dtype=np.object_))
    status = Status.NULL_VALUE if value is None else Status.PRESENT
    return _column(name, ValueType.DOUBLE, np.array([0.0 if value is None else value], dtype=np.float64), status)


def _column(name: str, value_type: ValueType, values: NDArray[Any], status: Status = Status.PRESENT) -> Column:
    return Column(
        name=name,
        value_type=value_type,
        values=values,
        status=np.array([status], dtype=np.uint8),
        event_time=np.zeros(1, dtype=np.int64),
    )
