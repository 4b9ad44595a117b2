"""The row in which a column of Python objects changes its type, for a message: an Arrow column has one type."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa

from featurama_core.frames.values import is_empty
from featurama_core.types.errors import InvalidInput, Reason


def check_one_type(name: str, column: Iterable[Any]) -> None:
    """Raise InvalidInput for the first value that has no Arrow type, or another one than the values before it."""
    seen: dict[type, Any] = {}
    for row, value in enumerate(column):
        if is_empty(value):
            continue
        kind = bool if isinstance(value, np.bool_) else type(value)
        if kind not in seen:
            if not _converts([value]):
                raise _refused(name, row, value, f"{kind.__name__}, which no column holds; convert the column")
            for other, known in seen.items():
                if (bool in (other, kind)) or not _converts([known, value]):
                    said = f"{kind.__name__}, and the rows before it hold {other.__name__}; give the column one type"
                    raise _refused(name, row, value, said)
            seen[kind] = value
        elif isinstance(value, int) and not _converts([value]):
            raise _refused(name, row, value, "an integer beyond 64 bits; give the column as texts")


def _refused(name: str, row: int, value: Any, problem: str) -> InvalidInput:
    return InvalidInput(
        f"label row {row}, column {name}: {repr(value)[:60]} is {problem}",
        reason=Reason.TYPE_MISMATCH,
        field=name,
        row=row,
    )


def _converts(values: list[Any]) -> bool:
    try:
        pa.array(values)
    except (pa.ArrowException, TypeError, ValueError, OverflowError, AttributeError, ArithmeticError):
        return False
    return True
