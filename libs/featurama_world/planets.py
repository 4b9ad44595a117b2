"""Conditions on planets: closed-form signals of (planet, hour), sampled at the times of the readings.

`hours` are float64 hours since 1970 UTC. Traffic and weather are in [0, 1]. Both change within hours, so the reading in
force at the dispatch predicts a delivery better than readings of other hours.
"""

from __future__ import annotations

import numpy as np

from featurama_world.columns import rounded
from featurama_world.config import HOUR_US, WorldConfig
from featurama_world.draws import Draws, Floats, Ints

YEAR_HOURS = 8_766.0


def wave(hours: Floats, period: float, phase: Floats | float) -> Floats:
    """A sine of `period` hours; `phase` in turns."""
    return np.sin(2.0 * np.pi * np.modf(hours / period + phase)[0])


class PlanetSignals:
    """The signals of planets over time. planet: int64 and hours: float64, of one shape."""

    def __init__(self, config: WorldConfig, draws: Draws) -> None:
        self._draws = draws
        self._start_hours = config.start_us / HOUR_US
        every = np.arange(config.planets)
        self._usual_traffic = 0.30 + 0.25 * draws.uniform("planet/usual traffic", every)
        self._traffic_trend = 0.06 * (draws.uniform("planet/traffic trend", every) - 0.5)
        self._usual_weather = 0.20 + 0.25 * draws.uniform("planet/usual weather", every)
        self._local_time = draws.uniform("planet/local time", every)
        self._season = draws.uniform("planet/season", every)
        self._size = 0.2 + 1.8 * draws.uniform("planet/size", every) ** 2

    def weather(self, planet: Ints, hours: Floats) -> Floats:
        """0 is calm, 1 is the worst storm; four decimals."""
        level = (
            self._usual_weather[planet]
            + 0.08 * wave(hours, YEAR_HOURS, self._season[planet])
            + 0.04 * wave(hours, 24.0, self._local_time[planet] + 0.2)
            + 0.15 * self._draws.swing("planet/weather hours", planet, hours, 7.0)
            + 0.12 * self._draws.swing("planet/weather days", planet, hours, 50.0)
        )
        return rounded(np.clip(level, 0.0, 1.0), 4)

    def traffic(self, planet: Ints, hours: Floats, weather: Floats) -> Floats:
        """0 is empty orbits, 1 is a standstill; four decimals. weather: of the same planets and hours."""
        level = (
            self._usual_traffic[planet]
            + self._traffic_trend[planet] * ((hours - self._start_hours) / YEAR_HOURS)
            + 0.03 * wave(hours, YEAR_HOURS, self._season[planet] + 0.5)
            + 0.05 * wave(hours, 168.0, 0.1)
            + 0.13 * wave(hours, 24.0, self._local_time[planet])
            + 0.14 * self._draws.swing("planet/traffic hours", planet, hours, 3.0)
            + 0.12 * self._draws.swing("planet/traffic shifts", planet, hours, 11.0)
            + 0.15 * (weather - 0.3)
        )
        return rounded(np.clip(level, 0.0, 1.0), 4)

    def columns(self, planet: Ints, hours: Floats, row: Ints) -> dict[str, Ints | Floats]:
        """All features of the group `planet_conditions`. row: number of the reading, for its noise."""
        weather = self.weather(planet, hours)
        traffic = self.traffic(planet, hours, weather)
        size = self._size[planet]
        incoming = size * (15.0 + 160.0 * traffic) * (1.0 + 0.06 * self._draws.normal("planet/incoming", row))
        outgoing = size * (25.0 + 110.0 * traffic) * (1.0 - 0.4 * weather)
        outgoing *= 1.0 + 0.06 * self._draws.normal("planet/outgoing", row)
        years = (hours - self._start_hours) / YEAR_HOURS
        commuters = 0.03 * wave(hours, 24.0, self._local_time[planet])
        density = 900.0 * size * (1.0 + 0.02 * years) * (1.0 + commuters)
        return {
            "incoming_deliveries": np.rint(incoming).astype(np.int64),
            "outgoing_deliveries": np.rint(outgoing).astype(np.int64),
            "traffic_level": traffic,
            "weather_index": weather,
            "population_density": rounded(density, 2),
        }
