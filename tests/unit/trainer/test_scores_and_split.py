"""Scores by hand-made figures, and the split by time."""

from __future__ import annotations

import numpy as np
import pytest

from featurama_core.model.errors import FailedPrecondition
from featurama_trainer.labels import Labels
from featurama_trainer.scores import regression_scores
from featurama_trainer.training import time_split


def test_scores_are_mean_absolute_root_mean_square_and_explained_share() -> None:
    scores = regression_scores(np.array([1.0, 2.0, 3.0, 6.0]), np.array([1.0, 3.0, 3.0, 4.0]))
    assert scores == pytest.approx({"mae": 0.75, "rmse": np.sqrt(1.25), "r2": 1.0 - 5.0 / 14.0})


def test_rows_that_miss_a_side_are_left_out_and_none_give_no_scores() -> None:
    scores = regression_scores(np.array([1.0, np.nan, 3.0]), np.array([2.0, 9.0, np.nan]))
    assert scores == {"mae": 1.0, "rmse": 1.0, "r2": 0.0}
    assert regression_scores(np.array([np.nan]), np.array([1.0])) == {}


def test_a_target_that_does_not_vary_is_explained_only_exactly() -> None:
    assert regression_scores(np.array([2.0, 2.0]), np.array([2.0, 2.0]))["r2"] == 1.0
    assert regression_scores(np.array([2.0, 2.0]), np.array([2.0, 3.0]))["r2"] == 0.0


def labels(times: list[int]) -> Labels:
    return Labels([f"e{n}" for n in range(len(times))], np.array(times, dtype=np.int64), np.zeros(len(times)))


def test_the_last_part_tests() -> None:
    split = time_split(labels(list(range(100, 200))), 0.2)
    assert (split.at, split.time) == (80, 180)


def test_rows_of_one_moment_are_on_one_side() -> None:
    split = time_split(labels([0] * 70 + [5] * 20 + [9] * 10), 0.2)
    assert (split.at, split.time) == (70, 5)


def test_a_single_moment_cannot_be_split() -> None:
    with pytest.raises(FailedPrecondition, match="one moment"):
        time_split(labels([7] * 50), 0.2)


def test_too_few_labels_are_refused_and_the_message_says_what_is_missing() -> None:
    few = Labels(["a"], np.zeros(1, dtype=np.int64), np.zeros(1), without_target=3, without_time=2)
    with pytest.raises(FailedPrecondition, match="3 entities have no target and 2 no time"):
        time_split(few, 0.2)
