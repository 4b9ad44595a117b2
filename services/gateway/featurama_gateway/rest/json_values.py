"""Feature values as JSON: int64 as numbers; NaN and infinities as the strings of proto JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from featurama import Column, Status

Json = float | int | bool | str | list[float] | None

_SPECIAL = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_json(value: object) -> Json:
    """A feature value, or None, as JSON can say it."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    assert value is None or isinstance(value, (float, int, bool, str, list))
    return value


def from_json(value: Json) -> object:
    """A given feature value; the strings of `to_json` are numbers again."""
    return _SPECIAL.get(value, value) if isinstance(value, str) else value


def row_values(columns: Sequence[Column], row: int) -> dict[str, Json]:
    """Feature name -> value, null where it is not PRESENT."""
    return {column.name: value_at(column, row) for column in columns}


def value_at(column: Column, row: int) -> Json:
    """One value of a column, null where it is not PRESENT."""
    if column.status[row] != Status.PRESENT:
        return None
    return to_json(column.values[row].tolist() if hasattr(column.values[row], "tolist") else column.values[row])


def given_values(features: Mapping[str, Json]) -> dict[str, list[object]]:
    """One row of given features, as columns of one value."""
    return {name: [from_json(value)] for name, value in features.items()}


def rfc3339(micros: int) -> str:
    """Microseconds since 1970 UTC as RFC 3339."""
    return (_EPOCH + timedelta(microseconds=int(micros))).isoformat().replace("+00:00", "Z")
