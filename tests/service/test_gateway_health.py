"""GET /health tells whether predictions can be made; /docs shows the contract without the internet."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from types import SimpleNamespace

import pytest
from tests.opened import open_store
from tests.unit.featurama_model.models import ARTEFACT, MANIFEST

from featurama_gateway.readiness import Readiness, Ready
from featurama_model.registry import ModelRegistry

from .gateway_fixtures import define_deliveries, gateway_server, http_client, publish_model
from .servers import online_server


async def health_until(client, status):
    """The first /health with this status; the test's own timeout ends a wait in vain."""
    while True:
        body = (await client.get("/health")).json()
        if body["status"] == status:
            return body
        await asyncio.sleep(0.05)


async def test_a_gateway_whose_model_can_be_used_is_healthy(gateway):
    """Its four members; the namespace is the header's."""
    body = await health_until(gateway, "healthy")
    other = (await gateway.get("/health", headers={"X-Featurama-Namespace": "no_such_place"})).json()

    assert set(body) == {"status", "feature_store_connected", "model_loaded", "timestamp"}
    assert (body["feature_store_connected"], body["model_loaded"]) == (True, True)
    assert (other["status"], other["feature_store_connected"], other["model_loaded"]) == ("degraded", True, False)


async def test_health_turns_healthy_by_itself_once_a_model_is_there(tmp_path):
    """No model: degraded, and predictions are 503. Trained and promoted: healthy, without a restart."""
    url = f"sqlite:///{tmp_path}/store"
    async with (
        open_store(url) as store,
        online_server(url) as online,
        gateway_server(online.address) as server,
        http_client(server.address) as client,
    ):
        before = (await client.get("/health")).json()
        refused = [
            await client.post("/predict", json={"delivery_id": "delivery_near"}),
            await client.post("/features/batch", json=["delivery_near"]),
        ]
        await define_deliveries(store)
        await publish_model(store)
        after = await health_until(client, "healthy")
        predicted = await client.post("/predict", json={"delivery_id": "delivery_near"})

    assert (before["status"], before["feature_store_connected"], before["model_loaded"]) == ("degraded", True, False)
    assert [(each.status_code, each.json()["reason"]) for each in refused] == [(503, "UNKNOWN_MODEL")] * 2
    assert {each.headers["content-type"] for each in refused} == {"application/problem+json"}
    assert after["model_loaded"] is True
    assert predicted.status_code == 200


async def test_a_model_whose_features_are_not_registered_is_not_loaded(tmp_path):
    """It is there, but cannot be used: health says so, and a prediction is 503 MODEL_UNUSABLE."""
    url = f"sqlite:///{tmp_path}/store"
    async with open_store(url) as store:
        await publish_model(store)
        async with (
            online_server(url) as online,
            gateway_server(online.address) as server,
            http_client(server.address) as client,
        ):
            refused = await client.post("/predict", json={"delivery_id": "delivery_near"})
            body = (await client.get("/health")).json()

    assert (refused.status_code, refused.json()["reason"]) == (503, "MODEL_UNUSABLE")
    assert (body["feature_store_connected"], body["model_loaded"]) == (True, False)


async def test_health_is_of_the_model_that_this_gateway_serves(gateway, online_at, store, namespace):
    """A gateway set to another model is degraded until that one is there."""
    async with (
        gateway_server(online_at.address, model="another_model") as server,
        http_client(server.address, namespace) as client,
    ):
        before = (await client.get("/health")).json()
        models = ModelRegistry(store.space.storage)
        published = await models.publish(replace(MANIFEST, name="another_model"), ARTEFACT)
        await models.set_alias("another_model", "champion", published.version)
        after = await health_until(client, "healthy")

    assert (before["model_loaded"], after["model_loaded"]) == (False, True)


class CountingClient:
    """A client whose model is there, and that counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    async def in_namespace(self, _):
        return self

    async def is_serving(self, _):
        self.asked += 1
        await asyncio.sleep(0)
        return True

    async def predict(self, *_, **__):
        await asyncio.sleep(0)

    async def get_model(self, _):
        await asyncio.sleep(0)
        return SimpleNamespace(state="loaded")


async def test_the_online_service_is_asked_seldom_however_often_health_is():
    """A hundred callers at once, and more within half a second, are one question; later ones are another."""
    client, now = CountingClient(), [0.0]
    readiness = Readiness(client, "m", max_age=0.5, monotonic=lambda: now[0])

    told = await asyncio.gather(*(readiness.of("default") for _ in range(100)))
    now[0] = 0.5
    told.append(await readiness.of("default"))
    once = client.asked
    now[0] = 0.6
    told.append(await readiness.of("default"))

    assert set(told) == {Ready(connected=True, loaded=True)}
    assert (once, client.asked) == (1, 2)


async def test_the_contract_is_shown_from_local_files(gateway):
    """/docs, what it loads, and /openapi.json: no address of another host; errors are problems."""
    page = await gateway.get("/docs")
    loaded = re.findall(r"""(?:src|href)=["']([^"']+)["']""", page.text)
    files = [await gateway.get(path) for path in loaded]
    contract = (await gateway.get("/openapi.json")).json()

    assert page.status_code == 200
    assert "://" not in page.text
    assert loaded
    assert all(path.startswith("/") for path in loaded)
    assert [each.status_code for each in files] == [200] * len(files)
    assert set(contract["paths"]) == {
        "/predict",
        "/models/{model}/predict",
        "/features/batch",
        "/features",
        "/features/{entity_id}",
        "/health",
    }
    for operations in contract["paths"].values():
        for operation in operations.values():
            assert set(operation["responses"]) == {"200", "4XX", "5XX"}
            assert set(operation["responses"]["4XX"]["content"]) == {"application/problem+json"}


@pytest.mark.parametrize("path", ["/redoc", "/docs/oauth2-redirect"])
async def test_no_other_page_names_another_host_either(gateway, path):
    """What FastAPI serves beside /docs."""
    page = await gateway.get(path)

    assert page.status_code in (200, 404)
    assert "https://" not in page.text
