"""The expressions of a model's columns: small dataclasses with a JSON form, distinguished by `op`. Data, never code.

An expression computes float64[n] from the model's features and the rows' times, with + - * / and integer steps only, so
every bit is the same on every machine and for any number of rows computed together. Sine and cosine are implemented
here because those of numpy differ between processors in the last bit.
A missing input is NaN, and so is every result computed from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from featurama_core.types.times import DAY
from featurama_core.types.values import Int64Array

Float64Array = NDArray[np.float64]
Values = Mapping[str, Float64Array]

HOUR = DAY // 24
_PERIODS = {"day": DAY, "week": 7 * DAY, "year": 31_556_952_000_000}
_THURSDAY = 3
"""Days between the Monday before 1970-01-01, a Thursday, and that day."""
_QUARTER_OF_PI = np.pi / 4
_SINE = (1.0, -6.0, 120.0, -5_040.0, 362_880.0, -39_916_800.0, 6_227_020_800.0, -1_307_674_368_000.0)
_COSINE = (1.0, -2.0, 24.0, -720.0, 40_320.0, -3_628_800.0, 479_001_600.0, -87_178_291_200.0, 20_922_789_888_000.0)


@dataclass(frozen=True, slots=True)
class Feature:
    """The feature itself."""

    name: str
    feature: str
    op: Literal["feature"] = "feature"

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the features it is computed from."""
        return (self.feature,)

    def evaluate(self, values: Values, _time: Int64Array) -> Float64Array:
        """float64[n], from float64[n] of each input."""
        return values[self.feature]


@dataclass(frozen=True, slots=True)
class Product:
    """An interaction: the product of two to eight features, multiplied from left to right."""

    name: str
    of: tuple[str, ...]
    op: Literal["product"] = "product"

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the features it is computed from."""
        return self.of

    def evaluate(self, values: Values, _time: Int64Array) -> Float64Array:
        """float64[n], from float64[n] of each input."""
        product = values[self.of[0]]
        for factor in self.of[1:]:
            product = product * values[factor]
        return product


@dataclass(frozen=True, slots=True)
class Sum:
    """The sum of two to eight features, added from left to right."""

    name: str
    of: tuple[str, ...]
    op: Literal["sum"] = "sum"

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the features it is computed from."""
        return self.of

    def evaluate(self, values: Values, _time: Int64Array) -> Float64Array:
        """float64[n], from float64[n] of each input."""
        total = values[self.of[0]]
        for term in self.of[1:]:
            total = total + values[term]
        return total


@dataclass(frozen=True, slots=True)
class Difference:
    """One feature less another."""

    name: str
    left: str
    right: str
    op: Literal["difference"] = "difference"

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the features it is computed from."""
        return (self.left, self.right)

    def evaluate(self, values: Values, _time: Int64Array) -> Float64Array:
        """float64[n], from float64[n] of each input."""
        return values[self.left] - values[self.right]


@dataclass(frozen=True, slots=True)
class Ratio:
    """A quotient of two features; missing where the denominator is zero."""

    name: str
    numerator: str
    denominator: str
    op: Literal["ratio"] = "ratio"

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the features it is computed from."""
        return (self.numerator, self.denominator)

    def evaluate(self, values: Values, _time: Int64Array) -> Float64Array:
        """float64[n], from float64[n] of each input."""
        below = values[self.denominator]
        return values[self.numerator] / np.where(below == 0.0, np.nan, below)


@dataclass(frozen=True, slots=True)
class Power:
    """A feature to a whole power from 2 to 8."""

    name: str
    feature: str
    exponent: int
    op: Literal["power"] = "power"

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the features it is computed from."""
        return (self.feature,)

    def evaluate(self, values: Values, _time: Int64Array) -> Float64Array:
        """float64[n], from float64[n] of each input."""
        base = power = values[self.feature]
        # np.power is not used: its vectorised loop and its remainder may differ in the last bit.
        for _ in range(self.exponent - 1):
            power = power * base
        return power


@dataclass(frozen=True, slots=True)
class TimePart:
    """A part of the row's time, in UTC: `hour_of_day` in [0, 24), `day_of_week` from 0 (Monday) to 6."""

    name: str
    part: Literal["hour_of_day", "day_of_week"]
    op: Literal["time_part"] = "time_part"

    @property
    def inputs(self) -> tuple[str, ...]:
        """No features: it is computed from the row's time."""
        return ()

    def evaluate(self, _values: Values, time: Int64Array) -> Float64Array:
        """float64[n], from the rows' times int64[n], microseconds."""
        if self.part == "hour_of_day":
            return (time % DAY).astype(np.float64) / HOUR
        return ((time // DAY + _THURSDAY) % 7).astype(np.float64)


@dataclass(frozen=True, slots=True)
class Cycle:
    """The position of the row's time in a day (from 0:00 UTC), a week (from Monday) or a year, as one coordinate of a
    circle, from -1 to 1. `sin` and `cos` together identify every moment, and midnight is next to 23:59.
    """

    name: str
    cycle: Literal["day", "week", "year"]
    wave: Literal["sin", "cos"]
    op: Literal["cycle"] = "cycle"

    @property
    def inputs(self) -> tuple[str, ...]:
        """No features: it is computed from the row's time."""
        return ()

    def evaluate(self, _values: Values, time: Int64Array) -> Float64Array:
        """float64[n], from the rows' times int64[n], microseconds."""
        period = _PERIODS[self.cycle]
        since = time + _THURSDAY * DAY if self.cycle == "week" else time
        return _sine(since + period // 4 if self.wave == "cos" else since, period)


Expression = Annotated[
    Feature | Product | Sum | Difference | Ratio | Power | TimePart | Cycle, Field(discriminator="op")
]
TIMED = (TimePart, Cycle)
"""Expressions that need the row's time."""


def _sine(time: Int64Array, period: int) -> Float64Array:
    """sin(2 pi time / period), to 2 units in the last place; `period` is a multiple of eight.

    The angle is reduced below pi/4 in integers, so precision does not depend on the time; the series error is below
    1e-17 there.
    """
    eighth = period // 8
    octant, rest = np.divmod(time % period, eighth)
    rest = np.where(octant % 2 == 1, eighth - rest, rest)
    angle = rest.astype(np.float64) / eighth * _QUARTER_OF_PI
    square = angle * angle
    sine = angle * _series(square, _SINE)
    cosine = _series(square, _COSINE)
    wave = np.where((octant + 1) % 4 >= 2, cosine, sine)
    return np.where(octant >= 4, -wave, wave)


def _series(square: Float64Array, divisors: tuple[float, ...]) -> Float64Array:
    total = np.full(len(square), 1.0 / divisors[-1])
    for divisor in divisors[-2::-1]:
        total = total * square + 1.0 / divisor
    return total
