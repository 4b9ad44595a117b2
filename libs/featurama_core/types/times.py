"""Times are int64 microseconds since 1970 UTC. Ingest times have three more digits (storage-layout, "Times").

Naive times are refused. Finer times are floored.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Literal, Protocol

from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.time_texts import read_iso

SECOND = 1_000_000
"""Microseconds in a second."""
DAY = 86_400 * SECOND

MIN_TIME = -(2**62)
"""Earlier than every event time of a datetime. Durations can be added and subtracted without overflow."""
MAX_TIME = 2**62

MAX_INGEST_TIME = (2**63 - 1) // 1_000
"""Microseconds: largest distance from 1970 whose nanoseconds fit 64 bits (years 1678 to 2261)."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
MIN_EVENT_TIME = (datetime(1, 1, 1, tzinfo=UTC) - _EPOCH) // _MICROSECOND
MAX_EVENT_TIME = (datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC) - _EPOCH) // _MICROSECOND

_MAX_DURATION = 10_000 * 366 * DAY
_UNITS = {"us": 1, "ms": 1_000, "s": SECOND, "m": 60 * SECOND, "h": 3_600 * SECOND, "d": DAY, "w": 7 * DAY}
_UNIT_NAMES = {
    name: unit
    for unit, names in {
        "us": "us microsecond microseconds", "ms": "ms millisecond milliseconds", "s": "s sec second seconds",
        "m": "m min minute minutes", "h": "h hour hours", "d": "d day days", "w": "w week weeks",
    }.items()
    for name in names.split()
}  # fmt: skip
_DURATION = re.compile(rf"([0-9]{{1,18}}) ?({'|'.join(_UNIT_NAMES)})")


class Clock(Protocol):
    """A wall clock. Clocks are always passed as arguments."""

    def __call__(self) -> int:
        """Nanoseconds since 1970 UTC, like `time.time_ns`."""


Time = datetime | str | int
"""A zoned datetime, an ISO 8601 text with a zone, or microseconds since 1970 UTC."""


TimeUnit = Literal["s", "ms", "us", "ns"]
"""Unit of a time that is given as a number since 1970 UTC."""


KnownAt = int | Literal["label"] | None
"""Bound of ingest times: microseconds, "label" for the time of each row, or None for no bound."""


def to_known_at(value: Time | None) -> KnownAt:
    """A `known_at` argument: a time -> microseconds; "label" and None are returned unchanged."""
    if value is None:
        return None
    if value == "label":
        return "label"
    try:
        return to_micros(value, "known_at")
    except InvalidInput as error:
        if error.reason is not Reason.INVALID_TIME:
            raise
        forms = 'give a time with its zone, or "label" for the time of each row'
        raise invalid_time(f"{error.message}; {forms}", "known_at") from error


def to_micros(value: Time, field: str = "time") -> int:
    """A zoned datetime, an ISO 8601 text with a zone, or microseconds -> microseconds since 1970 UTC."""
    if isinstance(value, bool) or not isinstance(value, (datetime, str, int)):
        problem = f"must be a datetime, an ISO 8601 text or microseconds, not {type(value).__name__}"
        raise invalid_time(f"{field} {problem}", field)
    if isinstance(value, int):
        micros = value
    else:
        moment = _parse(value, field) if isinstance(value, str) else value
        if moment.tzinfo is None or moment.utcoffset() is None:
            raise invalid_time(f"{field} has no time zone; give one, such as UTC", field, Reason.NAIVE_TIME)
        micros = (moment - _EPOCH) // _MICROSECOND
    if not MIN_EVENT_TIME <= micros <= MAX_EVENT_TIME:
        raise invalid_time(f"{field} lies outside the years 1 to 9999; times are microseconds since 1970 UTC", field)
    return micros


def invalid_time(message: str, field: str, reason: Reason = Reason.INVALID_TIME) -> InvalidInput:
    """The error for a time or a column of times."""
    return InvalidInput(message, reason=reason, field=field)


def to_datetime(micros: int) -> datetime:
    """Microseconds since 1970 UTC -> datetime in UTC."""
    return _EPOCH + timedelta(microseconds=int(micros))


def to_rfc3339(micros: int) -> str:
    """Microseconds since 1970 UTC -> `2026-01-01T00:00:00.000000Z`."""
    return to_datetime(micros).strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0")


class Duration(int):
    """A length of time as microseconds. Unlike a bare number it was given with its unit, by `parse_duration`."""


DurationLike = str | timedelta | Duration | None
"""A text with a unit ("36h", "90 minutes", "30d") or a timedelta; None for no limit."""


def parse_duration(value: DurationLike, field: str) -> Duration | None:
    """A text with a unit or a timedelta -> a duration; None -> None. A bare number is refused: it has no unit."""
    if value is None:
        return None
    if isinstance(value, Duration):
        micros = int(value)
    elif isinstance(value, timedelta):
        micros = value // _MICROSECOND
    else:
        text = str(value).strip()
        match = _DURATION.fullmatch(text)
        if match is None:
            problem = "has no unit" if re.fullmatch(r"-?[0-9.]+", text) else "is not a duration"
            fix = "write a text with a unit, such as '90s', '15m', '36h' or '30d'"
            raise invalid_time(f"{field} {value!r:.40} {problem}; {fix}", field, Reason.INVALID_DEFINITION)
        micros = int(match[1]) * _UNITS[_UNIT_NAMES[match[2]]]
    if not 0 < micros <= _MAX_DURATION:
        problem = "must be longer than zero and at most 10,000 years; leave it out for no limit"
        raise invalid_time(f"{field} {problem}", field, Reason.INVALID_DEFINITION)
    return Duration(micros)


def duration_text(micros: int | None) -> str | None:
    """The inverse of `parse_duration`: the text with the largest unit that fits."""
    if micros is None:
        return None
    for unit in ("w", "d", "h", "m", "s", "ms"):
        if micros % _UNITS[unit] == 0:
            return f"{micros // _UNITS[unit]}{unit}"
    return f"{micros}us"


def _parse(text: str, field: str) -> datetime:
    try:
        read = read_iso(text)
    except ValueError as error:
        raise invalid_time(f"{field} {text[:40]!r} is not an ISO 8601 time", field) from error
    return read if isinstance(read, datetime) else datetime(read.year, read.month, read.day)  # noqa: DTZ001
