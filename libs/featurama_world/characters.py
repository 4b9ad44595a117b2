"""The crew's statistics: closed-form signals of (character, hour).

`delivery_count` and `distance_traveled` only grow; the others follow the character's skill and tiredness.
"""

from __future__ import annotations

import numpy as np

from featurama_world.columns import rounded
from featurama_world.config import HOUR_US, WorldConfig
from featurama_world.draws import Draws, Floats, Ints
from featurama_world.planets import YEAR_HOURS, wave


class CharacterSignals:
    """The signals of characters over time. character: int64 and hours: float64, of one shape."""

    def __init__(self, config: WorldConfig, draws: Draws) -> None:
        self._draws = draws
        self._start_hours = config.start_us / HOUR_US
        every = np.arange(config.characters)
        self._skill = draws.uniform("character/skill", every)
        self._per_day = 0.5 + 4.0 * draws.uniform("character/pace", every)
        self._career_days = 200.0 + 2_000.0 * draws.uniform("character/career", every)
        self._leg = 900.0 + 2_200.0 * draws.uniform("character/leg", every)
        self._rhythm = draws.uniform("character/rhythm", every)

    def columns(self, character: Ints, hours: Floats, row: Ints) -> dict[str, Ints | Floats]:
        """All features of the group `character_stats`. row: number of the reading, for its noise."""
        draws, skill, rhythm = self._draws, self._skill[character], self._rhythm[character]
        days = (hours - self._start_hours) / 24.0
        # The slope of the wave is below the slope of the trend, so the count never falls.
        worked = self._career_days[character] + days + 0.12 * wave(hours, 24.0, rhythm)
        deliveries = self._per_day[character] * worked

        form = draws.swing("character/form", character, hours, 90.0)
        energy = (
            62.0
            + 18.0 * wave(hours, 24.0, rhythm)
            + 6.0 * wave(hours, 168.0, 0.3)
            + 5.0 * form
            + 3.0 * draws.normal("character/energy", row)
        )
        energy = np.clip(energy, 0.0, 100.0)
        success = 0.62 + 0.3 * skill + 0.02 * form + 0.01 * wave(hours, YEAR_HOURS, rhythm)
        success = np.clip(success + 0.01 * draws.normal("character/success", row), 0.0, 1.0)
        efficiency = 25.0 + 45.0 * skill + 0.25 * energy + 2.0 * draws.normal("character/efficiency", row)
        rating = 1.2 + 3.4 * success + 0.004 * energy + 0.1 * draws.normal("character/rating", row)
        return {
            "delivery_count": np.floor(rounded(deliveries, 6)).astype(np.int64),
            "success_rate": rounded(success, 4),
            "distance_traveled": rounded(deliveries * self._leg[character], 1),
            "efficiency_score": rounded(np.clip(efficiency, 0.0, 100.0), 2),
            "energy_level": rounded(energy, 2),
            "customer_rating": rounded(np.clip(rating, 1.0, 5.0), 2),
        }
