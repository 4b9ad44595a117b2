"""Deliveries: the values at dispatch and the outcomes at arrival.

`actual_duration` follows distance, package weight, hazard, and the destination's traffic and weather in the newest
reading at or before the dispatch, with 5 % unpredictable noise. `estimated_duration` depends on distance and weight
only. Delivery 0 is dispatched first; every arrival is before the world's end.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from featurama_world.columns import rounded
from featurama_world.config import DAY_US, HOUR_US, MAX_DURATION_HOURS, ReadingGrid, WorldConfig
from featurama_world.draws import Draws, Floats, Ints
from featurama_world.planets import PlanetSignals

_EARTH = 0
_TYPICAL_SLOWDOWN = 1.89
_TYPICAL_HANDLING = 0.95


@dataclass(frozen=True, slots=True)
class Dispatches:
    """The values at dispatch. Planets and characters are numbers, times are microseconds."""

    time_us: Ints
    distance: Floats
    package_weight: Floats
    hazard_level: Ints
    estimated_duration: Floats
    origin: Ints
    destination: Ints
    assigned_to: Ints


@dataclass(frozen=True, slots=True)
class Arrivals:
    """The outcomes at arrival. actual_duration is in hours, times are microseconds."""

    time_us: Ints
    actual_duration: Floats
    delay_minutes: Floats
    fuel_consumption: Floats


class Deliveries:
    """All deliveries of a world, by number; `index` is int64, any shape and order."""

    def __init__(self, config: WorldConfig, draws: Draws, planets: PlanetSignals, grid: ReadingGrid) -> None:
        self._config = config
        self._draws = draws
        self._planets = planets
        self._grid = grid
        every = np.arange(config.planets)
        sides = (("x", 4_500.0), ("y", 3_000.0), ("z", 1_500.0))
        self._places = np.stack([side * draws.uniform(f"planet/{axis}", every) for axis, side in sides])
        self._danger = draws.uniform("planet/danger", every)
        self._rush = _RushHours.of(config)

    def dispatches(self, index: Ints) -> Dispatches:
        """The inputs of the deliveries."""
        draws, planets = self._draws, self._config.planets
        elsewhere = np.floor(draws.uniform("delivery/origin", index) * planets).astype(np.int64)
        origin = np.where(draws.uniform("delivery/from earth", index) < 0.35, _EARTH, elsewhere)
        onward = np.floor(draws.uniform("delivery/destination", index) * (planets - 1)).astype(np.int64)
        destination = (origin + 1 + onward) % planets

        gap = self._places[:, origin] - self._places[:, destination]
        straight = np.sqrt(gap[0] * gap[0] + gap[1] * gap[1] + gap[2] * gap[2])
        distance = rounded((200.0 + straight) * (1.0 + 0.05 * draws.uniform("delivery/detour", index)), 1)
        weight = rounded(1.0 + 299.0 * draws.uniform("delivery/weight", index) ** 2, 2)
        risk = 0.4 * self._danger[destination] + 0.6 * draws.uniform("delivery/hazard", index)
        crew = draws.uniform("delivery/crew", index) ** 2 * self._config.characters

        guess = _TYPICAL_HANDLING + _flight_hours(distance, weight) * _TYPICAL_SLOWDOWN
        guess *= 1.0 + 0.06 * draws.normal("delivery/estimate", index)
        share = (index + draws.uniform("delivery/moment", index)) / self._config.deliveries
        return Dispatches(
            time_us=self._rush.dispatch_times(share),
            distance=distance,
            package_weight=weight,
            hazard_level=np.floor(6.0 * risk * risk).astype(np.int64),
            estimated_duration=rounded(guess, 2),
            origin=origin,
            destination=destination,
            assigned_to=np.floor(crew).astype(np.int64),
        )

    def arrivals(self, index: Ints, sent: Dispatches) -> Arrivals:
        """The outcome of the deliveries; `sent` is `dispatches(index)`."""
        draws = self._draws
        hours = self._grid.times(self._grid.in_force(sent.time_us)) / HOUR_US
        weather = self._planets.weather(sent.destination, hours)
        traffic = self._planets.traffic(sent.destination, hours, weather)

        slowdown = (1.0 + 1.3 * traffic) * (1.0 + 0.7 * weather)
        actual = 0.4 + 0.35 * sent.hazard_level + _flight_hours(sent.distance, sent.package_weight) * slowdown
        actual *= 1.0 + 0.05 * draws.normal("delivery/luck", index)
        actual = rounded(np.minimum(actual, MAX_DURATION_HOURS), 4)
        fuel = 0.02 * sent.distance * (1.0 + sent.package_weight / 400.0) + 1.5 * actual
        fuel *= 1.0 + 0.04 * draws.normal("delivery/fuel", index)
        return Arrivals(
            time_us=sent.time_us + np.rint(actual * HOUR_US).astype(np.int64),
            actual_duration=actual,
            delay_minutes=rounded((actual - sent.estimated_duration) * 60.0, 2),
            fuel_consumption=rounded(fuel, 3),
        )


def _flight_hours(distance: Floats, weight: Floats) -> Floats:
    return distance / 1_000.0 * (1.0 + weight / 1_250.0)


@dataclass(frozen=True, slots=True)
class _RushHours:
    """The distribution of dispatches over the hours: busy afternoons, quiet nights and weekends."""

    start_us: int
    weights: Ints
    before: Ints

    @classmethod
    def of(cls, config: WorldConfig) -> _RushHours:
        hours = config.days * 24 - MAX_DURATION_HOURS
        clock_us = config.start_us + np.arange(hours) * HOUR_US
        hour_of_day = clock_us // HOUR_US % 24
        weekday = (clock_us // DAY_US + 3) % 7
        # Integers, so that a dispatch time is the same microsecond on every machine.
        weights = (100 - 6 * np.abs(hour_of_day - 14)) * np.where(weekday >= 5, 6, 10)
        return cls(config.start_us, weights, np.concatenate([[0], np.cumsum(weights)]))

    def dispatch_times(self, share: Floats) -> Ints:
        """Times at which `share` (in [0, 1), increasing) of all deliveries have left; int64 microseconds."""
        target = share * self.before[-1]
        hour = np.minimum(np.searchsorted(self.before, target, side="right") - 1, len(self.weights) - 1)
        part = np.floor((target - self.before[hour]) / self.weights[hour] * HOUR_US)
        times: Ints = self.start_us + hour * HOUR_US + np.minimum(part.astype(np.int64), HOUR_US - 1)
        return times
