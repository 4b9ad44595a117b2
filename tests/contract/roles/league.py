"""A league whose label rows name several entities: a match has two teams, `home` and `away`, and a referee."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from tests.cql_server.endpoint import server_stays
from tests.opened import OpenedStore, open_store

from featurama_core.datasets import request
from featurama_core.retrieval import sizes, spilled
from featurama_core.storage.open import open_storage
from featurama_core.storage.port import NamespaceOptions
from featurama_core.storage.settings import StorageSettings

HOUR = 3_600_000_000
START = 1_780_000_000_000_000
ROLES = {"home": "team", "away": "team", "referee": "person"}
OF_TEAM = ["rating", "squad", "city", "city.population", "note"]
FEATURES = [
    "away.rating",
    "home.city.population",
    "home.rating",
    "cards",
    "home.squad",
    "away.city.population",
    "home.note",
    "referee.note",
    "away.city",
]
"""A type with one role may leave it out: `cards`."""
NAMES = [each if each != "cards" else "referee.cards" for each in FEATURES]
OF_TYPES = {"team": "home", "person": "referee"}
"""`entity_columns=`: the roles `team` and `person`, by the columns of `matches`."""
MIXED = ["cards", "city.population", "rating", "city"]
IN_TYPES = ["person.cards", "team.city.population", "team.rating", "team.city"]
"""The columns of MIXED in a set whose roles are OF_TYPES."""
SUFFIXES = ("", "__status", "__event_time")


@dataclass(slots=True)
class Clock:
    """A wall clock, in nanoseconds, that a test moves."""

    now: int

    def __call__(self) -> int:
        return self.now

    def advance(self, micros: int) -> None:
        self.now += micros * 1_000


@dataclass(frozen=True, slots=True)
class League:
    """A filled namespace. settled: before the corrections, and known_at may say it."""

    settings: StorageSettings
    namespace: str
    clock: Clock
    settled: int

    def open(self) -> Any:
        return open_store(self.settings, namespace=self.namespace, clock=self.clock)


# On a cluster filling it takes longer than most tests: one worker has it.
ON_CQL = pytest.param("cql", marks=[pytest.mark.cql, pytest.mark.xdist_group("league_on_cql")])


@pytest.fixture(scope="session", params=["sqlite", ON_CQL])
def league(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[League]:
    """10 teams, 4 referees and 5 cities over 40 days; every other value was corrected later.

    All tests of a worker share it: a test compares what it reads with what it reads itself, or writes entities of its
    own.
    """
    if request.param == "sqlite":
        settings = StorageSettings(f"sqlite:///{tmp_path_factory.mktemp('league')}")
    else:
        endpoint: Any = request.getfixturevalue("cql_endpoint")
        settings = StorageSettings(f"cassandra://{endpoint.host}:{endpoint.port}", request_timeout_ms=20_000)
    name = f"league_{uuid.uuid4().hex[:12]}"
    clock = Clock((START + 1_000 * HOUR) * 1_000)
    made = League(settings, name, clock, START + 1_001 * HOUR)

    async def fill() -> None:
        async with open_storage(settings) as storage:
            await storage.create_namespace(name, NamespaceOptions())
        async with made.open() as store:
            await define(store)
            await write(store, 0)
            clock.advance(2 * HOUR)
            await write(store, 1_000)
            await store.delete_feature_values("team_4", ["rating"])
            clock.advance(HOUR)

    async def remove() -> None:
        async with open_storage(settings) as storage:
            await storage.drop_namespace(name)

    asyncio.run(fill())
    yield made
    if server_stays():
        asyncio.run(remove())


@pytest.fixture
async def store(league: League) -> AsyncIterator[OpenedStore]:
    async with league.open() as opened:
        yield opened


async def define(store: OpenedStore) -> None:
    for kind in ("team", "person", "city"):
        await store.register_entity_type(kind)
    await store.register_feature_group("form", "team", ttl="26h")
    await store.register_feature("rating", "double", group="form")
    await store.register_feature("squad", "vector[2]", entity_type="team")
    await store.register_feature("city", "text", entity_type="team", references="city")
    await store.register_feature("population", "int", entity_type="city")
    await store.register_feature("cards", "int", entity_type="person")
    await store.register_feature("note", "text")


async def write(store: OpenedStore, more: int) -> None:
    """Values of all hours; a `more` above 0 corrects those of every other row."""
    rows = np.arange(400)[:: 2 if more else 1]
    at = START + rows // 10 * 25 * HOUR
    teams = [f"team_{row % 10}" for row in rows.tolist()]
    rating = [None if row % 7 == 0 else row + more for row in rows.tolist()]
    city = [f"city_{row % 6}" for row in rows.tolist()]
    squad = [[row + more, 0.5] for row in rows.tolist()]
    frames: list[dict[str, Any]] = [
        {"entity_id": teams, "timestamp": at, "rating": rating, "city": city, "squad": squad}
    ]
    for kind, count, feature in (("city", 5, "population"), ("person", 4, "cards"), ("team", 3, "note")):
        some = rows % 10 < count
        ids = [f"{kind}_{row % 10}" for row in rows[some].tolist()]
        values = (rows + more)[some].tolist()
        told_of = [f"n{each}" for each in values] if feature == "note" else values
        frames.append({"entity_id": ids, "timestamp": at[some] + HOUR, feature: told_of})
    for frame in frames:
        report = await store.write_features(frame, time_unit="us")
        assert report.accepted == len(frame["entity_id"])


def matches(rows: int = 300) -> Any:
    """Teams and referees, some unknown, some not named (null, or empty); a team may play itself; a few rows are there
    twice.
    """
    draw = np.random.default_rng(11)
    sides = [[f"team_{each}" for each in draw.integers(0, 12, rows)] for _ in range(2)]
    home: list[str | None] = [*sides[0]]
    away: list[str | None] = [*sides[1]]
    home[3::10] = [None] * len(home[3::10])
    away[3::15] = [""] * len(away[3::15])
    away[5::20] = home[5::20]
    at = START + draw.integers(-20, 1_000, rows) * HOUR
    at[1::4] = START + 1_000 * HOUR + np.arange(len(at[1::4])) % 3 * HOUR
    table = pa.table(
        {
            "home": pa.array(home, pa.string()),
            "odds": draw.random(rows),
            "timestamp": pa.array(at).cast(pa.timestamp("us", "UTC")),
            "away": pa.array(away, pa.string()),
            "referee": pa.array([f"person_{each}" for each in draw.integers(0, 5, rows)]),
        }
    )
    return table.take(pa.array([*range(rows), 0, 3, 3]))


def told(table: Any, names: list[str]) -> dict[str, list[object]]:
    """Columns, comparable where a value is NaN."""
    return {name: [repr(each) for each in table.column(name).to_pylist()] for name in names}


def of_one(table: Any, column: str) -> Any:
    """The rows for a set of one entity per row: who is not named is somebody of whom nothing is known."""
    ids = [each or "nobody" for each in table.column(column).to_pylist()]
    return pa.table({"entity_id": ids, "timestamp": table.column("timestamp")})


async def alone(store: OpenedStore, table: Any, **shown: Any) -> dict[str, list[object]]:
    """The oracle: the columns of each role from a set of that one entity per row."""
    found: dict[str, list[object]] = {}
    for role, features in (("home", OF_TEAM), ("away", OF_TEAM), ("referee", ["cards", "note"])):
        one = await (await store.training_set(of_one(table, role), features, **shown)).to_arrow()
        found |= {f"{role}.{name}": values for name, values in told(one, one.column_names[2:]).items()}
    return found


def in_small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of about 60 rows of FEATURES, 64 shards, memory for hardly any."""
    monkeypatch.setattr(sizes, "_FEWEST_PART_ROWS", 1)
    monkeypatch.setattr(sizes, "_PART_BYTES", 60 * 400)
    monkeypatch.setattr(sizes, "FEW_ROWS", 0)
    monkeypatch.setattr(spilled, "ROWS_AT_ONCE", 0)
    monkeypatch.setattr(request, "LEAST_MEMORY", 1)
