"""The point-in-time set of a run, built from its label rows or given, and its matrix.

Training and comparisons of versions read all features from such a set on disk, batch by batch. The matrix omits rows
that serving would refuse; further columns are read from the set on demand.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from featurama_core.datasets.progress import Progress, Watcher
from featurama_core.datasets.request import Build, build_request
from featurama_core.datasets.spine_sources import read_keys
from featurama_core.datasets.written import WrittenSet
from featurama_core.namespace import Namespace
from featurama_core.store import EmbeddedStore
from featurama_core.types.errors import CorruptData, InvalidInput, Reason
from featurama_core.types.references import FeatureSelection
from featurama_core.types.times import to_rfc3339
from featurama_core.types.values import Status
from featurama_trainer.classes import Classes
from featurama_trainer.config import TrainingConfig
from featurama_trainer.dataset import ModelInputs, TrainingMatrix, known_at_of
from featurama_trainer.labels import Labels, Targets, label_order
from featurama_trainer.labels_file import target_column

_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,17}")

MEMORY = "256MB"
"""Approximate memory for building a set of a run; more data is spilled."""


def target_name(config: TrainingConfig, inputs: ModelInputs) -> str:
    """The label column of the target in a set: its own name, unless another column has that name."""
    target = config.labels.target
    return f"{target}__label" if target in {*inputs.names().values(), "entity_id", "timestamp"} else target


def given_set(path: Path, config: TrainingConfig, inputs: ModelInputs) -> TrainingMatrix:
    """The matrix of an existing set, of which `config.labels.target` is a label column. Blocks.

    Raises InvalidInput for a set that lacks a feature of the run, was changed, or has another known_at than the config.
    """
    if config.labels.file:
        raise InvalidInput("a dataset and labels.file exclude each other; a dataset has labels", field="labels.file")
    built = of_type(trainable(path), config.labels.entity_type)
    if config.segments is None:
        inputs = _with_segments_of(built, config, inputs)
    references = list(inputs.names())
    lacking = [each for each in references if not built.holds(each)]
    if lacking:
        raise _refused(f"lacks {', '.join(lacking)}; build it with --features {','.join(references)}")
    target = target_name(config, inputs)
    if target not in built.label_columns:
        raise InvalidInput(
            f"the set has no label column {target!r}, it has {', '.join(built.label_columns)[:500]}; name one of them",
            field="labels.target",
        )
    known_at = known_at_of(config)
    wanted = to_rfc3339(known_at) if isinstance(known_at, int) else known_at
    if wanted is not None and wanted != built.manifest.request["known_at"]:
        raise InvalidInput(
            f"the set was built with known_at {built.manifest.request['known_at']}, not {wanted}; omit it",
            field="known_at",
        )
    problems = built.file_problems()
    if problems:
        raise _refused(f"is not as it was built: {problems[0]}")
    return read_set(built, config, inputs, kept=True)


@asynccontextmanager
async def built_set(
    namespace: Namespace,
    labels: Labels,
    features: FeatureSelection,
    *,
    target: str = "",
    known_at: int | Literal["label"] | None = None,
    out: Path | None = None,
    progress: Watcher | None = None,
) -> AsyncIterator[WrittenSet]:
    """The features of every label row as of its moment, as a set at `out`; None for one that the context removes.

    target: the label column of the targets; "" for none. Raises CorruptData for unreadable values.
    """
    rows = {
        "entity_id": pa.array(labels.entity_ids, pa.string()),
        "timestamp": pa.array(labels.event_time).cast(pa.timestamp("us", "UTC")),
    }
    if target:
        rows[target] = pa.array(_target_values(labels))
    request = build_request(pa.table(rows), features, Build(MEMORY), known_at=known_at)
    made = await EmbeddedStore(namespace).open_dataset(request)

    def watch(at: Progress) -> None:
        if progress is not None and at.stage == "writing":
            progress(replace(at, stage="features"))

    scratch = await asyncio.to_thread(tempfile.mkdtemp, prefix="featurama-train-")
    try:
        path = out or Path(scratch) / "set"
        await made.write(path, progress=watch)
        yield await asyncio.to_thread(trainable, path)
    finally:
        await asyncio.shield(asyncio.to_thread(shutil.rmtree, scratch, ignore_errors=True))


def trainable(path: Path) -> WrittenSet:
    """A set on disk that can be trained on. Raises InvalidInput, CorruptData for unreadable values. Blocks."""
    built = WrittenSet(path)
    request = built.manifest.request
    if "model" in request:
        raise _refused("holds the scores of a model, no features; build a training set with `featurama dataset build`")
    if request["format"] == "csv":
        raise _refused("is of CSV files, which have no types; build it as Parquet")
    if request["at_now"]:
        raise _refused("holds the newest values instead of those at the label times; build it with --labels")
    for feature in built.manifest.features:
        if feature["statuses"].get(Status.ERROR.name):
            raise CorruptData(
                f"stored values of {feature['name']!r} cannot be read; run `featurama doctor`",
                reason=Reason.CORRUPT_DATA,
                field=feature["name"],
            )
    return built


def of_type(built: WrittenSet, entity_type: str) -> WrittenSet:
    """The set with the entities and features of the role of a type. Raises InvalidInput unless one role is of it."""
    if not built.columns.roles:
        return built
    roles = [each.role.name for each in built.columns.roles if each.role.entity_type == entity_type]
    if len(roles) != 1:
        shown = ", ".join(f"{each.role.name} ({each.role.entity_type})" for each in built.columns.roles)
        problem = (
            f"a model reads one role, and {' and '.join(roles)} are {entity_type}"
            if roles
            else f"none of {entity_type}"
        )
        raise InvalidInput(f"the set has the roles {shown}; {problem}", field="labels.entity_type")
    return built.alone(roles[0])


def read_set(built: WrittenSet, config: TrainingConfig, inputs: ModelInputs, *, kept: bool) -> TrainingMatrix:
    """A set on disk -> the matrix of the rows with a target and all required features, in order of time, then id.

    kept: whether the set is kept after the run. Blocks.
    """
    keys = built.columns
    names, target = inputs.names(), target_name(config, inputs)
    draft = inputs.draft(config)
    total = built.manifest.rows
    matrix = np.empty((total, len(inputs.engineered.names)), dtype=np.float32)
    found = Labels([], np.zeros(total, dtype=np.int64), np.zeros(total))
    rows = np.zeros(total, dtype=np.int64)
    absent = dict.fromkeys(names.values(), 0)
    targets: Targets | None = None
    classes = Classes.of_config(config)
    first = at = refused = without_target = 0
    for batch, columns in built.feature_batches(names, list(dict.fromkeys([*keys.keys, target]))):
        read = read_keys(batch, keys, first)
        column = target_column(batch.column(target), target, classes)
        targets = targets or Targets(target, column.value_type, classes)
        value = targets.numbers(column)
        nameless = ~read.entity_ids.is_valid().to_numpy(zero_copy_only=False)
        has_value, lacking = np.isfinite(value), draft.refused(columns, len(read)) | nameless
        there = np.flatnonzero(has_value & ~lacking)
        taken = [column.take(there) for column in columns]
        end = at + len(there)
        times = read.event_time[there]
        matrix[at:end] = draft.matrix(taken, times)
        found.entity_ids.extend(read.entity_ids.take(there).to_pylist())
        found.event_time[at:end], found.target[at:end], rows[at:end] = times, value[there], first + there
        for each in taken:
            absent[each.name] += int((each.status != Status.PRESENT).sum())
        refused += int((lacking & has_value).sum())
        without_target += int((~has_value).sum())
        first, at = first + len(read), end
    labels = Labels(found.entity_ids, found.event_time[:at], found.target[:at], without_target)
    order = label_order(labels.entity_ids, labels.event_time)
    matrix, rows = matrix[:at], rows[:at]
    if (np.diff(order) != 1).any():
        labels, matrix, rows = labels.take(order), matrix[order], rows[order]
    if targets is not None:
        labels = targets.encoded(labels)
    sha256 = built.manifest.sha256 if kept else _content_sha256(built)
    return TrainingMatrix(labels, inputs, built, rows, matrix, absent, refused, sha256)


def _target_values(labels: Labels) -> Any:
    """The targets before encoding: numbers, or the labels of their classes."""
    if not labels.classes:
        return labels.target
    named = np.array(labels.classes, dtype=np.object_)[labels.target.astype(np.int64)]
    # As numbers, so that a later training from the kept set sorts them as numbers.
    return named.astype(np.int64) if all(map(_WHOLE.fullmatch, labels.classes)) else named


def _with_segments_of(built: WrittenSet, config: TrainingConfig, inputs: ModelInputs) -> ModelInputs:
    """Omit default segments that the set does not have."""
    needed = {config.baseline, config.cross_validation.group if config.cross_validation else ""}
    names = inputs.names()
    left = [each for each in inputs.beside if names[each] in needed or built.holds(each)]
    kept = {names[each] for each in left} | {feature.name for feature in inputs.features}
    return replace(inputs, beside=tuple(left), segments=tuple(each for each in inputs.segments if each in kept))


def _refused(problem: str) -> InvalidInput:
    return InvalidInput(f"the set {problem}", field="dataset")


def _content_sha256(built: WrittenSet) -> str:
    """A hash that is independent of the time of the build."""
    content = [built.manifest.request, [file["sha256"] for file in built.manifest.files]]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
