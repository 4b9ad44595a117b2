"""Request ids: UUIDv7, created once by the client. The id determines the ingest time of every row of the request.

`ingested_at` = milliseconds x 1,000,000 + (the 20 bits after them x 1,000,000 >> 20). It reads as nanoseconds and
keeps the order of ids. Ids created here hold the fraction of the millisecond in those 20 bits and strictly increase.
"""

from __future__ import annotations

import secrets
import threading
import time
import uuid

from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.times import Clock

_FRACTION_BITS = 20


def _ingested_at(millis: int, fraction: int) -> int:
    return millis * 1_000_000 + (fraction * 1_000_000 >> _FRACTION_BITS)


def parse_request_id(text: str, field: str = "request_id") -> uuid.UUID:
    """Parse a UUIDv7. InvalidInput names `field` for any other text."""
    try:
        request_id = uuid.UUID(text)
    except ValueError as error:
        raise _not_a_v7(text, field) from error
    if request_id.version != 7:
        raise _not_a_v7(text, field)
    return request_id


def ingest_time(request_id: uuid.UUID) -> int:
    """Ingest time (nanosecond-like int64) of the rows that this request writes."""
    number = request_id.int
    rand_a = (number >> 64) & 0xFFF
    rand_b_top = (number >> (62 - 8)) & 0xFF
    return _ingested_at(number >> 80, rand_a << 8 | rand_b_top)


class RequestIds:
    """Creates strictly increasing ids from one clock. Safe to share between threads."""

    def __init__(self, clock: Clock = time.time_ns) -> None:
        self._clock = clock
        self._last = -1
        self._lock = threading.Lock()

    def next(self) -> uuid.UUID:
        """A new UUIDv7. Its ingest time is larger than those of all ids created here before."""
        millis, nanos = divmod(self._clock(), 1_000_000)
        with self._lock:
            # One step of the 20-bit fraction is about a nanosecond, and `_ingested_at` floors to whole ones:
            # two steps always give a larger ingest time.
            self._last = max(millis << _FRACTION_BITS | (nanos << _FRACTION_BITS) // 1_000_000, self._last + 2)
            ticks = self._last
        millis, fraction = ticks >> _FRACTION_BITS, ticks & 0xFFFFF
        number = millis << 80 | 7 << 76 | (fraction >> 8) << 64 | 0b10 << 62 | (fraction & 0xFF) << 54
        return uuid.UUID(int=number | secrets.randbits(54))


def _not_a_v7(text: str, field: str) -> InvalidInput:
    return InvalidInput(
        f"{field} {text[:40]!r} is not a UUIDv7; make one per request and keep it for retries",
        reason=Reason.INVALID_REQUEST_ID,
        field=field,
    )
