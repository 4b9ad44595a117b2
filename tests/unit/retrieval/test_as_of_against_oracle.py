"""The as-of kernel against an oracle of dicts and loops, on small worlds full of ties and extreme times."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from featurama_core.retrieval.as_of import (
    HistoryKeys,
    as_of,
    as_of_many,
)

LOWEST, HIGHEST = -(2**63), 2**63 - 1


class Row(NamedTuple):
    entity: int
    time: int
    ingested: int


class Label(NamedTuple):
    entity: int
    time: int
    known_at: int


moments = st.one_of(st.integers(-4, 4), st.sampled_from([LOWEST, LOWEST + 1, HIGHEST - 1, HIGHEST]))
codes = st.sampled_from([0, 1, 2, 7, HIGHEST])
histories = st.lists(st.builds(Row, codes, moments, moments), max_size=90).map(sorted)
label_rows = st.lists(st.builds(Label, codes | st.sampled_from([-1, 3, LOWEST]), moments, moments), max_size=20)


def winner_of(history: list[Row], label: Label, known_at: int | None, present: list[bool] | None = None) -> int:
    """Position of the winner by the words of the design page; the later position among exact duplicates."""
    best: tuple[int, int, int] | None = None
    for position, row in enumerate(history):
        if row.entity != label.entity or row.time > label.time:
            continue
        if known_at is not None and row.ingested > known_at:
            continue
        if present is not None and not present[position]:
            continue
        candidate = (row.time, row.ingested, position)
        if best is None or candidate > best:
            best = candidate
    return -1 if best is None else best[2]


def columns(rows: list[Row] | list[Label]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    table = np.array(rows, dtype=np.int64).reshape(-1, 3)
    return table[:, 0].copy(), table[:, 1].copy(), table[:, 2].copy()


@given(histories, label_rows)
def test_without_known_at_the_newest_event_not_after_the_label_wins(history: list[Row], labels: list[Label]) -> None:
    """Newest event time <= t, among equal ones the newest ingest time; -1 where there is none."""
    entity, time, _ = columns(labels)
    expected = [winner_of(history, label, None) for label in labels]
    assert expected == as_of(*columns(history), entity, time).tolist()


@given(histories, label_rows, moments)
def test_a_known_at_for_all_rows_hides_what_was_ingested_later(
    history: list[Row], labels: list[Label], known_at: int
) -> None:
    """Rows with ingest time > known_at do not exist; the bound itself is included."""
    entity, time, _ = columns(labels)
    expected = [winner_of(history, label, known_at) for label in labels]
    assert expected == as_of(*columns(history), entity, time, known_at=known_at).tolist()


@given(histories, label_rows)
def test_a_known_at_a_row_hides_what_that_row_could_not_know(history: list[Row], labels: list[Label]) -> None:
    """Each label row has a bound of its own."""
    entity, time, known_at = columns(labels)
    expected = [winner_of(history, label, label.known_at) for label in labels]
    assert expected == as_of(*columns(history), entity, time, known_at=known_at).tolist()


@given(histories, label_rows, moments, st.data())
def test_each_feature_skips_the_rows_that_do_not_hold_it(
    history: list[Row], labels: list[Label], known_at: int, data: st.DataObject
) -> None:
    """`as_of_many` equals one oracle a feature, for every kind of known_at."""
    one_mask = st.lists(st.booleans(), min_size=len(history), max_size=len(history))
    masks = data.draw(st.lists(st.none() | one_mask, max_size=4))
    entity, time, known_by_row = columns(labels)
    keys = HistoryKeys.of(*columns(history))
    present = [None if mask is None else np.array(mask, dtype=np.bool_) for mask in masks]
    bounds: list[tuple[int | np.ndarray | None, list[int | None]]] = [
        (None, [None] * len(labels)),
        (known_at, [known_at] * len(labels)),
        (known_by_row, [label.known_at for label in labels]),
    ]
    for bound, bound_of_label in bounds:
        found = as_of_many(keys, present, entity, time, known_at=bound)
        expected = [
            [winner_of(history, label, k, mask) for label, k in zip(labels, bound_of_label, strict=True)]
            for mask in masks
        ]
        assert expected == [winners.tolist() for winners in found]


@pytest.mark.parametrize("seed", range(3))
def test_long_histories_that_mostly_came_late_agree_with_the_oracle(seed: int) -> None:
    """Deep searches back: thousands of rows, nearly all ingested after what the label rows could know."""
    rng = np.random.default_rng(seed)
    entity, time = rng.integers(0, 3, 3000), rng.integers(-900, 900, 3000)
    ingested = np.where(rng.random(3000) < 0.01, time, rng.integers(800, 2000, 3000))
    history = sorted(Row(*row) for row in np.stack((entity, time, ingested), axis=1).tolist())
    labels = [
        Label(int(rng.integers(-1, 3)), t, t + int(rng.integers(0, 400)))
        for t in rng.integers(-1000, 1000, 150).tolist()
    ]
    label_entity, label_time, known_at = columns(labels)
    mask = rng.random(3000) < 0.4
    whole, part = as_of_many(
        HistoryKeys.of(*columns(history)), [None, mask], label_entity, label_time, known_at=known_at
    )
    assert [winner_of(history, label, label.known_at) for label in labels] == whole.tolist()
    held = mask.tolist()
    assert [winner_of(history, label, label.known_at, held) for label in labels] == part.tolist()
