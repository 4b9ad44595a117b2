"""Deletion bounds of entities: the whole entity's mark and the feature's own, whichever reaches further."""

from __future__ import annotations

import numpy as np
import pytest

from featurama_core.retrieval.tombstones import TombstoneList, Tombstones
from featurama_core.storage.layouts import tombstone_id
from featurama_core.storage.records import Cells, Tombstone
from featurama_core.storage.tombstone_cells import pack_tombstone
from featurama_core.types.times import MIN_TIME

MARKS = TombstoneList(
    [
        Tombstone("fry", "speed", 10),
        Tombstone("fry", "", 7),
        Tombstone("leela", "note", 20),
        Tombstone("fry", "note", 5),
    ]
)


def bounds(tombstones: Tombstones, feature: str) -> list[int]:
    return np.asarray(tombstones.through(feature)).tolist()


@pytest.mark.parametrize(
    ("feature", "expected"),
    [("speed", [10, MIN_TIME, MIN_TIME]), ("note", [7, MIN_TIME, 20]), ("mass", [7, MIN_TIME, MIN_TIME])],
)
def test_the_higher_of_the_entitys_and_the_features_own_mark_counts(feature: str, expected: list[int]) -> None:
    """Of each row's own entity; a row without marks has the lowest bound."""
    assert expected == bounds(MARKS.of(["fry", "bender", "leela"]), feature)


def test_bounds_are_microseconds_a_row() -> None:
    """int64[n], also for the extreme bound that no double holds."""
    through = MARKS.of(["fry", "fry"]).through("speed")
    assert isinstance(through, np.ndarray)
    assert np.int64 == through.dtype
    assert [10, 10] == through.tolist()
    assert 1 == np.asarray(TombstoneList([Tombstone("fry", "", MIN_TIME + 1)]).of(["fry"]).through("x"))[0] - MIN_TIME


def test_of_several_marks_of_one_feature_the_furthest_counts() -> None:
    """In any order; the end of time too."""
    for through in ([3, 9, 6], [9, 3, 6], [3, 6, 9]):
        marks = TombstoneList(Tombstone("fry", "speed", each) for each in through)
        assert [9] == bounds(marks.of(["fry"]), "speed")
    assert [MIN_TIME] == bounds(TombstoneList([Tombstone("fry", "speed", MIN_TIME)]).of(["fry"]), "speed")


def test_without_marks_nothing_is_deleted() -> None:
    """One bound for all rows, which is no array."""
    nothing = TombstoneList([])
    assert nothing.is_empty
    assert not MARKS.is_empty
    for tombstones in (nothing.of(["fry", "leela"]), MARKS.of(["bender"]), Tombstones(3)):
        assert not tombstones
        assert MIN_TIME == tombstones.through("speed")
        assert not tombstones.take(np.array([1, 0, 1]))
        assert MIN_TIME == tombstones.take(np.array([1, 0, 1])).through("speed")
    assert MARKS.of(["fry"])


def test_taking_rows_takes_their_own_bounds() -> None:
    """In the given order, some twice, some not."""
    tombstones = MARKS.of(["fry", "bender", "leela"]).take(np.array([2, 2, 1, 0]))
    assert [20, 20, MIN_TIME, 7] == bounds(tombstones, "note")
    assert [MIN_TIME, MIN_TIME, MIN_TIME, 10] == bounds(tombstones, "speed")


def cells(*marks: tuple[int, str, int]) -> Cells:
    """(position of the entity, feature, deleted through)."""
    return Cells(
        [mark[0] for mark in marks],
        [tombstone_id(mark[1]) for mark in marks],
        [pack_tombstone(mark[2]) for mark in marks],
        np.zeros(3, dtype=np.bool_),
    )


def test_marks_among_cells_bound_the_entity_of_their_position() -> None:
    """They name features by ids; rows are taken as of any bounds."""
    tombstones = Tombstones.of_cells(cells((0, "speed", 10), (0, "", 7), (2, "note", 20)), 3)
    assert tombstones
    assert [10, MIN_TIME, MIN_TIME] == bounds(tombstones, "speed")
    assert [7, MIN_TIME, 20] == bounds(tombstones, "note")
    assert [20, 7] == bounds(tombstones.take(np.array([2, 0])), "note")
    assert not Tombstones.of_cells(cells(), 3)
