"""A training run, from labels to a published model.

Labels -> features as of each label's moment (or an existing training set) -> engineered columns -> split by time ->
number of rounds, from the validation rows -> XGBoost on all rows before the test rows -> scores of the model and the
baselines on the same rows -> registry -> alias. The test rows are later than every training row, by the gap.
"""

from __future__ import annotations

import asyncio
import hashlib
import platform
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from featurama_core.datasets.progress import Stage, Watcher
from featurama_core.namespace import Namespace
from featurama_core.types.errors import InvalidInput
from featurama_core.types.names import check_name
from featurama_core.types.references import FeatureSelection
from featurama_model.artefacts import ArtefactDirectory
from featurama_model.engineered import numbers
from featurama_model.manifest import TrainingFacts
from featurama_model.model_checker import ModelChecker
from featurama_model.promotion import promote, trying
from featurama_model.registry import CHAMPION, ModelRegistry
from featurama_trainer.classes import Classes
from featurama_trainer.comparing import promote_unless_worse
from featurama_trainer.config import TrainingConfig
from featurama_trainer.dataset import ModelInputs, TrainingMatrix, known_at_of, model_inputs, with_entity_type
from featurama_trainer.fitting import Fitted, contributions, find_rounds, fit
from featurama_trainer.judging import by_segment, cross_validated, mean_scores, outputs, scores_with_baselines
from featurama_trainer.labels import Labels, read_labels
from featurama_trainer.labels_file import label_file
from featurama_trainer.point_in_time_set import built_set, given_set, read_set, target_name
from featurama_trainer.report import Evidence, TrainingReport
from featurama_trainer.splitting import Split, gap_of, time_split


async def train(
    namespace: Namespace,
    config: TrainingConfig,
    *,
    threads: int = 1,
    alias: str = CHAMPION,
    if_better: bool = False,
    tolerance: float = 0.0,
    created_by: str = "",
    artefacts: ArtefactDirectory | None = None,
    dataset: Path | None = None,
    dataset_out: Path | None = None,
    checker: ModelChecker | None = None,
    progress: Watcher | None = None,
) -> TrainingReport:
    """Train and publish a model.

    alias: names the new version afterwards; "" for none. if_better: move the alias only unless the new version is worse
    than the version of the alias, on the same rows, by more than `tolerance` (a share of the error). dataset: an
    existing training set (Parquet or Arrow) whose label column `labels.target` is learned, instead of labels.
    dataset_out: path at which the set of this run is kept; None removes it at the end. checker: checks the version
    before the alias moves; None starts one. Raises Unknown for features that are not registered, InvalidInput for a
    config that does not fit them, FailedPrecondition for too few labels. The scores are those of the artefact, loaded
    as in serving.
    """
    if dataset is not None and dataset_out is not None:
        raise InvalidInput("dataset and dataset_out exclude each other; a given set is kept anyway", field="dataset")
    watch = _Watch()
    if config.labels.file or dataset is not None:
        _check_target(config.labels.target, in_set=dataset is not None)
    config = await with_entity_type(namespace, config)
    inputs = await model_inputs(namespace, config)
    async with _data(namespace, config, inputs, dataset, dataset_out, watch, progress) as data:
        requested, config = config, config.with_classes(data.labels.classes)
        split = time_split(data.labels, config.split)
        with watch.stage("training"):
            fitted, report = await asyncio.to_thread(_trained, config, data, split, threads, progress)
    registry = ModelRegistry(namespace.storage, artefacts=artefacts)
    with watch.stage("publishing"):
        facts = _facts(requested, data, fitted, split, dataset)
        libraries = {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "xgboost": fitted.library_version,
        }
        manifest = replace(report.manifest, training=facts, libraries=libraries, created_by=created_by)
        published = await registry.publish(manifest, fitted.artefact)
        verdict = None
        if alias:
            async with trying(registry, checker) as trial:
                move: Any = {"alias": alias, "by": created_by, "note": "trained"}
                if if_better:
                    verdict = await promote_unless_worse(
                        namespace, registry, trial, published, **move, labels=data.labels, tolerance=tolerance
                    )
                else:
                    await promote(registry, trial, published.name, published.version, **move)
        Stage("publishing", 1, progress).advance(1)
    promoted = alias if verdict is None or verdict.not_worse else ""
    return replace(report, manifest=published, promoted_to=promoted, verdict=verdict, seconds=watch.seconds)


def _check_target(target: str, *, in_set: bool) -> None:
    """Raise InvalidInput for a column that no model can be named by, with the way to rename it."""
    try:
        check_name(target, "labels.target")
    except InvalidInput as error:
        fix = f"rename={{{target!r}: 'target'}}, which `dataset build` takes as --rename" if in_set else ""
        fix = fix or f"labels.rename: {{{target!r}: target}}, and name the new one"
        raise InvalidInput(
            f"{error.message}; rename the column: {fix}", reason=error.reason, **error.metadata
        ) from error


@asynccontextmanager
async def _data(
    namespace: Namespace,
    config: TrainingConfig,
    inputs: ModelInputs,
    given: Path | None,
    out: Path | None,
    watch: _Watch,
    progress: Watcher | None,
) -> AsyncIterator[TrainingMatrix]:
    """The training data. Further columns can be read until the context ends."""
    if given is not None:
        with watch.stage("features"):
            data = await asyncio.to_thread(given_set, given, config, inputs)
        Stage("features", len(data.labels), progress).advance(len(data.labels))
        yield data
        return
    with watch.stage("labels"):
        labels = await _labels(namespace, config, progress)
        time_split(labels, config.split)
        config = config.with_classes(labels.classes)
    async with AsyncExitStack() as resources:
        with watch.stage("features"):
            target = target_name(config, inputs)
            building = built_set(
                namespace,
                labels,
                FeatureSelection(tuple(inputs.names())),
                target=target,
                known_at=known_at_of(config),
                out=out,
                progress=progress,
            )
            built = await resources.enter_async_context(building)
            data = await asyncio.to_thread(read_set, built, config, inputs, kept=out is not None)
        kept = replace(data.labels, without_target=labels.without_target, without_time=labels.without_time)
        yield replace(data, labels=kept, refused=data.refused + labels.without_entity)


async def _labels(namespace: Namespace, config: TrainingConfig, progress: Watcher | None) -> Labels:
    classes = Classes.of_config(config)
    if config.labels.file:
        return await label_file(namespace, config.labels, classes)
    known_at = known_at_of(config)
    bound = known_at if isinstance(known_at, int) else None
    return await read_labels(namespace, config.labels, known_at=bound, classes=classes, progress=progress)


def _trained(
    config: TrainingConfig, data: TrainingMatrix, split: Split, threads: int, progress: Watcher | None
) -> tuple[Fitted, TrainingReport]:
    """The computations of a run, and their report. Blocks."""
    target, names = data.labels.target, data.inputs.engineered.names
    curve = find_rounds(
        (data.matrix[: split.fit_until], target[: split.fit_until]),
        (data.matrix[split.validate_from : split.train_until], target[split.validate_from : split.train_until]),
        config,
        threads=threads,
        progress=progress,
    )
    fitted = fit(
        data.matrix[: split.train_until],
        target[: split.train_until],
        names,
        config,
        threads=threads,
        rounds=curve.best,
        progress=progress,
    )
    draft = data.inputs.draft(config)
    predicted = outputs(draft, fitted, data.matrix)
    folds = cross_validated(config, data, split.train_until, curve.best, threads=threads, progress=progress)
    test = slice(split.test_from, None)
    shares = dict(contributions(fitted.artefact, data.matrix[test], names))
    chosen = _segment_names(config, data, shares)
    columns = [data.column(name).take(np.arange(split.test_from, len(target))) for name in chosen]
    segments = by_segment(config.objective, columns, target[test], predicted[test])
    scores = scores_with_baselines(config, data, predicted, split)
    if folds:
        scores["cross_validation"] = mean_scores(folds)
    stated = numbers(data.column(config.baseline))[test] if config.baseline else None
    evidence = Evidence(
        data.labels.event_time, split.train_until, split.test_from, target[test], predicted[test], stated
    )
    return fitted, TrainingReport(
        manifest=replace(draft, metrics=scores, ttl_revisions=data.ttl_revisions),
        entities_without_target=data.labels.without_target,
        entities_without_time=data.labels.without_time,
        rows_without_required=data.refused,
        missing=data.missing(),
        importance=fitted.importance,
        contributions=shares,
        segments=segments,
        folds=folds,
        curve=curve,
        evidence=evidence,
    )


def _segment_names(config: TrainingConfig, data: TrainingMatrix, shares: dict[str, float]) -> list[str]:
    """The declared segments; else the references of the model's paths and the two most important features."""
    if config.segments is not None:
        return list(data.inputs.segments)
    features = {feature.name for feature in data.inputs.features}
    return [*data.inputs.segments, *[name for name in shares if name in features][:2]]


def _facts(
    config: TrainingConfig, data: TrainingMatrix, fitted: Fitted, split: Split, dataset: Path | None
) -> TrainingFacts:
    """config: as it was requested."""
    times = data.labels.event_time
    source = config.labels.facts()
    if dataset is not None:
        columns = data.built.columns
        ids = [name for each in columns.entities.values() if each.keys is None for name in each.columns]
        # Key columns are found by the names of the keys.
        column = ids[0] if ids else "entity_id"
        source |= {"file": dataset.resolve().name, "entity_column": column, "time_column": columns.time}
        source |= {"clock_column": columns.clock} if columns.clock else {}
    return TrainingFacts(
        label_rows=len(times),
        train_rows=split.train_until,
        test_rows=len(times) - split.test_from,
        first_label_time=int(times[0]),
        split_time=split.time,
        last_label_time=int(times[-1]),
        seed=config.seed,
        rounds=fitted.rounds,
        parameters=fitted.parameters,
        gap=gap_of(config.split, times),
        dataset_sha256=data.sha256,
        labels=source,
        known_at=data.known_at,
        config_sha256=hashlib.sha256(config.model_dump_json().encode()).hexdigest(),
    )


class _Watch:
    """Seconds per stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - began, 3)
