"""Named casts of frame columns: what a caller declares, because no value is converted silently.

bool: 0 and 1. int: texts and decimals of whole numbers. double: decimals of as many digits as a double has, and texts
of numbers. text: whole numbers, as their decimal text, also those that became doubles beside nulls: 1.0 and the text
`1.0` are `1`. A cell that a cast does not fit stays as it is, so that its row is judged by its own value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import numpy as np

from featurama_core.frames.cells import Cells, objects
from featurama_core.frames.texts import AS_WRITTEN, TextRules, read_text
from featurama_core.types.errors import InvalidInput
from featurama_core.types.values import EXACT_INT_LIMIT, ValueType

DECIMAL_DIGITS = 15
"""Decimals of so many digits keep all of them as doubles; of those with more, some do."""

_INT64 = 2**63
_WHOLE_DOUBLE = re.compile(r"(-?[1-9]\d{0,15}|0)\.0{1,20}", re.ASCII)

Casts = tuple[tuple[str, str], ...]
"""(column, name in `CASTS`), in the order of the declaration."""


def checked_casts(given: Any) -> Casts:
    """Casts from the argument `casts` of a store's method. InvalidInput for an unknown cast."""
    named = text_pairs(given, "casts", '{"storm": "bool"}')
    for column, cast in named:
        if cast not in CASTS:
            raise InvalidInput(f"the cast of {column!r} is {cast!r}; it is one of {', '.join(CASTS)}", field="casts")
    return named


def text_pairs(given: Any, field: str, example: str) -> Casts:
    """The items of a mapping of columns to texts, none for None. InvalidInput for anything else."""
    if given is None:
        return ()
    if not isinstance(given, Mapping) or not all(isinstance(part, str) for pair in given.items() for part in pair):
        raise InvalidInput(f"{field} must map columns to texts; write {example}", field=field)
    return tuple(given.items())


def cast_cells(cells: Cells, name: str, rules: TextRules = AS_WRITTEN) -> tuple[Cells, int]:
    """(the cells with a cast of `CASTS` applied, the number of cells that it changed). rules: of texts."""
    if cells.unsupported or cells.values.ndim != 1:
        return cells, 0
    change = CASTS[name]
    values = cells.values.tolist()
    changed = 0
    for row, value in enumerate(values):
        if value is None or (cells.missing is not None and cells.missing[row]):
            values[row] = None
            continue
        new = change(value, rules)
        if new is not None:
            values[row], changed = new, changed + 1
    return (Cells(objects(values), cells.missing), changed) if changed else (cells, 0)


def _bool(value: Any, rules: TextRules) -> bool | None:
    if isinstance(value, str):
        return _read(value, ValueType.BOOL, rules)  # type: ignore[return-value]
    if isinstance(value, Decimal) and value.is_snan():
        return None
    is_number = isinstance(value, (int, float, Decimal, np.number)) and not isinstance(value, (bool, np.timedelta64))
    return bool(value) if is_number and value in (0, 1) else None


def _int(value: Any, rules: TextRules) -> int | None:
    if isinstance(value, str):
        return _read(value, ValueType.INT, rules)  # type: ignore[return-value]
    if isinstance(value, Decimal) and value.is_finite() and abs(value) < _INT64 and value == int(value):
        return int(value)
    return None


def _double(value: Any, rules: TextRules) -> float | None:
    if isinstance(value, str):
        return _read(value, ValueType.DOUBLE, rules)  # type: ignore[return-value]
    if not isinstance(value, Decimal) or value.is_snan():
        return None
    number = float(value)
    # A double is written with the fewest digits that name it.
    return number if value.is_nan() or Decimal(repr(number)) == value else None


def _text(value: Any, _: TextRules) -> str | None:
    if isinstance(value, str):
        return _whole_text(value)
    if isinstance(value, (int, np.integer)) and not isinstance(value, (bool, np.timedelta64)):
        return str(int(value))
    if isinstance(value, float) and value.is_integer() and abs(value) < EXACT_INT_LIMIT:
        return str(int(value))
    if isinstance(value, Decimal) and value.is_finite() and abs(value) < _INT64 and value == int(value):
        return str(int(value))
    return None


def _whole_text(text: str) -> str | None:
    """`1` of `1.0`, the text that a CSV has where Parquet has the double 1.0; None for all other texts."""
    found = _WHOLE_DOUBLE.fullmatch(text.strip(" \t"))
    return found[1] if found is not None and abs(int(found[1])) < EXACT_INT_LIMIT else None


def _read(text: str, value_type: ValueType, rules: TextRules) -> object:
    try:
        return read_text(text, value_type, rules)
    except ValueError:
        return None


CASTS: dict[str, Callable[[Any, TextRules], object]] = {"bool": _bool, "int": _int, "double": _double, "text": _text}
