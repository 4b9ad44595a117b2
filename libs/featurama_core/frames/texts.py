"""Texts as values of a declared type: the cells of a CSV, and named casts of columns. Each text is read by itself."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from featurama_core.types.values import EXACT_INT_LIMIT, ValueType

INT = re.compile(r"[+-]?\d{1,400}(\.0{0,400})?", re.ASCII)
DOUBLE = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?inf(inity)?|nan", re.ASCII | re.IGNORECASE)
_TRUTH = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}
_WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
_MAX_VECTOR_TEXT = 256 * 1024


def read_text(text: str, value_type: ValueType) -> object:
    """The value of a text: a Python value of the type. Blanks around a number are ignored.

    Raises ValueError if the text is not one: `0x10` and `1_000` are no numbers, `3.0` is the int 3, `3.5` is no int.
    """
    return _READERS[value_type](text)


def _int(text: str) -> int:
    stripped = text.strip(" \t")
    if INT.fullmatch(stripped) is None:
        raise ValueError(text)
    return int(stripped.partition(".")[0])


def _double(text: str) -> float:
    stripped = text.strip(" \t")
    if DOUBLE.fullmatch(stripped) is None:
        raise ValueError(text)
    if _WHOLE.fullmatch(stripped) and len(stripped) < 400 and abs(int(stripped)) >= EXACT_INT_LIMIT:
        # As in a frame: an integer that a double might round stays one, and is refused where doubles are stored.
        return int(stripped)
    return float(stripped)


def _bool(text: str) -> bool:
    found = _TRUTH.get(text.strip(" \t").lower())
    if found is None:
        raise ValueError(text)
    return found


def _vector(text: str) -> list[float]:
    try:
        found = json.loads(text) if len(text) <= _MAX_VECTOR_TEXT else None
        if isinstance(found, list) and all(type(each) in (int, float) for each in found):
            return [float(each) for each in found]
    except (RecursionError, OverflowError) as error:
        raise ValueError(text) from error
    raise ValueError(text)


_READERS: dict[ValueType, Callable[[str], object]] = {
    ValueType.DOUBLE: _double,
    ValueType.INT: _int,
    ValueType.BOOL: _bool,
    ValueType.VECTOR: _vector,
    ValueType.TEXT: str,
}
