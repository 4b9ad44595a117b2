"""Conversion of a given column to the type of its feature. Rows that cannot be converted are refused.

Only int to double and integral double to int are converted, below 2^53.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from featurama_core.types.column import Column, masked
from featurama_core.types.errors import Reason
from featurama_core.types.names import entity_id_problem
from featurama_core.types.schema import FeatureDefinition, FeatureGroup
from featurama_core.types.values import (
    EXACT_INT_LIMIT,
    MAX_TEXT_BYTES,
    BoolArray,
    Status,
    ValueArray,
    ValueType,
    empty_values,
    type_text,
)


@dataclass(frozen=True, slots=True)
class RowError:
    """Why a value or row is refused. field: the name used by the caller."""

    reason: Reason
    field: str
    message: str


_SHOWN = 60
_QUOTED = 100
"""Different values of a column that are quoted. The others share one message."""

RowErrors = dict[int, RowError]
"""Row -> its error."""

Target = tuple[FeatureDefinition, FeatureGroup]
"""Where the values of a column go."""


def convert(column: Column, definition: FeatureDefinition) -> tuple[Column, RowErrors]:
    """-> (the column in the type of the definition, errors by row). Refused rows are NOT_FOUND in the result."""
    target = definition.value_type
    present = column.status == Status.PRESENT
    problems: RowErrors = {}
    if column.value_type is target:
        values = column.values
        if target is ValueType.DOUBLE:
            values = _one_nan(values)
        elif target is ValueType.TEXT:
            problems = _text_problems(column, definition, present)
        elif target is ValueType.VECTOR:
            problems = _vector_problems(column, definition, present)
            if column.vector_length != definition.vector_length:
                values = empty_values(target, len(column), definition.vector_length)
    elif (cast := _CASTS.get((column.value_type, target))) is not None:
        values, wrong = cast(column.values)
        problems = _mismatches(column, definition, present & wrong)
    else:
        values = empty_values(target, len(column), definition.vector_length)
        problems = _mismatches(column, definition, present)
    status = column.status
    if problems:
        status = status.copy()
        status[list(problems)] = Status.NOT_FOUND
    converted = replace(
        column,
        name=definition.name,
        version=definition.version,
        value_type=target,
        values=masked(values, target, status, definition.vector_length),
        status=status,
    )
    return converted, problems


def _mismatches(column: Column, definition: FeatureDefinition, rows: BoolArray) -> RowErrors:
    """Values of another type, quoted; of a vector its length."""
    kind = {"int": "an int", "bool": "a bool, true or false"}.get(definition.type_text, f"a {definition.type_text}")
    quoted: dict[str, RowError] = {}
    problems: RowErrors = {}
    for row in np.flatnonzero(rows).tolist():
        value = column.values[row]
        if len(quoted) >= _QUOTED:
            shown = "holds a value that"
        elif column.value_type is ValueType.VECTOR:
            shown = type_text(column.value_type, column.vector_length)
        else:
            shown = repr(value[: _SHOWN + 1] if isinstance(value, str) else value.item())
            shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."
        if shown not in quoted:
            message = f"{definition.name} {shown} is not {kind}"
            quoted[shown] = RowError(Reason.TYPE_MISMATCH, definition.name, message)
        problems[row] = quoted[shown]
    return problems


def _one_nan(values: ValueArray) -> ValueArray:
    nan = np.isnan(values)
    if not nan.any():
        return values
    return np.where(nan, np.nan, values)


def _text_problems(column: Column, definition: FeatureDefinition, present: BoolArray) -> RowErrors:
    problems: RowErrors = {}
    shared: dict[str, RowError] = {}
    for row in np.flatnonzero(present).tolist():
        text = column.values[row]
        if definition.references is not None:
            wrong = entity_id_problem(text)
            if wrong is not None:
                message = f"{definition.name} refers to a {definition.references}: {wrong}"
                problems[row] = shared.setdefault(message, RowError(Reason.INVALID_VALUE, definition.name, message))
                continue
        try:
            size = len(text) if text.isascii() else len(text.encode())
        except UnicodeEncodeError:
            problems[row] = RowError(
                Reason.INVALID_VALUE, definition.name, f"{definition.name} is not valid Unicode text"
            )
            continue
        if size > MAX_TEXT_BYTES:
            message = f"{definition.name} has {size} bytes; at most {MAX_TEXT_BYTES} are allowed"
            problems[row] = RowError(Reason.TEXT_TOO_LONG, definition.name, message)
    return problems


def _vector_problems(column: Column, definition: FeatureDefinition, present: BoolArray) -> RowErrors:
    if column.vector_length != definition.vector_length:
        message = f"{definition.name} holds vectors of length {definition.vector_length}, not {column.vector_length}"
        return _refuse(present, RowError(Reason.VECTOR_LENGTH_MISMATCH, definition.name, message))
    finite = np.isfinite(column.values).all(axis=1)
    message = f"{definition.name} holds NaN or an infinity; vectors hold finite numbers only"
    return _refuse(present & ~finite, RowError(Reason.INVALID_VALUE, definition.name, message))


def _int_to_double(values: ValueArray) -> tuple[ValueArray, BoolArray]:
    return values.astype(np.float64), (values >= EXACT_INT_LIMIT) | (values <= -EXACT_INT_LIMIT)


def _double_to_int(values: ValueArray) -> tuple[ValueArray, BoolArray]:
    exact = np.isfinite(values) & (np.abs(values) < EXACT_INT_LIMIT) & (np.floor(values) == values)
    return np.where(exact, values, 0.0).astype(np.int64), ~exact


_CASTS: dict[tuple[ValueType, ValueType], Callable[[ValueArray], tuple[ValueArray, BoolArray]]] = {
    (ValueType.INT, ValueType.DOUBLE): _int_to_double,
    (ValueType.DOUBLE, ValueType.INT): _double_to_int,
}


def _refuse(rows: BoolArray, problem: RowError) -> RowErrors:
    return dict.fromkeys(np.flatnonzero(rows).tolist(), problem)
