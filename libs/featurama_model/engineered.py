"""Engineered columns: a declared list of named expressions, evaluated the same for training and serving.

Data, not code: an expression is a small dataclass with a JSON form, told apart by `op`. Arithmetic is
float64 with only + - * /, whose results do not depend on how many rows are computed together, then rounded
once to float32: the row that training saw and the row that serving builds are the same bytes. A value that
is not PRESENT is NaN, XGBoost's own mark of a missing one, and so is everything computed from it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from featurama_core.model.columns import Column
from featurama_core.model.errors import InvalidInput, Reason
from featurama_core.model.values import Status, ValueType

Float64Array = NDArray[np.float64]
Float32Array = NDArray[np.float32]

NUMERIC = frozenset({ValueType.DOUBLE, ValueType.INT, ValueType.BOOL})
"""Value types that an expression can compute with."""
MAX_COLUMNS = 1_024
MAX_FACTORS = 8
MAX_EXPONENT = 8

_COLUMN_NAME = re.compile(r"[a-z][a-z0-9_.]{0,199}")
_LARGEST = float(np.finfo(np.float32).max)


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

    def evaluate(self, values: Mapping[str, Float64Array]) -> Float64Array:
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

    def evaluate(self, values: Mapping[str, Float64Array]) -> Float64Array:
        """float64[n], from float64[n] of each input."""
        product = values[self.of[0]]
        for factor in self.of[1:]:
            product = product * values[factor]
        return product


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

    def evaluate(self, values: Mapping[str, Float64Array]) -> Float64Array:
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

    def evaluate(self, values: Mapping[str, Float64Array]) -> Float64Array:
        """float64[n], from float64[n] of each input."""
        base = power = values[self.feature]
        # Not np.power: its vectorised loop and its remainder need not agree in the last bit.
        for _ in range(self.exponent - 1):
            power = power * base
        return power


Expression = Annotated[Feature | Product | Ratio | Power, Field(discriminator="op")]


@dataclass(frozen=True)
class EngineeredSpec:
    """The columns of a model's matrix, in their order. `version`: of the meaning of the expressions."""

    columns: tuple[Expression, ...]
    version: Literal[1] = 1

    @classmethod
    def of_features(cls, names: Sequence[str], *more: Expression) -> EngineeredSpec:
        """Every feature as it is, then `more`."""
        return cls((*(Feature(name, name) for name in names), *more))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(column.name for column in self.columns)

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """Names of the features that are computed with, each once."""
        return tuple(dict.fromkeys(name for column in self.columns for name in column.inputs))

    def check(self, features: Mapping[str, ValueType]) -> None:
        """Raise InvalidInput unless every expression is well-formed and computes with numbers among
        `features`.
        """
        if not 1 <= len(self.columns) <= MAX_COLUMNS:
            raise _invalid("engineered", f"must have 1 to {MAX_COLUMNS} columns, not {len(self.columns)}")
        if len(set(self.names)) != len(self.names):
            raise _invalid("engineered", "has two columns of one name; name each differently")
        for column in self.columns:
            field = f"engineered.{column.name[:80]}"
            if not _COLUMN_NAME.fullmatch(column.name):
                raise _invalid(field, "is not a column name; use [a-z][a-z0-9_.]{0,199}")
            if isinstance(column, Product) and not 2 <= len(column.of) <= MAX_FACTORS:
                raise _invalid(field, f"must multiply 2 to {MAX_FACTORS} features")
            if isinstance(column, Power) and not 2 <= column.exponent <= MAX_EXPONENT:
                raise _invalid(field, f"must have an exponent from 2 to {MAX_EXPONENT}")
            for name in column.inputs:
                _check_input(name, features.get(name), field)


def matrix(columns: Sequence[Column], spec: EngineeredSpec) -> Float32Array:
    """The model's input, float32[n, k] in C order: a row a row of `columns`, a column an expression of
    `spec`.

    Columns that no expression names are ignored. Values beyond float32, infinities too, become its largest
    finite value: XGBoost refuses infinities, and trees only ask for the order. Raises InvalidInput for a
    missing column (UNKNOWN_FEATURE) or one that is not numeric (TYPE_MISMATCH).
    """
    found = {column.name: column for column in columns}
    values: dict[str, Float64Array] = {}
    for name in spec.inputs:
        column = found.get(name)
        _check_input(name, None if column is None else column.value_type, "engineered")
        assert column is not None
        values[name] = numbers(column)
    rows = len(columns[0]) if columns else 0
    out = np.empty((rows, len(spec.columns)), dtype=np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        for position, expression in enumerate(spec.columns):
            out[:, position] = np.clip(expression.evaluate(values), -_LARGEST, _LARGEST)
    # One bit pattern: which sign a NaN gets depends on the width of the vectorised loop.
    out[np.isnan(out)] = np.nan
    return out


def numbers(column: Column) -> Float64Array:
    """A numeric column as float64[n], NaN where it is not PRESENT; integers beyond 2^53 are rounded."""
    values = column.values.astype(np.float64)
    if not column.all_present:
        values[column.status != Status.PRESENT] = np.nan
    return values


def _check_input(name: str, value_type: ValueType | None, field: str) -> None:
    if value_type is None:
        raise InvalidInput(
            f"{field} computes with {name[:140]!r}, which is not among the features",
            reason=Reason.UNKNOWN_FEATURE,
            field=field,
        )
    if value_type not in NUMERIC:
        raise InvalidInput(
            f"{field} computes with {name[:140]!r}, which is {value_type.label}; use double, int or bool features",
            reason=Reason.TYPE_MISMATCH,
            field=field,
        )


def _invalid(field: str, problem: str) -> InvalidInput:
    return InvalidInput(f"{field} {problem}", field=field)
