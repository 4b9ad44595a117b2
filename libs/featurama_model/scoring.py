"""Batch scoring: predictions for label rows from the values as of their own time, by the code of serving.

`scored` scores a batch, both in one process and in the tasks of a cluster. `scores` is a dataset of scores over a
store, streamed and written like a training set.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from featurama_core.datasets.build import Part
from featurama_core.datasets.dataset import TrainingDataset
from featurama_core.datasets.request import Build, RowOptions, build_request
from featurama_core.datasets.spine_sources import Keys
from featurama_core.frames.predictions import RowError
from featurama_core.frames.role_columns import role_columns
from featurama_core.store import EmbeddedStore
from featurama_core.types.column import Column
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.values import Int64Array, Status
from featurama_model.artefacts import ArtefactDirectory
from featurama_model.checked_model import CheckedModel, ModelReference, checked_model
from featurama_model.entity_checks import check_features, unknown_entities
from featurama_model.expressions import Float64Array
from featurama_model.loading import LoadedModel
from featurama_model.manifest import ModelManifest
from featurama_model.model_checker import ModelChecker
from featurama_model.prediction import Scores, with_refused
from featurama_model.score_table import check_label_names, facts_of, merged, score_table

if TYPE_CHECKING:
    from featurama_core.namespace import Namespace

_ROWS_A_PIECE = 50_000


async def scored(
    model: LoadedModel, namespace: Namespace, entity_ids: Any, columns: Sequence[Column], time: Int64Array
) -> Scores:
    """Score n rows: ids (Arrow string array), one column per feature of the model, in its order, moments int64[n].

    The result equals that of Predict for these values: the same engineered columns, library call and missing policies.
    Raises FailedPrecondition (MODEL_UNUSABLE) if the type of a feature differs from the model's.
    """
    manifest = model.manifest
    manifest.check_types(dict(zip(manifest.by_name, columns, strict=True)))
    absent = np.array([column.status != Status.PRESENT for column in columns])
    unreadable = np.any([column.status == Status.ERROR for column in columns], axis=0)
    errors = [
        RowError(row, Reason.CORRUPT_DATA, "a stored value cannot be read; check the store")
        for row in np.flatnonzero(unreadable).tolist()
    ]
    rows = np.flatnonzero(absent.all(axis=0) & ~unreadable)
    if manifest.roles:
        rows = rows[:0]  # which of several entities is unknown, the statuses of their features say
    candidates = dict(zip(rows.tolist(), entity_ids.take(rows).to_pylist(), strict=True))
    unknown = await unknown_entities(namespace, candidates.values(), manifest.entity_type)
    errors += [
        RowError(row, Reason.UNKNOWN_ENTITY, unknown[each]) for row, each in candidates.items() if each in unknown
    ]
    errors = with_refused(errors, manifest, columns, len(time))
    # In pieces, because a thread cannot be interrupted. No rows are one piece.
    starts = range(0, max(len(time), 1), _ROWS_A_PIECE)
    pieces = [await asyncio.to_thread(_outputs, model, columns, time, first) for first in starts]
    outputs = np.concatenate(pieces)
    return Scores(model.values(outputs), model.probabilities(outputs), absent, errors)


def _outputs(model: LoadedModel, columns: Sequence[Column], time: Int64Array, first: int) -> Float64Array:
    rows = np.arange(first, min(first + _ROWS_A_PIECE, len(time)))
    return model.outputs(model.manifest.matrix([column.take(rows) for column in columns], time[rows]))


@dataclass(frozen=True, slots=True, eq=False)
class ScoreOutput:
    """Computes scores from the values of a training set (`featurama_core.datasets.dataset.OutputBuilder`)."""

    model: LoadedModel
    namespace: Namespace

    def check_names(self, labels: Sequence[str]) -> None:
        """Raise InvalidInput if a label column has a name that is needed for the scores."""
        check_label_names(labels)

    def request(self) -> dict[str, Any]:
        """The model, for the manifest of the scores."""
        manifest = self.model.manifest
        assert manifest.artefact is not None  # it was published
        return {
            "model": {
                "name": manifest.name,
                "version": manifest.version,
                "sha256": manifest.artefact.sha256,
                "target": manifest.target,
                "objective": manifest.objective,
                "classes": list(manifest.class_names),
            }
        }

    async def part(self, number: int, batch: Any, keys: Keys, columns: list[Column], as_of: int) -> Part:
        """The label rows with the columns that `score_table` adds."""
        del as_of  # scores are as of the rows' own moments
        found = await scored(self.model, self.namespace, keys.entity_ids, columns, keys.event_time)
        table = await asyncio.to_thread(score_table, batch, self.model.manifest, found)
        return Part(number, table, partial(facts_of, table, keys.event_time))

    def content(self, parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Counts of predicted and failed rows and missing features."""
        return {"scores": merged(parts)}


async def scores(
    namespace: Namespace,
    labels: Any,
    model: str | CheckedModel,
    *,
    memory: int | str = "2GB",
    artefacts: ArtefactDirectory | None = None,
    checker: ModelChecker | None = None,
    **rows: Unpack[RowOptions],
) -> TrainingDataset:
    """The label rows with one prediction per row, as a dataset with the methods of a training set: batches, frames,
    files.

    model: `name`, `name@alias` or `name@version`; it is loaded by this call. The other arguments are those of
    `FeatureStore.training_set`. The columns after the label columns are `prediction`, `predicted_class` and
    `probabilities` (for a model of classes), `model_version`, `missing_features`, and `error_reason` and
    `error_message` (for a row without a prediction).
    """
    if isinstance(model, str):
        model = await checked_model(namespace, ModelReference.parse(model), artefacts=artefacts, checker=checker)
    loaded = await asyncio.to_thread(model.load)
    request = build_request(
        labels,
        loaded.manifest.selection,
        Build(memory),
        ScoreOutput(loaded, namespace),
        **await role_options(namespace, loaded.manifest, rows),
    )
    return await EmbeddedStore(namespace).open_dataset(request)


async def role_options(namespace: Namespace, manifest: ModelManifest, rows: RowOptions) -> RowOptions:
    """The options of label rows with the roles of the model, which its feature service declares. InvalidInput for roles
    of a model of one entity per row.
    """
    if not manifest.roles:
        if rows.get("roles") or rows.get("entity_columns"):
            raise InvalidInput(
                f"model {manifest.name!r} reads one entity per row; name its column with entity_column", field="roles"
            )
        await check_features(namespace, manifest)
        return rows
    given = role_columns(rows.get("roles"), rows.get("entity_columns"))
    service = await EmbeddedStore(namespace).get_feature_service(manifest.feature_service)
    named: dict[str, Any] = {each.name: each.entity_type for each in service.roles}
    named |= {each.role.name: {"type": each.role.entity_type, "columns": each.given} for each in given}
    return {**rows, "entity_columns": None, "roles": named}
