"""Engineered columns: a declared list of named expressions, evaluated the same way for training and serving.

Arithmetic is float64, rounded once to float32, so the rows of training and serving are the same bytes. A value that is
not PRESENT is NaN, which XGBoost treats as missing, unless the model has a default for it. An expression of NaN is NaN.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from featurama_core.types.column import Column
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.values import Int64Array, Status, ValueType
from featurama_model.expressions import TIMED, Expression, Feature, Float64Array, Power, Product, Sum, evaluate_together

Float32Array = NDArray[np.float32]

NUMERIC = frozenset({ValueType.DOUBLE, ValueType.INT, ValueType.BOOL})
"""Value types that an expression can compute with."""
MAX_COLUMNS = 1_024
MAX_FACTORS = 8
MAX_EXPONENT = 8

_COLUMN_NAME = re.compile(r"[a-z][a-z0-9_.]{0,199}")
_ROWS_AT_ONCE = 8_192
"""Rows of which the columns of a model are a few MiB."""
_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, slots=True)
class Alike:
    """Expressions of one kind. places: their columns; inputs: per operand, the rows of the inputs."""

    expressions: Sequence[Expression]
    places: slice | list[int]
    inputs: Sequence[slice | list[int]]


@dataclass(frozen=True)
class EngineeredSpec:
    """The columns of a model's matrix, in order. version: of the semantics of the expressions."""

    columns: tuple[Expression, ...]
    version: Literal[1] = 1

    @classmethod
    def of_features(cls, names: Sequence[str], *more: Expression) -> EngineeredSpec:
        """One column per feature, followed by `more`."""
        return cls((*(Feature(name, name) for name in names), *more))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(column.name for column in self.columns)

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """Distinct names of the features that the expressions read."""
        return tuple(dict.fromkeys(name for column in self.columns for name in column.inputs))

    @cached_property
    def alike(self) -> tuple[Alike, ...]:
        """The columns by what is computed together."""
        return tuple(_alike(self.columns, self.inputs))

    @cached_property
    def needs_time(self) -> bool:
        """Whether a column depends on the row's time."""
        return any(isinstance(column, TIMED) for column in self.columns)

    def check(self, features: Mapping[str, ValueType]) -> None:
        """Raise InvalidInput unless every expression is well-formed and reads numeric columns of `features`."""
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
    """The model's input, float32[n, k] in C order: one row per row of `columns`, one column per expression of `spec`.

    time: the moment of the rows in microseconds, one or int64[n]: the label's in training, `as_of_time` in serving. It
    may be None if no expression depends on time. defaults: feature -> the value used where the feature is not PRESENT.
    Columns that no expression reads are ignored. Values beyond float32, including infinities, become its largest finite
    value: XGBoost refuses infinities, and trees depend on the order only. Raises InvalidInput for a missing column
    (UNKNOWN_FEATURE), a column that is not numeric (TYPE_MISMATCH), or a missing time.
    """
    found = {column.name: column for column in columns}
    for name in spec.inputs:
        column = found.get(name)
        _check_input(name, None if column is None else column.value_type, "engineered")
    if time is None and spec.needs_time:
        raise _invalid("time", "is needed by the engineered columns; give the rows' moments")
    rows = len(columns[0]) if columns else np.size(time) if time is not None else 0
    values = np.empty((len(spec.inputs), rows))
    for name, row in zip(spec.inputs, values, strict=True):
        _put_numbers(found[name], (defaults or {}).get(name, np.nan), row)
    times = np.atleast_1d(np.asarray(0 if time is None else time, dtype=np.int64))
    out = np.empty((rows, len(spec.columns)), dtype=np.float32)
    for first in range(0, rows, _ROWS_AT_ONCE):
        run = slice(first, first + _ROWS_AT_ONCE)
        out[run] = _evaluated(spec, values[:, run], times if len(times) == 1 else times[run]).T
    # One bit pattern: the sign of a NaN computed from two NaNs depends on how many rows are computed together.
    out[np.isnan(out)] = np.nan
    return out


def _evaluated(spec: EngineeredSpec, values: Float64Array, time: Int64Array) -> Float64Array:
    """float64[k, n] within float32, of inputs float64[inputs, n]."""
    made = np.empty((len(spec.columns), values.shape[1]))
    with np.errstate(over="ignore", invalid="ignore"):
        for alike in spec.alike:
            made[alike.places] = evaluate_together(alike.expressions, [values[each] for each in alike.inputs], time)
        return np.clip(made, -_LARGEST, _LARGEST, out=made)


def numbers(column: Column, absent: float = np.nan) -> Float64Array:
    """A numeric column as float64[n], `absent` where it is not PRESENT; integers beyond 2^53 are rounded."""
    values = np.empty(len(column))
    _put_numbers(column, absent, values)
    return values


def _put_numbers(column: Column, absent: float, out: Float64Array) -> None:
    out[:] = column.values
    if not column.all_present:
        out[column.status != Status.PRESENT] = absent


def _alike(columns: Sequence[Expression], inputs: Sequence[str]) -> Iterator[Alike]:
    groups: dict[tuple[object, ...], list[int]] = {}
    for place, each in enumerate(columns):
        groups.setdefault(each.kind, []).append(place)
    for places in groups.values():
        expressions = [columns[place] for place in places]
        operands = zip(*([inputs.index(name) for name in each.inputs] for each in expressions), strict=True)
        yield Alike(expressions, _run(places), [_run(each) for each in operands])


def _run(numbers: Sequence[int]) -> slice | list[int]:
    """A slice where it is possible: numpy takes it without a copy."""
    first = numbers[0]
    last = first + len(numbers)
    return slice(first, last) if list(numbers) == list(range(first, last)) else list(numbers)


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
