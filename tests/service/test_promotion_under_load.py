"""Aliases that move while requests are served: no request fails, each is answered by one version, bad ones never."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from grpc_health.v1 import health_pb2
from tests.opened import OpenedStore, open_store
from tests.service.load import Load, answer_of
from tests.service.predicting_store import NAME, define, publish, publish_mutated
from tests.service.servers import Client, client_of, online_server, until

from featurama import connect
from featurama.v1 import prediction_service_pb2 as pb
from featurama_model.registry import ModelRegistry

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
REQUEST = pb.PredictRequest(entity_ids=["delivery_1", "delivery_2"])


@pytest.fixture
async def store(tmp_path) -> AsyncIterator[OpenedStore]:
    """The store, opened beside the server as an administrator's command does: two versions, the first serves."""
    async with open_store(f"sqlite:///{tmp_path}/store") as opened:
        await define(opened)
        await publish(opened, 0.0, 100.0, champion=1)
        yield opened


@pytest.fixture
async def online(store: OpenedStore, tmp_path) -> AsyncIterator[Client]:
    """A client of a server that notices a moved alias within 50 ms."""
    url = f"sqlite:///{tmp_path}/store"
    async with (
        online_server(url, model_staleness_ms=50, health_interval_ms=20) as server,
        client_of(server.address) as client,
    ):
        yield client


async def of_version(client: Client, version: int) -> tuple[float, ...]:
    """What a version answers."""
    return await answer_of(client, REQUEST, version)


async def test_an_alias_is_followed_without_a_request(online: Client, store: OpenedStore) -> None:
    """The first request after a while is answered by the new version: the server watches, it is not told."""
    await online.predictions.Predict(REQUEST)
    await publish(store, 7.0, champion=3)

    async def loaded() -> bool:
        async with connect(f"grpc://{online.address}") as client:
            return (await client.get_model(NAME, version=3)).state == "loaded"

    while not await loaded():
        pass
    assert (await online.predictions.Predict(REQUEST)).version == 3


async def test_a_mutated_artefact_that_is_promoted_changes_nothing_that_is_served(
    online: Client, store: OpenedStore
) -> None:
    """Health of the service stays; listing and health of the models say what is wrong, until it is put right."""
    await publish_mutated(store, 3)
    expected = await of_version(online, 1)

    async def health(name: str) -> Any:
        return (await online.health.Check(health_pb2.HealthCheckRequest(service=name))).status

    async with Load(online, REQUEST) as load, connect(f"grpc://{online.address}") as client:
        assert await health("featurama.models") == SERVING
        await ModelRegistry(store.space.storage).set_alias(NAME, "champion", 3)
        while await health("featurama.models") == SERVING:
            pass
        await load.answered(1)
        bad = await client.get_model(NAME)
        assert (bad.version, bad.state) == (3, "unusable")
        assert "left out" in bad.problem or "malformed" in bad.problem
        assert await health("featurama.v1.PredictionService") == SERVING
        assert await health("") == SERVING
        await ModelRegistry(store.space.storage).set_alias(NAME, "champion", 1)
        while await health("featurama.models") == NOT_SERVING:
            pass
    assert load.errors == []
    assert set(load.answers) == {(1, expected)}


async def test_what_an_alias_serves_stays_though_others_are_loaded_and_its_next_version_is_bad(
    store: OpenedStore, tmp_path
) -> None:
    """Room for one model: a version asked for by number takes it, and the champion still answers."""
    await publish_mutated(store, 3)
    async with (
        online_server(f"sqlite:///{tmp_path}/store", max_models=1, model_staleness_ms=50) as server,
        client_of(server.address) as client,
        connect(f"grpc://{server.address}") as models,
    ):
        expected = await of_version(client, 1)
        await client.predictions.Predict(REQUEST)
        await of_version(client, 2)
        await ModelRegistry(store.space.storage).set_alias(NAME, "champion", 3)
        while (await models.get_model(NAME, version=3)).state != "unusable":
            answer = await client.predictions.Predict(REQUEST)
            assert (1, expected) == (answer.version, tuple(answer.predictions))
        answer = await client.predictions.Predict(REQUEST)
        assert (1, expected) == (answer.version, tuple(answer.predictions))


async def test_what_becomes_of_models_is_logged(store: OpenedStore, tmp_path, monkeypatch) -> None:
    """Loaded, served by an alias, unusable with the reason: one line each."""
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    await publish_mutated(store, 3)
    async with (
        online_server(
            f"sqlite:///{tmp_path}/store", model_staleness_ms=50, log_level="info", log_format="json", log_calls=False
        ) as server,
        client_of(server.address) as client,
    ):
        await client.predictions.Predict(REQUEST)
        await ModelRegistry(store.space.storage).set_alias(NAME, "champion", 3)
        await until(lambda: "model unusable" in stream.getvalue())
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [("model loaded", 1), ("model served", 1), ("model unusable", 3)] == [
        (line["event"], line["version"]) for line in lines if line["event"].startswith("model ")
    ]
