"""The units that a write has to account for, by its request alone."""

from __future__ import annotations

from featurama_core.types.values import Status
from featurama_core.types.writes import WriteRequest, WriteUnit


def units_sent(request: WriteRequest) -> int:
    """Number of rows, or of written values."""
    if request.unit is WriteUnit.ROW:
        return len(request)
    return sum(int((column.status != Status.NOT_FOUND).sum()) for column in request.columns)
