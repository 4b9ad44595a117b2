"""Joining rows with stored history block by block, newest first, and what is not looked at any more."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from featurama_core.retrieval.entity_rows import EntityRows
from featurama_core.retrieval.join import RowJoin, found_in, shared_keys
from featurama_core.retrieval.visibility import ReadBounds
from featurama_core.storage.records import History, Sought
from featurama_core.types.column import Column
from featurama_core.types.references import ResolvedFeature
from featurama_core.types.schema import FeatureDefinition, FeatureGroup
from featurama_core.types.times import MIN_TIME
from featurama_core.types.values import Int64Array, Status, ValueType

P, N, A = Status.PRESENT, Status.NULL_VALUE, Status.NOT_FOUND
SPEED, TALLY = (ResolvedFeature(FeatureDefinition(name, ValueType.INT), FeatureGroup("ride")) for name in ("a", "b"))

Stored = tuple[int, int, int]
"""(entity, event time, value); ingested at 1,000 times the event time."""


def ints(*values: int) -> Int64Array:
    return np.array(values, dtype=np.int64)


def history(*stored: Stored, nulls: Sequence[int] = ()) -> History:
    entity, time, values = (ints(*(row[at] for row in stored)) for at in range(3))
    status = np.full(len(stored), P, dtype=np.uint8)
    status[list(nulls)] = N
    return History(entity, time, time * 1_000, Column("x", ValueType.INT, values, status, time))


def beside(first: History, *values: int) -> History:
    """Another feature of the same cells."""
    column = Column("y", ValueType.INT, ints(*values), np.full(len(values), P, dtype=np.uint8), first.event_time)
    return History(first.entity, first.event_time, first.ingested_at, column)


class Sink:
    """Keeps what is added: by feature, row -> (event time, value, status)."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, ...]] = []
        self.found: dict[int, dict[int, tuple[int, object, int]]] = {}

    def add(self, features: tuple[int, ...], rows: Int64Array, event_time: Int64Array, columns: list[Column]) -> None:
        self.calls.append(features)
        for feature, column in zip(features, columns, strict=True):
            into = self.found.setdefault(feature, {})
            for row, *match in zip(
                rows.tolist(), event_time.tolist(), column.values.tolist(), column.status.tolist(), strict=True
            ):
                assert row not in into
                into[row] = (match[0], match[1], match[2])


ROWS = (("fry", 50), ("leela", 30), ("fry", 10), ("leela", 99), ("amy", 40))


def join(
    sink: Sink,
    rows: Sequence[tuple[str, int]] = ROWS,
    *,
    positions: Sequence[int] = (0,),
    ages: Sequence[int | None] | None = None,
    bounds: ReadBounds | None = None,
) -> RowJoin:
    """Codes: fry 0, leela 1, amy 2. The join has the rows by entity and moment: 2, 0, 1, 3, 4."""
    of = EntityRows.of([entity for entity, _ in rows], ints(*(moment for _, moment in rows)))
    as_of = (bounds or ReadBounds(None, 1_000)).rows(of.event_time)
    return RowJoin(of, positions, as_of, ages or [None] * len(positions), sink)


def test_each_row_takes_the_newest_value_that_it_may_see() -> None:
    """Its own moment included, the block's entities by their codes among the rows; a row without any stays open."""
    sink = Sink()
    joined = join(sink, positions=[7])
    joined.take(ints(1, -1, 0), [history((0, 20, 1), (0, 30, 2), (0, 31, 3), (1, 5, 9), (2, 10, 4), (2, 51, 5))], 0)
    assert {7: {1: (30, 2, P), 3: (31, 3, P), 2: (10, 4, P), 0: (10, 4, P)}} == sink.found
    assert [[False, False, False, False, True]] == joined.open.tolist()


def test_an_older_block_is_searched_only_for_what_is_still_open() -> None:
    """What a newer one gave stands."""
    sink = Sink()
    joined = join(sink)
    joined.take(ints(0, 1), [history((0, 45, 1), (1, 90, 2))], 40)
    assert {0: {0: (45, 1, P), 3: (90, 2, P)}} == sink.found
    joined.take(ints(0, 1), [history((0, 5, 3), (1, 6, 4))], 0)
    assert {0: {0: (45, 1, P), 3: (90, 2, P), 2: (5, 3, P), 1: (6, 4, P)}} == sink.found
    assert not joined.open[0, :4].any()


def test_a_null_is_found_as_it_was_written() -> None:
    """It hides older values."""
    sink = Sink()
    join(sink).take(ints(2), [history((0, 8, 1), (0, 9, 0), nulls=[1])], 0)
    assert {0: {4: (9, 0, N)}} == sink.found


def test_known_at_bounds_each_row_by_its_own_moment() -> None:
    """Of the rows that are searched, wherever they stand among all rows."""
    late = history((0, 20, 1), (0, 25, 2))
    late = History(late.entity, late.event_time, ints(20_000, 60_000), late.column)
    sink = Sink()
    join(sink, bounds=ReadBounds("label", 1_000)).take(ints(1), [late], 0)
    assert {0: {1: (20, 1, P), 3: (25, 2, P)}} == sink.found


def test_features_of_one_cell_are_found_together_and_others_by_themselves() -> None:
    """Those that hit the same rows are handed over in one call."""
    first = history((0, 5, 1))
    sink = Sink()
    joined = join(sink, positions=[3, 1, 8])
    joined.take(ints(0), [first, history((0, 20, 6)), beside(first, 2)], 0)
    assert [(3, 8), (1,)] == sink.calls
    assert {2: (5, 1, P), 0: (5, 1, P)} == sink.found[3]
    assert {2: (5, 2, P), 0: (5, 2, P)} == sink.found[8]
    assert {0: (20, 6, P)} == sink.found[1]
    assert [[False, False], [True, False], [False, False]] == joined.open[:, :2].tolist()


def test_features_of_one_cell_that_are_open_at_different_rows_are_handed_over_apart() -> None:
    """A row gets no feature twice, though it is searched for another."""
    sink = Sink()
    joined = join(sink, positions=[0, 1])
    joined.take(ints(0), [history((0, 45, 1)), history()], 0)
    older = history((0, 1, 3))
    joined.take(ints(0), [older, beside(older, 4)], 0)
    assert {0: {0: (45, 1, P), 2: (1, 3, P)}, 1: {0: (1, 4, P), 2: (1, 4, P)}} == sink.found
    assert [(0,), (0,), (1,)] == sink.calls


def test_a_block_that_nothing_can_be_taken_from_changes_nothing() -> None:
    """Of entities that no row has, of a period after every moment, and one without rows."""
    for codes, stored, start in ((ints(-1), [(0, 5, 1)], 0), (ints(0), [(0, 5, 1)], 51), (ints(0), [], 0)):
        sink = Sink()
        joined = join(sink)
        joined.take(codes, [history(*stored)], start)
        assert ({}, True) == (sink.found, bool(joined.open.all()))


def test_an_entity_is_needed_for_a_period_while_a_row_of_it_lacks_a_feature() -> None:
    """A row at the period's first moment needs it, one before does not; each entity stands once, in order."""
    joined = join(Sink(), positions=[0, 1])
    assert [0, 1, 2] == joined.entities(0, 10).tolist()
    assert [0, 1] == joined.entities(50, 60).tolist()
    assert [1] == joined.entities(51, 60).tolist()
    assert [] == joined.entities(100, 200).tolist()
    joined.take(ints(0), [history((0, 5, 1)), history((0, 20, 1))], 0)
    assert [0, 1, 2] == joined.entities(0, 10).tolist()
    assert [1, 2] == joined.entities(11, 20).tolist()


def test_resuming_goes_on_with_what_was_open() -> None:
    """Rows that lack nothing are needed no more."""
    joined = join(Sink(), positions=[0, 1])
    joined.resume(np.array([[False, False, True, False, False], [False, False, False, False, True]]))
    assert [1, 2] == joined.entities(0, 10).tolist()


def test_a_period_that_is_too_old_for_a_row_closes_its_feature() -> None:
    """Where values older than ttl are of no use; a row before the period waits for its own."""
    joined = join(Sink(), ages=[20])
    # The period ends before 99 - 20, and reaches into the age of 50 - 20, 40 - 20 and 30 - 20.
    assert [0, 1, 2] == joined.entities(25, 31).tolist()
    assert [[True, True, True, False, True]] == joined.open.tolist()
    # Of 50 - 20 it ends at the first moment that counts: it holds none.
    assert [1, 2] == joined.entities(25, 30).tolist()
    assert [[True, False, True, False, True]] == joined.open.tolist()
    assert [0, 1] == joined.entities(5, 11).tolist()


def test_a_feature_without_ttl_stays_open_beside_one_with() -> None:
    """Each is bounded by its own age."""
    joined = join(Sink(), positions=[0, 1], ages=[None, 20])
    assert [0, 1, 2] == joined.entities(0, 5).tolist()
    assert [[True] * 5, [True, False, False, False, False]] == joined.open.tolist()


def test_a_feature_that_is_found_stays_closed_whatever_its_age() -> None:
    """The next period could give it again."""
    joined = join(Sink(), ages=[1_000])
    joined.take(ints(2), [history((0, 30, 1))], 20)
    assert [0, 1] == joined.entities(0, 20).tolist()
    assert [[True, True, True, True, False]] == joined.open.tolist()


def test_nothing_is_joined_without_rows() -> None:
    """A batch may be empty."""
    sink = Sink()
    joined = join(sink, rows=())
    assert [] == joined.entities(0, 10).tolist()
    joined.take(ints(-1), [history((0, 1, 1))], 0)
    assert {} == sink.found


def test_rows_that_lack_a_value_seek_its_event_below_their_own_bounds() -> None:
    """Each entity stands once; without a known_at every ingest time is admitted."""
    joined = join(Sink(), bounds=ReadBounds("label", 1_000))
    rows = joined.needing(40)
    assert [1, 3, 4] == rows.tolist()
    wanted = joined.seeks(rows)
    assert (["fry", "leela", "amy"], [0, 1, 2]) == (wanted.entity_ids, wanted.entity.tolist())
    assert ([50, 99, 40], [50_999, 99_999, 40_999]) == (wanted.event_time.tolist(), wanted.ingested_at.tolist())
    of_all = join(Sink()).seeks(np.arange(5))
    assert (["fry", "leela", "amy"], [0, 0, 1, 1, 2]) == (of_all.entity_ids, of_all.entity.tolist())
    assert {2**63 - 1} == set(of_all.ingested_at.tolist())
    joined.take(ints(1), [history((0, 20, 1))], 0)
    assert [1, 4] == joined.needing(40).tolist()


def test_a_row_takes_the_value_of_its_own_event_only() -> None:
    """The event of another row is older than one that was not read: its entity is read again."""
    sink = Sink()
    joined = join(sink, positions=[7, 8])
    rows = joined.needing(0)
    # fry's event at 9 holds both features, the one at 45 only the first; leela has one event, amy none.
    first = history((0, 9, 1), (0, 45, 2), (1, 20, 3))
    second = history((0, 9, 4), (1, 20, 5))
    found = ints(9, 45, 20, 20, MIN_TIME)
    again = joined.take_events(rows, joined.seeks(rows), [Sought(found, first), Sought(found, second)])
    assert {
        7: {2: (9, 1, P), 0: (45, 2, P), 1: (20, 3, P), 3: (20, 3, P)},
        8: {2: (9, 4, P), 1: (20, 5, P), 3: (20, 5, P)},
    } == (sink.found)
    assert [0] == again.tolist()
    assert [1, 4] == joined.needing(0).tolist()
    joined.take(again, [history((0, 9, 1), (0, 45, 2)), history((0, 9, 4))], 0)
    assert (9, 4, P) == sink.found[8][0]
    assert [4] == joined.needing(0).tolist()


def test_features_of_several_cells_have_events_of_their_own() -> None:
    """Also where one of them has none."""
    sink = Sink()
    joined = join(sink, rows=(("fry", 50),), positions=[0, 1, 2])
    rows = joined.needing(0)
    sought = [
        Sought(ints(40), history((0, 40, 1))), Sought(ints(30), history((0, 30, 2))), Sought(ints(MIN_TIME), history())
    ]  # fmt: skip
    assert [] == joined.take_events(rows, joined.seeks(rows), sought).tolist()
    assert {0: {0: (40, 1, P)}, 1: {0: (30, 2, P)}} == sink.found
    assert [0] == joined.needing(0).tolist()


def test_whole_histories_are_searched_at_once() -> None:
    """The winners of each cell's features, by their positions; a row without one is NOT_FOUND at the lowest time."""
    first = history((0, 5, 1), (0, 9, 2), (1, 7, 3))
    features = [SPEED, TALLY, SPEED]
    as_of = ReadBounds(None, 1_000).rows(ints(9, 8, 6, 7))
    winners = found_in(
        [first, history((1, 6, 5), nulls=[0]), beside(first, 6, 7, 8)], features, ints(0, 0, 1, 1), as_of
    )
    assert [[0, 2], [1]] == [positions for positions, _ in winners]
    cell, alone = (stored for _, stored in winners)
    assert [[2, 1, 0, 3], [7, 6, 0, 8]] == [each.tolist() for each in cell.values]
    assert [[P, P, A, P]] * 2 == cell.status.tolist()
    assert [9, 5, MIN_TIME, 7] == cell.event_time.tolist()
    assert ([[A, A, N, N]], [MIN_TIME, MIN_TIME, 6, 6]) == (alone.status.tolist(), alone.event_time.tolist())


@pytest.mark.parametrize("differs", ["entity", "event_time", "ingested_at"])
def test_histories_share_keys_only_if_all_three_arrays_are_the_same(differs: str) -> None:
    """Equal arrays that are not the same objects are searched apart."""
    first = history((0, 5, 1))
    arrays = {name: getattr(first, name) for name in ("entity", "event_time", "ingested_at")}
    other = History(**(arrays | {differs: arrays[differs].copy()}), column=first.column)
    groups = list(shared_keys([first, other, beside(first, 2)]))
    assert [[0, 2], [1]] == [members for members, _ in groups]
    assert (0, 5, 5_000) == tuple(
        int(part[0]) for part in (groups[0][1].entity, groups[0][1].time, groups[0][1].ingested)
    )
