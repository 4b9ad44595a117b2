"""Sizes of messages: limits, the bytes of rows, and the error for a message above its limit.

By these sizes servers cut pages and streamed answers, and clients split requests. `row_bytes` is at least what the rows
take in a message.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from featurama_core.types.column import Column
from featurama_core.types.errors import FeaturamaError, InvalidInput, Reason
from featurama_core.types.values import Int64Array, ValueType

MAX_MESSAGE_BYTES = 32 * 1024 * 1024
CUT_BYTES = 7 * 512 * 1024
"""Bytes of the rows in a page or chunk. The headers of 1,000 columns fit between it and 4 MiB, the default limit of
received messages in grpc-go, grpc-java and grpc-js."""

_READ_BYTES = 9
"""Event time and status of a value that is read."""
_TEXT_BYTES = 6
"""Tag and length of a text."""
LEAST_BYTES = {ValueType.DOUBLE: 8, ValueType.INT: 8, ValueType.BOOL: 1, ValueType.TEXT: 2}
"""Bytes of a value in a message: of a text, those of the empty one."""


def row_bytes(columns: Iterable[Column], rows: int, *, beside: int = _READ_BYTES) -> Int64Array:
    """int64[rows], the bytes of each row in these columns. beside: bytes per value in addition to the value."""
    sizes = np.zeros(rows, dtype=np.int64)
    for column in columns:
        sizes += value_bytes(column) + beside
    return sizes


def value_bytes(column: Column) -> int | Int64Array:
    """The bytes of each value, int64[n] for text."""
    if column.value_type is ValueType.TEXT:
        lengths = (len(text) if text.isascii() else len(text.encode("utf-8", "replace")) for text in column.values)
        return np.fromiter(lengths, np.int64, len(column)) + _TEXT_BYTES
    return LEAST_BYTES.get(column.value_type) or 4 * column.vector_length


def run_end(ends: Int64Array, first: int, limit: int) -> int:
    """The end of the longest run of rows from `first` on within `limit` bytes; at least one row.

    ends: int64[n], the cumulative bytes of all rows.
    """
    before = int(ends[first - 1]) if first else 0
    return max(first + 1, int(np.searchsorted(ends, before + limit, side="right")))


def fitting(sizes: Int64Array | Sequence[int], limit: int = CUT_BYTES) -> int:
    """How many of these items, from the first on, are within `limit` bytes; at least one, if there is one."""
    return run_end(np.cumsum(sizes), 0, limit) if len(sizes) else 0


def too_large(size: int, limit: int, advice: str, *, what: str = "message") -> InvalidInput:
    """The error for a message of `size` bytes. The message is split where `excess` can read the error."""
    return InvalidInput(
        f"the {what} has {size} bytes, a message at most {limit}; {advice}",
        reason=Reason.LIMIT_EXCEEDED,
        message_bytes=size,
        max_message_bytes=limit,
    )


def excess(error: FeaturamaError) -> tuple[int, int] | None:
    """(bytes, limit) of the message that an error of `too_large` refuses; None for other errors."""
    try:
        return int(error.metadata["message_bytes"]), int(error.metadata["max_message_bytes"])
    except (KeyError, ValueError):
        return None
