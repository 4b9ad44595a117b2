"""Services on loopback, on every storage adapter.

A storage and its namespace are made once a session and worker (a keyspace takes seconds); servers live as long as a
test. Tests work with names and ids of their own (`unique`).
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Iterator

import grpc.aio
import pytest
from tests.cql_server.endpoint import server_stays

import featurama
from featurama_core.storage.open import open_storage
from featurama_core.storage.port import NamespaceOptions
from featurama_core.storage.settings import StorageSettings

from .gateway_fixtures import delivery_model, gateway, gateway_at, store  # noqa: F401 - fixtures
from .penguins import penguins  # noqa: F401 - a fixture
from .servers import Client, RunningServer, client_of, ingest_server, online_server

SQLITE_AND_CQL = ["sqlite", pytest.param("cql", marks=pytest.mark.cql)]


@pytest.fixture(scope="session", autouse=True)
def grpc_lives_for_the_session() -> Iterator[None]:
    """grpc.aio ends its poller thread with its last object, and joins it wherever the garbage collector happens to
    run, also on the loop; here it lives on from test to test."""
    # On a loop of its own: after the first asynchronous test of a session there is no current one.
    asyncio.run(_at_once(grpc.aio.init_grpc_aio))
    yield
    asyncio.run(_at_once(grpc.aio.shutdown_grpc_aio))


@pytest.fixture(scope="session", params=SQLITE_AND_CQL)
def storage_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where the adapter's storage is."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path_factory.mktemp('services')}"
    endpoint = request.getfixturevalue("cql_endpoint")
    return f"cassandra://{endpoint.host}:{endpoint.port}"


@pytest.fixture(scope="session")
def namespace(storage_url: str) -> Iterator[str]:
    """The namespace that the tests of this worker share on the storage."""
    name = f"services_{uuid.uuid4().hex[:12]}"
    asyncio.run(_make(storage_url, name))
    yield name
    if server_stays():
        asyncio.run(_remove(storage_url, name))


@pytest.fixture
async def own_namespace(storage_url: str) -> AsyncIterator[str]:
    """A namespace that one test has for itself; it takes seconds to make on a cluster."""
    name = f"own_{uuid.uuid4().hex[:12]}"
    await _make(storage_url, name)
    yield name
    await _remove(storage_url, name)


@pytest.fixture
def unique() -> Callable[[str], str]:
    """Names and ids that no other test uses: `unique("distance")`."""
    suffix = uuid.uuid4().hex[:12]
    return lambda name: f"{name}_{suffix}"


@pytest.fixture
async def online_at(storage_url: str, namespace: str) -> AsyncIterator[RunningServer]:
    """The online service."""
    async with online_server(storage_url) as server:
        yield server


@pytest.fixture
async def ingest_at(storage_url: str, namespace: str) -> AsyncIterator[RunningServer]:
    """The ingest service."""
    async with ingest_server(storage_url) as server:
        yield server


@pytest.fixture(params=["embedded", "servers"])
async def either_store(
    request: pytest.FixtureRequest,
    storage_url: str,
    namespace: str,
    online_at: RunningServer,
    ingest_at: RunningServer,
) -> AsyncIterator[featurama.FeatureStore]:
    """The shared namespace, opened and behind servers."""
    url = storage_url if request.param == "embedded" else f"grpc://{online_at.address}?ingest={ingest_at.address}"
    async with featurama.connect(url, namespace=namespace) as opened:
        yield opened


@pytest.fixture
async def online(online_at: RunningServer) -> AsyncIterator[Client]:
    """A client of the online service."""
    async with client_of(online_at.address) as client:
        yield client


@pytest.fixture
async def ingest(ingest_at: RunningServer) -> AsyncIterator[Client]:
    """A client of the ingest service."""
    async with client_of(ingest_at.address) as client:
        yield client


async def _make(storage_url: str, namespace: str) -> None:
    async with open_storage(StorageSettings(storage_url, request_timeout_ms=20_000)) as storage:
        await storage.create_namespace(namespace, NamespaceOptions())


async def _remove(storage_url: str, namespace: str) -> None:
    async with open_storage(StorageSettings(storage_url, request_timeout_ms=20_000)) as storage:
        await storage.drop_namespace(namespace)


async def _at_once(act: Callable[[], None]) -> None:
    act()
