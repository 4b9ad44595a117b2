"""The expressions of a model's columns: small dataclasses with a JSON form, distinguished by `op`. Data, never code.

An expression computes float64[n] from the model's features and the rows' times, with + - * / and integer steps only, so
every bit is the same on every machine and for any number of rows computed together. Sine and cosine are implemented
here because those of numpy differ between processors in the last bit.
A missing input is NaN, and so is every result computed from it.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from featurama_core.types.times import DAY
from featurama_core.types.values import Int64Array

Float64Array = NDArray[np.float64]
Values = Mapping[str, Float64Array]

HOUR = DAY // 24
_OF_FEATURES = ("feature", "of", "left", "right", "numerator", "denominator")
"""Fields of expressions that hold names of features, in the order of their use."""
_PERIODS = {"day": DAY, "week": 7 * DAY, "year": 31_556_952_000_000}
_THURSDAY = 3
"""Days between the Monday before 1970-01-01, a Thursday, and that day."""
_QUARTER_OF_PI = np.pi / 4
_SINE = (1.0, -6.0, 120.0, -5_040.0, 362_880.0, -39_916_800.0, 6_227_020_800.0, -1_307_674_368_000.0)
_COSINE = (1.0, -2.0, 24.0, -720.0, 40_320.0, -3_628_800.0, 479_001_600.0, -87_178_291_200.0, 20_922_789_888_000.0)


@dataclass(frozen=True, slots=True)
class _Named:
    name: str

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the features it is computed from; () for one that is computed from the row's time."""
        given = [getattr(self, field, ()) for field in _OF_FEATURES]
        return tuple(name for each in given for name in ((each,) if isinstance(each, str) else each))

    def evaluate(self, values: Values, time: Int64Array) -> Float64Array:
        """float64[n], from float64[n] of each input and the rows' times int64[n], microseconds."""
        return self._of([values[name] for name in self.inputs], time)

    def _of(self, inputs: list[Float64Array], time: Int64Array) -> Float64Array:
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Feature(_Named):
    """The feature itself."""

    feature: str
    op: Literal["feature"] = "feature"

    def _of(self, inputs: list[Float64Array], _time: Int64Array) -> Float64Array:
        return inputs[0]


@dataclass(frozen=True, slots=True)
class Product(_Named):
    """An interaction: the product of two to eight features, multiplied from left to right."""

    of: tuple[str, ...]
    op: Literal["product"] = "product"

    def _of(self, inputs: list[Float64Array], _time: Int64Array) -> Float64Array:
        return reduce(operator.mul, inputs)


@dataclass(frozen=True, slots=True)
class Sum(_Named):
    """The sum of two to eight features, added from left to right."""

    of: tuple[str, ...]
    op: Literal["sum"] = "sum"

    def _of(self, inputs: list[Float64Array], _time: Int64Array) -> Float64Array:
        return reduce(operator.add, inputs)


@dataclass(frozen=True, slots=True)
class Difference(_Named):
    """One feature less another."""

    left: str
    right: str
    op: Literal["difference"] = "difference"

    def _of(self, inputs: list[Float64Array], _time: Int64Array) -> Float64Array:
        return inputs[0] - inputs[1]


@dataclass(frozen=True, slots=True)
class Ratio(_Named):
    """A quotient of two features; missing where the denominator is zero."""

    numerator: str
    denominator: str
    op: Literal["ratio"] = "ratio"

    def _of(self, inputs: list[Float64Array], _time: Int64Array) -> Float64Array:
        return inputs[0] / np.where(inputs[1] == 0.0, np.nan, inputs[1])


@dataclass(frozen=True, slots=True)
class Power(_Named):
    """A feature to a whole power from 2 to 8."""

    feature: str
    exponent: int
    op: Literal["power"] = "power"

    def _of(self, inputs: list[Float64Array], _time: Int64Array) -> Float64Array:
        # np.power is not used: its vectorised loop and its remainder may differ in the last bit.
        return reduce(operator.mul, inputs * self.exponent)


@dataclass(frozen=True, slots=True)
class TimePart(_Named):
    """A part of the row's time, in UTC: `hour_of_day` in [0, 24), `day_of_week` from 0 (Monday) to 6."""

    part: Literal["hour_of_day", "day_of_week"]
    op: Literal["time_part"] = "time_part"

    def _of(self, _inputs: list[Float64Array], time: Int64Array) -> Float64Array:
        if self.part == "hour_of_day":
            return (time % DAY).astype(np.float64) / HOUR
        return ((time // DAY + _THURSDAY) % 7).astype(np.float64)


@dataclass(frozen=True, slots=True)
class Cycle(_Named):
    """The position of the row's time in a day (from 0:00 UTC), a week (from Monday) or a year, as one coordinate of a
    circle, from -1 to 1. `sin` and `cos` together identify every moment, and midnight is next to 23:59.
    """

    cycle: Literal["day", "week", "year"]
    wave: Literal["sin", "cos"]
    op: Literal["cycle"] = "cycle"

    def _of(self, _inputs: list[Float64Array], time: Int64Array) -> Float64Array:
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
