"""The numbers that govern a store's meaning; the same on every server of a deployment. Times in microseconds."""

from __future__ import annotations

from dataclasses import dataclass

from featurama_core.types.times import SECOND

RETRY_WINDOW = 120 * SECOND
WRITE_DEADLINE = 10 * SECOND
MAX_CLOCK_SKEW = 5 * SECOND


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """See semantics: `max_clock_skew` between servers, `retry_window` in which a request id may be sent again,
    `write_deadline` after which a write has ended on every replica.

    registry_staleness: seconds for which cached definitions and entity types may lag behind other servers.
    """

    max_clock_skew: int = MAX_CLOCK_SKEW
    retry_window: int = RETRY_WINDOW
    write_deadline: int = WRITE_DEADLINE
    registry_staleness: float = 2.0
    max_online_entities: int = 10_000

    @property
    def settling_time(self) -> int:
        """How old a `known_at` must be so that no later write can still change what it admits."""
        return self.retry_window + self.write_deadline + self.max_clock_skew
