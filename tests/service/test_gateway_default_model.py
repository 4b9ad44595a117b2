"""A gateway without a configured model: the only model of the namespace answers, whatever it is about."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from tests.opened import OpenedStore, open_store
from tests.service.predicting_store import define, publish

from .gateway_fixtures import gateway_server, http_client
from .servers import online_server
from .test_gateway_health import health_until

PENGUIN = {"entity_id": "delivery_1"}
"""An entity of the small store; the tests look at the name of the model alone."""


@asynccontextmanager
async def serving(store_url: str, **online: str) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        online_server(store_url, model_staleness_ms=50, **online) as server,
        gateway_server(server.address) as gateway,
        http_client(gateway.address) as client,
    ):
        yield client


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[tuple[str, OpenedStore]]:
    url = f"sqlite:///{tmp_path}/store"
    async with open_store(url) as store:
        await define(store)
        yield url, store


async def test_the_only_model_predicts_and_is_the_one_that_health_and_the_contract_are_about(opened) -> None:
    """No setting names it. A second model is named by the request: the answer lists them."""
    url, store = opened
    await publish(store, 0.0, champion=1, name="body_mass")
    async with serving(url) as client:
        predicted = await client.post("/predict", json=PENGUIN)
        batch = await client.post("/features/batch", json=[PENGUIN["entity_id"]])
        health = await health_until(client, "healthy")
        contract = (await client.get("/openapi.json")).json()
        await publish(store, 0.0, champion=1, name="wing_length")
        while (several := await client.post("/predict", json=PENGUIN)).status_code == 200:
            pass
        named = await client.post("/predict", json={**PENGUIN, "model": "wing_length"})
        unhealthy = await health_until(client, "degraded")

    assert ["body_mass"] * 2 == [each.json()["model"] for each in (predicted, batch)]
    assert health["model_loaded"] is True
    assert "The default model, `body_mass`" in contract["info"]["description"]
    assert (400, "model") == (several.status_code, several.json()["field"])
    assert "name the model: body_mass, wing_length are registered" == several.json()["detail"]
    assert "wing_length" == named.json()["model"]
    assert (True, False) == (unhealthy["feature_store_connected"], unhealthy["model_loaded"])


async def test_without_a_model_predictions_are_503_and_say_so_without_a_name_of_another_world(opened) -> None:
    """Health has its documented members: connected, no model loaded, degraded."""
    url, _ = opened
    async with serving(url) as client:
        refused = await client.post("/predict", json=PENGUIN)
        health = (await client.get("/health")).json()

    assert (503, "UNKNOWN_MODEL") == (refused.status_code, refused.json()["reason"])
    assert "no model is registered; train one" == refused.json()["detail"]
    assert ("degraded", True, False) == tuple(list(health.values())[:3])


async def test_a_configured_model_that_does_not_exist_is_not_replaced_by_the_only_one(opened) -> None:
    """Its absence is 503, as is health's model_loaded false: the other model predicts something else."""
    url, store = opened
    await publish(store, 0.0, champion=1, name="body_mass")
    async with serving(url, default_model="wing_length") as client:
        refused = await client.post("/predict", json=PENGUIN)
        health = (await client.get("/health")).json()

    assert (503, "UNKNOWN_MODEL") == (refused.status_code, refused.json()["reason"])
    assert "'wing_length' does not exist" in refused.json()["detail"]
    assert health["model_loaded"] is False
