"""Scores by hand-made figures, and the split by time."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from sklearn import metrics

from featurama_core.types.errors import FailedPrecondition
from featurama_trainer.config import SplitConfig
from featurama_trainer.labels import Labels
from featurama_trainer.scores import binary_scores, class_scores, constant_guess, regression_scores
from featurama_trainer.splitting import Split, grouped_folds, rolling_folds, time_split


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


def split(gap_us: int = 0, test: float = 0.2, validation: float = 0.25) -> SplitConfig:
    return SplitConfig(test_fraction=test, validation_fraction=validation, gap=timedelta(microseconds=gap_us))


def test_the_last_part_tests_and_the_last_part_before_it_decides_when_to_stop() -> None:
    cut = time_split(labels(list(range(100, 200))), split())
    assert cut == Split(fit_until=60, validate_from=60, train_until=80, test_from=80, time=180)


def test_a_gap_leaves_out_the_rows_before_each_cut() -> None:
    cut = time_split(labels(list(range(100, 200))), split(gap_us=10))
    assert cut == Split(fit_until=42, validate_from=52, train_until=70, test_from=80, time=180)


def test_where_time_is_too_short_for_two_gaps_only_the_test_rows_have_one() -> None:
    cut = time_split(labels(list(range(100, 200))), split(gap_us=60))
    assert cut == Split(fit_until=15, validate_from=15, train_until=20, test_from=80, time=180)


def test_rows_of_one_moment_are_on_one_side() -> None:
    cut = time_split(labels([0] * 40 + [1] * 30 + [5] * 20 + [9] * 10), split())
    assert (cut.validate_from, cut.train_until, cut.test_from, cut.time) == (40, 70, 70, 5)


@pytest.mark.parametrize(("times", "gap"), [([7] * 50, 0), (list(range(50)), 1_000)])
def test_what_cannot_be_split_is_refused_with_the_settings_to_change(times: list[int], gap: int) -> None:
    with pytest.raises(FailedPrecondition, match=r"split\.gap"):
        time_split(labels(times), split(gap_us=gap))


def test_too_few_labels_are_refused_and_the_message_says_what_is_missing() -> None:
    few = Labels(["a"], np.zeros(1, dtype=np.int64), np.zeros(1), without_target=3, without_time=2)
    with pytest.raises(FailedPrecondition, match="3 more have no target, 2 no time; name other features"):
        time_split(few, split())


def test_a_rolling_fold_is_predicted_from_what_lies_before_it_by_the_gap() -> None:
    folds = rolling_folds(np.arange(100, dtype=np.int64), 4, 5)
    found = [(fold.train.min(), fold.train.max(), fold.judge.min(), fold.judge.max()) for fold in folds]
    assert found == [(0, 14, 20, 39), (0, 34, 40, 59), (0, 54, 60, 79), (0, 74, 80, 99)]


def test_a_group_is_never_on_both_sides_of_a_fold_and_every_row_is_judged_once() -> None:
    groups = [None, "a", "b", "c", "a", "b", None, "d"] * 5
    folds = grouped_folds(groups, 3)
    names = np.array([str(group) for group in groups])
    assert len(folds) == 3
    assert all(not set(names[fold.train]) & set(names[fold.judge]) for fold in folds)
    assert sorted(np.concatenate([fold.judge for fold in folds]).tolist()) == list(range(40))


def test_folds_of_one_group_or_moment_are_refused() -> None:
    with pytest.raises(FailedPrecondition, match="cross-validation"):
        grouped_folds(["a"] * 30, 3)
    with pytest.raises(FailedPrecondition, match="cross-validation"):
        rolling_folds(np.zeros(30, dtype=np.int64), 3, 0)


def test_binary_scores_agree_with_scikit_learn() -> None:
    random = np.random.default_rng(0)
    actual, probability = random.integers(0, 2, 200).astype(float), random.uniform(0, 1, 200)
    assert binary_scores(actual, probability) == pytest.approx(
        {
            "logloss": metrics.log_loss(actual, probability),
            "brier": metrics.brier_score_loss(actual, probability),
            "accuracy": metrics.accuracy_score(actual, probability > 0.5),
            "auc": metrics.roc_auc_score(actual, probability),
        }
    )
    assert "auc" not in binary_scores(np.ones(5), np.linspace(0, 1, 5))
    assert np.isfinite(binary_scores(np.array([0.0, 1.0]), np.array([1.0, 0.0]))["logloss"])


def test_scores_of_classes_agree_with_scikit_learn() -> None:
    random = np.random.default_rng(1)
    actual, odds = random.integers(0, 3, 300).astype(float), random.uniform(0.1, 1, (300, 3))
    guess = odds / odds.sum(axis=1, keepdims=True)
    assert class_scores(actual, guess) == pytest.approx(
        {
            "logloss": metrics.log_loss(actual, guess),
            "accuracy": metrics.accuracy_score(actual, guess.argmax(axis=1)),
            "f1": metrics.f1_score(actual, guess.argmax(axis=1), average="macro"),
        }
    )


def test_the_constant_baseline_knows_the_training_targets_alone() -> None:
    trained = np.array([0.0, 0.0, 1.0, 7.0])
    assert constant_guess("reg:squarederror", trained, 2).tolist() == [2.0, 2.0]
    assert constant_guess("reg:absoluteerror", trained, 1).tolist() == [0.5]
    assert constant_guess("binary:logistic", np.array([0.0, 1.0, 1.0, 1.0]), 1).tolist() == [0.75]
    frequency = constant_guess("multi:softprob", np.array([0.0, 2.0, 2.0, 2.0]), 2, classes=4)
    assert frequency.tolist() == [[0.25, 0.0, 0.75, 0.0]] * 2
