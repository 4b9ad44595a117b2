"""POST /predict and POST /features/batch."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import APIRouter, Body, Response

from featurama import AsyncClient, Predictions, RowError, entity_id_problem
from featurama.errors import FeaturamaError, InvalidInput, Reason, Unknown
from featurama_gateway.problems import ModelMissing
from featurama_gateway.rest.answers import NamespaceHeader, answer
from featurama_gateway.rest.bodies import BatchPrediction, BatchRow, DeliveryIds, PredictBody, Prediction
from featurama_gateway.rest.json_values import given_values, rfc3339, row_values


class _RowFailed(FeaturamaError):
    """The one row of the request has no prediction."""


def predictions(client: AsyncClient, default_model: str) -> APIRouter:
    """The routes that predict."""
    router = APIRouter(tags=["predictions"])

    async def predict(namespace: str, ids: list[str] | None, body: PredictBody) -> Predictions:
        try:
            return await client.in_namespace(namespace).predict(
                ids,
                given_values(body.features) if body.features else None,
                model=body.model or default_model,
                version=body.version,
            )
        except Unknown as error:
            if error.reason is Reason.UNKNOWN_MODEL and body.model is None and body.version is None:
                raise ModelMissing(f"model {default_model!r} is not there yet; train and promote one") from error
            raise

    @router.post("/predict", response_model=Prediction)
    async def predict_one(body: PredictBody, namespace: NamespaceHeader = "default") -> Response:
        """Predict the duration of one delivery, in hours."""
        if body.delivery_id is None and not body.features:
            raise InvalidInput("give delivery_id, features, or both", field="delivery_id")
        made = await predict(namespace, None if body.delivery_id is None else [body.delivery_id], body)
        for error in made.errors:
            raise _RowFailed(error.message, reason=error.reason, field="delivery_id")
        return answer(
            Prediction(
                predicted_duration=float(made.values[0]),
                delivery_id=body.delivery_id,
                features_used=row_values(made.features, 0),
                missing_features=list(made.missing.get(0, ())),
                model=made.model,
                version=made.version,
                timestamp=rfc3339(made.as_of_time),
            )
        )

    @router.post("/features/batch", response_model=BatchPrediction)
    async def predict_batch(
        delivery_ids: Annotated[DeliveryIds, Body()], namespace: NamespaceHeader = "default"
    ) -> Response:
        """Predict up to 1,000 deliveries, in request order; one bad id never fails the rest."""
        problems = {row: text for row, each in enumerate(delivery_ids) if (text := entity_id_problem(each))}
        rows = [
            BatchRow(entity_id=each, status="error", message=problems.get(row), reason=Reason.INVALID_ENTITY_ID.name)
            for row, each in enumerate(delivery_ids)
        ]
        good = [row for row in range(len(rows)) if row not in problems]
        if not good:
            return answer(BatchPrediction(predictions=rows, timestamp=rfc3339(time.time_ns() // 1_000)))
        made = await predict(namespace, [delivery_ids[row] for row in good], PredictBody())
        failed = {error.row: error for error in made.errors}
        for at, row in enumerate(good):
            rows[row] = _row(delivery_ids[row], made, at, failed.get(at))
        return answer(
            BatchPrediction(
                predictions=rows, model=made.model, version=made.version, timestamp=rfc3339(made.as_of_time)
            )
        )

    return router


def _row(entity_id: str, made: Predictions, at: int, error: RowError | None) -> BatchRow:
    if error is not None:
        return BatchRow(entity_id=entity_id, status="error", message=error.message, reason=error.reason.name)
    return BatchRow(
        entity_id=entity_id,
        status="success",
        predicted_duration=float(made.values[at]),
        features=row_values(made.features, at),
    )
