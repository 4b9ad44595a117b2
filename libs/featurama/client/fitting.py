"""Writes as messages: of a request above a message the largest rows are refused by name, and the others are sent.

Rows of one entity and event time stay together, so that the server judges conflicts among them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from featurama_core.frames.report import PreparedWrite
from featurama_core.types.errors import InvalidInput
from featurama_core.types.sizes import row_bytes, too_large, value_bytes
from featurama_core.types.values import BoolArray, Int64Array
from featurama_core.types.writes import WriteRequest

Encode = Callable[[WriteRequest], bytes]

_KEY_BYTES = 22
"""Bytes of a row beside its id and values: event time, ingest time, tag and length of the id."""
_STATUS_BYTES = 1


@dataclass(frozen=True, slots=True, eq=False)
class FittedWrite:
    """A request as a message. prepared: the rows in the message, None if no row fits. refused: the others, by error."""

    prepared: PreparedWrite | None
    data: bytes
    refused: list[tuple[PreparedWrite, InvalidInput]]


def fitted(prepared: PreparedWrite, encode: Encode, limit: int) -> FittedWrite:
    """The message of at most `limit` bytes with the smallest rows of a request."""
    data = encode(prepared.request)
    if len(data) <= limit:
        return FittedWrite(prepared, data, [])
    whole = len(data)
    sizes, group = _groups(prepared.request)
    order = np.argsort(sizes, kind="stable")
    ends = np.cumsum(sizes[order])
    most = room = limit - max(0, whole - int(ends[-1]))
    part: PreparedWrite | None = None
    while part is None and (count := int(np.searchsorted(ends, room, side="right"))):
        some = prepared.take(np.flatnonzero(np.isin(group, order[:count])))
        data = encode(some.request)
        if len(data) <= limit:
            part = some
        room -= max(0, len(data) - limit)
    left = order[count:]
    refused = [_alone(prepared, group == each, int(sizes[each]), limit) for each in left[sizes[left] > most].tolist()]
    batch = np.flatnonzero(np.isin(group, left[sizes[left] <= most]))
    if len(batch):
        error = too_large(whole, limit, "lower batch_size", what=f"message of a batch of {len(prepared.request)} rows")
        refused.append((prepared.take(batch), error))
    return FittedWrite(part, data, refused)


def _groups(request: WriteRequest) -> tuple[Int64Array, Int64Array]:
    """The bytes of each (entity, event time), and its number for each row, int64[n]."""
    sizes = row_bytes(request.columns, len(request), beside=_STATUS_BYTES)
    sizes += np.array([len(each.encode("utf-8", "replace")) for each in request.entity_ids]) + _KEY_BYTES
    keys = list(zip(request.entity_ids, request.event_time.tolist(), strict=True))
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    group = np.array([numbers[key] for key in keys], dtype=np.int64)
    return np.bincount(group, sizes).astype(np.int64), group


def _alone(prepared: PreparedWrite, mask: BoolArray, size: int, limit: int) -> tuple[PreparedWrite, InvalidInput]:
    """Rows of one entity and event time that no message holds."""
    rows = prepared.take(np.flatnonzero(mask))
    largest = max(rows.request.columns, key=lambda each: int(np.sum(value_bytes(each))))
    what = f"row of entity {rows.request.entity_ids[0]!r}, most of it {largest.name!r},"
    return rows, too_large(size, limit, "write shorter values, or fewer features at a time", what=what)
