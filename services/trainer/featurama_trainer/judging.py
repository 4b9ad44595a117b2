"""Evaluation of a model on unseen rows: scores of the model and the baselines, cross-validation, errors by segment.

Synchronous and pure. Cross-validation trains, so callers on an event loop use a thread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from featurama_core.datasets.progress import Stage, Watcher
from featurama_core.types.column import Column
from featurama_core.types.values import Int64Array, Status, ValueType
from featurama_model.engineered import Float32Array, numbers
from featurama_model.expressions import Float64Array
from featurama_model.loading import load_model
from featurama_model.manifest import Artefact, ModelManifest, Objective
from featurama_trainer.config import TrainingConfig
from featurama_trainer.dataset import TrainingMatrix
from featurama_trainer.fitting import Fitted, fit
from featurama_trainer.scores import constant_guess, scores_of
from featurama_trainer.splitting import Fold, Split, gap_of, grouped_folds, rolling_folds

Measures = Mapping[str, float]

MAX_CATEGORIES = 12
"""Beyond this number of distinct values, numbers are grouped into quarters, texts into the most frequent ones."""


@dataclass(frozen=True, slots=True)
class FoldScores:
    """The training rows, judged rows and scores of one fold. Times are microseconds since 1970 UTC."""

    train_rows: int
    judged_rows: int
    first_time: int
    last_time: int
    scores: Measures


@dataclass(frozen=True, slots=True)
class Segment:
    """The test rows of one value, or range of values, of a feature. bias: mean of predicted minus actual."""

    feature: str
    value: str
    rows: int
    scores: Measures
    bias: float


def outputs(manifest: ModelManifest, fitted: Fitted, rows: Float32Array) -> Float64Array:
    """The outputs of the artefact, loaded as in serving: float64[n], or float64[n, classes]."""
    return load_model(replace(manifest, artefact=Artefact.of(fitted.artefact)), fitted.artefact).outputs(rows)


def scores_with_baselines(
    config: TrainingConfig, data: TrainingMatrix, predicted: Float64Array, split: Split
) -> dict[str, dict[str, float]]:
    """Scores `test` and `train`, and on the test rows `baseline_constant` and, if the config has one, `baseline`."""
    target = data.labels.target
    test, train = slice(split.test_from, None), slice(0, split.train_until)
    guess = constant_guess(config.objective, target[train], len(target[test]), config.classes)
    scores = {
        "test": scores_of(config.objective, target[test], predicted[test]),
        "train": scores_of(config.objective, target[train], predicted[train]),
        "baseline_constant": scores_of(config.objective, target[test], guess),
    }
    if config.baseline:
        stated = numbers(data.column(config.baseline))
        scores["baseline"] = scores_of(config.objective, target[test], stated[test])
    return scores


def cross_validated(
    config: TrainingConfig,
    data: TrainingMatrix,
    until: int,
    rounds: int,
    *,
    threads: int,
    progress: Watcher | None = None,
) -> list[FoldScores]:
    """Scores per fold, over the rows [0, until), with the rounds of the model; [] without cross-validation."""
    if config.cross_validation is None:
        return []
    found = []
    folds = _folds(config, data, until)
    times, target = data.labels.event_time, data.labels.target
    draft = data.inputs.draft(config)
    stage = Stage("cross-validation", len(folds), progress)
    for train, judge in folds:
        fitted = fit(
            data.matrix[train],
            target[train],
            data.inputs.engineered.names,
            config,
            threads=threads,
            rounds=rounds,
        )
        scores = scores_of(config.objective, target[judge], outputs(draft, fitted, data.matrix[judge]))
        judged = times[judge]
        found.append(FoldScores(len(train), len(judge), int(judged.min()), int(judged.max()), scores))
        stage.advance(1)
    return found


def mean_scores(folds: Sequence[FoldScores]) -> dict[str, float]:
    """The mean of each measure over the folds that have it."""
    measures = dict.fromkeys(name for fold in folds for name in fold.scores)
    return {name: float(np.mean([fold.scores[name] for fold in folds if name in fold.scores])) for name in measures}


def by_segment(
    objective: Objective, columns: Sequence[Column], actual: Float64Array, predicted: Float64Array
) -> list[Segment]:
    """The test rows per column, grouped by value if there are few, else by quarter or by the most frequent values.

    predicted: float64[n] or float64[n, classes], whose bias is the share of right predictions minus 1.
    """
    found = []
    for column in columns:
        for value, rows in _parts(column):
            answer = predicted[rows]
            error = answer - actual[rows] if answer.ndim == 1 else (answer.argmax(axis=1) == actual[rows]) - 1.0
            scores = scores_of(objective, actual[rows], answer)
            found.append(Segment(column.name, value, len(rows), scores, float(np.mean(error))))
    return found


def _parts(column: Column) -> list[tuple[str, Int64Array]]:
    present = column.status == Status.PRESENT
    absent = np.flatnonzero(~present)
    there = np.flatnonzero(present)
    parts: list[tuple[str, Int64Array]] = []
    if len(there):
        if column.value_type in (ValueType.DOUBLE, ValueType.INT):
            parts = _ranges(numbers(column), there)
        elif column.value_type in (ValueType.TEXT, ValueType.BOOL):
            parts = _categories(np.array([str(value) for value in column.values[there].tolist()]), there)
    return [*parts, ("(not present)", absent)] if len(absent) else parts


def _categories(values: NDArray[np.str_], there: Int64Array) -> list[tuple[str, Int64Array]]:
    names, counts = np.unique(values, return_counts=True)
    frequent = names[np.argsort(-counts, kind="stable")][:MAX_CATEGORIES]
    parts = [(str(name), there[values == name]) for name in frequent]
    rest = there[~np.isin(values, frequent)]
    return [*parts, (f"(other {len(names) - len(frequent)})", rest)] if len(rest) else parts


def _ranges(values: Float64Array, there: Int64Array) -> list[tuple[str, Int64Array]]:
    shown = values[there]
    distinct = np.unique(shown)
    if len(distinct) <= MAX_CATEGORIES and not (distinct % 1).any():
        return [(f"{value:g}", there[shown == value]) for value in distinct]
    edges = np.unique(np.nanquantile(shown, [0.0, 0.25, 0.5, 0.75, 1.0]))
    place = np.clip(np.searchsorted(edges, shown, side="right"), 1, max(len(edges) - 1, 1))
    return [
        (f"{edges[at - 1]:.4g} to {edges[min(at, len(edges) - 1)]:.4g}", there[place == at])
        for at in np.unique(place).tolist()
    ]


def _folds(config: TrainingConfig, data: TrainingMatrix, until: int) -> list[Fold]:
    wanted = config.cross_validation
    assert wanted is not None  # checked by the caller
    times = data.labels.event_time[:until]
    if wanted.kind == "rolling":
        return rolling_folds(times, wanted.folds, gap_of(config.split, times))
    groups: Sequence[object] = data.labels.entity_ids
    if wanted.group != "entity_id":
        groups = data.column(wanted.group).to_list()
    return grouped_folds(groups[:until], wanted.folds)
