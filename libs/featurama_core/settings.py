"""Settings that change the meaning of stored data: every server of a deployment needs the same. Microseconds."""

from __future__ import annotations

from dataclasses import dataclass

from featurama_core.types.times import SECOND

RETRY_WINDOW = 120 * SECOND
WRITE_DEADLINE = 10 * SECOND
MAX_CLOCK_SKEW = 5 * SECOND


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """max_clock_skew: difference between the clocks of servers. retry_window: time in which a request id may be sent
    again. write_deadline: time after which a write has ended on every replica. registry_staleness: seconds for which
    cached definitions and entity types may lag behind other servers. max_online_entities: entities per read of the
    storage. max_text_bytes: bytes of the texts of an online read of many rows; None for no limit.
    """

    max_clock_skew: int = MAX_CLOCK_SKEW
    retry_window: int = RETRY_WINDOW
    write_deadline: int = WRITE_DEADLINE
    registry_staleness: float = 2.0
    max_online_entities: int = 10_000
    max_text_bytes: int | None = None

    @property
    def settling_time(self) -> int:
        """Age of a `known_at` at which no later write can change the values that it admits."""
        return self.retry_window + self.write_deadline + self.max_clock_skew

    @property
    def revision_lead(self) -> int:
        """Time from the making of a revision to its start. All servers know it by then, whatever their clocks."""
        return int(self.registry_staleness * SECOND) + 2 * self.max_clock_skew + self.write_deadline
