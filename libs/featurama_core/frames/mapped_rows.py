"""Rows as a list of mappings, the shape of JSON: `[{"film_id": 1, "year": 1999}, {"film_id": 2, "year": 2001}]`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from featurama_core.types.errors import InvalidInput


def is_rows(value: object) -> bool:
    """Whether a value is a list of mappings, by its first element. An empty list is none."""
    is_list = isinstance(value, Sequence) and not isinstance(value, (str, bytes))
    return is_list and len(value) > 0 and isinstance(value[0], Mapping)  # type: ignore[arg-type, index]


def columns_of(rows: Sequence[Mapping[Any, Any]]) -> dict[str, list[Any]]:
    """The columns of rows, in order of appearance; what a row lacks is null. InvalidInput for other elements and
    names that are no texts.
    """
    for at, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise InvalidInput(
                f"row {at} is {row!r:.40}, and row 0 maps columns to values; give one kind", field="frame"
            )
    names = dict.fromkeys(name for row in rows for name in row)
    for name in names:
        if not isinstance(name, str):
            raise InvalidInput(f"column {name!r:.40} has no text as its name; rename it", field="frame")
    return {name: [row.get(name) for row in rows] for name in names}


def check_complete(value: object) -> None:
    """Raise InvalidInput for a list of mappings of which one lacks a column: whether that is a null, only its owner
    knows.
    """
    if not is_rows(value):
        return
    rows: Any = value
    columns = columns_of(rows)
    for at, row in enumerate(rows):
        if len(row) < len(columns):
            name = next(each for each in columns if each not in row)
            raise InvalidInput(
                f"row {at} lacks {name[:80]!r}, which another row has; give None for a null, or nulls='skip' to"
                " write nothing there",
                field=name,
            )
