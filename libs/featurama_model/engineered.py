"""Engineered columns: a declared list of named expressions, evaluated the same for training and serving.

Arithmetic is float64, then rounded once to float32: the row that training saw and the row that serving builds
are the same bytes. A value that is not PRESENT is NaN, XGBoost's own mark of a missing one, unless the model has a
default for it; what is computed from NaN is NaN.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from featurama_core.types.column import Column
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.values import Int64Array, Status, ValueType
from featurama_model.expressions import (
    TIMED,
    Cycle,
    Difference,
    Expression,
    Feature,
    Float64Array,
    Power,
    Product,
    Ratio,
    Sum,
    TimePart,
)

__all__ = [
    "NUMERIC",
    "Cycle",
    "Difference",
    "EngineeredSpec",
    "Expression",
    "Feature",
    "Float32Array",
    "Float64Array",
    "Power",
    "Product",
    "Ratio",
    "Sum",
    "TimePart",
    "matrix",
    "numbers",
]

Float32Array = NDArray[np.float32]

NUMERIC = frozenset({ValueType.DOUBLE, ValueType.INT, ValueType.BOOL})
"""Value types that an expression can compute with."""
MAX_COLUMNS = 1_024
MAX_FACTORS = 8
MAX_EXPONENT = 8

_COLUMN_NAME = re.compile(r"[a-z][a-z0-9_.]{0,199}")
_LARGEST = float(np.finfo(np.float32).max)


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

    @cached_property
    def needs_time(self) -> bool:
        """Whether a column is computed from the row's time."""
        return any(isinstance(column, TIMED) for column in self.columns)

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
            if isinstance(column, (Product, Sum)) and not 2 <= len(column.of) <= MAX_FACTORS:
                raise _invalid(field, f"must be of 2 to {MAX_FACTORS} features")
            if isinstance(column, Power) and not 2 <= column.exponent <= MAX_EXPONENT:
                raise _invalid(field, f"must have an exponent from 2 to {MAX_EXPONENT}")
            for name in column.inputs:
                _check_input(name, features.get(name), field)


def matrix(
    columns: Sequence[Column],
    spec: EngineeredSpec,
    time: int | Int64Array | None = None,
    *,
    defaults: Mapping[str, float] | None = None,
) -> Float32Array:
    """The model's input, float32[n, k] in C order: a row a row of `columns`, a column an expression of
    `spec`.

    time: the rows' moment in microseconds, one or int64[n]: the label's in training, `as_of_time` in serving; only
    a spec without expressions of time goes without. defaults: feature -> what stands for a value that is not PRESENT.
    Columns that no expression names are ignored. Values beyond float32, infinities too, become its largest
    finite value: XGBoost refuses infinities, and trees only ask for the order. Raises InvalidInput for a
    missing column (UNKNOWN_FEATURE) or one that is not numeric (TYPE_MISMATCH), or a missing time.
    """
    found = {column.name: column for column in columns}
    values: dict[str, Float64Array] = {}
    for name in spec.inputs:
        column = found.get(name)
        _check_input(name, None if column is None else column.value_type, "engineered")
        assert column is not None
        values[name] = numbers(column, (defaults or {}).get(name, np.nan))
    if time is None and spec.needs_time:
        raise _invalid("time", "is needed by the engineered columns; give the rows' moments")
    rows = len(columns[0]) if columns else np.size(time) if time is not None else 0
    times = np.broadcast_to(np.asarray(0 if time is None else time, dtype=np.int64), (rows,))
    out = np.empty((rows, len(spec.columns)), dtype=np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        for position, expression in enumerate(spec.columns):
            out[:, position] = np.clip(expression.evaluate(values, times), -_LARGEST, _LARGEST)
    # One bit pattern: which sign a NaN of two NaNs has depends on how many rows are computed together.
    out[np.isnan(out)] = np.nan
    return out


def numbers(column: Column, absent: float = np.nan) -> Float64Array:
    """A numeric column as float64[n], `absent` where it is not PRESENT; integers beyond 2^53 are rounded."""
    values = column.values.astype(np.float64)
    if not column.all_present:
        values[column.status != Status.PRESENT] = absent
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
