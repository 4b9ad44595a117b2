"""The rules of the as-of join, one at a time, on worlds small enough to read."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from featurama_core.retrieval.as_of import (
    HistoryKeys,
    as_of,
    as_of_many,
)

FRY, LEELA, STRANGER = 0, 1, -1


def ints(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


NONE = ints()


def test_a_correction_wins_over_the_value_it_corrects() -> None:
    """Among equal event times the newest ingest time wins."""
    winner = as_of(ints(FRY, FRY), ints(10, 10), ints(11, 99), ints(FRY), ints(10))
    assert winner.tolist() == [1]


def test_a_correction_is_unknown_before_it_came() -> None:
    """known_at hides the correction and shows what was believed, the bound included."""
    history = ints(FRY, FRY), ints(10, 10), ints(11, 99)
    labels = ints(FRY, FRY, FRY), ints(10, 10, 10)
    assert as_of(*history, *labels, known_at=ints(10, 98, 99)).tolist() == [-1, 0, 1]
    assert as_of(*history, *labels, known_at=98).tolist() == [0, 0, 0]
    assert as_of(*history, *labels, known_at=99).tolist() == [1, 1, 1]


def test_a_late_value_does_not_hide_the_one_known_in_time() -> None:
    """The newest event came late: a label that could not know it sees the older event."""
    history = ints(FRY, FRY, FRY), ints(10, 20, 30), ints(10, 500, 500)
    assert as_of(*history, ints(FRY, FRY), ints(35, 35), known_at=ints(35, 500)).tolist() == [0, 2]


def test_an_event_at_the_moment_of_the_label_counts_and_one_after_does_not() -> None:
    """event time <= t, before 1970 as after."""
    history = ints(FRY, FRY), ints(-20, 20), ints(0, 0)
    assert as_of(*history, ints(FRY, FRY, FRY, FRY), ints(-21, -20, 19, 20)).tolist() == [-1, 0, 0, 1]


def test_an_entity_never_sees_its_neighbour() -> None:
    """Where the own history begins too late, the row before it belongs to another entity and does not win."""
    history = ints(FRY, LEELA, LEELA), ints(1, 5, 6), ints(1, 5, 6)
    labels = ints(LEELA, STRANGER, FRY), ints(4, 9, 9)
    for known_at in (None, 9, ints(9, 9, 9), ints(2, 2, 2)):
        assert as_of(*history, *labels, known_at=known_at).tolist() == [-1, -1, 0]
    assert as_of(*history, ints(LEELA), ints(9), known_at=ints(4)).tolist() == [-1]


def test_label_rows_keep_their_number_and_order() -> None:
    """Unsorted and repeated label rows are answered in place."""
    history = ints(FRY, FRY, LEELA), ints(1, 2, 1), ints(1, 2, 1)
    labels = ints(LEELA, FRY, LEELA, FRY, FRY), ints(9, 1, 9, 2, 1)
    assert as_of(*history, *labels).tolist() == [2, 0, 2, 1, 0]


@pytest.mark.parametrize("known_at", [None, 0, ints(0, 0)])
def test_an_empty_history_answers_every_label_row(known_at: int | np.ndarray | None) -> None:
    """No history: each row is there, without a winner."""
    keys = HistoryKeys.of(NONE, NONE, NONE)
    found = as_of_many(keys, [None, np.zeros(0, np.bool_)], ints(FRY, -1), ints(0, 0), known_at=known_at)
    assert [winner.tolist() for winner in found] == [[-1, -1], [-1, -1]]


@pytest.mark.parametrize("known_at", [None, 0, NONE])
def test_no_label_rows_give_no_rows(known_at: int | np.ndarray | None) -> None:
    """No labels: an empty int64 array for each feature."""
    keys = HistoryKeys.of(ints(FRY), ints(1), ints(1))
    found = as_of_many(keys, [None, np.array([False])], NONE, NONE, known_at=known_at)
    assert [winner.shape for winner in found] == [(0,), (0,)]
    assert [np.int64, np.int64] == [winner.dtype for winner in found]


def test_a_scalar_bound_beyond_int64_is_a_bound_like_any_other() -> None:
    """The caller multiplies microseconds by 1,000; the product may not fit 64 bits."""
    history = ints(FRY), ints(1), ints(1)
    assert as_of(*history, ints(FRY), ints(1), known_at=2**80).tolist() == [0]
    assert as_of(*history, ints(FRY), ints(1), known_at=-(2**80)).tolist() == [-1]


def test_a_feature_sees_the_newest_row_that_holds_it() -> None:
    """A partial write does not hide the older value of a feature that it does not carry."""
    keys = HistoryKeys.of(ints(FRY, FRY), ints(1, 2), ints(1, 2))
    masks = [None, np.array([True, False]), np.array([False, True]), np.array([False, False])]
    found = as_of_many(keys, masks, ints(FRY), ints(5))
    assert [winner.tolist() for winner in found] == [[1], [0], [1], [-1]]


def test_a_feature_sees_the_newest_row_that_holds_it_and_was_known() -> None:
    """known_at hides rows beside any mask, one bound for all label rows as one a row: none of the two overrules the
    other."""
    keys = HistoryKeys.of(ints(FRY, FRY, FRY, FRY), ints(1, 2, 3, 4), ints(10, 40, 20, 30))
    masks = [None, np.array([True, True, False, True]), np.array([False, True, False, True])]
    wanted = {9: [-1, -1, -1], 10: [0, 0, -1], 20: [2, 0, -1], 30: [3, 3, 3], 40: [3, 3, 3]}
    for known_at, expected in wanted.items():
        for bound in (known_at, ints(known_at)):
            found = as_of_many(keys, masks, ints(FRY), ints(5), known_at=bound)
            assert expected == [winner.tolist()[0] for winner in found]
    found = as_of_many(keys, masks, ints(FRY, FRY), ints(3, 3), known_at=ints(39, 40))
    assert [[2, 2], [0, 1], [-1, 1]] == [winner.tolist() for winner in found]


def test_features_with_equal_masks_share_one_result() -> None:
    """Sharing is by content; a mask that is all true equals no mask; what is shared cannot be changed."""
    keys = HistoryKeys.of(ints(FRY, FRY), ints(1, 2), ints(1, 2))
    whole, also_whole, part, also_part = as_of_many(
        keys,
        [None, np.array([True, True]), np.array([True, False]), np.array([True, False])],
        ints(FRY),
        ints(5),
    )
    assert whole is also_whole
    assert part is also_part
    assert whole is not part
    assert not whole.flags.writeable
    assert not part.flags.writeable


def test_a_backfill_is_not_stepped_through_row_by_row() -> None:
    """One entity, all but its first row ingested late: 40,000 labels would take 6 billion steps back."""
    rows, labels = 300_000, 40_000
    ingested = np.full(rows, 10**9)
    ingested[0] = 0
    moment = np.full(labels, rows)
    history = np.zeros(rows, np.int64), np.arange(rows), ingested
    winner = as_of(*history, np.zeros(labels, np.int64), moment, known_at=moment)
    assert np.array_equal(np.zeros(labels, np.int64), winner)


ONE = ints(1)
BAD_CALLS: list[tuple[str, type[Exception], Callable[[], object]]] = [
    ("history_time: dtype", TypeError, lambda: as_of(ONE, ONE.astype(float), ONE, ONE, ONE)),
    ("history_ingested: shape", ValueError, lambda: as_of(ONE, ONE, ints(1, 2), ONE, ONE)),
    ("history_entity: code -1", ValueError, lambda: as_of(ints(-1), ONE, ONE, ONE, ONE)),
    ("label_entity: dtype", TypeError, lambda: as_of(ONE, ONE, ONE, ONE.astype(np.int32), ONE)),
    ("label_time: shape", ValueError, lambda: as_of(ONE, ONE, ONE, ONE, ints(1, 2))),
    ("known_at: shape", ValueError, lambda: as_of(ONE, ONE, ONE, ONE, ONE, known_at=ints(1, 2))),
    ("known_at: dtype", TypeError, lambda: as_of(ONE, ONE, ONE, ONE, ONE, known_at=ONE.astype(float))),
    ("float", TypeError, lambda: as_of(ONE, ONE, ONE, ONE, ONE, known_at=1.5)),  # type: ignore[arg-type]
    (
        r"present\[1\]: dtype",
        TypeError,
        lambda: as_of_many(HistoryKeys.of(ONE, ONE, ONE), [None, ONE], ONE, ONE),
    ),
    (
        r"present\[0\]: shape",
        ValueError,
        lambda: as_of_many(HistoryKeys.of(ONE, ONE, ONE), [np.array([True, True])], ONE, ONE),
    ),
]


@pytest.mark.parametrize(("message", "error", "call"), BAD_CALLS, ids=[bad[0] for bad in BAD_CALLS])
def test_a_wrong_argument_is_named(message: str, error: type[Exception], call: Callable[[], object]) -> None:
    """A silent cast would round times, so a wrong dtype or shape is refused by name."""
    with pytest.raises(error, match=message):
        call()
