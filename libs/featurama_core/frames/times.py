"""Times of a frame column as int64 microseconds. Time columns are converted by numpy, texts and Python datetimes one by
one.

A naive column is refused unless its zone is declared. Finer times are floored. A time that a declared zone skips or
repeats is a problem of its row.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import NDArray

from featurama_core.frames.cells import Cells
from featurama_core.frames.values import CellError, is_empty
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.times import (
    MAX_EVENT_TIME,
    MAX_INGEST_TIME,
    MIN_EVENT_TIME,
    SECOND,
    TimeUnit,
    invalid_time,
    to_micros,
)
from featurama_core.types.values import BoolArray, Int64Array

_PER_MICROSECOND = {"ns": 1_000, "ps": 1_000_000, "fs": 10**9, "as": 10**12}
_UNITS = {"s": (SECOND, 1), "ms": (1_000, 1), "us": (1, 1), "ns": (1, 1_000)}
"""Unit -> (microseconds per unit, units per microsecond), one of which is 1."""
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - wall-clock time of a zone that the caller declares
_SINCE_1973 = 3 * 365 * 86_400 * SECOND


def event_times(cells: Cells, field: str, timezone: str | None) -> tuple[Int64Array, dict[int, CellError]]:
    """int64[n] microseconds (0 for a row with a problem), and the problems by row. Integers are microseconds."""
    problems: dict[int, CellError] = {}
    values, missing = cells.values, cells.missing
    kind = "" if cells.unsupported else values.dtype.kind
    if kind == "O":
        return _one_by_one(cells, field, timezone)
    if kind == "M":
        micros, missing = _microseconds(values)
        if not cells.zoned:
            if timezone is None:
                raise _naive(field)
            micros = _to_utc(micros, ~missing, timezone, field, problems)
    elif kind in ("i", "u"):
        micros = _signed(values)
    else:
        shown = cells.unsupported or str(values.dtype)
        problem = f"holds {shown}; give zoned times, ISO 8601 texts or integer microseconds"
        raise invalid_time(f"column {field} {problem}", field)
    wrong = (micros < MIN_EVENT_TIME) | (micros > MAX_EVENT_TIME)
    if missing is not None:
        wrong &= ~missing
        problems.update(dict.fromkeys(np.flatnonzero(missing).tolist(), _missing(field)))
    out_of_range = (Reason.INVALID_TIME, f"{field} lies outside the years 1 to 9999")
    problems.update(dict.fromkeys(np.flatnonzero(wrong).tolist(), out_of_range))
    if problems:
        micros = micros.copy()
        micros[list(problems)] = 0
    return micros, problems


def ingest_times(
    cells: Cells, field: str, timezone: str | None, unit: TimeUnit | None
) -> tuple[Int64Array, dict[int, CellError]]:
    """int64[n] microseconds of the ingest times of an import (0 for a row with a problem), and the problems by row.

    Numbers are refused unless their unit is declared, in every kind of frame. Finer times are floored.
    """
    if unit is not None and unit not in _UNITS:
        raise InvalidInput(f"{field}_unit {str(unit)[:40]!r} is not one of {', '.join(_UNITS)}", field=f"{field}_unit")
    cells = _counted(cells, field, unit)
    micros, problems = event_times(cells, field, timezone)
    far = np.abs(micros) > MAX_INGEST_TIME
    outside = (Reason.INVALID_TIME, f"{field} lies outside the years 1678 to 2261")
    problems.update(dict.fromkeys(np.flatnonzero(far).tolist(), outside))
    return np.where(far, 0, micros), problems


def _counted(cells: Cells, field: str, unit: TimeUnit | None) -> Cells:
    """The cells with their numbers as microseconds."""
    kind = "" if cells.unsupported else cells.values.dtype.kind
    if kind in ("i", "u"):
        if unit is None:
            raise _no_unit(field)
        values = cells.values
        return replace(cells, values=_floored(_signed(values), unit))
    if kind != "O":
        return cells
    found = np.fromiter(map(_is_count, cells.values), dtype=np.bool_, count=len(cells))
    if cells.missing is not None:
        found &= ~cells.missing
    if not found.any():
        return cells
    if unit is None:
        raise _no_unit(field)
    per_unit, per_micro = _UNITS[unit]
    values = cells.values.copy()
    for row in np.flatnonzero(found).tolist():
        values[row] = int(values[row]) * per_unit // per_micro
    return replace(cells, values=values)


def _is_count(value: object) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _signed(values: NDArray[Any]) -> Int64Array:
    """Integers as int64, clipped to its maximum."""
    signed: Int64Array = np.minimum(values, np.iinfo(np.int64).max).astype(np.int64, copy=False)
    return signed


def _floored(values: Int64Array, unit: TimeUnit) -> Int64Array:
    """Numbers of a unit as microseconds. Those beyond int64 are clipped to a time outside the permitted years."""
    per_unit, per_micro = _UNITS[unit]
    largest = np.iinfo(np.int64).max // per_unit
    micros: Int64Array = np.clip(values, -largest, largest) * per_unit // per_micro
    return micros


def _no_unit(field: str) -> InvalidInput:
    problem = f"holds numbers; declare their unit with {field}_unit= (s, ms, us or ns), or give zoned times"
    return invalid_time(f"column {field} {problem}", field)


def _microseconds(values: NDArray[Any]) -> tuple[Int64Array, BoolArray]:
    unit, count = np.datetime_data(values.dtype)
    missing = np.isnat(values)
    if unit in _PER_MICROSECOND:
        ticks = values.view(np.int64)
        whole = ticks // _PER_MICROSECOND[unit]
        if count != 1:
            # In two parts, because ticks * count may exceed 64 bits. A clipped time is outside the calendar.
            rest = ticks % _PER_MICROSECOND[unit] * count // _PER_MICROSECOND[unit]
            whole = np.clip(whole, -(2**62 // count), 2**62 // count) * count + rest
        return np.where(missing, 0, whole), missing
    # Coarse units exceed int64 microseconds: such times are clipped to one just outside the years 1 to 9999.
    low, high = (np.datetime64(year, "Y").astype(values.dtype) for year in ("-0010", "10010"))
    inside = np.where(missing, np.datetime64(0, "us").astype(values.dtype), np.clip(values, low, high))
    return inside.astype("datetime64[us]").view(np.int64), missing


def _one_by_one(cells: Cells, field: str, timezone: str | None) -> tuple[Int64Array, dict[int, CellError]]:
    zone = None if timezone is None else _zone(timezone)
    problems: dict[int, CellError] = {}
    micros = np.zeros(len(cells), dtype=np.int64)
    for row, value in enumerate(cells.values.tolist()):
        if is_empty(value) or (cells.missing is not None and cells.missing[row]):
            problems[row] = _missing(field)
            continue
        try:
            micros[row] = to_micros(_declared(value, zone), field)
        except InvalidInput as error:
            problems[row] = (error.reason, error.message)
    reasons = [reason for reason, _ in problems.values()]
    if len(reasons) == len(cells) and Reason.NAIVE_TIME in reasons:
        raise _naive(field)
    return micros, problems


def _declared(value: Any, zone: ZoneInfo | None) -> Any:
    if isinstance(value, np.integer):
        return int(value)
    if zone is None:
        return value
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return value
    if not isinstance(value, datetime) or value.tzinfo is not None:
        return value
    if value.replace(tzinfo=zone, fold=0).utcoffset() != value.replace(tzinfo=zone, fold=1).utcoffset():
        raise InvalidInput(_not_once(zone.key), reason=Reason.INVALID_TIME)
    return value.replace(tzinfo=zone)


def _to_utc(
    local: Int64Array, chosen: BoolArray, timezone: str, field: str, problems: dict[int, CellError]
) -> Int64Array:
    zone = _zone(timezone)
    if timezone in ("UTC", "Etc/UTC"):
        return local
    chosen = chosen & (local >= MIN_EVENT_TIME + 86_400 * SECOND) & (local <= MAX_EVENT_TIME - 86_400 * SECOND)
    # Clocks change at whole minutes since 1973, so the offset is looked up once per minute.
    step = np.where(local >= _SINCE_1973, 60 * SECOND, SECOND)
    moments, where = np.unique((local // step * step)[chosen], return_inverse=True)
    offsets = np.zeros(len(moments), dtype=np.int64)
    unclear = np.zeros(len(moments), dtype=np.bool_)
    microsecond = timedelta(microseconds=1)
    for at, moment in enumerate(moments.tolist()):
        wall = _EPOCH + timedelta(microseconds=moment)
        first = wall.replace(tzinfo=zone, fold=0).utcoffset() or timedelta()
        second = wall.replace(tzinfo=zone, fold=1).utcoffset() or timedelta()
        offsets[at], unclear[at] = first // microsecond, first != second
    utc = local.copy()
    utc[chosen] -= offsets[where]
    rows = np.flatnonzero(chosen)[unclear[where]]
    problems.update(dict.fromkeys(rows.tolist(), (Reason.INVALID_TIME, f"{field} {_not_once(timezone)}")))
    return utc


def _zone(timezone: str) -> ZoneInfo:
    try:
        return ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        problem = f"{str(timezone)[:40]!r} is not known; give one such as UTC or Europe/Berlin"
        raise invalid_time(f"timezone {problem}", "timezone") from error


def _not_once(timezone: str) -> str:
    return f"is a time that {timezone} skips or has twice (a change of its clocks); give it in UTC"


def _naive(field: str) -> InvalidInput:
    problem = "has no time zone; declare it once with timezone=, such as timezone='UTC'"
    return invalid_time(f"column {field} {problem}", field, Reason.NAIVE_TIME)


def _missing(field: str) -> CellError:
    return Reason.INVALID_TIME, f"{field} is missing"
