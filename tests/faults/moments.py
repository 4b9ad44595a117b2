"""The moments at which faults are set: every one in `make faults`, a fifth of them in `make test`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import count


def moments() -> Iterator[int]:
    """0, 1, 2 ... without end, or every fifth from FEATURAMA_FAULT_SEED on."""
    stride = int(os.environ.get("FEATURAMA_FAULT_STRIDE", "5"))
    return count(int(os.environ.get("FEATURAMA_FAULT_SEED", "0")) % stride, stride)
