"""A training run, from labels to a published model.

Labels -> features as they were at each label's moment -> engineered columns -> split by time -> XGBoost ->
scores beside the baseline on the same rows -> registry -> alias. The test rows are later than every row
that trained.
"""

from __future__ import annotations

import asyncio
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from featurama_core.model.errors import FailedPrecondition, Reason
from featurama_core.store import FeatureStore
from featurama_model.engineered import Float64Array, numbers
from featurama_model.loading import load_model
from featurama_model.manifest import Artefact, Manifest, TrainingFacts
from featurama_model.registry import CHAMPION, ModelRegistry
from featurama_trainer.config import TrainingConfig
from featurama_trainer.dataset import TrainingSet, model_inputs, training_set
from featurama_trainer.fitting import Fitted, fit
from featurama_trainer.labels import Labels, read_labels
from featurama_trainer.progress import Progress, silent
from featurama_trainer.report import TrainingReport
from featurama_trainer.scores import regression_scores

MIN_LABEL_ROWS = 20


class Split(NamedTuple):
    """Rows before `at` train, those from it on test; `time`: the first test row's."""

    at: int
    time: int


async def train(
    store: FeatureStore,
    config: TrainingConfig | None = None,
    *,
    threads: int = 1,
    alias: str = CHAMPION,
    created_by: str = "",
    progress: Progress = silent,
) -> TrainingReport:
    """Train and publish a model; `alias` (none if empty) then names it.

    Raises Unknown for features that are not registered, InvalidInput for a config that does not fit them,
    FailedPrecondition for too few labels. The scores are those of the artefact, loaded as serving loads it.
    """
    config = config or TrainingConfig()
    watch = _Watch()
    inputs = await model_inputs(store, config)
    with watch.stage("labels"):
        labels = await read_labels(store, config.labels, progress)
        split = time_split(labels, config.test_fraction)
    with watch.stage("features"):
        data = await training_set(store, config, inputs, labels, progress)
    with watch.stage("training"):
        fitted = await asyncio.to_thread(
            fit,
            data.matrix[: split.at],
            labels.target[: split.at],
            inputs.engineered.names,
            config,
            threads=threads,
            told=lambda done, total: progress("training", done, total),
        )
    with watch.stage("publishing"):
        manifest = _manifest(config, data, fitted, split, created_by)
        predicted = await asyncio.to_thread(_predicted, manifest, fitted, data)
        scores = _scores(config, data, predicted, split)
        registry = ModelRegistry(store.storage)
        published = await registry.publish(replace(manifest, metrics=scores), fitted.artefact)
        if alias:
            await registry.set_alias(published.name, alias, published.version)
        progress("publishing", 1, 1)
    return TrainingReport(
        manifest=published,
        promoted_to=alias,
        entities_without_target=labels.without_target,
        entities_without_time=labels.without_time,
        test=scores["test"],
        train=scores["train"],
        baseline=scores.get("baseline", {}),
        missing=data.missing(),
        importance=fitted.importance,
        seconds=watch.seconds,
    )


def time_split(labels: Labels, test_fraction: float) -> Split:
    """Where the test rows begin: at a change of time, so that rows of one moment are on one side."""
    if len(labels) < MIN_LABEL_ROWS:
        raise FailedPrecondition(
            f"there are {len(labels)} label rows, {MIN_LABEL_ROWS} are needed; {labels.without_target} entities have "
            f"no target and {labels.without_time} no time: write their values first",
            reason=Reason.INVALID_ARGUMENT,
            field="labels",
        )
    wanted = min(max(int(len(labels) * (1.0 - test_fraction)), 1), len(labels) - 1)
    time_of_split = int(labels.event_time[wanted])
    at = int(np.searchsorted(labels.event_time, time_of_split, side="left"))
    if at == 0:
        raise FailedPrecondition(
            "the label rows cannot be split by time: too many are of one moment",
            reason=Reason.INVALID_ARGUMENT,
            field="test_fraction",
        )
    return Split(at, time_of_split)


def _manifest(config: TrainingConfig, data: TrainingSet, fitted: Fitted, split: Split, created_by: str) -> Manifest:
    times = data.labels.event_time
    return Manifest(
        name=config.model,
        target=config.labels.target,
        entity_type=config.labels.entity_type,
        objective=config.objective,
        features=data.inputs.features,
        engineered=data.inputs.engineered,
        feature_service="" if config.features else config.feature_service,
        baseline=config.baseline,
        training=TrainingFacts(
            label_rows=len(times),
            train_rows=split.at,
            test_rows=len(times) - split.at,
            first_label_time=int(times[0]),
            split_time=split.time,
            last_label_time=int(times[-1]),
            seed=config.seed,
            rounds=config.rounds,
            parameters=fitted.parameters,
        ),
        libraries={
            "python": platform.python_version(),
            "numpy": np.__version__,
            "xgboost": fitted.library_version,
        },
        description=config.description,
        created_by=created_by,
        artefact=Artefact.of(fitted.artefact),
    )


def _predicted(manifest: Manifest, fitted: Fitted, data: TrainingSet) -> Float64Array:
    return load_model(manifest, fitted.artefact).predict_matrix(data.matrix)


def _scores(
    config: TrainingConfig, data: TrainingSet, predicted: Float64Array, split: Split
) -> dict[str, dict[str, float]]:
    target = data.labels.target
    scores = {
        "test": regression_scores(target[split.at :], predicted[split.at :]),
        "train": regression_scores(target[: split.at], predicted[: split.at]),
    }
    if config.baseline:
        guess = next(numbers(column) for column in data.columns if column.name == config.baseline)
        scores["baseline"] = regression_scores(target[split.at :], guess[split.at :])
    return scores


class _Watch:
    """Seconds a stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - began, 3)
