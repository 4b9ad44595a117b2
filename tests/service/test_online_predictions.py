"""PredictionService over real gRPC, with a real model in the store. (The trainer's tests train one.)"""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
import pytest
from tests.opened import OpenedStore, open_store
from tests.unit.featurama_model.models import ARTEFACT, MANIFEST

from featurama.v1 import columns_pb2, errors_pb2, prediction_service_pb2
from featurama_core.types.writes import WriteReport
from featurama_model.registry import ModelRegistry

from .requests import DOUBLE, column
from .servers import Client, client_of, online_server, refusal_of

NAME = MANIFEST.name
NOT_FOUND = columns_pb2.FEATURE_STATUS_NOT_FOUND


@pytest.fixture
async def predicting(tmp_path) -> AsyncIterator[Client]:
    """A client of an online service whose store holds two deliveries, a planet, and the model as champion."""
    url = f"sqlite:///{tmp_path}/store"
    async with open_store(url) as store:
        await _define(store)
        models = ModelRegistry(store.space.storage)
        published = await models.publish(MANIFEST, ARTEFACT)
        await models.set_alias(NAME, "champion", published.version)
    async with online_server(url) as server, client_of(server.address) as client:
        yield client


async def _define(store: OpenedStore) -> WriteReport:
    for kind in ("planet", "delivery"):
        await store.register_entity_type(kind)
    await store.register_feature("traffic_level", "double", entity_type="planet")
    await store.register_feature("traffic_level", "double", version=2, entity_type="planet")
    await store.register_feature("distance", "double", entity_type="delivery")
    await store.register_feature("destination", "text", entity_type="delivery", references="planet")
    await store.register_entity("planet_mars", "planet")
    for each in ("delivery_1", "delivery_2", "delivery_empty"):
        await store.register_entity(each, "delivery")
    await store.write_features(
        {"entity_id": ["planet_mars"], "timestamp": ["2026-01-01T00:00:00Z"], "traffic_level": [0.5]}
    )
    return await store.write_features(
        {
            "entity_id": ["delivery_1", "delivery_2"],
            "timestamp": ["2026-01-01T00:00:00Z"] * 2,
            "distance": [100.0, 9_000.0],
            "destination": ["planet_mars"] * 2,
        }
    )


async def test_rows_are_predicted_in_order_and_bad_ones_are_named(predicting):
    """Model, version, target and the features used; an entity that nobody knows fails alone."""
    answer = await predicting.predictions.Predict(
        prediction_service_pb2.PredictRequest(
            entity_ids=["delivery_2", "delivery_nobody", "delivery_1", "delivery_empty"], include_features=True
        )
    )

    assert (answer.model, answer.version, answer.target) == (NAME, 1, "actual_duration")
    assert len(answer.predictions) == 4
    assert [(error.row, errors_pb2.ErrorReason.Name(error.reason)) for error in answer.row_errors] == [
        (1, "ERROR_REASON_UNKNOWN_ENTITY")
    ]
    distance, traffic = answer.features
    assert (distance.name, traffic.name) == ("distance", "destination.traffic_level")
    assert list(distance.double_values) == [9_000.0, 0.0, 100.0, 0.0]
    assert list(traffic.double_values) == [0.5, 0.0, 0.5, 0.0]
    assert {each.row: list(each.features) for each in answer.missing}[3] == ["distance", "destination.traffic_level"]
    assert answer.as_of_time.seconds > 0


async def test_given_features_predict_what_stored_ones_of_the_same_value_do(predicting):
    """The rows may be the given columns themselves; or they override the stored values where they are given."""
    stored = await predicting.predictions.Predict(
        prediction_service_pb2.PredictRequest(entity_ids=["delivery_1", "delivery_2"])
    )
    given = await predicting.predictions.Predict(
        prediction_service_pb2.PredictRequest(
            given=[
                column("distance", DOUBLE, [100.0, 9_000.0]),
                column("destination.traffic_level", DOUBLE, [0.5, 0.5]),
            ]
        )
    )
    mixed = await predicting.predictions.Predict(
        prediction_service_pb2.PredictRequest(
            entity_ids=["delivery_2", "delivery_2"],
            given=[column("distance", DOUBLE, [100.0, 0.0], statuses=[columns_pb2.FEATURE_STATUS_PRESENT, NOT_FOUND])],
        )
    )

    assert list(given.predictions) == list(stored.predictions)
    assert list(mixed.predictions) == list(stored.predictions)


@pytest.mark.parametrize(
    ("fields", "code", "reason"),
    [
        ({"model": "nothing_like_it"}, "NOT_FOUND", "UNKNOWN_MODEL"),
        ({"version": 99}, "NOT_FOUND", "UNKNOWN_MODEL"),
        ({"alias": "nobody"}, "NOT_FOUND", "UNKNOWN_MODEL"),
        ({"version": -1}, "INVALID_ARGUMENT", "INVALID_ARGUMENT"),
        ({"namespace": "no_such_place"}, "NOT_FOUND", "UNKNOWN_NAMESPACE"),
        ({"entity_ids": []}, "INVALID_ARGUMENT", "EMPTY_REQUEST"),
        ({"entity_ids": ["x"] * 10_001}, "INVALID_ARGUMENT", "LIMIT_EXCEEDED"),
        ({"entity_ids": ["a\x07"]}, "INVALID_ARGUMENT", "INVALID_ENTITY_ID"),
        ({"given": [column("taste", DOUBLE, [1.0])]}, "INVALID_ARGUMENT", "UNKNOWN_FEATURE"),
        ({"given": [column("distance", DOUBLE, [1.0, 2.0])]}, "INVALID_ARGUMENT", "INVALID_ARGUMENT"),
    ],
)
async def test_a_prediction_that_can_not_be_made_says_why(predicting, fields, code, reason):
    """Code and reason of every bad request."""
    request = prediction_service_pb2.PredictRequest(**{"entity_ids": ["delivery_1"], **fields})

    refusal = await refusal_of(predicting.predictions.Predict(request))

    if reason == "UNKNOWN_FEATURE":
        assert refusal.reason == reason
    else:
        assert (refusal.code, refusal.reason) == (grpc.StatusCode[code], reason)
