"""The order of stored rows against a sort of tuples."""

from __future__ import annotations

import numpy as np
import pytest

from featurama_core.types.order import sort_history, sort_pairs
from featurama_core.types.values import Int64Array

LOWEST, HIGHEST = -(2**63), 2**63 - 1
ROWS = 5_000


def columns(kind: str, rows: int) -> tuple[Int64Array, Int64Array, Int64Array]:
    """entity, time and ingest time of rows in no order."""
    rng = np.random.default_rng(rows)
    entity, time = rng.integers(0, 50, rows), rng.integers(-(10**15), 10**15, rows)
    ingested = rng.integers(LOWEST, HIGHEST, rows)
    if kind == "corrections":
        time = rng.integers(-3, 3, rows)
    elif kind == "few ingest times":
        time, ingested = rng.integers(-3, 3, rows), rng.integers(-2, 2, rows)
    elif kind == "all of one event":
        entity, time = np.full(rows, 7), np.full(rows, HIGHEST)
    elif kind == "extreme times":
        time = rng.choice([LOWEST, LOWEST + 1, -1, 0, HIGHEST - 1, HIGHEST], rows)
    elif kind == "all bits":
        entity, time = np.full(rows, 3), rng.integers(LOWEST, HIGHEST, rows)
        time[:2] = [LOWEST, HIGHEST][:rows]
    elif kind == "sorted":
        order = np.lexsort((ingested, time, entity))
        entity, time, ingested = entity[order], time[order], ingested[order]
    elif kind == "newest first":
        order = np.lexsort((-ingested, -time, entity))
        entity, time, ingested = entity[order], time[order], ingested[order]
    return entity, time, ingested


KINDS = [
    "mixed", "corrections", "few ingest times", "all of one event", "extreme times", "all bits", "sorted",
    "newest first",
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rows", [0, 1, 40, ROWS])
def test_history_is_sorted_by_entity_then_event_time_then_ingest_time(kind: str, rows: int) -> None:
    entity, time, ingested = columns(kind, rows)
    order = sort_history(entity, time, ingested)
    keys = list(zip(entity.tolist(), time.tolist(), ingested.tolist(), strict=True))
    assert sorted(keys) == [keys[at] for at in order.tolist()]
    assert np.arange(rows).tolist() == sorted(order.tolist())


@pytest.mark.parametrize("kind", KINDS)
def test_pairs_are_sorted_by_their_first_then_by_their_second_number(kind: str) -> None:
    first, second, _ = columns(kind, ROWS)
    order = sort_pairs(first, second)
    pairs = list(zip(first.tolist(), second.tolist(), strict=True))
    assert sorted(pairs) == [pairs[at] for at in order.tolist()]
    assert np.arange(ROWS).tolist() == sorted(order.tolist())
