"""What a read costs, known from its plan before anything is read: rows times the bytes of their values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from featurama_core.types.column import Column
from featurama_core.types.references import ResolvedFeature
from featurama_core.types.sizes import LEAST_BYTES, too_large, value_bytes
from featurama_core.types.values import ValueType

MAX_ANSWER_BYTES = 128 * 1024 * 1024
"""Bytes of the values of a read that is answered in parts."""
_TEXT_BYTES = 256
"""Guessed memory of a text."""
_COPIES = 4
"""A value is decoded, joined, encoded and sent."""
_BESIDE = 9
"""Event time and status of a value."""
_VALUES_AT_ONCE = 25_000
_TEXT_BYTES_AT_ONCE = 4 * 1024 * 1024
_USUAL_TEXT = 2 * 1024


Shape = tuple[ValueType, int]
"""The type of a feature's values, and the length of its vectors or 0."""


def shapes_of(features: Iterable[ResolvedFeature]) -> list[Shape]:
    """The shape of each feature."""
    return [(each.value_type, each.definition.vector_length) for each in features]


def least_bytes(shapes: Iterable[Shape], rows: int, *, beside: int = 0) -> int:
    """Bytes that an answer has at least. beside: bytes per value in addition to the value."""
    return rows * sum((LEAST_BYTES.get(kind) or 4 * length) + beside for kind, length in shapes)


def work_bytes(shapes: Iterable[Shape], rows: int) -> int:
    """About the bytes of memory that a read and its answer take."""
    shapes = list(shapes)
    texts = sum(kind is ValueType.TEXT for kind, _ in shapes)
    return _COPIES * (least_bytes(shapes, rows, beside=_BESIDE) + rows * texts * _TEXT_BYTES)


def rows_at_once(features: Sequence[ResolvedFeature]) -> int:
    """Rows that are read in one step, which takes some milliseconds of the event loop."""
    texts = sum(each.value_type is ValueType.TEXT for each in features)
    vectors = sum(4 * each.definition.vector_length for each in features)
    values = _VALUES_AT_ONCE // max(1, len(features))
    return max(1, min(values, _TEXT_BYTES_AT_ONCE // max(1, texts * _USUAL_TEXT + vectors)))


def check_answer(size: int) -> None:
    """Raise InvalidInput for a read of `size` bytes that is too large to be answered in parts."""
    if size > MAX_ANSWER_BYTES:
        raise too_large(size, MAX_ANSWER_BYTES, "request fewer rows or features", what="answer")


class TextCheck:
    """Refuses a read whose texts so far are more than a message. most: bytes; None for no limit."""

    def __init__(self, most: int | None, rows: int) -> None:
        self._most = most
        self._rows = rows
        self._read = 0
        self._bytes = 0

    def add(self, columns: Iterable[Column], rows: int) -> None:
        """Count the texts of the next rows. InvalidInput (LIMIT_EXCEEDED) with the size that all rows may have."""
        if self._most is None:
            return
        self._read += rows
        self._bytes += sum(int(np.sum(value_bytes(each))) for each in columns if each.value_type is ValueType.TEXT)
        if self._bytes > self._most:
            whole = self._bytes * self._rows // self._read
            raise too_large(max(whole, self._bytes), self._most, "request fewer rows or features", what="answer")
