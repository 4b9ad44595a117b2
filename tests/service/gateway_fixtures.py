"""The gateway over real online and ingest services, and a real model in the namespace that the tests share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from tests.opened import OpenedStore
from tests.unit.featurama_model.models import ARTEFACT, MANIFEST

from featurama_core.stores import Stores
from featurama_core.types.errors import Unknown
from featurama_gateway import app as gateway_app
from featurama_gateway.settings import GatewaySettings
from featurama_model.registry import CHAMPION, ModelRegistry

from .servers import QUIET, RunningServer, running

MODEL = MANIFEST.name
LAST_YEAR = "2025-11-01T00:00:00Z"


def gateway_server(online: str, **settings: Any) -> Any:
    """The gateway over the online service at an address; an async context manager of RunningServer.

    The first prediction of a process imports xgboost, which takes seconds: the deadline is long.
    """
    return running(gateway_app.run, GatewaySettings(**{"online": online, "deadline_ms": 60_000, **QUIET, **settings}))


@asynccontextmanager
async def http_client(address: str, namespace: str = "default") -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client of the gateway at an address, that names a namespace with every request."""
    headers = {"X-Featurama-Namespace": namespace}
    async with httpx.AsyncClient(
        base_url=f"http://{address}", headers=headers, trust_env=False, timeout=90.0
    ) as client:
        yield client


async def define_deliveries(store: OpenedStore) -> None:
    """What the small model reads: the distance of a delivery, and the traffic at its destination."""
    for kind in ("planet", "delivery"):
        await store.register_entity_type(kind)
    for version in (1, 2):
        await store.register_feature("traffic_level", "double", version=version, entity_type="planet")
    await store.register_feature("distance", "double", entity_type="delivery")
    await store.register_feature("destination", "text", entity_type="delivery", references="planet")
    await store.register_entity("planet_mars", "planet")
    await store.register_entity("delivery_empty", "delivery")
    await write(store, {"entity_id": ["planet_mars"], "traffic_level": [0.5]})
    await write(
        store,
        {
            "entity_id": ["delivery_near", "delivery_far"],
            "distance": [1.0, 9_000.0],
            "destination": ["planet_mars"] * 2,
        },
    )


async def write(store: OpenedStore, columns: dict[str, list[Any]], version: int | None = None) -> None:
    """Write a wide frame of last year's values, of which every row must be accepted."""
    frame = {"timestamp": [LAST_YEAR] * len(columns["entity_id"]), **columns}
    report = await store.write_features(frame, version=version)
    assert report.accepted == report.sent, report.verdicts


async def publish_model(store: OpenedStore) -> int:
    """Publish the small model and promote it. -> its version"""
    models = ModelRegistry(store.space.storage)
    published = await models.publish(MANIFEST, ARTEFACT)
    await models.set_alias(MODEL, CHAMPION, published.version)
    return published.version


@pytest.fixture(scope="session")
def delivery_model(storage_url: str, namespace: str) -> int:
    """Deliveries and the model are in the shared namespace. -> the champion's version"""

    async def make() -> int:
        async with Stores.open(storage_url) as stores:
            store = OpenedStore(await stores.namespace(namespace))
            try:
                await store.get_entity("delivery_empty")
            except Unknown:
                await define_deliveries(store)
            return await publish_model(store)

    return asyncio.run(make())


@pytest.fixture
async def store(storage_url: str, namespace: str) -> AsyncIterator[OpenedStore]:
    """The shared namespace, as the embedded store sees it."""
    async with Stores.open(storage_url) as stores:
        yield OpenedStore(await stores.namespace(namespace))


@pytest.fixture
async def gateway_at(online_at: RunningServer, delivery_model: int) -> AsyncIterator[RunningServer]:
    """The gateway; the model that it serves is the champion of the shared namespace."""
    async with gateway_server(online_at.address) as server:
        yield server


@pytest.fixture
async def gateway(gateway_at: RunningServer, namespace: str) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client of the gateway."""
    async with http_client(gateway_at.address, namespace) as client:
        yield client
