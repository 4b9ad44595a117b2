"""PredictionService: requests -> predictor -> predictions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from featurama import wire
from featurama.v1 import errors_pb2
from featurama.v1 import prediction_service_pb2 as pb
from featurama_core.frames.cells import Cells
from featurama_core.frames.predictions import Contributions
from featurama_core.namespace import Namespace
from featurama_core.off_loop import off_loop
from featurama_core.store import EmbeddedStore
from featurama_core.stores import Stores
from featurama_core.types.column import Column
from featurama_core.types.errors import InvalidInput
from featurama_core.types.values import Status
from featurama_core.types.writes import check_counts
from featurama_model.default_model import DefaultModel
from featurama_model.manifest import ModelManifest
from featurama_model.prediction import Prediction, PredictionRequest
from featurama_model.predictor import Predictor
from featurama_model.registry import CHAMPION
from featurama_online.rpc.online import ids_of_keys
from featurama_service.calls import Call, Reply
from featurama_service.methods import Service, unary

_FEW_VALUES = 10_000
"""Rows times features of which the answer is made on the event loop."""


class PredictionServicer:
    """Predicts for clients. default_model: for requests that name no model."""

    def __init__(self, stores: Stores, predictor: Predictor, default_model: DefaultModel) -> None:
        self._stores = stores
        self._predictor = predictor
        self._default_model = default_model

    def service(self) -> Service:
        """The service with all its methods."""
        return Service(
            pb.DESCRIPTOR.services_by_name["PredictionService"],
            {"Predict": unary(wire.requests(pb.PredictRequest), self.predict)},
        )

    async def predict(self, request: pb.PredictRequest, call: Call) -> Reply:
        """Up to 10,000 rows with one model."""
        if request.version < 0:
            raise InvalidInput("version must be at least 1, or 0 for the alias", field="version")
        namespace = await self._stores.namespace(request.namespace)
        check_counts(_rows(request), len(request.given))
        wanted = PredictionRequest(
            model=request.model or await self._default_model.of(namespace),
            version=request.version,
            alias=request.alias or CHAMPION,
            entity_ids=list(request.entity_ids),
            given=await off_loop(call.is_large, _given, request),
            contributions=request.include_contributions,
        )
        if request.keys:
            wanted = replace(wanted, entity_ids=await self._ids(namespace, wanted, wire.keys_of(request.keys)))
        call.rows = wanted.rows()
        model = await self._predictor.models.get(namespace, wanted.model, version=wanted.version, alias=wanted.alias)
        cost = model.manifest.cost
        if request.include_features:
            call.check_size(cost.least_bytes(call.rows, beside=9))
        inputs = 16 * call.rows * len(model.manifest.engineered.columns)
        async with call.working(cost.work_bytes(call.rows) + inputs):
            predicted = await self._predictor.predict(namespace, wanted, model)
            large = call.rows * len(predicted.columns) > _FEW_VALUES
            return await off_loop(large, _answer, predicted, call, with_features=request.include_features)

    async def _ids(
        self, namespace: Namespace, wanted: PredictionRequest, keys: Mapping[str, Cells]
    ) -> list[str | None]:
        """The ids of rows of keys of the model's entity type."""
        if wanted.entity_ids:
            raise InvalidInput("keys are sent instead of entity_ids; send one of the two", field="keys")
        model = await self._predictor.models.get(namespace, wanted.model, version=wanted.version, alias=wanted.alias)
        return await ids_of_keys(EmbeddedStore(namespace), model.manifest.entity_type, keys)


def _answer(predicted: Prediction, call: Call, *, with_features: bool) -> bytes:
    manifest, explained = predicted.manifest, predicted.contributions
    if predicted.missing:
        # A name stands in every row that lacks its feature.
        lacking = [int((column.status != Status.PRESENT).sum()) * len(column.name) for column in predicted.columns]
        call.check_size(sum(lacking))
    return call.encode(
        wire.predict_response_to_wire(
            predicted.values,
            predicted.columns if with_features else (),
            None if explained is None else explained.base,
            target=manifest.target,
            model=manifest.name,
            version=manifest.version,
            row_errors=[
                pb.PredictRowError(
                    row=error.row,
                    reason=errors_pb2.ErrorReason.ValueType(error.reason),
                    message=error.message,
                    field=error.field,
                )
                for error in predicted.row_errors
            ],
            missing=[pb.MissingFeatures(row=row, features=names) for row, names in predicted.missing.items()],
            as_of_time=wire.to_timestamp(predicted.as_of_time),
            contributions=() if explained is None else _contributions(manifest, explained),
            predicted_classes=predicted.classes(),
            class_probabilities=_probabilities(predicted),
        )
    )


def _probabilities(predicted: Prediction) -> list[pb.ClassProbability]:
    if predicted.probabilities is None:
        return []
    return [
        pb.ClassProbability(label=label, values=values)
        for label, values in zip(predicted.manifest.class_names, predicted.probabilities.T.tolist(), strict=True)
    ]


def _contributions(manifest: ModelManifest, explained: Contributions) -> list[pb.Contribution]:
    return [
        pb.Contribution(column=column.name, features=column.inputs, values=values)
        for column, values in zip(manifest.engineered.columns, explained.values.T.tolist(), strict=True)
    ]


def _given(request: pb.PredictRequest) -> list[Column]:
    return wire.columns_from_proto(request.given, _rows(request), written=True) if request.given else []


def _rows(request: pb.PredictRequest) -> int:
    """The number of rows: of its ids, else of the values in its first key or given column."""
    columns = [*request.keys, *request.given]
    if request.entity_ids or not columns:
        return len(request.entity_ids)
    first = columns[0]
    if first.statuses:
        return len(first.statuses)
    if first.vector_values:
        return len(first.vector_values) // max(1, first.vector_length)
    return max(len(first.double_values), len(first.int_values), len(first.bool_values), len(first.text_values))
