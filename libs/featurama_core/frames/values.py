"""Types of the cells of a frame column. Numeric columns stay whole arrays. Values of object columns are typed one by
one, by their Python types only.

A column with values of several types becomes several parts with disjoint rows. An empty cell (None, NaN, NA, NaT) is a
null. A cell that no feature type can hold is a problem of its row, not of the frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featurama_core.frames.cells import Cells
from featurama_core.types.column import Column, Plain
from featurama_core.types.errors import Reason
from featurama_core.types.values import (
    MAX_VECTOR_LENGTH,
    BoolArray,
    Int64Array,
    Status,
    UInt8Array,
    ValueArray,
    ValueType,
    empty_values,
)

MAX_VECTOR_LENGTHS = 8
"""Number of different lengths in one column of vectors: each takes a column in every request."""

CellError = tuple[Reason, str]

_NULL, _BAD = 0, 255
_INT64_MAX = int(np.iinfo(np.int64).max)


@dataclass(frozen=True, slots=True, eq=False)
class TypedValues:
    """The values of one type (and vector length). slots: int64[n], the position of the value of each row in `values`,
    -1 if another part holds it; None if `values` has one value per row, with zero values for nulls.
    """

    value_type: ValueType
    values: ValueArray
    slots: Int64Array | None = None

    @property
    def vector_length(self) -> int:
        """Length of each vector, 0 for other types."""
        return int(self.values.shape[1]) if self.value_type is ValueType.VECTOR else 0


@dataclass(slots=True, eq=False)
class TypedCells:
    """One typed frame column of n rows. null: bool[n], None if no value is null. problems: by row."""

    parts: list[TypedValues]
    null: BoolArray | None = None
    problems: dict[int, CellError] = field(default_factory=dict)

    def columns(
        self, name: str, rows: Int64Array | slice, count: int, *, version: int, null_status: Status, shared: Plain
    ) -> list[Column]:
        """Columns of the given `count` rows, without columns that have nothing to write."""
        zeros = shared.zeros[:count]
        null = None if self.null is None else self.null[rows]
        if null is not None and not null.any():
            null = None
        columns: list[Column] = []
        for part in self.parts:
            status: UInt8Array
            if part.slots is None:
                values = part.values[rows]
                if null is not None and null.all():
                    continue
                status = shared.present[:count]
                if null is not None:
                    status = np.where(null, np.uint8(Status.NOT_FOUND), np.uint8(Status.PRESENT))
            else:
                slots = part.slots[rows]
                here = slots >= 0
                if not here.any():
                    continue
                values = empty_values(part.value_type, count, part.vector_length)
                values[here] = part.values[slots[here]]
                status = np.where(here, np.uint8(Status.PRESENT), np.uint8(Status.NOT_FOUND))
            columns.append(Column(name, part.value_type, values, status, zeros, version))
        if null is not None and null_status is not Status.NOT_FOUND:
            if not columns:
                columns.append(self._nothing(name, count, version, zeros))
            columns[0].status[null] = null_status
        return columns

    def value(self, row: int) -> object:
        """The value of one row in a comparable and hashable form; None for a null."""
        if self.null is not None and self.null[row]:
            return None
        for part in self.parts:
            slot = row if part.slots is None else int(part.slots[row])
            if slot >= 0:
                value = part.values[slot]
                return part.value_type, value if isinstance(value, str) else value.tobytes()
        return None

    def _nothing(self, name: str, count: int, version: int, zeros: Int64Array) -> Column:
        # Nulls have no type; they are sent with the type of the other rows of the column.
        kind = self.parts[0].value_type if self.parts else ValueType.DOUBLE
        length = self.parts[0].vector_length if self.parts else 0
        status = np.full(count, Status.NOT_FOUND, dtype=np.uint8)
        return Column(name, kind, empty_values(kind, count, length), status, zeros, version)


def typed(cells: Cells) -> TypedCells:
    """The values of a feature's column."""
    values, null = cells.values, cells.missing
    if null is not None and not null.any():
        null = None
    kind = values.dtype.kind
    if cells.unsupported or kind == "M":
        there = np.flatnonzero(~null) if null is not None else np.arange(len(values))
        name = cells.unsupported or "times"
        return TypedCells([], null, dict.fromkeys(there.tolist(), _no_type(name)))
    if kind == "O":
        return _typed_objects(values, null)
    if values.ndim == 2:
        return _typed_matrix(values, null)
    problems: dict[int, CellError] = {}
    if kind == "u":
        over = values > _INT64_MAX
        problems = {row: _too_large(values[row]) for row in np.flatnonzero(over).tolist()}
        values = np.where(over, 0, values).astype(np.int64)
    if null is not None:
        values = np.where(null, values.dtype.type(0), values)
    value_type = {"b": ValueType.BOOL, "f": ValueType.DOUBLE}.get(values.dtype.kind, ValueType.INT)
    return TypedCells([TypedValues(value_type, values)], null, problems)


def is_empty(value: object) -> bool:
    """Whether a cell is empty: None, NaN, NA or NaT."""
    return _kind_of(type(value)) == _NULL or (isinstance(value, float) and value != value)  # noqa: PLR0124


def check_texts(texts: list[str]) -> list[int]:
    """Positions of the texts that are not valid Unicode (they hold lone surrogates)."""
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        return [position for position, text in enumerate(texts) if not _encodes(text)]
    return []


def _typed_objects(values: NDArray[np.object_], missing: BoolArray | None) -> TypedCells:
    listed = values.tolist()
    kinds = np.fromiter(map(_Kinds().__getitem__, map(type, listed)), dtype=np.uint8, count=len(listed))
    if missing is not None:
        kinds[missing] = _NULL
    problems = {row: _no_type(type(listed[row]).__name__) for row in np.flatnonzero(kinds == _BAD).tolist()}
    found: list[tuple[ValueType, Int64Array, ValueArray]] = []
    for value_type in ValueType:
        rows = np.flatnonzero(kinds == value_type)
        if not rows.size:
            continue
        if value_type is ValueType.VECTOR:
            vectors, wrong = _vectors(values, rows)
            problems.update(wrong)
            found.extend((value_type, where, array) for where, array in vectors)
            continue
        array, rows = _array(value_type, values, rows, kinds, problems)
        found.append((value_type, rows, array))
    null = kinds == _NULL
    return TypedCells(
        [_part(len(values), *one, alone=len(found) == 1) for one in found if one[1].size],
        null if null.any() else None,
        problems,
    )


def _array(
    value_type: ValueType,
    values: NDArray[np.object_],
    rows: Int64Array,
    kinds: UInt8Array,
    problems: dict[int, CellError],
) -> tuple[ValueArray, Int64Array]:
    chosen = values[rows]
    if value_type is ValueType.BOOL:
        return chosen.astype(np.bool_), rows
    if value_type is ValueType.DOUBLE:
        doubles = chosen.astype(np.float64)
        nan = np.isnan(doubles)
        kinds[rows[nan]] = _NULL
        return doubles[~nan], rows[~nan]
    if value_type is ValueType.INT:
        try:
            return chosen.astype(np.int64), rows
        except OverflowError:
            wrong = [at for at, number in enumerate(chosen) if not -_INT64_MAX - 1 <= int(number) <= _INT64_MAX]
        problems.update({int(rows[at]): _too_large(chosen[at]) for at in wrong})
    else:
        wrong = check_texts(chosen.tolist())
        problem = (Reason.INVALID_VALUE, "is not valid Unicode text")
        problems.update(dict.fromkeys(rows[wrong].tolist(), problem))
    chosen, rows = np.delete(chosen, wrong), np.delete(rows, wrong)
    return (chosen if value_type is ValueType.TEXT else chosen.astype(np.int64)), rows


def _part(count: int, value_type: ValueType, rows: Int64Array, values: ValueArray, *, alone: bool) -> TypedValues:
    if len(rows) == count:
        return TypedValues(value_type, values)
    if alone and value_type is not ValueType.VECTOR:
        whole = empty_values(value_type, count)
        whole[rows] = values
        return TypedValues(value_type, whole)
    slots = np.full(count, -1, dtype=np.int64)
    slots[rows] = np.arange(len(rows))
    return TypedValues(value_type, values, slots)


def _typed_matrix(values: NDArray[Any], null: BoolArray | None) -> TypedCells:
    if not 1 <= values.shape[1] <= MAX_VECTOR_LENGTH:
        there = np.flatnonzero(~null) if null is not None else np.arange(len(values))
        return TypedCells([], null, dict.fromkeys(there.tolist(), _bad_length(values.shape[1])))
    floats, over = _float32(values if null is None else np.where(null[:, None], values.dtype.type(0), values))
    problems = dict.fromkeys(np.flatnonzero(over).tolist(), _OVERFLOW)
    return TypedCells([TypedValues(ValueType.VECTOR, floats)], null, problems)


def _vectors(
    values: NDArray[np.object_], rows: Int64Array
) -> tuple[list[tuple[Int64Array, ValueArray]], dict[int, CellError]]:
    problems: dict[int, CellError] = {}
    by_length: dict[int, tuple[list[int], list[NDArray[Any]]]] = {}
    for row in rows.tolist():
        vector = _vector(values[row])
        if vector is None:
            problems[row] = _no_type("a list that is no vector of numbers")
        elif not 1 <= len(vector) <= MAX_VECTOR_LENGTH:
            problems[row] = _bad_length(len(vector))
        else:
            where, vectors = by_length.setdefault(len(vector), ([], []))
            where.append(row)
            vectors.append(vector)
    kept = sorted(by_length, key=lambda length: -len(by_length[length][0]))
    for length in kept[MAX_VECTOR_LENGTHS:]:
        reason = (
            Reason.VECTOR_LENGTH_MISMATCH,
            f"has length {length}, but the column holds vectors of {len(kept)} lengths; a feature has one",
        )
        problems.update(dict.fromkeys(by_length[length][0], reason))
    found: list[tuple[Int64Array, ValueArray]] = []
    for length in kept[:MAX_VECTOR_LENGTHS]:
        where, vectors = by_length[length]
        floats, over = _float32(np.stack(vectors))
        positions = np.array(where, dtype=np.int64)
        problems.update(dict.fromkeys(positions[over].tolist(), _OVERFLOW))
        found.append((positions[~over], floats[~over]))
    return found, problems


def _vector(value: Sequence[object] | NDArray[Any]) -> NDArray[Any] | None:
    try:
        array = np.asarray(value)
    except ValueError:
        return None
    if array.ndim != 1:
        return None
    if not array.size:
        return array.astype(np.float64)
    return array.astype(np.float64, copy=False) if array.dtype.kind in "fiu" else None


def _float32(values: NDArray[Any]) -> tuple[NDArray[np.float32], BoolArray]:
    """Rounded to float32, and which rows hold a finite number beyond its range."""
    with np.errstate(over="ignore"):
        floats = values.astype(np.float32, copy=False)
    if floats is values:
        return floats, np.zeros(len(values), dtype=np.bool_)
    return floats, (np.isinf(floats) & np.isfinite(values)).any(axis=1)


class _Kinds(dict[type, int]):
    """Python type -> ValueType, `_NULL` or `_BAD`, computed once per type."""

    def __missing__(self, cls: type) -> int:
        self[cls] = kind = _kind_of(cls)
        return kind


def _kind_of(cls: type) -> int:
    if cls is type(None) or (cls.__name__ in ("NAType", "NaTType") and cls.__module__.startswith("pandas")):
        return _NULL
    if issubclass(cls, (bool, np.bool_)):
        return ValueType.BOOL
    if cls is not np.timedelta64 and issubclass(cls, (int, np.integer)):
        return ValueType.INT
    if cls is not np.longdouble and issubclass(cls, (float, np.floating)):
        return ValueType.DOUBLE
    if issubclass(cls, str):
        return ValueType.TEXT
    if issubclass(cls, (list, tuple, np.ndarray)):
        return ValueType.VECTOR
    return _BAD


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _no_type(name: str) -> CellError:
    fix = "give a number, text, bool or vector of numbers"
    if name == "Decimal":
        fix = "declare a cast to double or int, which takes each that loses no digit, or give text"
    return Reason.TYPE_MISMATCH, f"holds {name}; {fix}"


def _bad_length(length: int) -> CellError:
    return Reason.VECTOR_LENGTH_MISMATCH, f"is a vector of length {length}; 1 to {MAX_VECTOR_LENGTH} are allowed"


def _too_large(number: object) -> CellError:
    return Reason.TYPE_MISMATCH, f"is {str(number)[:40]}, an integer beyond 64 bits; give a double or a text"


_OVERFLOW: CellError = (Reason.INVALID_VALUE, "holds a number beyond the range of float32")
