"""Prediction: features of the store, or given ones, through the model's own engineered columns, one call of
XGBoost.

The same function that made the training matrix makes this one. One bad row never fails the rest: it is
named in `row_errors`. What a model lacks is reported, never made up. A shadow model, where there is one, sees
the same requests after they are answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from featurama_core.api.primitives import Consistency
from featurama_core.store import EmbeddedStore
from featurama_core.types.column import Column
from featurama_core.types.errors import InvalidInput, Reason, Unknown
from featurama_core.types.names import check_entity_ids
from featurama_core.types.values import Status
from featurama_model.engineered import Float64Array
from featurama_model.evaluation import Contributions, explained, outputs
from featurama_model.given import given_columns, not_stored, overlaid
from featurama_model.loading import LoadedModel
from featurama_model.manifest import Manifest, unusable
from featurama_model.model_cache import CacheSettings, ModelCache, ModelEvent
from featurama_model.model_checker import ModelChecker
from featurama_model.registry import CHAMPION
from featurama_model.shadow import Comparison, Shadow, ShadowSettings
from featurama_model.unknown_entities import unknown_entities

if TYPE_CHECKING:
    from featurama_core.namespace import Namespace

MAX_ROWS = 10_000
MAX_EXPLAINED_ROWS = 1_000


@dataclass(frozen=True, slots=True, eq=False)
class PredictionRequest:
    """Rows by entity, by given features, or both: a given value overrides the stored one in its row.

    `version` 0: the one that `alias` names. `given`: columns named like the model's features, as many rows as
    `entity_ids`, or the rows themselves if there are no ids; status NOT_FOUND: not given in this row.
    `contributions`: whether to explain each row, at most 1,000 of them.
    """

    model: str
    version: int = 0
    alias: str = CHAMPION
    entity_ids: Sequence[str] = ()
    given: Sequence[Column] = ()
    consistency: Consistency | None = None
    contributions: bool = False

    def rows(self) -> int:
        """How many rows it has. Raises InvalidInput for none, too many, or an id that is not one."""
        rows = self._rows()
        if self.contributions and rows > MAX_EXPLAINED_ROWS:
            raise InvalidInput(
                f"contributions of {rows} rows are asked for; at most {MAX_EXPLAINED_ROWS} fit one call, split them",
                reason=Reason.LIMIT_EXCEEDED,
                field="include_contributions",
            )
        return rows

    def _rows(self) -> int:
        if self.entity_ids or not self.given:
            check_entity_ids(self.entity_ids, limit=MAX_ROWS)
            return len(self.entity_ids)
        rows = len(self.given[0])
        if rows == 0:
            raise InvalidInput("given features have no rows; give one", reason=Reason.EMPTY_REQUEST, field="given")
        if rows > MAX_ROWS:
            raise InvalidInput(
                f"given features have {rows} rows; at most {MAX_ROWS} fit one call, split them",
                reason=Reason.LIMIT_EXCEEDED,
                field="given",
            )
        return rows


@dataclass(frozen=True, slots=True)
class RowError:
    """Why a row has no prediction: UNKNOWN_ENTITY, STORE_UNAVAILABLE, or MISSING_FEATURE for what the model cannot do
    without. field: the first such feature, "" for the other reasons.
    """

    row: int
    reason: Reason
    message: str
    field: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """values: float64[n], 0 where `row_errors` names the row. columns: the features used, in the model's
    order; the event time of a given value is 0. missing: row -> its features that were not PRESENT.
    contributions: only when asked for; 0 where `row_errors` names the row. probabilities: float64[n, classes] in the
    manifest's order of classes, 0 likewise; None for a regression.
    """

    values: Float64Array
    manifest: Manifest
    columns: list[Column]
    row_errors: list[RowError]
    missing: Mapping[int, tuple[str, ...]]
    as_of_time: int
    contributions: Contributions | None = None
    probabilities: Float64Array | None = None

    def classes(self) -> list[str]:
        """Label of each row's likeliest class, "" where `row_errors` names the row; [] for a regression."""
        if self.probabilities is None:
            return []
        labels = [self.manifest.class_names[at] for at in self.probabilities.argmax(axis=1).tolist()]
        for error in self.row_errors:
            labels[error.row] = ""
        return labels


class Predictor:
    """What a server predicts with. Made by `open`; safe to call concurrently."""

    def __init__(self, models: ModelCache, shadow: Shadow | None = None) -> None:
        self.models = models
        self.shadow = shadow
        # Seconds of a core each: one at a time leaves the others to predictions.
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
        """A predictor that owns its model cache, and its shadow if there is one, until the context ends.

        checker: tries models, stays open; None: one of its own. on_event, on_compared: for logs.
        """
        async with ModelCache(settings, checker=checker, on_event=on_event) as models:
            if shadow is None:
                yield cls(models)
                return
            predictor = cls(models, Shadow(shadow, models, on_compared))
            assert predictor.shadow is not None
            async with predictor.shadow.comparing(predictor.predict_by):
                yield predictor

    async def predict(self, namespace: Namespace, request: PredictionRequest) -> Prediction:
        """Predict every row of the request with one model.

        Raises InvalidInput, Unknown (UNKNOWN_MODEL), FailedPrecondition (MODEL_UNUSABLE), StoreUnavailable
        when no row could be read.
        """
        request.rows()
        model = await self.models.get(namespace, request.model, version=request.version, alias=request.alias)
        prediction = await self.predict_by(model, namespace, request)
        if self.shadow is not None and not request.version:
            self.shadow.offer(namespace, request, prediction)
        return prediction

    async def predict_by(self, model: LoadedModel, namespace: Namespace, request: PredictionRequest) -> Prediction:
        """Predict with this model, whatever the request names; `request.rows()` was asked. Raises like `predict`."""
        rows = len(request.entity_ids) or len(request.given[0])
        manifest = model.manifest
        given = given_columns(manifest, request.given, rows)
        stored, as_of_time = await self._stored(namespace, request, manifest, given, rows)
        columns = [
            overlaid(stored.get(feature.name) or not_stored(feature, rows), given.get(feature.name))
            for feature in manifest.features
        ]
        errors = await self._row_errors(namespace, request, manifest, stored, columns)
        errors = with_refused(errors, manifest, columns, rows)
        inputs = manifest.matrix(columns, as_of_time)
        failed = [error.row for error in errors]
        answered = await outputs(model, inputs)
        values, probabilities = model.values(answered), model.probabilities(answered)
        values[failed] = 0.0
        if probabilities is not None:
            probabilities[failed] = 0.0
        contributions = None
        if request.contributions:
            async with self._one_explained:
                contributions = await explained(model, inputs)
            contributions.values[failed], contributions.base[failed] = 0.0, 0.0
        return Prediction(
            values, manifest, columns, errors, _missing(columns), as_of_time, contributions, probabilities
        )

    async def _stored(
        self,
        namespace: Namespace,
        request: PredictionRequest,
        manifest: Manifest,
        given: Mapping[str, Column],
        rows: int,
    ) -> tuple[dict[str, Column], int]:
        """The features that the store has to answer for (all that are not given in every row), by name."""
        wanted = [
            feature
            for feature in manifest.features
            if feature.name not in given or (given[feature.name].status == Status.NOT_FOUND).any()
        ]
        if not request.entity_ids or not wanted:
            return {}, namespace.now()
        try:
            read = await EmbeddedStore(namespace).get_online_features(
                list(request.entity_ids),
                [feature.reference for feature in wanted],
                consistency=request.consistency,
            )
        except Unknown as error:
            raise unusable(
                f"a feature that it reads is not registered: {error.message}",
                model=manifest.name,
                version=manifest.version,
            ) from error
        for feature, column in zip(wanted, read.columns, strict=True):
            if column.value_type is not feature.kind or len(column) != rows:
                raise unusable(
                    f"its feature {feature.reference} is registered as {column.value_type.label}",
                    model=manifest.name,
                    version=manifest.version,
                )
        columns = {feature.name: column for feature, column in zip(wanted, read.columns, strict=True)}
        return columns, read.as_of_time

    async def _row_errors(
        self,
        namespace: Namespace,
        request: PredictionRequest,
        manifest: Manifest,
        stored: Mapping[str, Column],
        columns: Sequence[Column],
    ) -> list[RowError]:
        if not stored:
            return []
        failed = np.any([column.status == Status.ERROR for column in columns], axis=0)
        nothing = np.all([column.status == Status.NOT_FOUND for column in stored.values()], axis=0)
        lacking = np.any([column.status == Status.NOT_FOUND for column in columns], axis=0)
        candidates = nothing & lacking
        unknown = await unknown_entities(namespace, request.entity_ids, manifest.entity_type, candidates)
        errors = [
            RowError(row, Reason.STORE_UNAVAILABLE, "the store did not answer for this entity; try again")
            for row in np.flatnonzero(failed).tolist()
        ]
        errors += [RowError(row, Reason.UNKNOWN_ENTITY, why) for row, why in unknown.items()]
        return sorted(errors, key=lambda error: error.row)


def with_refused(errors: list[RowError], manifest: Manifest, columns: Sequence[Column], rows: int) -> list[RowError]:
    """The errors and, apart from their rows, one for each row that lacks a feature whose policy is `fail`."""
    if not manifest.required:
        return errors
    known = {error.row for error in errors}
    required = [column for column in columns if column.name in manifest.required]
    for row in np.flatnonzero(manifest.refused(columns, rows)).tolist():
        if row not in known:
            absent = [column.name for column in required if column.status[row] != Status.PRESENT]
            message = f"the model needs a value of {', '.join(absent)[:500]}; write or give it"
            errors.append(RowError(row, Reason.MISSING_FEATURE, message, absent[0]))
    return sorted(errors, key=lambda error: error.row)


def _missing(columns: Sequence[Column]) -> dict[int, tuple[str, ...]]:
    absent = np.array([column.status != Status.PRESENT for column in columns])
    return {
        row: tuple(columns[position].name for position in np.flatnonzero(absent[:, row]).tolist())
        for row in np.flatnonzero(absent.any(axis=0)).tolist()
    }
