"""POST /predict, POST /models/{model}/predict and POST /features/batch."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Response
from pydantic import Discriminator, Tag

from featurama import FeatureStore, Predictions, RowError, entity_id_problem
from featurama.errors import InvalidInput, Reason
from featurama_gateway.problems import ARRAY, OBJECT
from featurama_gateway.rest.answers import LargeIntegersQuery, NamespaceHeader, answer
from featurama_gateway.rest.bodies import (
    BatchBody,
    BatchError,
    BatchPrediction,
    BatchSuccess,
    DocumentedPrediction,
    ModelChoice,
    ModelPredictBody,
    PredictBody,
    Prediction,
)
from featurama_gateway.rest.fields import BatchIds, LargeIntegers, Name, NameParameter, VersionParameter
from featurama_gateway.rest.json_body import JsonRoute
from featurama_gateway.rest.json_values import Json, rfc3339, rows_of
from featurama_gateway.rest.predictor import Predictor

BatchRequest = Annotated[
    Annotated[BatchIds, Tag(ARRAY)] | Annotated[BatchBody, Tag(OBJECT)],
    Discriminator(lambda body: OBJECT if isinstance(body, (dict, BatchBody)) else ARRAY),
    Body(),
]


def predictions(store: FeatureStore, default_model: str) -> APIRouter:
    """The routes that predict."""
    router = APIRouter(tags=["predictions"], route_class=JsonRoute)
    predictor = Predictor(store, default_model)

    @router.post("/predict", response_model=DocumentedPrediction | Prediction)
    async def predict(
        body: PredictBody, namespace: NamespaceHeader = "default", large_integers: LargeIntegersQuery = "string"
    ) -> Response:
        """Predict for one entity, with the default model or a named one.

        A request with `entity_id` or `keys` is answered without `predicted_duration` and `delivery_id`.
        """
        if body.entity_id is not None:
            if body.delivery_id is not None:
                raise InvalidInput("give entity_id or delivery_id, not both: they are one field", field="delivery_id")
            made = await predictor.row(
                namespace, body.entity_id, body.features, body, id_field="entity_id", keys=body.keys
            )
            return answer(Prediction(**_prediction(made, body.entity_id, large_integers)))
        id_field = "entity_id" if body.delivery_id is None else "delivery_id"
        made = await predictor.row(namespace, body.delivery_id, body.features, body, id_field=id_field, keys=body.keys)
        if body.keys is not None:
            return answer(Prediction(**_prediction(made, None, large_integers), keys=body.keys))
        fields = _prediction(made, body.delivery_id, large_integers)
        return answer(
            DocumentedPrediction(**fields, predicted_duration=fields["prediction"], delivery_id=body.delivery_id)
        )

    @router.post("/models/{model}/predict", response_model=Prediction)
    async def predict_with_model(
        model: Name,
        body: ModelPredictBody,
        version: Annotated[VersionParameter, Query(description="Default: the version that the alias names.")] = None,
        alias: Annotated[
            NameParameter, Query(description="Used where no version is named. Default: `champion`.")
        ] = None,
        namespace: NamespaceHeader = "default",
        large_integers: LargeIntegersQuery = "string",
    ) -> Response:
        """Predict for one entity with this model."""
        choice = ModelChoice(model=model, version=version, alias=alias)
        made = await predictor.row(
            namespace, body.entity_id, body.features, choice, id_field="entity_id", keys=body.keys
        )
        return answer(Prediction(**_prediction(made, body.entity_id, large_integers), keys=body.keys))

    @router.post("/features/batch", response_model=BatchPrediction)
    async def predict_batch(
        body: BatchRequest, namespace: NamespaceHeader = "default", large_integers: LargeIntegersQuery = "string"
    ) -> Response:
        """Predict for up to 1,000 entities, in request order. An invalid id does not fail the other rows.

        The body is a list of ids for the default model, or an object that names a model. Rows of a list have
        `predicted_duration` beside `prediction`.
        """
        documented = isinstance(body, list)
        batch = BatchBody(entity_ids=body) if isinstance(body, list) else body
        if (batch.entity_ids is None) == (batch.entities is None):
            raise InvalidInput("give either entity_ids, or entities with key columns", field="entity_ids")
        if batch.entities is None:
            ids: Sequence[str | None] = batch.entity_ids or ()
            named: list[dict[str, Any]] = [{"entity_id": each} for each in ids]
        else:
            ids = await predictor.ids(namespace, batch.entities, batch)
            keys = zip(*batch.entities.values(), strict=True)
            named = [{"keys": dict(zip(batch.entities, row, strict=True))} for row in keys]
        rows: list[BatchSuccess | BatchError | None] = [
            _refused(each, name) for each, name in zip(ids, named, strict=True)
        ]
        valid = [row for row, refused in enumerate(rows) if refused is None]
        if not valid:
            model = await predictor.model(namespace, batch)
            return answer(
                BatchPrediction(
                    predictions=[row for row in rows if row is not None],
                    target=model.target,
                    model=model.name,
                    version=model.version,
                    timestamp=rfc3339(time.time_ns() // 1_000),
                )
            )
        made = await predictor.rows(namespace, [ids[row] or "" for row in valid], None, batch)
        failed = {error.row: error for error in made.errors}
        features = rows_of(made.features, len(made), large_integers)
        for at, row in enumerate(valid):
            rows[row] = _row(named[row], made, at, failed.get(at), features[at], documented=documented)
        return answer(
            BatchPrediction(
                predictions=[row for row in rows if row is not None],
                target=made.target,
                model=made.model,
                version=made.version,
                timestamp=rfc3339(made.as_of_time),
            )
        )

    return router


def _prediction(made: Predictions, entity_id: str | None, large_integers: LargeIntegers) -> dict[str, Any]:
    """The fields of the one prediction."""
    return {
        "prediction": float(made.values[0]),
        "target": made.target,
        "entity_id": entity_id,
        "features_used": rows_of(made.features, 1, large_integers)[0],
        "missing_features": list(made.missing.get(0, ())),
        "model": made.model,
        "version": made.version,
        "timestamp": rfc3339(made.as_of_time),
        **_classified(made, 0),
    }


def _refused(entity_id: str | None, named: dict[str, Any]) -> BatchError | None:
    """The row of an invalid entity id, or of keys that make none; None for a valid one."""
    problem = "a key is null, or no id can hold the keys" if entity_id is None else entity_id_problem(entity_id)
    if problem is None:
        return None
    return BatchError(**named, message=problem, reason=Reason.INVALID_ENTITY_ID.name)


def _row(
    named: dict[str, Any],
    made: Predictions,
    at: int,
    error: RowError | None,
    features: dict[str, Json],
    *,
    documented: bool,
) -> BatchSuccess | BatchError:
    if error is not None:
        return BatchError(**named, message=error.message, reason=error.reason.name, field=error.field or None)
    value = float(made.values[at])
    return BatchSuccess(
        **named,
        prediction=value,
        predicted_duration=value if documented else None,
        features=features,
        **_classified(made, at),
    )


def _classified(made: Predictions, row: int) -> dict[str, Any]:
    """The class fields of a row; {} for a model that predicts a number."""
    if made.probabilities is None:
        return {}
    chances = made.probabilities[row].tolist()
    return {
        "predicted_class": made.predicted_classes[row],
        "probabilities": dict(zip(made.classes, chances, strict=True)),
    }
