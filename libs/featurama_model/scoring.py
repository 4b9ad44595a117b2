"""Batch scoring: predictions for label rows out of the values of their own time, by the code that serving uses.

`scored` is the one function that scores a batch, in one process and in the tasks of a cluster; `scores` makes a set of
them out of a store, streamed and written as a training set is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from featurama_core.datasets.build import Part
from featurama_core.datasets.dataset import TrainingSet
from featurama_core.datasets.labels import Keys, LabelColumns
from featurama_core.training_sets import ask
from featurama_core.types.column import Column
from featurama_core.types.errors import Reason
from featurama_core.types.times import Time
from featurama_core.types.values import BoolArray, Int64Array, Status
from featurama_model.artefacts import ArtefactDirectory
from featurama_model.checked_model import CheckedModel, ModelReference, checked_model
from featurama_model.engineered import Float64Array
from featurama_model.loading import LoadedModel
from featurama_model.manifest import ModelManifest
from featurama_model.model_checker import ModelChecker
from featurama_model.prediction import RowError, Scores, with_refused
from featurama_model.score_table import check_label_names, facts_of, merged, score_table
from featurama_model.unknown_entities import unknown_entities

if TYPE_CHECKING:
    from featurama_core.store import FeatureStore

_ROWS_A_PIECE = 50_000
_IDS_A_READ = 5_000


async def scored(
    model: LoadedModel, store: FeatureStore, entity_ids: Any, columns: Sequence[Column], time: Int64Array
) -> Scores:
    """Score n rows: ids (Arrow string array), a column a feature of the model in its order, moments int64[n].

    What Predict would answer for these values: the same engineered columns, the same library call, the same policy
    for what is missing. Raises FailedPrecondition (MODEL_UNUSABLE) where a feature has another type than the model's.
    """
    manifest = model.manifest
    for feature, column in zip(manifest.features, columns, strict=True):
        manifest.check_type(feature, column)
    absent = np.array([column.status != Status.PRESENT for column in columns])
    unreadable = np.any([column.status == Status.ERROR for column in columns], axis=0)
    errors = [
        RowError(row, Reason.CORRUPT_DATA, "a stored value cannot be read; run `featurama doctor`")
        for row in np.flatnonzero(unreadable).tolist()
    ]
    unknown = await _unknown(store, manifest.entity_type, entity_ids, absent.all(axis=0) & ~unreadable)
    errors += [RowError(row, Reason.UNKNOWN_ENTITY, why) for row, why in unknown.items()]
    errors = with_refused(errors, manifest, columns, len(time))
    # In pieces, because a thread can not be interrupted.
    pieces = [
        await asyncio.to_thread(_outputs, model, columns, time, first) for first in range(0, len(time), _ROWS_A_PIECE)
    ]
    outputs = np.concatenate(pieces)
    return Scores(model.values(outputs), model.probabilities(outputs), absent, errors)


def _outputs(model: LoadedModel, columns: Sequence[Column], time: Int64Array, first: int) -> Float64Array:
    rows = np.arange(first, min(first + _ROWS_A_PIECE, len(time)))
    return model.outputs(model.manifest.matrix([column.take(rows) for column in columns], time[rows]))


async def _unknown(store: FeatureStore, entity_type: str, entity_ids: Any, candidates: BoolArray) -> dict[int, str]:
    """Row -> why its entity is none to predict for; in pieces, because one read of the store is bounded."""
    rows = np.flatnonzero(candidates)
    found: dict[int, str] = {}
    for first in range(0, len(rows), _IDS_A_READ):
        some = rows[first : first + _IDS_A_READ]
        ids = entity_ids.take(some).to_pylist()
        unknown = await unknown_entities(store, ids, entity_type, np.ones(len(some), dtype=np.bool_))
        found |= {int(some[at]): why for at, why in unknown.items()}
    return found


@dataclass(frozen=True, slots=True, eq=False)
class ScoreAnswer:
    """Makes scores of the values that a training set found (`featurama_core.datasets.dataset.Answer`)."""

    model: LoadedModel
    store: FeatureStore

    def check_names(self, labels: Sequence[str]) -> None:
        """Raise InvalidInput if a label column has a name that is needed for the scores."""
        check_label_names(labels)

    def request(self) -> dict[str, Any]:
        """Which model."""
        return {"model": model_facts(self.model.manifest)}

    async def part(self, number: int, batch: Any, keys: Keys, columns: list[Column], as_of: int) -> Part:
        """The label rows with what `score_table` adds."""
        del as_of  # the rows' own moments are meant
        found = await scored(self.model, self.store, keys.entity_ids, columns, keys.event_time)
        table = await asyncio.to_thread(score_table, batch, self.model.manifest, found)
        return Part(number, table, facts_of(table, keys.event_time))

    def content(self, parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Counts of predicted and failed rows and missing features."""
        return {"scores": merged(parts)}


def model_facts(manifest: ModelManifest) -> dict[str, Any]:
    """Which model, for a manifest of scores."""
    assert manifest.artefact is not None  # it was published
    return {
        "name": manifest.name,
        "version": manifest.version,
        "sha256": manifest.artefact.sha256,
        "target": manifest.target,
        "objective": manifest.objective,
        "classes": list(manifest.class_names),
    }


async def scores(
    store: FeatureStore,
    labels: Any,
    model: str | CheckedModel,
    *,
    known_at: Time | Literal["label"] | None = None,
    entity_column: str = "entity_id",
    time_column: str = "timestamp",
    timestamp: Time | None = None,
    timezone: str | None = None,
    entity_type: str | None = None,
    start: Time | None = None,
    end: Time | None = None,
    every: str | timedelta | int | None = None,
    memory: int | str = "2GB",
    artefacts: ArtefactDirectory | None = None,
    checker: ModelChecker | None = None,
) -> TrainingSet:
    """The label rows with a prediction each, as a set with the methods of a training set: batches, frames, files.

    model: `name`, `name@alias` or `name@version`; it is loaded at once. The other arguments are those of
    `FeatureStore.training_set`. Beside the label columns: `prediction`, of a model of classes `predicted_class` and
    `probabilities`, `model_version`, `missing_features`, and for a row without a prediction `error_reason` and
    `error_message`.
    """
    if isinstance(model, str):
        model = await checked_model(store, ModelReference.parse(model), artefacts=artefacts, checker=checker)
    loaded = await asyncio.to_thread(model.load)
    return await ask(
        store,
        store.opened,
        labels,
        [feature.reference for feature in loaded.manifest.features],
        service=None,
        known_at=known_at,
        columns=LabelColumns.of(entity_column, time_column, timestamp, timezone),
        entity_type=entity_type,
        start=start,
        end=end,
        every=every,
        statuses=False,
        event_times=False,
        memory=memory,
        reading="auto",
        answer=ScoreAnswer(loaded, store),
    )
