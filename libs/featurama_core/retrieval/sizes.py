"""Sizes of a build: rows of an output part, and shards of label rows. The machine has no part in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from featurama_core.retrieval.spill import FEW_ROWS, SHARDS
from featurama_core.types.references import ResolvedFeature
from featurama_core.types.values import ValueType

_PART_BYTES = 96 * 1024 * 1024
_MOST_PART_ROWS, _FEWEST_PART_ROWS = 500_000, 5_000
_WIDTHS = {ValueType.DOUBLE: 8, ValueType.INT: 8, ValueType.BOOL: 1, ValueType.TEXT: 64}


@dataclass(frozen=True, slots=True)
class Sizes:
    """Sizes of a build; None for those chosen by the engine."""

    part_rows: int | None = None
    shards: int | None = None

    def shards_of(self, rows: int | None) -> int:
        """Number of shards for about `rows` label rows."""
        if self.shards is not None:
            return self.shards
        return 1 if rows is not None and rows <= FEW_ROWS else SHARDS


def part_rows_of(features: Sequence[ResolvedFeature]) -> int:
    """Rows per output part with these features."""
    return min(max(_PART_BYTES // row_bytes(features), _FEWEST_PART_ROWS), _MOST_PART_ROWS)


def row_bytes(features: Sequence[ResolvedFeature]) -> int:
    """Approximate bytes of an answered row."""
    widths = [
        4 * each.definition.vector_length if each.value_type is ValueType.VECTOR else _WIDTHS[each.value_type]
        for each in features
    ]
    return sum(16 + width for width in widths)
