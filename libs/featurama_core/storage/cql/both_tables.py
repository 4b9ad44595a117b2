"""History that lies in the per-value tables and in packed cells, while a group moves from one to the other. A value
that is in both is one value.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing

import numpy as np

from featurama_core.storage.packed_history import merged, recoded
from featurama_core.storage.records import History, ScanBlock
from featurama_core.types.schema import FeatureDefinition
from featurama_core.types.times import MAX_TIME, MIN_TIME
from featurama_core.types.values import BoolArray, Int64Array


def both(rows: History, packed: History, feature: FeatureDefinition) -> History:
    """The values of both, sorted, equal keys once."""
    return merged([each for each in (rows, packed) if len(each.entity)], feature)


def newest_of_both(rows: History, packed: History, feature: FeatureDefinition, count: int, entities: int) -> History:
    """As `both`, for the `count` newest values of each: an event time that only one of them was read back to is left
    out, since the other may have further corrections of it.
    """
    complete = np.maximum(_complete_from(rows, count, entities), _complete_from(packed, count, entities))
    kept = [_taken(each, each.event_time >= complete[each.entity]) for each in (rows, packed)]
    return both(kept[0], kept[1], feature)


def only_in_rows(rows: History, packed: History) -> History:
    """The values of the per-value tables that are in no packed cell."""
    keys = [np.concatenate(each) for each in zip(_keys(rows), _keys(packed), strict=True)]
    is_packed = np.repeat([False, True], [len(rows.entity), len(packed.entity)])
    order = np.lexsort((is_packed, *reversed(keys)))
    # Of one key the value of the rows comes first.
    same = np.logical_and.reduce([key[order][1:] == key[order][:-1] for key in keys])
    found = order[:-1][same] if len(order) else order
    missing = np.ones(len(rows.entity), dtype=np.bool_)
    missing[found] = False
    return _taken(rows, missing)


async def aligned(
    rows: AsyncIterator[ScanBlock], packed: AsyncIterator[ScanBlock], features: Sequence[FeatureDefinition]
) -> AsyncIterator[tuple[ScanBlock, ScanBlock]]:
    """Blocks of two scans of one partition -> pairs of blocks with the same entities, ids ascending."""
    async with aclosing(rows), aclosing(packed):  # type: ignore[type-var]
        left, right = await anext(rows, None), await anext(packed, None)
        while left is not None or right is not None:
            bound = min(each.entity_ids[-1] for each in (left, right) if each is not None)
            first, left = _cut(left, bound)
            second, right = _cut(right, bound)
            entity_ids = sorted({each for block in (first, second) if block for each in block.entity_ids})
            yield _among(first, entity_ids, features), _among(second, entity_ids, features)
            left = await anext(rows, None) if left is None else left
            right = await anext(packed, None) if right is None else right


def _cut(block: ScanBlock | None, bound: str) -> tuple[ScanBlock | None, ScanBlock | None]:
    """(the entities up to `bound`, the others), each None without entities."""
    at = 0 if block is None else bisect_right(block.entity_ids, bound)
    if block is None or at == len(block.entity_ids):
        return block, None
    if at == 0:
        return None, block
    heads = [_taken(each, each.entity < at) for each in block.histories]
    tails = [_taken(each, each.entity >= at) for each in block.histories]
    return ScanBlock(block.entity_ids[:at], heads), ScanBlock(
        block.entity_ids[at:], recoded(tails, lambda entity: entity - at)
    )


def _among(block: ScanBlock | None, entity_ids: Sequence[str], features: Sequence[FeatureDefinition]) -> ScanBlock:
    """The block with codes among these ids, which hold its own."""
    if block is None:
        return ScanBlock(entity_ids, [History.nothing(feature) for feature in features])
    if len(block.entity_ids) == len(entity_ids):
        return ScanBlock(entity_ids, block.histories)
    number = {entity_id: at for at, entity_id in enumerate(entity_ids)}
    codes = np.array([number[entity_id] for entity_id in block.entity_ids], dtype=np.int64)
    return ScanBlock(entity_ids, recoded(list(block.histories), codes.__getitem__))


def _complete_from(history: History, count: int, entities: int) -> Int64Array:
    """int64[entities]: the event time since which all values are here; MIN_TIME if fewer than `count` are stored."""
    oldest = np.full(entities, MAX_TIME, dtype=np.int64)
    np.minimum.at(oldest, history.entity, history.event_time)
    stored = np.bincount(history.entity, minlength=entities)
    return np.where(stored < count, MIN_TIME, oldest)


def _taken(history: History, kept: BoolArray) -> History:
    if kept.all():
        return history
    rows = np.flatnonzero(kept)
    return History(history.entity[rows], history.event_time[rows], history.ingested_at[rows], history.column.take(rows))


def _keys(history: History) -> tuple[Int64Array, Int64Array, Int64Array]:
    return history.entity, history.event_time, history.ingested_at
