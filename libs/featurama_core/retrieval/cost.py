"""What a read costs, known from its features before anything is read: rows times the bytes of their values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

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
_BYTES_AT_ONCE = 4 * 1024 * 1024
_USUAL_TEXT = 2 * 1024

Shape = tuple[ValueType, int]
"""The type of a feature's values, and the length of its vectors or 0."""


@dataclass(frozen=True, slots=True)
class ReadCost:
    """Of one row: the number of its values and of the texts among them, the bytes that its values have at least in a
    message, and those of its vectors.
    """

    values: int
    texts: int
    least: int
    vectors: int

    @classmethod
    def of(cls, features: Iterable[ResolvedFeature]) -> ReadCost:
        """Of a row of these features."""
        return cls.of_shapes((each.value_type, each.definition.vector_length) for each in features)

    @classmethod
    def of_shapes(cls, shapes: Iterable[Shape]) -> ReadCost:
        """Of a row of values of these shapes."""
        kinds = list(shapes)
        vectors = sum(4 * length for _, length in kinds)
        least = vectors + sum(LEAST_BYTES.get(kind, 0) for kind, _ in kinds)
        return cls(len(kinds), sum(kind is ValueType.TEXT for kind, _ in kinds), least, vectors)

    def least_bytes(self, rows: int, *, beside: int = 0) -> int:
        """Bytes that an answer has at least. beside: bytes per value in addition to the value."""
        return rows * (self.least + self.values * beside)

    def work_bytes(self, rows: int) -> int:
        """About the bytes of memory that a read and its answer take."""
        return _COPIES * rows * (self.least + self.values * _BESIDE + self.texts * _TEXT_BYTES)

    @property
    def rows_at_once(self) -> int:
        """Rows that are read in one step, which takes some milliseconds of the event loop."""
        of_bytes = _BYTES_AT_ONCE // max(1, self.texts * _USUAL_TEXT + self.vectors)
        return max(1, min(_VALUES_AT_ONCE // max(1, self.values), of_bytes))


NO_COST = ReadCost(0, 0, 0, 0)


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
