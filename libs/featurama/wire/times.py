"""Timestamp and Duration messages <-> int64 microseconds. Finer times are floored."""

from __future__ import annotations

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from featurama_core.types import times
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.times import SECOND, to_micros

_NANOS = 1_000_000_000


def to_timestamp(micros: int) -> Timestamp:
    """Microseconds since 1970 UTC -> Timestamp."""
    seconds, rest = divmod(int(micros), SECOND)
    return Timestamp(seconds=seconds, nanos=rest * 1_000)


def from_timestamp(message: Timestamp, field: str = "time") -> int:
    """Timestamp -> microseconds since 1970 UTC, floored; InvalidInput outside the years 1 to 9999."""
    if not 0 <= message.nanos < _NANOS:
        raise InvalidInput(f"{field}: nanos must be from 0 to 999,999,999", reason=Reason.INVALID_TIME, field=field)
    return to_micros(message.seconds * SECOND + message.nanos // 1_000, field)


def to_duration(micros: int) -> Duration:
    """Microseconds, not negative -> Duration."""
    seconds, rest = divmod(int(micros), SECOND)
    return Duration(seconds=seconds, nanos=rest * 1_000)


def from_duration(message: Duration) -> times.Duration:
    """Duration -> microseconds, floored. The definition checks its bounds."""
    return times.Duration((message.seconds * _NANOS + message.nanos) // 1_000)
