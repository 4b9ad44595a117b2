"""Value types, statuses, and the limits of single values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from featurama_core.types.errors import InvalidInput, Reason

MAX_TEXT_BYTES = 8 * 1024
MAX_VECTOR_LENGTH = 2_048
_FEW = 8_192
"""Statuses and flags that are made once for all reads."""
EXACT_INT_LIMIT = 2**53
"""Integers below this magnitude convert to double and back without loss."""

Int64Array = NDArray[np.int64]
UInt8Array = NDArray[np.uint8]
BoolArray = NDArray[np.bool_]
ValueArray = NDArray[np.float64] | NDArray[np.int64] | NDArray[np.bool_] | NDArray[np.object_] | NDArray[np.float32]
"""float64[n], int64[n], bool[n], object[n] of str, or float32[n, length] for vectors."""
ValueArrays = Sequence[ValueArray] | NDArray[np.float64]
"""k arrays, or float64[k, n] in their place: the rows of one array."""


class ValueType(IntEnum):
    """Type of a feature's values. The numbers are those of `featurama.v1.ValueType`."""

    DOUBLE = 1
    INT = 2
    TEXT = 3
    BOOL = 4
    VECTOR = 5

    @property
    def label(self) -> Literal["double", "int", "text", "bool", "vector"]:
        """The name users write."""
        return self.name.lower()  # type: ignore[return-value]


DTYPES: Mapping[ValueType, type[Any]] = {
    ValueType.DOUBLE: np.float64,
    ValueType.INT: np.int64,
    ValueType.TEXT: np.object_,
    ValueType.BOOL: np.bool_,
    ValueType.VECTOR: np.float32,
}
"""The elements of `ValueArray`."""

_ALIASES = {"float": ValueType.DOUBLE, "string": ValueType.TEXT}


class Status(IntEnum):
    """Status of a value that is read. The numbers are those of `featurama.v1.FeatureStatus`.

    In a write, NOT_FOUND means that the row has no value for the feature.
    """

    PRESENT = 1
    NULL_VALUE = 2
    NOT_FOUND = 3
    OUTSIDE_MAX_AGE = 4
    ERROR = 5


_PRESENT = int(Status.PRESENT)


def parse_value_type(text: str | ValueType) -> tuple[ValueType, int]:
    """`double`, `int`, `text`, `bool`, `float`, `string` or `vector[128]` -> (type, vector length or 0)."""
    if isinstance(text, ValueType):
        return text, 0
    if not isinstance(text, str):
        raise _invalid(f"feature type {str(text)[:40]!r} is not known; use double, int, text, bool or vector[N]")
    name, bracket, rest = text.strip().lower().partition("[")
    value_type = _ALIASES.get(name) or next((each for each in ValueType if each.label == name), None)
    if value_type is None or (bracket and value_type is not ValueType.VECTOR):
        raise _invalid(f"feature type {text!r} is not known; use double, int, text, bool or vector[N]")
    if value_type is not ValueType.VECTOR:
        return value_type, 0
    digits = rest.removesuffix("]")
    if not digits.isdecimal():
        raise _invalid("a vector feature needs its length: vector[N]")
    return value_type, int(digits)


def type_text(value_type: ValueType, vector_length: int) -> str:
    """The inverse of `parse_value_type`."""
    return f"vector[{vector_length}]" if value_type is ValueType.VECTOR else value_type.label


def all_present(columns: int, rows: int) -> UInt8Array:
    """uint8[columns, rows] of PRESENT, perhaps read-only."""
    return _few_present(columns, rows) if columns * rows <= _FEW else np.full((columns, rows), Status.PRESENT, np.uint8)


@lru_cache(maxsize=256)
def _few_present(columns: int, rows: int) -> UInt8Array:
    made = np.full((columns, rows), Status.PRESENT, dtype=np.uint8)
    made.flags.writeable = False
    return made


def is_whole(status: UInt8Array) -> bool:
    """Whether every status is PRESENT, in a tenth of the time of comparing an array of a few thousand."""
    return status.tobytes().count(_PRESENT) == status.size


def all_true(rows: int) -> BoolArray:
    """bool[rows], perhaps read-only."""
    return _few_flags(rows, flag=True) if rows <= _FEW else np.ones(rows, dtype=np.bool_)


def all_false(rows: int) -> BoolArray:
    """bool[rows], perhaps read-only."""
    return _few_flags(rows, flag=False) if rows <= _FEW else np.zeros(rows, dtype=np.bool_)


@lru_cache(maxsize=256)
def _few_flags(rows: int, *, flag: bool) -> BoolArray:
    made = np.full(rows, flag, dtype=np.bool_)
    made.flags.writeable = False
    return made


def empty_values(value_type: ValueType, rows: int, vector_length: int = 0) -> ValueArray:
    """`rows` zero values (0.0, 0, False, "", zero vectors), the content of slots without a value."""
    if value_type is ValueType.TEXT:
        return np.full(rows, "", dtype=np.object_)
    return np.zeros((rows, vector_length) if value_type is ValueType.VECTOR else rows, dtype=DTYPES[value_type])


def _invalid(problem: str) -> InvalidInput:
    return InvalidInput(problem, reason=Reason.INVALID_DEFINITION, field="feature_type")
