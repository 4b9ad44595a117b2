"""Random numbers by stream and index: every draw is a pure function of (seed, stream, index).

A counter-based hash (the SplitMix64 finaliser) is used instead of numpy's Generator: any row can be drawn separately,
so chunks share no state, and numpy does not guarantee equal streams of a Generator across releases. Draws use integer
and basic float arithmetic only, which is the same on every machine.
"""

from __future__ import annotations

import hashlib
import math

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
_Bits = NDArray[np.uint64]

_STEP = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_QUARTER = np.uint64(0xFFFF)
_CENTRE = 2.0 - 2.0**-15
_SCALE = math.sqrt(3.0)


class Draws:
    """The draws of one seed. Immutable. stream: name of the quantity; index: int64, any shape, number of the draw."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def uniform(self, stream: str, index: Ints) -> Floats:
        """Uniform in [0, 1), 53 bits."""
        bits = _mix(self._key(stream), index) >> np.uint64(11)
        return bits.astype(np.float64) * 2.0**-53

    def normal(self, stream: str, index: Ints) -> Floats:
        """Mean 0, variance 1, nearly normal, and never beyond 3.4642."""
        return _nearly_normal(_mix(self._key(stream), index))

    def swing(self, stream: str, who: Ints, hours: Floats, period: float) -> Floats:
        """A smooth random curve per `who`: a normal draw every `period` hours, interpolated in between.

        Autocorrelated within one period, independent beyond two.
        """
        position = hours / period
        node = np.floor(position)
        rise = position - node
        ease = rise * rise * (3.0 - 2.0 * rise)
        key = _mix(self._key(stream), who)
        index = node.astype(np.int64)
        left = _nearly_normal(_mix(key, index))
        right = _nearly_normal(_mix(key, index + 1))
        return left + (right - left) * ease

    def _key(self, stream: str) -> _Bits:
        digest = hashlib.blake2b(f"{self._seed}/{stream}".encode(), digest_size=8).digest()
        return np.frombuffer(digest, dtype="<u8").astype(np.uint64)


def _mix(key: _Bits, index: Ints) -> _Bits:
    bits: _Bits = key + index.astype(np.uint64) * _STEP
    bits = (bits ^ (bits >> np.uint64(30))) * _MIX_1
    bits = (bits ^ (bits >> np.uint64(27))) * _MIX_2
    bits ^= bits >> np.uint64(31)
    return bits


def _nearly_normal(bits: _Bits) -> Floats:
    # The sum of four 16-bit uniforms (Irwin-Hall): no log or cos, whose last digit differs between machines.
    total: _Bits = (bits & _QUARTER) + (bits >> np.uint64(48))
    total += (bits >> np.uint64(16)) & _QUARTER
    total += (bits >> np.uint64(32)) & _QUARTER
    centred: Floats = total.astype(np.float64) * 2.0**-16 - _CENTRE
    values: Floats = centred * _SCALE
    return values
