"""Event times in two columns: dates, and beside them the times of day."""

from __future__ import annotations

from typing import Any

import numpy as np

from featurama_core.frames.cells import Cells, objects, read_cells
from featurama_core.frames.values import is_empty
from featurama_core.types.errors import InvalidInput


def checked_clock(clock_column: object, timestamp: object = None) -> str:
    """The column of times of day from the argument of a store's method, "" for None. InvalidInput beside one time."""
    if clock_column is None:
        return ""
    if not isinstance(clock_column, str) or not clock_column:
        raise InvalidInput(f"clock_column is {clock_column!r:.40}; name a column", field="clock_column")
    if timestamp is not None:
        raise InvalidInput(
            "clock_column and timestamp= exclude each other: it stands beside dates", field="clock_column"
        )
    return clock_column


def with_clock(days: Any, clock: Any) -> Cells:
    """The texts of both columns, joined by a space, which are read as times; null where either is. Columns of dates and
    of times of day have their ISO form.
    """
    pairs = zip(_texts(days), _texts(clock), strict=True)
    return Cells(objects([f"{day} {time}" if day and time else None for day, time in pairs]))


def _texts(column: Any) -> list[str]:
    """A text per cell, empty for an empty cell. What is no date or time of day is no time then, and named."""
    cells = read_cells(column)
    values = cells.values
    if cells.unsupported and not isinstance(column, Cells):
        # As times of day are in Arrow and polars: no feature holds them.
        method = "to_pylist" if hasattr(column, "to_pylist") else "to_list" if hasattr(column, "to_list") else "tolist"
        values = objects(getattr(column, method)())
    if values.dtype.kind == "M":
        # pandas has dates as times at midnight.
        days = values.astype("datetime64[D]")
        is_day = not cells.zoned and bool(((days == values) | np.isnat(values)).all())
        values = np.datetime_as_string(days if is_day else values).astype(np.object_)
    missing = np.zeros(len(cells), dtype=np.bool_) if cells.missing is None else cells.missing
    listed = zip(values.tolist(), missing.tolist(), strict=True)
    return ["" if lacks or is_empty(each) else str(each).strip() for each, lacks in listed]
