"""Prediction: stored or given features, the model's engineered columns, and one call of XGBoost.

The matrix is built by the function that built the training matrix. A bad row does not fail the other rows; it is listed
in `row_errors`. Missing features are reported, never invented. A shadow model, if any, receives the same requests after
they are answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from featurama_core.frames.predictions import RowError
from featurama_core.off_loop import off_loop
from featurama_core.retrieval.newest import plan_of, read_newest
from featurama_core.types.column import Column
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.roles import RowEntities
from featurama_core.types.values import BoolArray, Status
from featurama_model.entity_checks import check_features, unknown_entities
from featurama_model.evaluation import explained, outputs
from featurama_model.loading import LoadedModel
from featurama_model.manifest import ModelManifest
from featurama_model.model_cache import CacheSettings, ModelCache, ModelEvent
from featurama_model.model_checker import ModelChecker
from featurama_model.prediction import Prediction, PredictionRequest, with_refused
from featurama_model.request_features import given_columns, not_stored, overlaid
from featurama_model.shadow import Comparison, Shadow, ShadowSettings

if TYPE_CHECKING:
    from featurama_core.namespace import Namespace

_FEW_VALUES = 25_000
"""Rows times features of which the inputs are made on the event loop."""


class Predictor:
    """Predicts with the models of a cache. Created by `open`; safe to call concurrently."""

    def __init__(self, models: ModelCache, shadow: Shadow | None = None) -> None:
        self.models = models
        self.shadow = shadow
        # An explanation takes seconds of a core. One at a time leaves the other cores to predictions.
        self._one_explained = asyncio.Semaphore(1)

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        settings: CacheSettings | None = None,
        *,
        checker: ModelChecker | None = None,
        shadow: ShadowSettings | None = None,
        on_event: Callable[[ModelEvent], None] = lambda _: None,
        on_compared: Callable[[Comparison], None] = lambda _: None,
    ) -> AsyncIterator[Predictor]:
        """A predictor that owns its model cache and its shadow, if any, until the context ends.

        checker: checks models and stays open; None starts one. on_event, on_compared: for logs.
        """
        async with ModelCache(settings, checker=checker, on_event=on_event) as models:
            if shadow is None:
                yield cls(models)
                return
            predictor = cls(models, Shadow(shadow, models, on_compared))
            assert predictor.shadow is not None
            async with predictor.shadow.comparing(predictor.predict_by):
                yield predictor

    async def predict(
        self, namespace: Namespace, request: PredictionRequest, model: LoadedModel | None = None
    ) -> Prediction:
        """Predict every row of the request with one model.

        model: the request's, if it is known.
        Raises InvalidInput, Unknown (UNKNOWN_MODEL), FailedPrecondition (MODEL_UNUSABLE), StoreUnavailable if no row
        could be read.
        """
        request.rows()
        if model is None:
            model = await self.models.get(namespace, request.model, version=request.version, alias=request.alias)
        prediction = await self.predict_by(model, namespace, request)
        if self.shadow is not None and not request.version:
            self.shadow.offer(namespace, request, prediction)
        return prediction

    async def predict_by(self, model: LoadedModel, namespace: Namespace, request: PredictionRequest) -> Prediction:
        """Predict with this model instead of the request's. `request.rows()` has been called. Raises like `predict`."""
        rows = len(request.entity_ids) or len(request.given[0])
        manifest = model.manifest
        if manifest.roles and request.entity_ids:
            raise InvalidInput(
                f"model {manifest.name!r} reads the roles {', '.join(manifest.roles)}, and an entity id names one"
                " entity; give the features of the rows",
                field="entity_ids",
            )
        large = rows * len(manifest.features) > _FEW_VALUES
        given = await off_loop(large, given_columns, manifest, request.given, rows)
        stored, as_of_time = await self._stored(namespace, request, manifest, given)
        columns = await off_loop(large, _laid_over, manifest, stored, given, rows)
        errors: list[RowError] = []
        missing: dict[int, tuple[str, ...]] = {}
        if not await off_loop(large, _all_present, columns):
            errors = await self._row_errors(namespace, request, manifest, stored, columns, large=large)
            errors = await off_loop(large, with_refused, errors, manifest, columns, rows)
            missing = await off_loop(large, _missing, columns)
        inputs = await off_loop(large, manifest.matrix, columns, as_of_time)
        answered = await outputs(model, inputs)
        values, probabilities = model.values(answered), model.probabilities(answered)
        failed = [error.row for error in errors]
        if failed:
            values[failed] = 0.0
            if probabilities is not None:
                probabilities[failed] = 0.0
        contributions = None
        if request.contributions:
            async with self._one_explained:
                contributions = await explained(model, inputs)
            contributions.values[failed], contributions.base[failed] = 0.0, 0.0
        return Prediction(values, manifest, columns, errors, missing, as_of_time, contributions, probabilities)

    async def _stored(
        self,
        namespace: Namespace,
        request: PredictionRequest,
        manifest: ModelManifest,
        given: Mapping[str, Column],
    ) -> tuple[dict[str, Column], int]:
        """The stored columns by name, of the features that are not given in every row, and their as-of time."""
        wanted = [feature for feature in manifest.features if not _is_given(given.get(feature.name))]
        if not request.entity_ids or not wanted:
            return {}, namespace.now()
        await check_features(namespace, manifest)
        selection = manifest.selection
        if len(wanted) < len(manifest.features):
            selection = replace(selection, references=tuple(feature.reference for feature in wanted))
        entities = RowEntities.of(list(request.entity_ids))
        plan = await plan_of(namespace, selection)
        read, as_of_time = await read_newest(namespace, entities, plan, request.consistency)
        columns = {feature.name: column for feature, column in zip(wanted, read.columns(), strict=True)}
        manifest.check_types(columns)
        return columns, as_of_time

    async def _row_errors(
        self,
        namespace: Namespace,
        request: PredictionRequest,
        manifest: ModelManifest,
        stored: Mapping[str, Column],
        columns: Sequence[Column],
        *,
        large: bool,
    ) -> list[RowError]:
        if not stored:
            return []
        failed, nothing = await off_loop(large, _failed_and_unknown, stored, columns)
        candidates = {row: request.entity_ids[row] for row in np.flatnonzero(nothing).tolist()}
        unknown = await unknown_entities(namespace, candidates.values(), manifest.entity_type)
        errors = [
            RowError(row, Reason.STORE_UNAVAILABLE, "the store did not answer for this entity; try again")
            for row in np.flatnonzero(failed).tolist()
        ]
        errors += [
            RowError(row, Reason.UNKNOWN_ENTITY, unknown[each]) for row, each in candidates.items() if each in unknown
        ]
        return sorted(errors, key=lambda error: error.row)


def _laid_over(
    manifest: ModelManifest, stored: Mapping[str, Column], given: Mapping[str, Column], rows: int
) -> list[Column]:
    return [
        overlaid(stored.get(feature.name) or not_stored(feature, rows), given.get(feature.name))
        for feature in manifest.features
    ]


def _is_given(column: Column | None) -> bool:
    """Whether every row has a given value."""
    return column is not None and not (column.status == Status.NOT_FOUND).any()


def _all_present(columns: Sequence[Column]) -> bool:
    return all(column.all_present for column in columns)


def _failed_and_unknown(stored: Mapping[str, Column], columns: Sequence[Column]) -> tuple[BoolArray, BoolArray]:
    """The rows that were not read, and those of which nothing is stored and something lacks."""
    failed = np.any([column.status == Status.ERROR for column in columns], axis=0)
    nothing = np.all([column.status == Status.NOT_FOUND for column in stored.values()], axis=0)
    lacking = np.any([column.status == Status.NOT_FOUND for column in columns], axis=0)
    return failed, nothing & lacking


def _missing(columns: Sequence[Column]) -> dict[int, tuple[str, ...]]:
    absent = np.array([column.status != Status.PRESENT for column in columns])
    return {
        row: tuple(columns[position].name for position in np.flatnonzero(absent[:, row]).tolist())
        for row in np.flatnonzero(absent.any(axis=0)).tolist()
    }
