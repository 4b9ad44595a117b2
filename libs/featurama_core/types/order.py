"""The order of stored rows and of rows that are joined with them: by entity, event time and ingest time. Numpy only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from featurama_core.types.values import Int64Array

_FEW = 2_000
"""Up to this number a sort by several keys is faster than packing them into one."""


def sort_history(entity: Int64Array, time: Int64Array, ingested: Int64Array) -> Int64Array:
    """The order that sorts n rows by (entity, time, ingested): int64[n]. Rows that are equal in all three come in any
    order.
    """
    packed = _packed(entity, time) if len(entity) > _FEW else None
    if packed is None:
        return np.lexsort((ingested, time, entity))
    order = _order(packed)
    # Sorting the numbers again is faster than gathering them in their order.
    packed.sort()
    same = packed[1:] == packed[:-1]
    if same.any():
        # Only corrections, rows with one entity and event time, are compared by their ingest times.
        tied = np.flatnonzero(np.append(same, False) | np.append(False, same))
        event = np.cumsum(np.append(True, ~same))[tied]
        rows = order[tied]
        order[tied] = rows[sort_pairs(event, ingested[rows])]
    return order


def sort_pairs(first: Int64Array, second: Int64Array) -> Int64Array:
    """The order that sorts n rows by (first, second): int64[n]. Equal rows come in any order."""
    packed = _packed(first, second) if len(first) > _FEW else None
    return np.lexsort((second, first)) if packed is None else _order(packed)


def _order(packed: NDArray[np.uint64]) -> Int64Array:
    if (packed[1:] >= packed[:-1]).all():
        return np.arange(len(packed), dtype=np.int64)
    return np.argsort(packed)


def _packed(first: Int64Array, second: Int64Array) -> NDArray[np.uint64] | None:
    """Both as one number in the same order, None if 64 bits do not hold them."""
    least, most = (int(first.min()), int(second.min())), (int(first.max()), int(second.max()))
    high, low = ((above - below).bit_length() for above, below in zip(most, least, strict=True))
    if high + low > 64:
        return None
    # Differences are computed modulo 2**64, in which they are exact.
    packed = first.view(np.uint64) - np.int64(least[0]).view(np.uint64)
    packed <<= np.uint64(low if high else 0)
    packed += second.view(np.uint64)
    packed -= np.int64(least[1]).view(np.uint64)
    return packed
