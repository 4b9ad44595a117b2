"""POST /predict and POST /features/batch."""

from __future__ import annotations

import time
from typing import Annotated, Any

from fastapi import APIRouter, Body, Response

from featurama import FeatureStore, Predictions, RowError, entity_id_problem
from featurama.errors import FeaturamaError, InvalidInput, Reason, Unknown
from featurama_gateway.problems import ModelMissing
from featurama_gateway.rest.answers import NamespaceHeader, answer
from featurama_gateway.rest.bodies import (
    BatchError,
    BatchPrediction,
    BatchSuccess,
    DeliveryIds,
    PredictBody,
    Prediction,
)
from featurama_gateway.rest.json_body import JsonRoute
from featurama_gateway.rest.json_values import given_columns, rfc3339, row_values


class _RowFailed(FeaturamaError):
    """The one row of the request has no prediction."""


def predictions(store: FeatureStore, default_model: str) -> APIRouter:
    """The routes that predict."""
    router = APIRouter(tags=["predictions"], route_class=JsonRoute)

    async def predict(namespace: str, ids: list[str] | None, body: PredictBody) -> Predictions:
        try:
            return await (await store.in_namespace(namespace)).predict(
                ids,
                given_columns(body.features) if body.features else None,
                model=body.model or default_model,
                version=body.version,
            )
        except Unknown as error:
            if error.reason is Reason.UNKNOWN_MODEL and body.model is None and body.version is None:
                raise ModelMissing(f"model {default_model!r} does not exist yet; train and promote one") from error
            raise

    @router.post("/predict", response_model=Prediction)
    async def predict_one(body: PredictBody, namespace: NamespaceHeader = "default") -> Response:
        """Predict the duration of one delivery, in hours."""
        if body.delivery_id is None and not body.features:
            raise InvalidInput("give delivery_id, features, or both", field="delivery_id")
        if body.delivery_id is not None and (problem := entity_id_problem(body.delivery_id)):
            raise InvalidInput(
                problem.replace("entity_id", "delivery_id", 1), reason=Reason.INVALID_ENTITY_ID, field="delivery_id"
            )
        made = await predict(namespace, None if body.delivery_id is None else [body.delivery_id], body)
        for error in made.errors:
            raise _RowFailed(error.message, reason=error.reason, field=error.field or "delivery_id")
        return answer(
            Prediction(
                predicted_duration=float(made.values[0]),
                delivery_id=body.delivery_id,
                features_used=row_values(made.features, 0),
                missing_features=list(made.missing.get(0, ())),
                model=made.model,
                version=made.version,
                timestamp=rfc3339(made.as_of_time),
                **_classified(made, 0),
            )
        )

    @router.post("/features/batch", response_model=BatchPrediction)
    async def predict_batch(
        delivery_ids: Annotated[DeliveryIds, Body()], namespace: NamespaceHeader = "default"
    ) -> Response:
        """Predict up to 1,000 deliveries, in request order. An invalid id does not fail the other rows."""
        rows: list[BatchSuccess | BatchError | None] = [_refused(each) for each in delivery_ids]
        valid = [row for row, refused in enumerate(rows) if refused is None]
        if not valid:
            refused_rows = [row for row in rows if row is not None]
            return answer(BatchPrediction(predictions=refused_rows, timestamp=rfc3339(time.time_ns() // 1_000)))
        made = await predict(namespace, [delivery_ids[row] for row in valid], PredictBody())
        failed = {error.row: error for error in made.errors}
        for at, row in enumerate(valid):
            rows[row] = _row(delivery_ids[row], made, at, failed.get(at))
        return answer(
            BatchPrediction(
                predictions=[row for row in rows if row is not None],
                model=made.model,
                version=made.version,
                timestamp=rfc3339(made.as_of_time),
            )
        )

    return router


def _refused(entity_id: str) -> BatchError | None:
    """The row of an invalid entity id; None for a valid one."""
    problem = entity_id_problem(entity_id)
    if problem is None:
        return None
    return BatchError(entity_id=entity_id, message=problem, reason=Reason.INVALID_ENTITY_ID.name)


def _row(entity_id: str, made: Predictions, at: int, error: RowError | None) -> BatchSuccess | BatchError:
    if error is not None:
        return BatchError(
            entity_id=entity_id, message=error.message, reason=error.reason.name, field=error.field or None
        )
    return BatchSuccess(
        entity_id=entity_id,
        predicted_duration=float(made.values[at]),
        features=row_values(made.features, at),
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
