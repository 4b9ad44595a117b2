"""The label follows the destination's traffic and weather at dispatch, so a wrong join shows in the metrics.

The join here is a plain bisection over the published frames: it shares no code with the generator.
"""

from __future__ import annotations

from bisect import bisect_right
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from featurama_world import (
    CHARACTER_STATS,
    DELIVERY_METRICS,
    PLANET_CONDITIONS,
    World,
    WorldConfig,
    generate,
)

Floats = NDArray[np.float64]


def _rows(world: World, group: str) -> list[dict[str, Any]]:
    return [row for batch in world.batches(groups=[group]) for row in batch.table.to_pylist()]


class _Observed:
    """Deliveries beside their labels, and the readings of every planet, out of the published frames."""

    def __init__(self, world: World) -> None:
        sent = _rows(world, DELIVERY_METRICS)
        self.times = [row["timestamp"] for row in sent]
        self.destinations = [row["destination"] for row in sent]
        inputs = ("distance", "package_weight", "hazard_level", "estimated_duration")
        self.inputs = np.array([[row[name] for name in inputs] for row in sent], dtype=np.float64)
        self.label = np.concatenate([table["actual_duration"].to_numpy() for table in world.labels()])
        self.readings: dict[str, tuple[list[datetime], list[list[float]]]] = {}
        for row in _rows(world, PLANET_CONDITIONS):
            times, values = self.readings.setdefault(row["entity_id"], ([], []))
            times.append(row["timestamp"])
            values.append([row["traffic_level"], row["weather_index"]])

    def conditions(self, shift: timedelta) -> Floats:
        """Traffic and weather of each destination, as joined at dispatch + `shift`."""
        found = []
        for place, time in zip(self.destinations, self.times, strict=True):
            times, values = self.readings[place]
            found.append(values[max(bisect_right(times, time + shift) - 1, 0)])
        return np.array(found)

    def error_with(self, columns: Floats) -> float:
        """RMSE in hours on the later half of a least-squares fit on the earlier half."""
        design = np.column_stack([columns, np.ones(len(columns))])
        half = len(design) // 2
        weights, *_ = np.linalg.lstsq(design[:half], self.label[:half], rcond=None)
        return float(np.sqrt(np.mean((self.label[half:] - design[half:] @ weights) ** 2)))

    def error_at(self, shift: timedelta) -> float:
        """`error_with` the delivery's inputs, the conditions at dispatch + `shift`, and their products."""
        conditions = self.conditions(shift)
        travel = self.inputs[:, :1] * (1.0 + self.inputs[:, 1:2] / 1_250.0)
        both = conditions[:, :1] * conditions[:, 1:]
        return self.error_with(np.column_stack([self.inputs, travel, conditions, travel * conditions, travel * both]))


@pytest.fixture(scope="module")
def observed() -> _Observed:
    """The default world as a user sees it."""
    return _Observed(generate())


@pytest.mark.parametrize("hours", [-24, -12, -3, 3, 12, 24])
def test_conditions_of_another_hour_predict_clearly_worse(observed: _Observed, hours: int) -> None:
    """A join that is hours off, stale or leaking, costs more than 1.8 times the error."""
    assert observed.error_at(timedelta(hours=hours)) > 1.8 * observed.error_at(timedelta(0))


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_join_one_reading_off_is_visible(observed: _Observed, hours: int) -> None:
    """Even the neighbouring reading costs more than 1.2 times the error."""
    assert observed.error_at(timedelta(hours=hours)) > 1.2 * observed.error_at(timedelta(0))


def test_conditions_at_dispatch_beat_the_estimated_duration(observed: _Observed) -> None:
    """The schedule's estimate is decent, and clearly worse than a linear fit with traffic and weather."""
    estimate = observed.inputs[:, 3]
    error = float(np.sqrt(np.mean((observed.label - estimate) ** 2)))
    spread = float(np.std(observed.label))
    linear = observed.error_with(np.column_stack([observed.inputs, observed.conditions(timedelta(0))]))
    assert error < 0.7 * spread
    assert linear < 0.6 * error
    assert observed.error_at(timedelta(0)) < 0.35 * error


@pytest.mark.parametrize("column", [0, 1, 2])
def test_distance_weight_and_hazard_each_matter(column: int) -> None:
    """Without distance, weight or hazard (and the estimate, which knows two of them) the error is larger."""
    observed = _Observed(generate(WorldConfig(deliveries=6_000, days=20)))
    full = np.column_stack([observed.inputs[:, :3], observed.conditions(timedelta(0))])
    assert observed.error_with(np.delete(full, column, axis=1)) > 1.03 * observed.error_with(full)


def test_there_is_noise_that_nothing_predicts(observed: _Observed) -> None:
    """With everything known about 5 % of the duration stays open: a smaller error means a leak."""
    floor = 0.05 * float(np.sqrt(np.mean(observed.label**2)))
    assert observed.error_at(timedelta(0)) > 0.85 * floor


def test_traffic_is_in_range_and_autocorrelated_within_hours(observed: _Observed) -> None:
    """Neighbouring readings are alike, those twelve hours apart are not; traffic seldom rests at its ends."""
    near, far = [], []
    for _, values in observed.readings.values():
        traffic = np.array(values)[:, 0]
        assert traffic.min() >= 0.0
        assert traffic.max() <= 1.0
        assert np.mean((traffic == 0.0) | (traffic == 1.0)) < 0.1
        near.append(np.corrcoef(traffic[1:], traffic[:-1])[0, 1])
        far.append(np.corrcoef(traffic[12:], traffic[:-12])[0, 1])
    assert 0.85 < np.mean(near) < 0.97
    assert np.mean(far) < 0.1


def test_records_of_characters_only_grow() -> None:
    """`delivery_count` and `distance_traveled` never fall."""
    rows = _rows(generate(WorldConfig(deliveries=0, character_readings_per_day=24)), CHARACTER_STATS)
    for earlier, later in pairwise(rows):
        if earlier["entity_id"] == later["entity_id"]:
            assert earlier["delivery_count"] <= later["delivery_count"]
            assert earlier["distance_traveled"] <= later["distance_traveled"]


def test_scores_are_in_their_documented_ranges() -> None:
    """Rates in 0..1, scores in 0..100, ratings in 1..5, hazard in 0..5, durations and fuel above 0."""
    limits = {
        "success_rate": (0, 1),
        "efficiency_score": (0, 100),
        "energy_level": (0, 100),
        "customer_rating": (1, 5),
        "weather_index": (0, 1),
        "hazard_level": (0, 5),
        "incoming_deliveries": (0, 1_000),
        "outgoing_deliveries": (0, 1_000),
        "distance": (200, 6_200),
        "package_weight": (1, 300),
        "actual_duration": (0.1, 40),
        "fuel_consumption": (1, 1_000),
    }
    seen = set()
    for batch in generate(WorldConfig(days=400, readings_per_day=6)).batches():
        for name, (low, high) in limits.items():
            if name in batch.table.column_names:
                values = batch.table[name].to_numpy()
                assert values.min() >= low, name
                assert values.max() <= high, name
                seen.add(name)
    assert seen == set(limits)
