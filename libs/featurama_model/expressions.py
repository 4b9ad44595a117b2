"""The expressions of a model's columns: small dataclasses with a JSON form, distinguished by `op`. Data, never code.

An expression computes float64[n] from the model's features and the rows' times, with + - * / and integer steps only, so
every bit is the same on every machine, and for any number of rows or of expressions of one kind computed together. Sine
and cosine are implemented here because those of numpy differ between processors in the last bit.
A missing input is NaN, and so is every result computed from it.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from featurama_core.types.times import DAY
from featurama_core.types.values import Int64Array

Float64Array = NDArray[np.float64]

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

    @property
    def kind(self) -> tuple[object, ...]:
        """Expressions of one kind differ in nothing but their inputs."""
        return (type(self), len(self.inputs))

    def evaluate(self, inputs: list[Float64Array], time: Int64Array) -> Float64Array:
        """The values of k expressions of this kind: float64[k, n], from float64[k, n] of each of their inputs and the
        rows' times in microseconds, int64[n], or int64[1] for rows of one time.
        """
        return self._of(inputs, time)

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

    @property
    def kind(self) -> tuple[object, ...]:
        """Of one exponent."""
        return (Power, self.exponent)

    def _of(self, inputs: list[Float64Array], _time: Int64Array) -> Float64Array:
        # np.power is not used: its vectorised loop and its remainder may differ in the last bit.
        return reduce(operator.mul, inputs * self.exponent)


@dataclass(frozen=True, slots=True)
class TimePart(_Named):
    """A part of the row's time, in UTC: `hour_of_day` in [0, 24), `day_of_week` from 0 (Monday) to 6."""

    part: Literal["hour_of_day", "day_of_week"]
    op: Literal["time_part"] = "time_part"

    @property
    def kind(self) -> tuple[object, ...]:
        """Of one part."""
        return (TimePart, self.part)

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

    @property
    def shift(self) -> int:
        """Microseconds from the row's time to the one whose sine is the coordinate."""
        quarter = self.period // 4 if self.wave == "cos" else 0
        return quarter + (_THURSDAY * DAY if self.cycle == "week" else 0)

    @property
    def period(self) -> int:
        """Microseconds of a cycle."""
        return _PERIODS[self.cycle]


Expression = Annotated[
    Feature | Product | Sum | Difference | Ratio | Power | TimePart | Cycle, Field(discriminator="op")
]
TIMED = (TimePart, Cycle)
"""Expressions that need the row's time."""


def evaluate_together(alike: Sequence[Expression], inputs: list[Float64Array], time: Int64Array) -> Float64Array:
    """The values of expressions of one kind; shapes as in `evaluate`."""
    if not isinstance(alike[0], Cycle):
        return alike[0].evaluate(inputs, time)
    cycles = [(each.shift, each.period) for each in alike if isinstance(each, Cycle)]
    shift, period = np.array(cycles, dtype=np.int64).T[:, :, None]
    return _sine(time + shift, period)


def _sine(time: Int64Array, period: Int64Array) -> Float64Array:
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
    total = np.full_like(square, 1.0 / divisors[-1])
    for divisor in divisors[-2::-1]:
        total = total * square + 1.0 / divisor
    return total
