"""Rows of history are read as one list per entity; what they hold does not depend on how the lists are cut."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import numpy as np
import pytest

from featurama_core.storage.sqlite.migrations import apply_missing
from featurama_core.storage.sqlite.rows import HistoryRows, StoredRows

STORED = [
    # entity, period, event time, ingest time, layout, cell
    (entity, at // 10, at, at * 1_000 + copy, layout, bytes([0, entity, at, copy, 255]) * (at % 3 + copy))
    for entity in (1, 2, 3)
    for at in range(30)
    for copy in range(2)
    for layout in (-7, 2**62)
]


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as opened:
        apply_missing(opened, "crew")
        opened.executemany(
            "INSERT INTO feature_history (feature_group, entity, period, timestamp, ingested_at, layout, cell)"
            " VALUES (1, ?, ?, ?, ?, ?, ?)",
            STORED,
        )
        yield opened


def rows_of(blocks: list[StoredRows]) -> list[tuple[int, int, int, int, bytes]]:
    """The rows (entity code, event time, ingest time, layout, cell), sorted."""
    found = []
    for block in blocks:
        keys = block.entity, block.event_time, block.ingested_at, block.layout_id
        cells = block.cut(np.arange(len(block)))
        found += list(zip(*(each.tolist() for each in keys), cells, strict=True))
    return sorted(found)


def stored(entities: dict[int, int], periods: list[int], layouts: list[int], start: int, end: int) -> list[object]:
    """entities: key -> code."""
    return sorted(
        (entities[entity], time, ingested, layout, cell)
        for entity, period, time, ingested, layout, cell in STORED
        if entity in entities and period in periods and layout in layouts and start <= time <= end
    )


@pytest.mark.parametrize("layouts", [[-7], [-7, 2**62], [2**62, *range(100)], []])
@pytest.mark.parametrize("periods", [[0], [0, 2], [1, 2, *range(100, 200)]])
@pytest.mark.parametrize(("start", "end"), [(0, 29), (5, 25)])
def test_the_rows_of_an_entity_are_those_of_the_periods_the_layouts_and_the_times(
    connection: sqlite3.Connection, layouts: list[int], periods: list[int], start: int, end: int
) -> None:
    """Cells may hold any bytes, and none."""
    found = HistoryRows(connection, 1, periods, layouts, start, end).blocks([(5, 1), (0, 3), (8, 9)], 1_000)
    assert stored({1: 5, 3: 0}, periods, layouts, start, end) == rows_of(list(found))


def test_blocks_hold_whole_entities(connection: sqlite3.Connection) -> None:
    """A block ends with the entity that makes it large enough."""
    blocks = list(HistoryRows(connection, 1, [0, 1, 2], [-7], 0, 29).blocks([(0, 1), (1, 2), (2, 3)], 61))
    assert [[0, 1], [2]] == [sorted(set(each.entity.tolist())) for each in blocks]
    assert [120, 60] == [len(each) for each in blocks]


def test_an_entity_with_more_bytes_than_a_value_of_sqlite_is_read_in_parts(connection: sqlite3.Connection) -> None:
    whole = rows_of(list(HistoryRows(connection, 1, [0, 1, 2], [-7, 2**62], 0, 29).blocks([(0, 1)], 1_000)))
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 400)
    cut = rows_of(list(HistoryRows(connection, 1, [0, 1, 2], [-7, 2**62], 0, 29).blocks([(0, 1)], 1_000)))
    assert 120 == len(whole)
    assert whole == cut


def test_an_event_with_more_bytes_than_a_value_of_sqlite_is_refused(connection: sqlite3.Connection) -> None:
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 40)
    with pytest.raises(sqlite3.DataError):
        list(HistoryRows(connection, 1, [0, 1, 2], [-7, 2**62], 29, 29).blocks([(0, 1)], 1_000))
