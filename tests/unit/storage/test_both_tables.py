"""Merging history of rows and of packed cells."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import numpy as np
import pytest

from featurama_core.storage.cql.both_tables import aligned, both, newest_of_both, only_in_rows
from featurama_core.storage.records import History, ScanBlock
from featurama_core.types.schema import FeatureDefinition
from featurama_core.types.values import Status, ValueType

pytestmark = pytest.mark.unit

SPEED = FeatureDefinition("speed", ValueType.INT)
Key = tuple[int, int, int]
"""(entity, event time, ingest time); the value is made of the times."""


def history(keys: Sequence[Key]) -> History:
    if not keys:
        return History.nothing(SPEED)
    entity, time, ingested = (np.array(each, dtype=np.int64) for each in zip(*sorted(keys), strict=True))
    status = np.full(len(keys), Status.PRESENT, dtype=np.uint8)
    return History.of(SPEED, entity, time, ingested, 10 * time + ingested, status)


def keys_of(found: History) -> list[Key]:
    keys = list(zip(found.entity.tolist(), found.event_time.tolist(), found.ingested_at.tolist(), strict=True))
    assert [10 * time + ingested for _, time, ingested in keys] == found.column.values.tolist()
    return keys


def test_a_value_in_both_is_one() -> None:
    """Sorted, corrections kept."""
    rows, packed = history([(0, 1, 1), (0, 1, 2), (1, 5, 1)]), history([(0, 1, 2), (0, 0, 9)])
    assert keys_of(both(rows, packed, SPEED)) == [(0, 0, 9), (0, 1, 1), (0, 1, 2), (1, 5, 1)]
    assert keys_of(both(history([]), packed, SPEED)) == [(0, 0, 9), (0, 1, 2)]
    assert keys_of(both(history([]), history([]), SPEED)) == []


def test_what_is_in_no_packed_cell_is_left() -> None:
    """By the whole key: a correction of a packed value is another value."""
    rows = history([(0, 1, 1), (0, 1, 2), (1, 5, 1)])
    assert keys_of(only_in_rows(rows, history([(0, 1, 2), (1, 5, 2)]))) == [(0, 1, 1), (1, 5, 1)]
    assert keys_of(only_in_rows(rows, history([]))) == keys_of(rows)
    assert keys_of(only_in_rows(rows, rows)) == []
    assert keys_of(only_in_rows(history([]), rows)) == []


def test_the_newest_end_where_one_of_both_ends() -> None:
    """A source with fewer values than wanted was read to its end."""
    rows = history([(0, 5, 1), (0, 4, 1), (1, 5, 1), (1, 1, 1)])
    packed = history([(0, 9, 1), (0, 4, 2), (1, 3, 1)])
    found = keys_of(newest_of_both(rows, packed, SPEED, 2, 3))
    assert found == [(0, 4, 1), (0, 4, 2), (0, 5, 1), (0, 9, 1), (1, 1, 1), (1, 3, 1), (1, 5, 1)]
    early = history([(0, 3, 1), (0, 2, 1)])
    assert keys_of(newest_of_both(rows, early, SPEED, 2, 3)) == [(0, 4, 1), (0, 5, 1), (1, 1, 1), (1, 5, 1)]


async def blocks(*found: tuple[Sequence[str], Sequence[Key]]) -> AsyncIterator[ScanBlock]:
    for entity_ids, keys in found:
        yield ScanBlock(entity_ids, [history(keys)])


async def test_two_scans_are_aligned_by_entity() -> None:
    """Blocks of other sizes, entities of one scan only, and a scan that ends before the other."""
    rows = blocks((["a", "c", "d"], [(0, 1, 1), (1, 2, 1), (2, 3, 1)]), (["x"], [(0, 4, 1)]))
    packed = blocks((["b", "c"], [(0, 1, 2), (1, 2, 2)]), (["e"], [(0, 5, 2)]))
    found = [
        (list(left.entity_ids), keys_of(left.histories[0]), list(right.entity_ids), keys_of(right.histories[0]))
        async for left, right in aligned(rows, packed, [SPEED])
    ]
    assert found == [
        (["a", "b", "c"], [(0, 1, 1), (2, 2, 1)], ["a", "b", "c"], [(1, 1, 2), (2, 2, 2)]),
        (["d"], [(0, 3, 1)], ["d"], []),
        (["e"], [], ["e"], [(0, 5, 2)]),
        (["x"], [(0, 4, 1)], ["x"], []),
    ]
