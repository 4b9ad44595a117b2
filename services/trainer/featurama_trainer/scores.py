"""Scores of predictions, by objective, on rows where both sides are numbers.

Every measure except r2, accuracy, auc and f1 is an error: less is better. Promotions compare the measure of `primary`.
"""

from __future__ import annotations

import numpy as np

from featurama_model.expressions import Float64Array
from featurama_model.manifest import Objective

_LEAST = 1e-15


def primary(objective: Objective) -> str:
    """The measure by which models of this objective are compared; less is better."""
    if objective in ("binary:logistic", "multi:softprob"):
        return "logloss"
    return "rmse" if objective == "reg:squarederror" else "mae"


def scores_of(objective: Objective, actual: Float64Array, predicted: Float64Array) -> dict[str, float]:
    """The measures of an objective. predicted: float64[n] (values, or probabilities of 1), or float64[n, classes]."""
    if objective == "binary:logistic":
        return binary_scores(actual, predicted)
    if objective == "multi:softprob":
        return class_scores(actual, predicted)
    return regression_scores(actual, predicted)


def constant_guess(objective: Objective, trained: Float64Array, rows: int, classes: int = 0) -> Float64Array:
    """The constant baseline from the training targets: their mean (squared error), median (other regression), or the
    frequency of each class. float64[rows] or float64[rows, classes].
    """
    if objective == "multi:softprob":
        frequency = np.bincount(trained.astype(np.int64), minlength=classes) / len(trained)
        return np.tile(frequency, (rows, 1))
    mean = objective in ("reg:squarederror", "binary:logistic")
    return np.full(rows, trained.mean() if mean else np.median(trained))


def regression_scores(actual: Float64Array, predicted: Float64Array) -> dict[str, float]:
    """`mae`, `rmse` (in the target's unit) and `r2`, over the rows without NaN; {} without rows.

    For a constant target r2 is 1.0 if it is predicted exactly, else 0.0, as in scikit-learn.
    """
    rows = np.isfinite(actual) & np.isfinite(predicted)
    if not rows.any():
        return {}
    actual = actual[rows]
    error = predicted[rows] - actual
    squares = float(np.sum(error**2))
    spread = float(np.sum((actual - actual.mean()) ** 2))
    return {
        "mae": float(np.mean(np.abs(error))),
        "rmse": float(np.sqrt(np.mean(error**2))),
        "r2": 1.0 - squares / spread if spread > 0.0 else float(squares == 0.0),
    }


def binary_scores(actual: Float64Array, probability: Float64Array) -> dict[str, float]:
    """`logloss`, `brier`, `accuracy` (at one half) and, where both classes occur, `auc`; {} without rows."""
    rows = np.isfinite(actual) & np.isfinite(probability)
    if not rows.any():
        return {}
    truth, guess = actual[rows] > 0.5, np.clip(probability[rows], 0.0, 1.0)
    kept = np.clip(guess, _LEAST, 1.0 - _LEAST)
    scores = {
        "logloss": float(-np.mean(np.where(truth, np.log(kept), np.log1p(-kept)))),
        "brier": float(np.mean((guess - truth) ** 2)),
        "accuracy": float(np.mean((guess > 0.5) == truth)),
    }
    if truth.any() and not truth.all():
        from sklearn.metrics import roc_auc_score

        scores["auc"] = float(roc_auc_score(truth, guess))
    return scores


def class_scores(actual: Float64Array, probabilities: Float64Array) -> dict[str, float]:
    """`logloss`, `accuracy` and `f1` (mean over the classes that occur), from float64[n, classes]; {} without rows."""
    rows = np.isfinite(actual) & np.isfinite(probabilities).all(axis=1)
    if not rows.any():
        return {}
    truth, guess = actual[rows].astype(np.int64), probabilities[rows]
    answer = guess.argmax(axis=1)
    chosen = np.clip(guess[np.arange(len(truth)), truth], _LEAST, 1.0)
    from sklearn.metrics import f1_score

    return {
        "logloss": float(-np.mean(np.log(chosen))),
        "accuracy": float(np.mean(answer == truth)),
        "f1": float(f1_score(truth, answer, labels=np.unique(truth), average="macro")),
    }
