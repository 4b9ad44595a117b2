"""As-of join on columns: the history row that each label row sees. Numpy only: no clock, no I/O, no pandas.

Rows of history are sorted ascending by (entity, event time, ingest time); callers sort once, at the scan. A label row
sees the rows of its entity with event time <= t and ingest time <= known_at. The last of them wins: the newest event
time, and among equal event times the newest ingest time. The output has exactly the label rows, in their order. Cost:
O(log h) per label row plus one pass over the history, also if much of it was ingested late.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import index

import numpy as np
from numpy.typing import NDArray

Int64 = NDArray[np.int64]
Mask = NDArray[np.bool_]

# Label rows handled at a time: the working arrays of a search stay in the processor's cache.
_CHUNK = 1 << 15
# Bits below n, and the highest set bit, of a byte that says which of eight neighbours are admitted.
_BELOW = np.array([(1 << n) - 1 for n in range(8)], dtype=np.uint8)
_HIGHEST = np.array([max(byte.bit_length() - 1, 0) for byte in range(256)], dtype=np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class HistoryKeys:
    """The sort keys of a history of h rows, with the bounds of each entity's rows.

    Created by `HistoryKeys.of`. It holds references to the given arrays, which must not be modified afterwards.
    """

    entity: Int64
    """int64[h], codes >= 0."""
    time: Int64
    """int64[h], event time, microseconds since 1970."""
    ingested: Int64
    """int64[h], ingest time, in the unit of the stores (reads as nanoseconds)."""
    codes: Int64
    """int64[e], the distinct entity codes, ascending."""
    bounds: Int64
    """int64[e + 1]: rows of codes[i] are bounds[i] to bounds[i + 1], the end excluded."""

    @classmethod
    def of(cls, entity: Int64, time: Int64, ingested: Int64) -> HistoryKeys:
        """Keys of a history that is sorted by (entity, time, ingested), which is not checked.

        Raises TypeError if an array is not int64, ValueError if one is not of the shape of `entity` or a
        code is negative.
        """
        _require_int64(len(entity), history_entity=entity, history_time=time, history_ingested=ingested)
        if len(entity) and entity[0] < 0:
            raise ValueError(f"history_entity: code {entity[0]} is negative; codes start at 0")
        bounds = _runs(entity)
        return cls(entity, time, ingested, entity[bounds[:-1]], bounds)

    def __len__(self) -> int:
        return len(self.entity)


def as_of(
    history_entity: Int64,
    history_time: Int64,
    history_ingested: Int64,
    label_entity: Int64,
    label_time: Int64,
    *,
    known_at: int | Int64 | None = None,
) -> Int64:
    """Position of the winning history row of each label row, -1 if there is none: int64[l], read-only.

    `history_*`: int64[h], sorted by (entity, time, ingested). `label_entity`: int64[l], -1 = an entity
    without history; `label_time`: int64[l], microseconds. `known_at` bounds `history_ingested`, in its unit,
    inclusive: one bound for all rows, or int64[l].
    Raises TypeError or ValueError, naming the argument, for a wrong dtype or shape.
    """
    keys = HistoryKeys.of(history_entity, history_time, history_ingested)
    return as_of_many(keys, [None], label_entity, label_time, known_at=known_at)[0]


def as_of_many(
    keys: HistoryKeys,
    present: Sequence[Mask | None],
    label_entity: Int64,
    label_time: Int64 | None,
    *,
    known_at: int | Int64 | None = None,
) -> list[Int64]:
    """`as_of` for several features of the same history rows: one int64[l] per feature, read-only.

    `present[i]` is bool[h]: a row where it is False does not hold feature i and is skipped. None: every row
    holds it. Label rows are searched once for all features, and features with equal masks share one result.
    `label_time` None: no upper bound on event times.
    Raises TypeError or ValueError, naming the argument, for a wrong dtype or shape.
    """
    labels = len(label_entity)
    _require_int64(labels, label_entity=label_entity)
    if label_time is not None:
        _require_int64(labels, label_time=label_time)
    bound: Int64 | None = None
    admitted: Mask | None = None
    if isinstance(known_at, np.ndarray):
        _require_int64(labels, known_at=known_at)
        bound = known_at
    elif known_at is not None:
        admitted = keys.ingested <= index(known_at)

    begin, end = _candidates(keys, label_entity, label_time)
    winners: dict[bytes | None, Int64] = {}
    results = []
    for feature, mask in enumerate(present):
        signature = _signature(keys, mask, feature)
        if signature not in winners:
            visible = mask if signature is not None else None
            if admitted is not None:
                visible = admitted if visible is None else visible & admitted
            winner = _winners(keys, visible, begin, end, bound)
            winner.setflags(write=False)
            winners[signature] = winner
        results.append(winners[signature])
    return results


def _candidates(keys: HistoryKeys, entity: Int64, time: Int64 | None) -> tuple[Int64, Int64]:
    """Half-open range of the history rows of each label's entity with event time <= the label's, if it has one."""
    begin = np.zeros(len(entity), dtype=np.int64)
    end = np.zeros(len(entity), dtype=np.int64)
    if not len(keys):
        return begin, end
    codes, bounds = keys.codes, keys.bounds
    dense = int(codes[-1]) - int(codes[0]) == len(codes) - 1
    for rows in _chunks(len(entity)):
        wanted = entity[rows]
        slot = wanted - codes[0] if dense else np.searchsorted(codes, wanted)
        np.clip(slot, 0, len(codes) - 1, out=slot)
        known = codes[slot] == wanted
        first = np.where(known, bounds[slot], 0)
        begin[rows] = first
        last = np.where(known, bounds[slot + 1], 0)
        end[rows] = last if time is None else _upper_bound(keys.time, first, last, time[rows])
    return begin, end


def _upper_bound(ascending: Int64, begin: Int64, end: Int64, bound: Int64) -> Int64:
    """First position of each range [begin, end) whose value exceeds the bound, `end` if none does."""
    position = begin.copy()
    step = 1 << int((end - begin).max(initial=0)).bit_length() >> 1
    while step:
        probe = position + step
        inside = probe <= end
        inside &= ascending.take(probe - 1, mode="clip") <= bound
        np.copyto(position, probe, where=inside)
        step >>= 1
    return position


def _winners(keys: HistoryKeys, visible: Mask | None, begin: Int64, end: Int64, bound: Int64 | None) -> Int64:
    """Last visible row of each range [begin, end), ingested at or before the bound; -1 if there is none."""
    if visible is None or visible.all():
        return _last_at_most(keys.ingested, begin, end, bound)
    rows = np.flatnonzero(visible)
    before = np.zeros(len(keys) + 1, dtype=np.int64)
    np.cumsum(visible, out=before[1:])
    ingested = keys.ingested[rows] if bound is not None else rows
    winner = _last_at_most(ingested, before[begin], before[end], bound)
    hit = winner >= 0
    winner[hit] = rows[winner[hit]]
    return winner


def _last_at_most(values: Int64, begin: Int64, end: Int64, bound: Int64 | None) -> Int64:
    """Last position of each range [begin, end) whose value is <= its bound; -1 if there is none."""
    last = np.where(end > begin, end - 1, -1)
    if bound is None or not len(values):
        return last
    late = np.flatnonzero((last >= 0) & (values.take(last, mode="clip") > bound))
    if len(late):
        # Stepping back row by row would be quadratic on a backfill, where all rows of an entity are late.
        levels = _minima(values)
        for part in _chunks(len(late)):
            rows = late[part]
            last[rows] = _search_back(levels, begin[rows], end[rows], bound[rows])
    return last


def _minima(values: Int64) -> list[Int64]:
    """Levels of minima, each [blocks, 8]: a block's minimum is one value of the level above.

    Each level has room for one more value than it holds, so that a range's end is a valid position.
    """
    levels = []
    while True:
        padded = np.full(8 * (len(values) // 8 + 1), np.iinfo(np.int64).max)
        padded[: len(values)] = values
        blocks = padded.reshape(-1, 8)
        levels.append(blocks)
        if len(blocks) == 1:
            return levels
        values = blocks.min(axis=1)


def _search_back(levels: list[Int64], begin: Int64, end: Int64, bound: Int64) -> Int64:
    """`_last_at_most` on the levels of `_minima`: up until a block left of `end` is admitted, then down."""
    row, node = np.arange(len(end)), end
    met: list[tuple[NDArray[np.intp], Int64]] = []
    for height, blocks in enumerate(levels):
        admitted = _admitted(blocks, node >> 3, bound[row]) & _BELOW[node & 7]
        hit = admitted != 0
        met.append((row[hit], (node[hit] & ~7) + _HIGHEST[admitted[hit]]))
        node = node >> 3
        going = ~hit & (node > begin[row] >> 3 * (height + 1))
        row, node = row[going], node[going]

    row, node = met[-1]
    for height in range(len(levels) - 2, -1, -1):
        node = (node << 3) + _HIGHEST[_admitted(levels[height], node, bound[row])]
        row, node = np.concatenate((row, met[height][0])), np.concatenate((node, met[height][1]))
    last = np.full(len(end), -1, dtype=np.int64)
    last[row] = node
    last[last < begin] = -1
    return last


def _admitted(blocks: Int64, block: Int64, bound: Int64) -> NDArray[np.uint8]:
    """One byte per row: bit i is set if value i of the block of the row is <= the bound of the row."""
    return np.packbits(blocks[block] <= bound[:, None], bitorder="little")


def _runs(entity: Int64) -> Int64:
    """The start of each run of equal entities, and the end of the last one."""
    start = np.ones(len(entity) + 1, dtype=np.bool_)
    np.not_equal(entity[1:], entity[:-1], out=start[1:-1])
    return np.flatnonzero(start)


def _signature(keys: HistoryKeys, mask: Mask | None, feature: int) -> bytes | None:
    """Equal for equal masks; None for a mask that is True everywhere."""
    if mask is None:
        return None
    if mask.dtype != np.bool_:
        raise TypeError(f"present[{feature}]: dtype is {mask.dtype}; give bool")
    if mask.shape != (len(keys),):
        raise ValueError(f"present[{feature}]: shape is {mask.shape}; give {(len(keys),)}")
    return None if mask.all() else np.packbits(mask).tobytes()


def _chunks(rows: int) -> Iterator[slice]:
    for start in range(0, rows, _CHUNK):
        yield slice(start, min(start + _CHUNK, rows))


def _require_int64(rows: int, **arrays: Int64) -> None:
    for name, array in arrays.items():
        if array.dtype != np.int64:
            raise TypeError(f"{name}: dtype is {array.dtype}; give int64")
        if array.shape != (rows,):
            raise ValueError(f"{name}: shape is {array.shape}; give {(rows,)}")
