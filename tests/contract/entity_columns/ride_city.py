"""A city whose label rows name several entities: a ride has a driver and a customer. Fixtures and label rows."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from tests.opened import OpenedStore, open_store

from featurama_core.datasets import request
from featurama_core.retrieval import sizes, spilled
from featurama_core.storage.open import open_storage
from featurama_core.storage.port import NamespaceOptions
from featurama_core.storage.settings import StorageSettings

HOUR = 3_600_000_000
START = 1_780_000_000_000_000
COLUMNS = {"driver": "driver_id", "customer": "customer_id"}
DRIVER = ["rating", "home", "home.heat"]
CUSTOMER = ["trips", "nick"]
MIXED = ["trips", "home.heat", "rating", "nick", "home"]
IN_ROLES = ["customer.trips", "driver.home.heat", "driver.rating", "customer.nick", "driver.home"]
"""The columns of MIXED in a set of several entities."""


class Clock:
    """A wall clock, in nanoseconds, that the tests share."""

    def __init__(self, now: int) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now

    def advance(self, micros: int) -> None:
        self.now += micros * 1_000


@dataclass(frozen=True, slots=True)
class City:
    """A filled namespace. settled: before the corrections, and known_at may say it."""

    settings: StorageSettings
    namespace: str
    clock: Clock
    settled: int

    def open(self) -> Any:
        return open_store(self.settings, namespace=self.namespace, clock=self.clock)


# On a cluster filling it takes longer than most tests: one worker has it.
ON_CQL = pytest.param("cql", marks=[pytest.mark.cql, pytest.mark.xdist_group("city_on_cql")])


@pytest.fixture(scope="module", params=["sqlite", ON_CQL])
def city(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    """12 drivers and 20 customers over 40 days; every other value was corrected later. A driver's home is a zone."""
    if request.param == "sqlite":
        settings = StorageSettings(f"sqlite:///{tmp_path_factory.mktemp('several')}")
    else:
        endpoint: Any = request.getfixturevalue("cql_endpoint")
        settings = StorageSettings(f"cassandra://{endpoint.host}:{endpoint.port}", request_timeout_ms=20_000)
    name = f"several_{uuid.uuid4().hex[:12]}"
    clock = Clock((START + 1_000 * HOUR) * 1_000)
    made = City(settings, name, clock, START + 1_001 * HOUR)

    async def fill() -> None:
        async with open_storage(settings) as storage:
            await storage.create_namespace(name, NamespaceOptions())
        async with made.open() as store:
            await define(store)
            await write(store, 0.0)
            clock.advance(2 * HOUR)
            await write(store, 1_000.0)
            clock.advance(HOUR)

    async def remove() -> None:
        async with open_storage(settings) as storage:
            await storage.drop_namespace(name)

    asyncio.run(fill())
    yield made
    asyncio.run(remove())


@pytest.fixture
async def store(city: City) -> AsyncIterator[OpenedStore]:
    async with city.open() as opened:
        yield opened


async def define(store: OpenedStore) -> None:
    for kind in ("driver", "customer", "zone"):
        await store.register_entity_type(kind)
    await store.register_feature_group("driving", "driver", ttl="26h")
    await store.register_feature_group("riding", "customer")
    await store.register_feature_group("places", "zone", ttl="30d")
    await store.register_feature("rating", "double", group="driving")
    await store.register_feature("home", "text", group="driving", references="zone")
    await store.register_feature("trips", "int", group="riding")
    await store.register_feature("nick", "text", group="riding")
    await store.register_feature("heat", "int", group="places")


async def write(store: OpenedStore, more: float) -> None:
    """Values of all hours; a `more` above 0 corrects those of every other row."""
    rows = np.arange(480)[:: 2 if more else 1]
    at = START + rows // 12 * 25 * HOUR
    rating = [None if row % 7 == 0 else row + more for row in rows.tolist()]
    home = [f"zone_{row % 5}" for row in rows.tolist()]
    drivers = [f"driver_{row % 12}" for row in rows.tolist()]
    first = await store.write_features(
        {"entity_id": drivers, "timestamp": at, "rating": rating, "home": home}, time_unit="us"
    )
    customers = [f"customer_{row % 20}" for row in rows.tolist()]
    trips = rows + int(more)
    nick = [f"n{row}" for row in trips.tolist()]
    second = await store.write_features(
        {"entity_id": customers, "timestamp": at + HOUR, "trips": trips, "nick": nick}, time_unit="us"
    )
    some = rows % 12 < 4
    zones = [f"zone_{row % 12}" for row in rows[some].tolist()]
    third = await store.write_features({"entity_id": zones, "timestamp": at[some], "heat": trips[some]}, time_unit="us")
    assert [each.accepted for each in (first, second, third)] == [len(rows), len(rows), some.sum()]


def rides(rows: int = 400) -> Any:
    """Drivers and customers, some unknown, some not named (null, or empty), at times around what is stored; a few rows
    are there twice.
    """
    draw = np.random.default_rng(5)
    driver: list[str | None] = [f"driver_{each}" for each in draw.integers(0, 14, rows)]
    customer: list[str | None] = [f"customer_{each}" for each in draw.integers(0, 22, rows)]
    driver[3::10] = [None] * len(driver[3::10])
    driver[4::20] = [""] * len(driver[4::20])
    customer[3::15] = [None] * len(customer[3::15])
    at = START + draw.integers(-20, 1_000, rows) * HOUR
    # After the values became known, before and after their corrections did.
    at[1::4] = START + 1_000 * HOUR + np.arange(len(at[1::4])) % 3 * HOUR
    table = pa.table(
        {
            "fare": draw.random(rows),
            "customer_id": pa.array(customer, pa.string()),
            "timestamp": pa.array(at).cast(pa.timestamp("us", "UTC")),
            "driver_id": pa.array(driver, pa.string()),
        }
    )
    return table.take(pa.array([*range(rows), 0, 3, 3]))


def of_one(table: Any, column: str) -> Any:
    """The rows for a set of one entity column: who is not named is somebody of whom nothing is known."""
    ids = [each or "nobody" for each in table.column(column).to_pylist()]
    return pa.table({"entity_id": ids, "timestamp": table.column("timestamp")})


def told(table: Any, names: list[str]) -> dict[str, list[object]]:
    """Columns, comparable where a value is NaN."""
    return {name: [repr(each) for each in table.column(name).to_pylist()] for name in names}


def in_small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of about 60 rows (more, were they of the features of one column), 64 shards, memory for hardly any."""
    monkeypatch.setattr(sizes, "_FEWEST_PART_ROWS", 1)
    monkeypatch.setattr(sizes, "_PART_BYTES", 60 * 232)
    monkeypatch.setattr(sizes, "FEW_ROWS", 0)
    monkeypatch.setattr(spilled, "ROWS_AT_ONCE", 0)
    monkeypatch.setattr(request, "LEAST_MEMORY", 1)
