"""The settings of a world, and the time grid that follows from them.

Times in this package are int64 microseconds since 1970 UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

END = datetime(2026, 1, 1, tzinfo=UTC)
"""The default `end`: a constant, so that the same seed gives the same bytes on any day."""

MAX_DURATION_HOURS = 40
"""No delivery takes longer. Dispatches stop this long before `end`, so that every arrival is before it."""

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LIMITS = {
    "seed": (0, 2**64 - 1),
    "characters": (1, 100_000),
    "planets": (2, 100_000),
    "deliveries": (0, 99_999_999),
    "days": (2, 3_650),
    "readings_per_day": (1, 86_400),
    "character_readings_per_day": (1, 86_400),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldConfig:
    """The settings of a world. Raises ValueError with the field for a value out of range.


    The world spans `[end - days, end]`. `readings_per_day` is per planet, `character_readings_per_day` per
    character. `end` is an aware datetime, not compared with a clock: a store refuses times in its future.
    """

    seed: int = 1729
    characters: int = 12
    planets: int = 20
    deliveries: int = 2_000
    days: int = 60
    readings_per_day: int = 24
    character_readings_per_day: int = 4
    end: datetime = END

    def __post_init__(self) -> None:
        for field, (low, high) in _LIMITS.items():
            value = getattr(self, field)
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                raise ValueError(f"{field} must be a whole number from {low:,} to {high:,}, not {value!r}")
        end: object = self.end
        if not isinstance(end, datetime) or end.utcoffset() is None:
            raise ValueError(f"end must be a datetime with a time zone (tzinfo=UTC), not {self.end!r}")
        if self.end.year < 1990:
            raise ValueError(f"end must not be before 1990, not {self.end.isoformat()}")

    @property
    def end_us(self) -> int:
        """`end` in microseconds since 1970 UTC."""
        return (self.end - _EPOCH) // timedelta(microseconds=1)

    @property
    def start_us(self) -> int:
        """The first reading and the earliest dispatch, in microseconds since 1970 UTC."""
        return self.end_us - self.days * DAY_US


def definitions_path() -> Path:
    """The path of `definitions.yaml`, for `featurama apply`: the entity types, groups, features and services."""
    return Path(str(files("featurama_world").joinpath("definitions.yaml")))


def training_path() -> Path:
    """The path of `training.yaml`, for `featurama train --config`: the delivery-time model."""
    return Path(str(files("featurama_world").joinpath("training.yaml")))


@dataclass(frozen=True, slots=True)
class ReadingGrid:
    """Evenly spaced readings: `count` instants, the first at `start_us`, `step_us` microseconds apart."""

    start_us: int
    step_us: int
    count: int

    @classmethod
    def of(cls, config: WorldConfig, per_day: int) -> ReadingGrid:
        """The grid of `per_day` readings a day over the world's days; the last one is before `end`."""
        return cls(config.start_us, DAY_US // per_day, config.days * per_day)

    def times(self, reading: NDArray[np.int64]) -> NDArray[np.int64]:
        """Event times of readings by number; int64 microseconds, shape as given."""
        return self.start_us + reading * self.step_us

    def in_force(self, time_us: NDArray[np.int64]) -> NDArray[np.int64]:
        """Number of the newest reading at or before each time, for times from `start_us` on."""
        return np.minimum((time_us - self.start_us) // self.step_us, self.count - 1)
