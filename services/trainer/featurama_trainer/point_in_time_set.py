"""The training matrix: features as they were at each label's moment, through the model's engineered columns; rows that
serving would refuse are left out.

The point-in-time set lies on disk, built for the run or before it, and goes batch by batch into one float32 matrix;
other columns are read from it when they are asked for.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from featurama_core.namespace import Namespace
from featurama_core.store import EmbeddedStore
from featurama_core.types.errors import InvalidInput
from featurama_core.types.times import to_micros, to_rfc3339
from featurama_core.types.values import Status
from featurama_trainer.built_set import BuiltSet
from featurama_trainer.classes import Classes
from featurama_trainer.config import TrainingConfig
from featurama_trainer.dataset import ModelInputs, TrainingSet, known_at_of
from featurama_trainer.labels import Labels, Targets, label_order
from featurama_trainer.labels_file import target_column
from featurama_trainer.progress import Progress

if TYPE_CHECKING:
    from featurama_core.datasets.progress import Progress as Built


_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,17}")

MEMORY = "256MB"
"""What building a set for a run may use, about; what is more is spilled."""


def target_name(config: TrainingConfig, inputs: ModelInputs) -> str:
    """The label column of a set that holds the target: named as it is, unless another column has that name."""
    target = config.labels.target
    return f"{target}__label" if target in {*inputs.names().values(), "entity_id", "timestamp"} else target


def given_set(path: Path, config: TrainingConfig, inputs: ModelInputs) -> TrainingSet:
    """A set that was built before: `config.labels.target` is one of its label columns. Blocks.

    Raises InvalidInput for one that lacks what the run reads, was changed, or is known at another time than asked.
    """
    if config.labels.file:
        raise InvalidInput("a dataset and labels.file exclude each other; a dataset has labels", field="labels.file")
    built = BuiltSet(path)
    if config.segments is None:
        inputs = _with_segments_of(built, config, inputs)
    built.check_holds(list(inputs.names()))
    target = target_name(config, inputs)
    if target not in built.label_columns:
        raise InvalidInput(
            f"the set has no label column {target!r}, it has {', '.join(built.label_columns)[:500]}; name one of them",
            field="labels.target",
        )
    known_at = known_at_of(config)
    asked = to_rfc3339(known_at) if isinstance(known_at, int) else known_at
    if asked is not None and asked != built.manifest.request["known_at"]:
        raise InvalidInput(
            f"the set was built with known_at {built.manifest.request['known_at']}, not {asked}; leave it out",
            field="known_at",
        )
    built.check_files()
    return read_set(built, config, inputs, kept=True)


async def build_set(
    namespace: Namespace,
    config: TrainingConfig,
    inputs: ModelInputs,
    labels: Labels,
    progress: Progress,
    out: Path,
) -> BuiltSet:
    """The features of every label row at its moment, never later: a set at `out`, with its manifest."""
    import pyarrow as pa

    rows = {
        "entity_id": pa.array(labels.entity_ids, pa.string()),
        "timestamp": pa.array(labels.event_time).cast(pa.timestamp("us", "UTC")),
        target_name(config, inputs): pa.array(_target_values(labels)),
    }
    table = await asyncio.to_thread(pa.table, rows)
    made = await EmbeddedStore(namespace).training_set(
        table, list(inputs.names()), known_at=known_at_of(config), memory=MEMORY
    )

    def told(at: Built) -> None:
        if at.stage == "writing":
            progress("features", at.done, len(labels))

    await made.write(out, progress=told)
    return await asyncio.to_thread(BuiltSet, out)


def read_set(built: BuiltSet, config: TrainingConfig, inputs: ModelInputs, *, kept: bool) -> TrainingSet:
    """A set on disk -> the matrix of the rows that have a target and what is required, in order of time, then id.

    kept: whether the set is there to be found again. Blocks.
    """
    from featurama_core.datasets.labels import LabelColumns, read_keys

    request = built.manifest.request
    keys = LabelColumns(
        built.entity_column(config.labels.entity_type),
        request["time_column"],
        None if request["time"] is None else to_micros(request["time"]),
        request["timezone"],
    )
    names, target = inputs.names(), target_name(config, inputs)
    draft = inputs.draft(config)
    total = built.manifest.rows
    matrix = np.empty((total, len(inputs.engineered.names)), dtype=np.float32)
    found = Labels([], np.zeros(total, dtype=np.int64), np.zeros(total))
    rows = np.zeros(total, dtype=np.int64)
    absent = dict.fromkeys(names.values(), 0)
    targets: Targets | None = None
    first = at = refused = without_target = 0
    wanted = [keys.entity, target] if keys.moment is not None else [keys.entity, keys.time, target]
    for batch, columns in built.batches(list(dict.fromkeys(wanted)), names):
        read = read_keys(batch, keys, first)
        column = target_column(batch.column(target), target)
        targets = targets or Targets(target, column.value_type, Classes.of_config(config))
        value = targets.numbers(column)
        has_value, lacking = np.isfinite(value), draft.refused(columns, len(read))
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
    return TrainingSet(labels, inputs, built, rows, matrix, absent, refused, sha256)


def _target_values(labels: Labels) -> Any:
    """The targets as they were before they were encoded: numbers, or the names of their classes."""
    if not labels.classes:
        return labels.target
    named = np.array(labels.classes, dtype=np.object_)[labels.target.astype(np.int64)]
    # Sorted as numbers, not as texts, where the kept set is trained on again.
    return named.astype(np.int64) if all(map(_WHOLE.fullmatch, labels.classes)) else named


def _with_segments_of(built: BuiltSet, config: TrainingConfig, inputs: ModelInputs) -> ModelInputs:
    """Segments that nobody asked for are no reason to refuse a set without them."""
    needed = {config.baseline, config.cross_validation.group if config.cross_validation else ""}
    names = inputs.names()
    left = [each for each in inputs.beside if names[each] in needed or built.holds(each)]
    kept = {names[each] for each in left} | {feature.name for feature in inputs.features}
    return replace(inputs, beside=tuple(left), segments=tuple(each for each in inputs.segments if each in kept))


def _content_sha256(built: BuiltSet) -> str:
    """What does not depend on when the set was built."""
    content = [built.manifest.request, [file["sha256"] for file in built.manifest.files]]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
