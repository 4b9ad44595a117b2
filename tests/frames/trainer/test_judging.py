"""Which rows a score is of, and what the baseline, the gap and the segments are made from."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import numpy as np
import pytest
from tests.sample_model import sample_config

from featurama_core.types.column import Column
from featurama_core.types.values import Status, ValueType
from featurama_trainer.config import SplitConfig
from featurama_trainer.judging import FoldScores, by_segment, mean_scores, scores_with_baselines
from featurama_trainer.splitting import Split, gap_of

DAY = 86_400_000_000
SPLIT = Split(fit_until=3, validate_from=3, train_until=4, test_from=6, time=0)
"""Four rows that train, two of the gap, three that test."""
TARGET = np.array([2.0, 2.0, 2.0, 6.0, 1_000.0, 1_000.0, 10.0, 12.0, 20.0])
PREDICTED = np.array([2.0, 2.0, 2.0, 5.0, -1_000.0, -1_000.0, 10.0, 14.0, 20.0])


def scores(**config: str) -> dict[str, dict[str, float]]:
    """Of the nine rows; the feature `stated` says one too much, in the gap far more."""
    stated = np.where(TARGET == 1_000.0, 0.0, TARGET + 1.0)
    data = SimpleNamespace(
        labels=SimpleNamespace(target=TARGET),
        column=lambda name: Column(
            name, ValueType.DOUBLE, stated, np.ones(9, dtype=np.uint8), np.zeros(9, dtype=np.int64)
        ),
    )
    settings = sample_config(**{"objective": "reg:squarederror", "baseline": "", **config})
    return scores_with_baselines(settings, data, PREDICTED, SPLIT)  # type: ignore[arg-type]


def test_the_scores_of_training_and_test_leave_out_the_gap() -> None:
    """The rows of the gap neither train nor judge, however wrong they are predicted."""
    found = scores()
    assert {"mae": 0.25, "rmse": 0.5} == {name: found["train"][name] for name in ("mae", "rmse")}
    assert pytest.approx({"mae": 2 / 3, "rmse": np.sqrt(4 / 3)}) == {
        name: found["test"][name] for name in ("mae", "rmse")
    }
    assert "baseline" not in found


@pytest.mark.parametrize(("objective", "guess"), [("reg:squarederror", 3.0), ("reg:absoluteerror", 2.0)])
def test_the_constant_baseline_is_made_of_training_targets_and_judged_on_test_rows(
    objective: str, guess: float
) -> None:
    """Their mean or median: neither the gap nor the test rows have a part in it."""
    errors = np.array([10.0, 12.0, 20.0]) - guess
    assert pytest.approx(float(np.mean(errors))) == scores(objective=objective)["baseline_constant"]["mae"]


def test_the_stated_baseline_is_judged_on_test_rows() -> None:
    """What a feature says itself, against the same rows as the model."""
    assert pytest.approx(1.0) == scores(baseline="stated")["baseline"]["mae"]


@pytest.mark.parametrize(
    ("given", "span", "gap"),
    [
        (timedelta(hours=36), DAY, 36 * 3_600_000_000),
        (timedelta(microseconds=7), DAY, 7),
        (timedelta(0), 100 * DAY, 0),
        (None, 100 * DAY, DAY),
        (None, 20 * DAY, DAY),
        (None, 10 * DAY, DAY // 2),
        (None, 39, 1),
        (None, 0, 0),
    ],
)
def test_the_gap_is_in_microseconds_as_the_label_times_are(given: timedelta | None, span: int, gap: int) -> None:
    """As it is set; else a day, and at most a twentieth of the time that the rows span."""
    times = np.array([5 * DAY, 5 * DAY + span // 2, 5 * DAY + span], dtype=np.int64)
    assert gap == gap_of(SplitConfig(gap=given), times)


def test_a_mean_score_is_over_the_folds_that_have_it() -> None:
    """A fold of one class has no auc."""
    folds = [FoldScores(1, 1, 0, 0, {"logloss": 1.0}), FoldScores(1, 1, 0, 0, {"logloss": 2.0, "auc": 0.5})]
    assert {"logloss": 1.5, "auc": 0.5} == mean_scores(folds)


def test_a_segments_bias_is_what_is_predicted_too_much() -> None:
    """Of its own rows; rows without the feature are a segment of their own."""
    status = np.array([Status.PRESENT] * 4 + [Status.NOT_FOUND], dtype=np.uint8)
    values = np.array([1, 1, 2, 2, 0])
    column = Column("rank", ValueType.INT, values, status, np.zeros(5, dtype=np.int64))
    actual = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    predicted = np.array([2.0, 4.0, 2.0, 4.0, 9.0])
    found = by_segment("reg:squarederror", [column], actual, predicted)
    assert [("1", 2, 1.5), ("2", 2, -0.5), ("(not present)", 1, 4.0)] == [
        (segment.value, segment.rows, segment.bias) for segment in found
    ]
    assert [1.5, 0.5, 4.0] == [segment.scores["mae"] for segment in found]
