"""One suite for every storage adapter. A namespace is made once a session and worker (it takes seconds on a cluster);
each test works with names and ids of its own."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

import pytest

from featurama_core.storage.port import NamespaceOptions, NamespaceStorage, Storage
from featurama_core.types.schema import FeatureDefinition, FeatureGroup
from featurama_core.types.values import ValueType
from tests.cql_server.endpoint import server_stays

from .batches import definition

PACKED = "cql_packed"
"""The cluster, with groups whose history is packed."""
OF_HISTORY = {"test_storage_history", "test_storage_values", "test_storage_erasure", "test_storage_deletion"}

Opening = Callable[[], AbstractAsyncContextManager[Storage]]


@dataclass(frozen=True, slots=True)
class Names:
    """Names that no other test uses."""

    suffix: str
    history: str = "rows"

    @property
    def group(self) -> FeatureGroup:
        """The test's feature group."""
        return FeatureGroup(f"group_{self.suffix}", history=self.history)

    def entity(self, name: str) -> str:
        """An entity id; the given part comes first and decides the order."""
        return f"{name}_{self.suffix}"

    def feature(
        self, name: str, value_type: ValueType = ValueType.DOUBLE, *, version: int = 1, vector_length: int = 0
    ) -> FeatureDefinition:
        """A feature of the test's group."""
        full = f"{name}_{self.suffix}"
        return definition(full, value_type, version=version, group=self.group.name, vector_length=vector_length)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests of what history is not about run once on a cluster."""
    twice = [
        each
        for each in items
        if isinstance(each, pytest.Function)
        and getattr(each, "callspec", None) is not None
        and each.callspec.params.get("opening") == PACKED
        and each.path.stem not in OF_HISTORY
    ]
    if twice:
        config.hook.pytest_deselected(items=twice)
        items[:] = [each for each in items if each not in twice]


@pytest.fixture
def names(request: pytest.FixtureRequest) -> Names:
    parameters = getattr(getattr(request.node, "callspec", None), "params", {})
    return Names(uuid.uuid4().hex[:12], "packed" if parameters.get("opening") == PACKED else "rows")


@pytest.fixture(
    scope="session", params=["sqlite", *(pytest.param(each, marks=pytest.mark.cql) for each in ("cql", PACKED))]
)
def opening(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Opening:
    """How the adapter's storage is opened."""
    if request.param == "sqlite":
        from featurama_core.storage.sqlite import SqliteStorage

        path = str(tmp_path_factory.mktemp("sqlite"))
        return lambda: SqliteStorage.open(path)
    from featurama_core.storage.cql import CqlStorage
    from featurama_core.storage.settings import StorageSettings, StorageUrl

    endpoint: Any = request.getfixturevalue("cql_endpoint")
    url = f"cassandra://{endpoint.host}:{endpoint.port}"
    return lambda: CqlStorage.open(StorageUrl.parse(url), StorageSettings(url, request_timeout_ms=20_000))


@pytest.fixture(scope="session")
def shared_namespace(opening: Opening) -> Iterator[str]:
    """The name of the namespace that all tests of this worker share."""
    name = f"contract_{uuid.uuid4().hex[:12]}"

    async def make() -> None:
        async with opening() as storage:
            await storage.create_namespace(name, NamespaceOptions())

    async def remove() -> None:
        async with opening() as storage:
            await storage.drop_namespace(name)

    asyncio.run(make())
    yield name
    if server_stays():
        asyncio.run(remove())


@pytest.fixture
async def storage(opening: Opening) -> AsyncIterator[Storage]:
    async with opening() as opened:
        yield opened


@pytest.fixture
async def namespace(storage: Storage, shared_namespace: str) -> NamespaceStorage:
    return await storage.namespace(shared_namespace)


@pytest.fixture
def url(cql_endpoint: Any) -> str:
    return f"cassandra://{cql_endpoint.host}:{cql_endpoint.port}"
