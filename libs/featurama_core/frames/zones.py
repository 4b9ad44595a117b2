"""What the cells of a time column mean: the declared zone of times and dates, unit of numbers and form of texts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.time_texts import ReadTime, time_reader
from featurama_core.types.times import SECOND, TimeUnit

_UNITS = {"s": (SECOND, 1), "ms": (1_000, 1), "us": (1, 1), "ns": (1, 1_000)}
"""Unit -> (microseconds per unit, units per microsecond), one of which is 1."""

Ambiguous = Literal["refuse", "earlier", "later"]
"""What a time means that a change of the clocks repeats or skips: nothing, or the earlier or later of the two instants
that the offsets before and after the change give.
"""


@dataclass(frozen=True, slots=True)
class TimeRules:
    """timezone: of times and dates that have none, such as "Europe/Berlin". unit: of numbers since 1970 UTC. form: of
    texts, ISO 8601 for None (`types.time_texts`). declared_by: name of the argument that gives the unit. ambiguous: of
    times in the zone.

    A date means its first instant in the zone. InvalidInput for an unknown zone, unit, form or word for `ambiguous`.
    """

    timezone: str | None = None
    unit: TimeUnit | None = None
    form: str | None = None
    declared_by: str = "time_unit"
    ambiguous: Ambiguous = "refuse"

    def __post_init__(self) -> None:
        if self.timezone is not None:
            zone_of(self.timezone)
        if self.unit is not None and self.unit not in _UNITS:
            shown = str(self.unit)[:40]
            raise InvalidInput(
                f"{self.declared_by} {shown!r} is not one of {', '.join(_UNITS)}", field=self.declared_by
            )
        if self.ambiguous not in get_args(Ambiguous):
            words = ", ".join(get_args(Ambiguous))
            raise InvalidInput(f"ambiguous {str(self.ambiguous)[:40]!r} is not one of {words}", field="ambiguous")
        self.reader  # noqa: B018 - an unknown form is refused before any read

    @property
    def reader(self) -> ReadTime:
        """Reads a text."""
        try:
            return time_reader(self.form)
        except ValueError as error:
            raise InvalidInput(
                f"time_format {str(self.form)[:40]!r} reads no times; give iso8601, rfc2822 or a pattern with year, "
                "month and day such as %Y/%m/%d %H:%M, with %z for a zone",
                field="time_format",
            ) from error

    @property
    def scale(self) -> tuple[int, int] | None:
        """(microseconds per unit, units per microsecond), one of which is 1; None without a unit."""
        return None if self.unit is None else _UNITS[self.unit]


AS_IT_IS = TimeRules()


def zone_of(timezone: str) -> ZoneInfo:
    """A zone by its name. Raises InvalidInput."""
    try:
        return ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError, TypeError) as error:
        raise InvalidInput(
            f"timezone {str(timezone)[:40]!r} is not known; give one such as UTC or Europe/Berlin",
            reason=Reason.INVALID_TIME,
            field="timezone",
        ) from error


def localized(wall: datetime, zone: ZoneInfo, ambiguous: Ambiguous = "refuse") -> datetime | None:
    """A wall-clock time of a zone; None for a refused one, which the zone skips or has twice."""
    both = [wall.replace(tzinfo=zone, fold=fold) for fold in (0, 1)]
    if both[0].utcoffset() == both[1].utcoffset():
        return both[0]
    if ambiguous == "refuse":
        return None
    # In UTC: the order of times of one zone ignores their offsets.
    return (min if ambiguous == "earlier" else max)(each.astimezone(UTC) for each in both)


def first_instant(day: date, zone: ZoneInfo) -> datetime | None:
    """The first instant of a day in a zone, in UTC; None for a day that the zone skips."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
    try:
        instant = midnight.astimezone(UTC)
        if instant.astimezone(zone).replace(tzinfo=None) != midnight.replace(tzinfo=None):
            # The clock skips midnight: the day begins where it jumps, which is searched by halving.
            before = instant - timedelta(days=1)
            while instant - before > timedelta(microseconds=1):
                middle = before + (instant - before) // 2
                if middle.astimezone(zone).date() >= day:
                    instant = middle
                else:
                    before = middle
        return instant if instant.astimezone(zone).date() == day else None
    except OverflowError:
        # At the ends of the calendar; no zone changes its clocks there.
        return midnight
