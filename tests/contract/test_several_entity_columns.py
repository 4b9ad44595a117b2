"""Label rows that name several entities (a ride: a driver, a customer): each feature is that of its own entity."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from featurama_core.blocking_store import BlockingFeatureStore
from featurama_core.datasets import asking, store_engine
from featurama_core.datasets.progress import Progress
from featurama_core.datasets.training_set import TrainingSet
from featurama_core.datasets.verify import verify
from featurama_core.model.errors import InvalidInput
from featurama_core.storage.open import open_storage
from featurama_core.storage.port import NamespaceOptions
from featurama_core.storage.settings import StorageSettings
from featurama_core.store import FeatureStore

HOUR = 3_600_000_000
START = 1_780_000_000_000_000
COLUMNS = {"driver": "driver_id", "customer": "customer_id"}
DRIVER = ["rating", "home", "home.heat"]
CUSTOMER = ["trips", "nick"]
MIXED = ["trips", "home.heat", "rating", "nick", "home"]


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
        return FeatureStore.open(self.settings, namespace=self.namespace, clock=self.clock)


@pytest.fixture(scope="module", params=["sqlite", pytest.param("cql", marks=pytest.mark.cql)])
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
async def store(city: City) -> AsyncIterator[FeatureStore]:
    async with city.open() as opened:
        yield opened


async def define(store: FeatureStore) -> None:
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


async def write(store: FeatureStore, more: float) -> None:
    """Values of all hours; a `more` above 0 corrects those of every other row."""
    rows = np.arange(480)[:: 2 if more else 1]
    at = START + rows // 12 * 25 * HOUR
    rating = [None if row % 7 == 0 else row + more for row in rows.tolist()]
    home = [f"zone_{row % 5}" for row in rows.tolist()]
    drivers = [f"driver_{row % 12}" for row in rows.tolist()]
    first = await store.write_features({"entity_id": drivers, "timestamp": at, "rating": rating, "home": home})
    customers = [f"customer_{row % 20}" for row in rows.tolist()]
    trips = rows + int(more)
    nick = [f"n{row}" for row in trips.tolist()]
    second = await store.write_features({"entity_id": customers, "timestamp": at + HOUR, "trips": trips, "nick": nick})
    some = rows % 12 < 4
    zones = [f"zone_{row % 12}" for row in rows[some].tolist()]
    third = await store.write_features({"entity_id": zones, "timestamp": at[some], "heat": trips[some]})
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
    monkeypatch.setattr(store_engine, "_FEWEST_PART_ROWS", 1)
    monkeypatch.setattr(store_engine, "_PART_BYTES", 60 * 232)
    monkeypatch.setattr(store_engine, "FEW_ROWS", 0)
    monkeypatch.setattr(asking, "LEAST_MEMORY", 1)


@pytest.mark.parametrize("known", [None, "label", "settled"])
@pytest.mark.parametrize("reading", ["scan", "slices"])
@pytest.mark.parametrize("small", [False, True])
async def test_a_set_of_several_columns_is_the_sets_of_each_side_by_side(
    store: FeatureStore, city: City, monkeypatch: pytest.MonkeyPatch, known: Any, reading: Any, small: bool
) -> None:
    """Values, statuses and event times; before and after corrections; with rows that name nobody."""
    table = rides()
    known_at = city.settled if known == "settled" else known
    shown: Any = {"known_at": known_at, "statuses": True, "event_times": True}
    expected: dict[str, list[object]] = {}
    for column, features in (("driver_id", DRIVER), ("customer_id", CUSTOMER)):
        one = await (await store.training_set(of_one(table, column), features, **shown)).to_arrow()
        expected |= told(one, one.column_names[2:])
    if small:
        in_small_parts(monkeypatch)
    made = await store.training_set(
        table, MIXED, entity_columns=COLUMNS, reading=reading, memory="10KB" if small else "1GB", **shown
    )
    built = await made.to_arrow()
    assert built.select(table.column_names).equals(table)
    suffixes = ("", "__status", "__event_time")
    assert built.column_names == [*table.column_names, *(name + each for name in MIXED for each in suffixes)]
    assert told(built, list(expected)) == expected
    found = set(built.column("rating__status").to_pylist())
    assert found >= {"PRESENT", "NOT_FOUND"} | ({"NULL_VALUE", "OUTSIDE_MAX_AGE"} if known != "label" else set())
    assert {"PRESENT", "NOT_FOUND"} == set(built.column("trips__status").to_pylist())
    assert {"PRESENT", "NOT_FOUND"} <= set(built.column("home.heat__status").to_pylist())
    plain = await store.training_set(table, MIXED, entity_columns=COLUMNS, reading=reading, known_at=known_at)
    names = [name for name in expected if "__" not in name]
    assert told(await plain.to_arrow(), names) == {name: expected[name] for name in names}


async def test_each_feature_is_that_of_its_own_entity(store: FeatureStore) -> None:
    """Reckoned by hand; an id that is null or empty finds nothing, and is kept as it is."""
    at = START + 2_000
    who = [f"{each}_{uuid.uuid4().hex[:8]}" for each in ("zoidberg", "hermes", "north")]
    await store.write_features(
        {"entity_id": [who[0]] * 2, "timestamp": [at - HOUR, at], "rating": [4.5, 2.0], "home": [who[2]] * 2}
    )
    # The id of a driver may be the id of a customer too: the column tells which is meant.
    await store.write_features({"entity_id": [who[0], who[1]], "timestamp": [at] * 2, "trips": [7, 9]})
    await store.write_features({"entity_id": [who[2]], "timestamp": [at - HOUR], "heat": [30]})
    rows = {
        "driver_id": [who[0], who[0], None, "", who[1]],
        "customer_id": [who[1], who[0], who[1], None, None],
        "when": pa.array([at, at - 1, at, at, at]).cast(pa.timestamp("us", "UTC")),
    }
    made = await store.training_set(
        pa.table(rows),
        ["rating", "trips", "home.heat"],
        entity_columns=COLUMNS,
        time_column="when",
        statuses=True,
        event_times=True,
    )
    built = (await made.to_arrow()).to_pydict()
    assert built["driver_id"] == rows["driver_id"]
    assert built["rating"] == [2.0, 4.5, None, None, None]
    assert built["rating__status"] == ["PRESENT", "PRESENT", "NOT_FOUND", "NOT_FOUND", "NOT_FOUND"]
    assert built["trips"] == [9, None, 9, None, None]
    assert built["trips__status"] == ["PRESENT", "NOT_FOUND", "PRESENT", "NOT_FOUND", "NOT_FOUND"]
    assert built["home.heat"] == [30, 30, None, None, None]
    assert [each is None for each in built["trips__event_time"]] == [False, True, False, True, True]


async def test_the_default_column_serves_the_types_that_are_not_named(store: FeatureStore) -> None:
    """And only it must name somebody in every row; a column of types that names nobody at all is no error."""
    table = rides(50)
    expected = await store.training_set(table, ["trips", "rating"], entity_columns=COLUMNS)
    drivers = of_one(table, "driver_id").column("entity_id")
    mixed = table.set_column(3, "who", drivers)
    made = await store.training_set(
        mixed, ["trips", "rating"], entity_column="who", entity_columns={"customer": "customer_id"}
    )
    names = ["trips", "rating"]
    assert told(await made.to_arrow(), names) == told(await expected.to_arrow(), names)
    nobody = mixed.set_column(1, "customer_id", pa.nulls(len(mixed)))
    made = await store.training_set(
        nobody, ["trips", "rating"], entity_column="who", entity_columns={"customer": "customer_id"}, statuses=True
    )
    built = await made.to_arrow()
    assert set(built.column("trips__status").to_pylist()) == {"NOT_FOUND"}
    assert told(built, ["rating"]) == told(await expected.to_arrow(), ["rating"])
    made = await store.training_set(
        table, ["trips", "rating"], entity_column="driver_id", entity_columns={"customer": "customer_id"}
    )
    with pytest.raises(InvalidInput, match="label row 3: column driver_id: entity_id is missing"):
        await made.to_arrow()


async def test_every_kind_of_labels_may_have_several_columns(store: FeatureStore, tmp_path: Path) -> None:
    """An id that looks like a number, or a missing one, is read from a CSV as what it is."""
    table = rides(60)

    def write_files() -> None:
        pyarrow.parquet.write_table(table, tmp_path / "l.parquet")
        times = pa.array([each.isoformat() for each in table.column("timestamp").to_pylist()])
        pyarrow.csv.write_csv(table.set_column(2, "timestamp", times), tmp_path / "l.csv")

    await asyncio.to_thread(write_files)
    expected = told(await (await store.training_set(table, MIXED, entity_columns=COLUMNS)).to_arrow(), MIXED)
    for labels in (table.to_pandas(), tmp_path / "l.parquet", tmp_path / "l.csv"):
        made = await store.training_set(labels, MIXED, entity_columns=COLUMNS)
        assert told(await made.to_arrow(), list(expected)) == expected
    numbers = pd.DataFrame({"driver_id": ["007"], "customer_id": ["12"], "timestamp": ["2026-09-01T00:00:00Z"]})
    await asyncio.to_thread(numbers.to_csv, tmp_path / "n.csv", index=False)
    built = await (await store.training_set(tmp_path / "n.csv", MIXED, entity_columns=COLUMNS)).to_arrow()
    assert (built.column("driver_id").to_pylist(), built.column("customer_id").to_pylist()) == (["007"], ["12"])


async def test_one_moment_for_all_needs_no_time_column(store: FeatureStore, tmp_path: Path) -> None:
    table = rides(30)
    moment = START + 500 * HOUR
    made = await store.training_set(table.drop_columns(["timestamp"]), MIXED, entity_columns=COLUMNS, timestamp=moment)
    times = pa.array([moment] * len(table)).cast(pa.timestamp("us", "UTC"))
    same = await store.training_set(table.set_column(2, "timestamp", times), MIXED, entity_columns=COLUMNS)
    names = MIXED
    assert told(await made.to_arrow(), names) == told(await same.to_arrow(), names)
    await made.write(tmp_path / "set")
    assert (await verify(tmp_path / "set", store)).differences == ()


@pytest.mark.parametrize("noted_every", [-1.0, 1e9])
async def test_a_build_that_is_interrupted_goes_on_and_ends_the_same(
    store: FeatureStore, city: City, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, noted_every: float
) -> None:
    """Cancelled after each report in turn: the label rows are read once a column, and the files are those of a build
    that was not interrupted, reckoned from the moment at which the first attempt began.
    """
    in_small_parts(monkeypatch)
    monkeypatch.setattr(store_engine, "_NOTED_EVERY", noted_every)

    async def small() -> TrainingSet:
        return await store.training_set(rides(200), MIXED, entity_columns=COLUMNS, memory="60KB", statuses=True)

    whole = await (await small()).write(tmp_path / "whole")
    stages: list[str] = []
    attempts = 0
    while True:
        attempts += 1
        assert attempts < 400
        seen = 0

        def interrupt(progress: Progress, limit: int = attempts) -> None:
            nonlocal seen
            stages.append(progress.stage)
            seen += 1
            if seen > limit:
                raise KeyboardInterrupt

        try:
            resumed = await (await small()).write(tmp_path / "set", resume=True, progress=interrupt)
            break
        except KeyboardInterrupt:
            assert not await asyncio.to_thread((tmp_path / "set").exists)
            city.clock.advance(1)
    assert attempts > 3
    # The second column's may have been the report at which one attempt ended.
    assert 2 <= stages.count("labels") <= 3
    assert len(whole.files) == 4
    assert [each["sha256"] for each in whole.files] == [each["sha256"] for each in resumed.files]
    assert whole.features == resumed.features
    assert resumed.content["as_of_time"] == whole.content["as_of_time"]
    assert await asyncio.to_thread(lambda: [path.name for path in tmp_path.glob(".*")]) == []


async def test_a_resumed_build_has_one_moment_for_all_columns(tmp_path: Path) -> None:
    """Retention of a column that the interrupted build had not come to is reckoned from when that build began."""
    clock = Clock((START + 9 * HOUR) * 1_000)
    async with FeatureStore.open(f"sqlite:///{tmp_path / 'store'}", clock=clock) as store:
        for kind, feature in (("driver", "rating"), ("customer", "trips")):
            await store.register_entity_type(kind)
            await store.register_feature_group(f"of_{kind}", kind, retention="10h")
            await store.register_feature(feature, "int", group=f"of_{kind}")
            await store.write_features({"entity_id": [kind], "timestamp": [START], feature: [5]})
        rows = pa.table({"driver_id": ["driver"], "customer_id": ["customer"]})

        def interrupt(progress: Progress) -> None:
            if progress.stage == "history":
                raise KeyboardInterrupt

        async def build(name: str, **more: Any) -> list[dict[str, Any]]:
            made = await store.training_set(rows, ["rating", "trips"], entity_columns=COLUMNS, timestamp=START + HOUR)
            await made.write(tmp_path / name, **more)
            read = await asyncio.to_thread(pyarrow.parquet.read_table, tmp_path / name, columns=["rating", "trips"])
            return list(read.to_pylist())

        with pytest.raises(KeyboardInterrupt):
            await build("set", progress=interrupt)
        clock.advance(2 * HOUR)
        assert await build("set", resume=True) == [{"rating": 5, "trips": 5}]
        assert await build("new") == [{"rating": None, "trips": None}]


async def test_a_set_of_several_columns_is_built_again_and_a_deletion_is_named(
    store: FeatureStore, tmp_path: Path
) -> None:
    """By the column of the feature, of files that keep types and of those that do not; a single column's manifest has
    no word of it.
    """
    table = rides(80)
    gone = [f"{each}_{uuid.uuid4().hex[:8]}" for each in ("driver", "customer", "zone")]
    at = START + 5 * HOUR
    await store.write_features({"entity_id": [gone[0]], "timestamp": [at], "rating": [1.0], "home": [gone[2]]})
    await store.write_features({"entity_id": [gone[1]], "timestamp": [at], "trips": [1], "nick": ["x"]})
    await store.write_features({"entity_id": [gone[2]], "timestamp": [at], "heat": [3]})
    last = {"fare": [1.0], "customer_id": [gone[1]], "timestamp": [at], "driver_id": [gone[0]]}
    table = pa.concat_tables([table, pa.table(last).cast(table.schema)])
    made = await store.training_set(table, MIXED, entity_columns=COLUMNS)
    names = ["set", "set.csv"]
    for name in names:
        manifest = await made.write(tmp_path / name)
        assert (manifest.request["entity_column"], manifest.request["entity_columns"]) == (None, COLUMNS)
        assert (await verify(tmp_path / name, store)).differences == ()
    row = len(table) - 1
    await store.delete_feature_values(gone[0], ["rating"])
    for name in names:
        found = await verify(tmp_path / name, store)
        assert [(each.column, each.cause) for each in found.differences or ()] == [("rating", "deletion")]
    await store.delete_entity(gone[1])
    for name in names:
        found = await verify(tmp_path / name, store)
        shown = [(each.column, each.cause, each.first_rows) for each in found.differences or ()]
        assert shown == [(each, "deletion", (row,)) for each in ("nick", "rating", "trips")]
        assert found.is_good
    await store.delete_feature_values(gone[2], ["heat"])
    found = await verify(tmp_path / "set", store)
    causes = {(each.column, each.cause) for each in found.differences or ()}
    assert causes == {(each, "deletion") for each in ("nick", "trips", "home.heat", "rating")}
    single = await (await store.training_set(of_one(table, "driver_id"), DRIVER)).write(tmp_path / "single")
    assert "entity_columns" not in single.request
    assert single.request["entity_column"] == "entity_id"


async def test_the_bytes_are_the_same_after_later_writes(store: FeatureStore, city: City, tmp_path: Path) -> None:
    """Law 9, and whichever way history is read."""
    made = await store.training_set(rides(90), MIXED, entity_columns=COLUMNS, known_at=city.settled, reading="scan")
    first = await made.write(tmp_path / "first")
    await write(store, 5_000.0)
    made = await store.training_set(rides(90), MIXED, entity_columns=COLUMNS, known_at=city.settled, reading="slices")
    second = await made.write(tmp_path / "second")
    assert first.files == second.files
    assert first.request == second.request
    other = await store.training_set(rides(90), MIXED, entity_columns=COLUMNS)
    assert first.files != (await other.write(tmp_path / "other")).files


async def test_explain_says_for_which_column_a_read_is(store: FeatureStore) -> None:
    plan = await (await store.training_set(rides(), MIXED, entity_columns=COLUMNS)).explain()
    groups = {(read.column, read.group, read.via) for read in plan.reads}
    assert groups == {
        ("customer_id", "riding", ""),
        ("driver_id", "driving", ""),
        ("driver_id", "places", "home@1"),
    }
    assert (plan.label_rows, plan.label_entities, plan.columns) == (403, 14 + 22, ("customer_id", "driver_id"))
    assert plan.paths == ("home@1.heat@1",)
    nobody = rides(20).set_column(3, "driver_id", pa.nulls(23))
    plan = await (await store.training_set(nobody, MIXED, entity_columns=COLUMNS)).explain()
    assert {read.column for read in plan.reads} == {"customer_id"}
    single = await (await store.training_set(of_one(rides(), "driver_id"), DRIVER)).explain()
    assert ({read.column for read in single.reads}, single.columns) == ({""}, ())


async def test_what_cannot_work_is_refused_and_named(store: FeatureStore) -> None:
    table = rides(10)

    async def refused(match: str, field: str | None, *, labels: Any = table, **asked: Any) -> None:
        with pytest.raises(InvalidInput, match=match) as caught:
            await (
                await store.training_set(labels, **{"features": MIXED, "entity_columns": COLUMNS} | asked)
            ).to_arrow()
        assert caught.value.metadata["field"] == field

    await refused("no feature that is asked for is of the entity type customer", "entity_columns", features=DRIVER)
    await refused(
        "entity type pilot .they are of customer, driver.",
        "entity_columns",
        entity_columns=COLUMNS | {"pilot": "driver_id"},
    )
    await refused("lack the column rider", "rider", entity_columns=COLUMNS | {"customer": "rider"})
    await refused("lack the column entity_id", "entity_id", entity_columns={"driver": "driver_id"})
    await refused("timestamp says the time", "entity_columns", entity_columns=COLUMNS | {"customer": "timestamp"})
    await refused("must map entity types", "entity_columns", entity_columns=["driver_id"])
    await refused("must map entity types", "entity_columns", entity_columns={"driver": ""})
    await refused("fare holds double", "fare", entity_columns=COLUMNS | {"customer": "fare"})
    await refused("two columns would be named 'trips'", "trips", labels=table.append_column("trips", table.column(0)))
    await refused("name columns of labels=", "entity_columns", labels=None, entity_type="driver")
    ids = pa.array([*["customer_1"] * 7, "a\nb", *["customer_1"] * 5])
    await refused(
        "label row 7: column customer_id: entity_id holds a control",
        "labels",
        labels=table.set_column(1, "customer_id", ids),
    )


def test_a_notebook_builds_a_set_of_several_columns(tmp_path: Path) -> None:
    with BlockingFeatureStore(f"sqlite:///{tmp_path / 'store'}") as store:
        for kind, feature in (("driver", "rating"), ("customer", "trips")):
            store.register_entity_type(kind)
            store.register_feature_group(f"of_{kind}", kind)
            store.register_feature(feature, "int", group=f"of_{kind}")
        at = [START]
        store.write_features({"entity_id": ["a"], "timestamp": at, "rating": [5]})
        store.write_features({"entity_id": ["b"], "timestamp": at, "trips": [6]})
        rows = pd.DataFrame({"driver_id": ["a"], "customer_id": ["b"]})
        made = store.training_set(rows, ["trips", "rating"], entity_columns=COLUMNS, timestamp=START)
        assert made.to_arrow().select(["trips", "rating"]).to_pylist() == [{"trips": 6, "rating": 5}]
        made.write(tmp_path / "set")
    manifest = json.loads((tmp_path / "set" / "_manifest.json").read_text())
    assert manifest["request"]["entity_columns"] == COLUMNS
