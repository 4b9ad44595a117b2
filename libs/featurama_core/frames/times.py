"""Times of a frame column as int64 microseconds. Time columns and numbers are converted by numpy, texts and Python
datetimes one by one.

Naive times, dates and numbers are refused unless `TimeRules` say what they mean, in every kind of frame. Finer times
are floored. A time that a declared zone skips or repeats is a problem of its row, unless the rules choose an instant.
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from decimal import Decimal
from math import floor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featurama_core.frames.cells import Cells
from featurama_core.frames.values import CellError, is_empty
from featurama_core.frames.zones import TimeRules, first_instant, localized, zone_of
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.times import (
    MAX_EVENT_TIME,
    MAX_INGEST_TIME,
    MIN_EVENT_TIME,
    SECOND,
    invalid_time,
    to_micros,
)
from featurama_core.types.values import BoolArray, Int64Array

_PER_MICROSECOND = {"ns": 1_000, "ps": 1_000_000, "fs": 10**9, "as": 10**12}
_DATES = ("D", "W", "M", "Y")
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - wall-clock time of a zone that the caller declares
_SINCE_1973 = 3 * 365 * 86_400 * SECOND
_DAY = 86_400 * SECOND
_NUMBER = re.compile(r"[+-]?\d{1,30}(\.\d{0,30})?", re.ASCII)
_EXACT_FLOAT = 2**53


def event_times(cells: Cells, field: str, rules: TimeRules) -> tuple[Int64Array, dict[int, CellError]]:
    """int64[n] microseconds (0 for a row with a problem), and the problems by row."""
    problems: dict[int, CellError] = {}
    values, missing = cells.values, cells.missing
    kind = "" if cells.unsupported else values.dtype.kind
    if kind == "O" or (not len(values) and not cells.unsupported):
        return _one_by_one(cells, field, rules)
    if kind == "M":
        micros, missing = _microseconds(values)
        if not cells.zoned:
            if rules.timezone is None:
                if missing.all():
                    return micros, dict.fromkeys(range(len(values)), _missing(field))
                raise _naive(field)
            dates = np.datetime_data(values.dtype)[0] in _DATES
            micros = _to_utc(micros, ~missing, rules, field, problems, dates=dates)
    elif kind in ("i", "u", "f") and values.ndim == 1:
        if rules.scale is None:
            there = values if missing is None else values[~missing]
            if len(there):
                raise _no_unit(field, there[0].item(), rules)
            return np.zeros(len(values), dtype=np.int64), dict.fromkeys(range(len(values)), _missing(field))
        micros = _scaled(values, missing, *rules.scale)
    else:
        shown = cells.unsupported or str(values.dtype)
        problem = f"holds {shown}; give zoned times, ISO 8601 texts, or numbers with {rules.declared_by}="
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


def ingest_times(cells: Cells, field: str, rules: TimeRules) -> tuple[Int64Array, dict[int, CellError]]:
    """int64[n] microseconds of the ingest times of an import (0 for a row with a problem), and the problems by row."""
    micros, problems = event_times(cells, field, rules)
    far = np.abs(micros) > MAX_INGEST_TIME
    outside = (Reason.INVALID_TIME, f"{field} lies outside the years 1678 to 2261")
    problems.update(dict.fromkeys(np.flatnonzero(far).tolist(), outside))
    return np.where(far, 0, micros), problems


def _scaled(values: NDArray[Any], missing: BoolArray | None, per_unit: int, per_micro: int) -> Int64Array:
    """Numbers of a unit as microseconds. Those beyond int64 are clipped to a time outside the permitted years."""
    largest = np.iinfo(np.int64).max // per_unit
    if values.dtype.kind != "f":
        signed = np.minimum(values, np.iinfo(np.int64).max).astype(np.int64, copy=False)
        micros: Int64Array = np.clip(signed, -largest, largest) * per_unit // per_micro
        return micros
    safe = np.where(np.isfinite(values), values, np.copysign(2.0**62, values))
    safe = np.clip(safe if missing is None else np.where(missing, 0.0, safe), -(2.0**62), 2.0**62)
    whole = np.floor(safe)
    # A fraction of a double is near the decimal that was meant: rounded, not floored, to the microsecond.
    below = np.rint((safe - whole) * per_unit).astype(np.int64) if per_unit > 1 else np.int64(0)
    counted = whole.astype(np.int64)
    return np.where(
        np.abs(counted) > largest, 2**62, np.clip(counted, -largest, largest) * per_unit // per_micro + below
    )


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
    if unit == "generic":
        return np.zeros(len(values), dtype=np.int64), missing
    # Coarse units exceed int64 microseconds: such times are clipped to one just outside the years 1 to 9999.
    low, high = (np.datetime64(year, "Y").astype(values.dtype) for year in ("-0010", "10010"))
    inside = np.where(missing, np.datetime64(0, "us").astype(values.dtype), np.clip(values, low, high))
    return inside.astype("datetime64[us]").view(np.int64), missing


def _one_by_one(cells: Cells, field: str, rules: TimeRules) -> tuple[Int64Array, dict[int, CellError]]:
    read = _Reading(field, rules)
    problems: dict[int, CellError] = {}
    micros = np.zeros(len(cells), dtype=np.int64)
    for row, value in enumerate(cells.values.tolist()):
        if is_empty(value) or (cells.missing is not None and cells.missing[row]):
            problems[row] = _missing(field)
            continue
        try:
            micros[row] = read.micros(value)
        except InvalidInput as error:
            problems[row] = (error.reason, error.message)
    if len(problems) == len(cells):
        if read.number is not None:
            raise _no_unit(field, read.number, rules)
        if any(reason is Reason.NAIVE_TIME for reason, _ in problems.values()):
            raise _naive(field)
    return micros, problems


class _Reading:
    """Reads single cells. number: the first number without a unit."""

    def __init__(self, field: str, rules: TimeRules) -> None:
        self._field = field
        self._rules = rules
        self._read = rules.reader
        self._zone = None if rules.timezone is None else zone_of(rules.timezone)
        self.number: object = None

    def micros(self, value: Any) -> int:
        if isinstance(value, (str, np.str_)) and self._is_number(value):
            return self._counted(Decimal(str(value)))
        if isinstance(value, (int, np.integer, float, np.floating)) and not isinstance(value, (bool, np.timedelta64)):
            return self._counted(value.item() if isinstance(value, np.generic) else value)
        if isinstance(value, np.datetime64):
            value = value.astype("datetime64[D]" if np.datetime_data(value)[0] in _DATES else "datetime64[us]").item()
        if isinstance(value, str):
            value = self._text(value)
        if isinstance(value, date):
            value = self._zoned(value)
        if not isinstance(value, datetime):
            raise InvalidInput(
                f"{self._field} must be a time or an ISO 8601 text, not {type(value).__name__}",
                reason=Reason.INVALID_TIME,
            )
        try:
            return to_micros(value, self._field)
        except OverflowError as error:
            raise _outside(self._field) from error

    def _is_number(self, text: str) -> bool:
        """Digits alone are a number, unless a form of texts is declared."""
        return (self._rules.form is None or self._rules.unit is not None) and _NUMBER.fullmatch(text) is not None

    def _text(self, text: str) -> datetime | date:
        try:
            return self._read(text)
        except ValueError as error:
            form = self._rules.form
            meant = (
                "an ISO 8601 time; declare its form with time_format=" if form is None else f"a time of the form {form}"
            )
            raise InvalidInput(f"{self._field} {text[:40]!r} is not {meant}", reason=Reason.INVALID_TIME) from error

    def _zoned(self, value: datetime | date) -> datetime:
        if isinstance(value, datetime) and value.tzinfo is not None:
            return value
        if self._zone is None:
            raise InvalidInput(
                f"{self._field} {str(value)[:40]!r} has no time zone; declare it once with timezone=",
                reason=Reason.NAIVE_TIME,
            )
        if isinstance(value, datetime):
            placed = localized(value, self._zone, self._rules.ambiguous)
        else:
            placed = first_instant(value, self._zone)
        if placed is None:
            raise InvalidInput(f"{self._field} {_not_once(value, self._zone.key)}", reason=Reason.INVALID_TIME)
        return placed

    def _counted(self, number: Any) -> int:
        if self._rules.scale is None:
            self.number = number if self.number is None else self.number
            raise InvalidInput(
                f"{self._field} {str(number)[:40]} is a number; declare its unit with {self._rules.declared_by}=",
                reason=Reason.INVALID_TIME,
            )
        per_unit, per_micro = self._rules.scale
        if isinstance(number, float):
            return to_micros(int(_scaled(np.array([number]), None, per_unit, per_micro)[0]), self._field)
        scaled = floor(number * per_unit * 1_000) if isinstance(number, Decimal) else number * per_unit * 1_000
        return to_micros(scaled // (per_micro * 1_000), self._field)


def _to_utc(
    local: Int64Array, chosen: BoolArray, rules: TimeRules, field: str, problems: dict[int, CellError], *, dates: bool
) -> Int64Array:
    timezone = str(rules.timezone)
    if timezone in ("UTC", "Etc/UTC"):
        return local
    zone = zone_of(timezone)
    chosen = chosen & (local >= MIN_EVENT_TIME + _DAY) & (local <= MAX_EVENT_TIME - _DAY)
    # Clocks change at whole minutes since 1973, so the offset is looked up once per minute.
    step = np.where(local >= _SINCE_1973, 60 * SECOND, SECOND)
    moments, where = np.unique((local // step * step)[chosen], return_inverse=True)
    offsets = np.zeros(len(moments), dtype=np.int64)
    unclear = np.zeros(len(moments), dtype=np.bool_)
    for at, moment in enumerate(moments.tolist()):
        wall = _EPOCH + timedelta(microseconds=moment)
        placed = first_instant(wall.date(), zone) if dates else localized(wall, zone, rules.ambiguous)
        unclear[at] = placed is None
        offsets[at] = 0 if placed is None else moment - to_micros(placed)
    utc = local.copy()
    utc[chosen] -= offsets[where]
    for row in np.flatnonzero(chosen)[unclear[where]].tolist():
        wall = _EPOCH + timedelta(microseconds=int(local[row]))
        problems[row] = Reason.INVALID_TIME, f"{field} {_not_once(wall.date() if dates else wall, timezone)}"
    return utc


def _not_once(wall: object, timezone: str) -> str:
    if not isinstance(wall, datetime):
        return f"{wall} is a day that {timezone} skips; give a time in UTC"
    return (
        f"{wall} is a time that {timezone} skips or has twice (a change of its clocks); declare ambiguous='earlier' or"
        " ambiguous='later', or give it in UTC"
    )


def _no_unit(field: str, number: object, rules: TimeRules) -> InvalidInput:
    fix = f"declare their unit with {rules.declared_by}= (s, ms, us or ns), or give zoned times"
    return invalid_time(f"column {field} holds numbers such as {str(number)[:40]}; {fix}", field)


def _naive(field: str) -> InvalidInput:
    problem = "has no time zone; declare it once with timezone=, such as timezone='UTC'"
    return invalid_time(f"column {field} {problem}", field, Reason.NAIVE_TIME)


def _outside(field: str) -> InvalidInput:
    return InvalidInput(f"{field} lies outside the years 1 to 9999", reason=Reason.INVALID_TIME)


def _missing(field: str) -> CellError:
    return Reason.INVALID_TIME, f"{field} is missing"
