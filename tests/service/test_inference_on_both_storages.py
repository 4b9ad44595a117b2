"""What serving promises of models, on every storage adapter: lists, promotions, reloads, restarts. Real gRPC.

A test's models have a name of their own in the namespace that all tests of a worker share.
"""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from grpc_health.v1 import health_pb2
from tests.opened import OpenedStore

from featurama import FeatureStore, connect
from featurama.errors import Conflict, FailedPrecondition, Reason
from featurama.v1 import prediction_service_pb2 as pb
from featurama_core.stores import Stores
from featurama_core.types.column import Column
from featurama_model.loading import load_model
from featurama_model.registry import ModelRegistry

from .gateway_fixtures import gateway_server, http_client
from .load import Load, answer_of
from .predicting_store import define, publish, publish_mutated
from .servers import Client, client_of, online_server

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.fixture
async def store(storage_url: str, namespace: str) -> AsyncIterator[OpenedStore]:
    """The shared namespace, opened beside the servers as an administrator's command does."""
    async with Stores.open(storage_url) as stores:
        opened = OpenedStore(await stores.namespace(namespace))
        await define(opened)
        yield opened


@pytest.fixture
def model(unique: Callable[[str], str]) -> str:
    return unique("model")


@pytest.fixture
def serving(storage_url: str, namespace: str, model: str) -> Any:
    """`async with serving() as (client, sdk)`: a server that follows aliases within 50 ms."""

    @asynccontextmanager
    async def serve(**settings: Any) -> AsyncIterator[tuple[Client, FeatureStore]]:
        quick = {"model_staleness_ms": 50, "health_interval_ms": 20, "default_model": model, **settings}
        async with (
            online_server(storage_url, **quick) as server,
            client_of(server.address) as client,
            connect(f"grpc://{server.address}", namespace=namespace, timeout=90.0) as sdk,
        ):
            yield client, sdk

    return serve


async def health(client: Client, name: str = "featurama.models") -> Any:
    return (await client.health.Check(health_pb2.HealthCheckRequest(service=name))).status


async def test_what_is_served_is_what_the_artefact_answers_to_the_stored_features(store, model, serving) -> None:
    """Bit for bit: the columns that were used, through the manifest's own matrix."""
    await publish(store, 0.0, champion=1, name=model)
    async with serving() as (_, sdk):
        made = await sdk.predict(["delivery_2", "delivery_1", "delivery_empty"], model=model)
    registry = ModelRegistry(store.space.storage)
    manifest = await registry.get(model)
    loaded = load_model(manifest, await registry.artefact(manifest))
    columns: list[Column] = list(made.features)
    np.testing.assert_array_equal(made.values, loaded.predict_matrix(loaded.manifest.matrix(columns, None)))
    read = await store.get_online_features(["delivery_2", "delivery_1"], ["distance"])
    assert columns[0].values[:2].tolist() == read.columns[0].values.tolist()
    assert dict(made.missing) == {2: ("distance", "destination.traffic_level")}
    assert (made.classes, made.predicted_classes, made.probabilities) == ((), (), None)


async def test_while_the_alias_moves_to_and_fro_every_answer_is_one_versions(store, namespace, model, serving) -> None:
    """Version and values belong together in every answer; both versions are seen; none fails."""
    await publish(store, 0.0, 100.0, champion=1, name=model)
    request = pb.PredictRequest(namespace=namespace, model=model, entity_ids=["delivery_1", "delivery_2"])
    registry = ModelRegistry(store.space.storage)
    async with serving() as (client, _):
        expected = {version: await answer_of(client, request, version) for version in (1, 2)}
        assert expected[1] != expected[2]
        async with Load(client, request) as load:
            for version in (2, 1, 2, 1, 2):
                await registry.set_alias(model, "champion", version)
                await load.answered(version)
    assert load.errors == []
    assert set(load.answers) == set(expected.items())


async def test_versions_are_listed_promoted_and_refused(store, model, serving) -> None:
    """A mutated version is refused with the reason in one line, the alias does not move, the listing says why."""
    await publish(store, 0.0, 100.0, champion=1, name=model)
    await publish_mutated(store, 3, name=model)
    async with serving() as (_, sdk):
        assert (await sdk.predict(["delivery_1"], model=model)).version == 1
        assert [(each.version, each.aliases) for each in await sdk.list_models(model)] == [
            (1, ("champion",)),
            (2, ()),
            (3, ()),
        ]
        promoted = await sdk.set_alias(model, "champion", 2, expected_version=1)
        assert (promoted.aliases, promoted.state) == (("champion",), "loaded")
        while (await sdk.predict(["delivery_1"], model=model)).version != 2:
            pass  # at once, unless the store takes long to say what the alias names
        with pytest.raises(FailedPrecondition, match=r"version 3 of .* cannot be used") as refused:
            await sdk.set_alias(model, "champion", 3, expected_version=2)
        assert (refused.value.reason, "\n" in refused.value.message) == (Reason.MODEL_UNUSABLE, False)
        listed = await sdk.list_models(model)
        assert [each.state for each in listed[1:]] == ["loaded", "unusable"]
        assert [each.serves for each in listed] == [(), ("champion",), ()]
        assert await ModelRegistry(store.space.storage).aliases(model) == {"champion": 2}


async def test_of_two_promotions_at_once_the_second_is_told_of_the_first(store, model, serving) -> None:
    await publish(store, 0.0, 10.0, 20.0, champion=1, name=model)
    async with serving() as (_, sdk):
        tries = [sdk.set_alias(model, "champion", version, expected_version=1) for version in (2, 3)]
        ended = await asyncio.gather(*tries, return_exceptions=True)
        (won,) = [each.version for each in ended if not isinstance(each, BaseException)]
        (lost,) = [each for each in ended if isinstance(each, Conflict)]
        assert (lost.reason, f"version {won}" in lost.message) == (Reason.ALIAS_MOVED, True)
        while (await sdk.predict(["delivery_1"], model=model)).version != won:
            pass
    history = await ModelRegistry(store.space.storage).history(model)
    assert [move.version for move in history] == [1, won]


async def test_after_a_restart_an_alias_of_a_bad_version_is_served_by_the_newest_before_it_that_loads(
    store, namespace, model, serving, monkeypatch
) -> None:
    """Not by the bad one before that, nor by a good one that it never named. All say so, and all is well again when
    the alias moves to a good one.
    """
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    await publish(store, 0.0, 100.0, name=model)
    for version in (3, 4):
        await publish_mutated(store, version, name=model)
    await publish(store, 200.0, name=model)
    registry = ModelRegistry(store.space.storage)
    for version in (1, 2, 3, 4):
        await registry.set_alias(model, "champion", version)
    request = pb.PredictRequest(namespace=namespace, model=model, entity_ids=["delivery_1"])
    async with serving(log_level="info", log_format="json", log_calls=False) as (client, sdk):
        answers = await asyncio.gather(*(client.predictions.Predict(request) for _ in range(5)))
        assert {answer.version for answer in answers} == {2}
        assert tuple(answers[0].predictions) == await answer_of(client, request, 2)
        while await health(client) == SERVING:
            pass
        while await health(client, "featurama.v1.PredictionService") != SERVING:
            pass
        listed = {each.version: each for each in await sdk.list_models(model)}
        assert (listed[4].aliases, listed[4].state, listed[4].serves) == (("champion",), "unusable", ())
        assert "version 4" in listed[4].problem
        assert (listed[2].serves, listed[2].degraded, listed[2].state) == (("champion",), ("champion",), "loaded")
        async with (
            gateway_server(client.address, model=model) as server,
            http_client(server.address, namespace) as http,
        ):
            # On a busy machine its first question may not be answered in time.
            while not (body := (await http.get("/health")).json())["feature_store_connected"]:
                pass
            assert (body["status"], body["model_loaded"]) == ("degraded", True)

        await registry.set_alias(model, "champion", 5)
        while (await client.predictions.Predict(request)).version != 5:
            pass
        while await health(client) == NOT_SERVING:
            pass
        assert (await sdk.get_model(model)).serves == ("champion",)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    told = [(line["event"], line.get("version")) for line in lines if line.get("model") == model]
    assert [each for each in told if each[0] in ("model degraded", "model served")] == [
        ("model degraded", 2),
        ("model served", 5),
    ]
    (degraded,) = [line for line in lines if line["event"] == "model degraded"]
    assert degraded["problem"] == "champion: version 4 cannot be used"


async def test_an_alias_with_nothing_to_fall_back_on_is_refused_with_the_reason_until_it_is_moved(
    store, namespace, model, serving
) -> None:
    await publish_mutated(store, 1, name=model)
    await publish(store, 0.0, name=model)
    registry = ModelRegistry(store.space.storage)
    await registry.set_alias(model, "champion", 1)
    async with serving() as (client, sdk):
        for _ in range(2):
            with pytest.raises(FailedPrecondition, match=r"version 1 of .* cannot be used"):
                await sdk.predict(["delivery_1"], model=model)
        await registry.set_alias(model, "champion", 2)
        while True:
            try:
                assert (await sdk.predict(["delivery_1"], model=model)).version == 2
                break
            except FailedPrecondition:
                continue
        while await health(client, "featurama.v1.PredictionService") != SERVING:
            pass
