"""The number of distinct values of a column, exact up to some thousands and estimated beyond, in bounded memory."""

from __future__ import annotations

from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

_KEPT = 4_096
_MIX = np.uint64(0x9E3779B97F4A7C15)


class Distinct:
    """Keeps the hashes that end in `shift` zero bits: with twice the values, half of the hashes."""

    def __init__(self) -> None:
        self._kept: set[int] = set()
        self._shift = 0

    def add(self, values: Any) -> None:
        """values: distinct values of a batch, an Arrow array of texts or numbers without nulls."""
        hashes = _hashes(values)
        self._kept.update(hashes[hashes & np.uint64((1 << self._shift) - 1) == 0].tolist())
        while len(self._kept) > _KEPT:
            self._shift += 1
            mask = (1 << self._shift) - 1
            self._kept = {each for each in self._kept if not each & mask}

    @property
    def count(self) -> int:
        """The number."""
        return len(self._kept) << self._shift

    def shared_with(self, other: Distinct) -> float:
        """The share of the fewer values of the two that both have, estimated."""
        mask = (1 << max(self._shift, other._shift)) - 1
        mine, theirs = ({each for each in kept if not each & mask} for kept in (self._kept, other._kept))
        return len(mine & theirs) / max(min(len(mine), len(theirs)), 1)

    @property
    def exact(self) -> bool:
        """Whether it is counted, not estimated."""
        return not self._shift


def _hashes(values: Any) -> NDArray[np.uint64]:
    if str(values.type) in ("string", "large_string"):
        numbers = np.fromiter((crc32(text.encode()) for text in values.to_pylist()), dtype=np.uint64, count=len(values))
    else:
        numbers = values.to_numpy(zero_copy_only=False).astype(np.int64).view(np.uint64)
    mixed = numbers * _MIX
    hashes: NDArray[np.uint64] = mixed ^ (mixed >> np.uint64(29)) * _MIX
    return hashes
