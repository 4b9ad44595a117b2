"""A group is moved from rows to packed cells while it is read and written, and while the process that moves it dies."""

from __future__ import annotations

import asyncio
import random
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from tests.contract.batches import NOW, Row, batch, listed
from tests.laws.scene import FakeClock
from tests.opened import OpenedStore

from featurama_cli.archive.exporting import export_namespace
from featurama_cli.archive.importing import import_namespace
from featurama_core.ingest.pack import pack
from featurama_core.namespace import Namespace
from featurama_core.settings import StoreSettings
from featurama_core.storage.cql import CqlStorage
from featurama_core.storage.port import NamespaceOptions
from featurama_core.storage.records import History, Tombstone
from featurama_core.storage.settings import StorageSettings, StorageUrl
from featurama_core.stores import Stores
from featurama_core.types.errors import FailedPrecondition
from featurama_core.types.schema import FeatureDefinition, FeatureGroup
from featurama_core.types.times import DAY, SECOND
from featurama_core.types.values import ValueType
from featurama_core.types.writes import Outcome, WriteMode

pytestmark = pytest.mark.cql

REPOSITORY = str(Path(__file__).parents[2])
HOUR = 3_600 * SECOND
ENTITIES = [f"entity_{number:02}" for number in range(40)]
SETTINGS = StoreSettings()

Value = tuple[str, str, int, int, object]
"""(feature, entity, event time, ingested_at, value)."""


@dataclass
class Ship:
    """A namespace, opened twice, its clock, and what was written to its group."""

    url: str
    name: str
    clock: FakeClock
    storage: CqlStorage
    namespaces: list[Namespace]
    acknowledged: set[Value] = field(default_factory=set)
    sent: set[Value] = field(default_factory=set)
    deleted: set[str] = field(default_factory=set)
    numbers: Iterator[int] = field(default_factory=count)

    @property
    def store(self) -> OpenedStore:
        """The store of the first opening."""
        return OpenedStore(self.namespaces[0])

    async def write(self, rows: list[Row], mode: WriteMode) -> None:
        """Write as the registry says now."""
        features = FEATURES
        values = {
            (name, row.entity_id, row.event_time, row.ingested_at, value)
            for row in rows
            for name, value in row.values.items()
        }
        self.sent |= values
        space = self.namespaces[0]
        group = (await space.registry.snapshot()).group("engine")
        made = batch(rows, [features], group)
        await space.put_layouts(run.layout for run in made.runs)
        assert [Outcome.ACCEPTED] * len(rows) == (await space.storage.write(made, mode)).tolist()
        self.acknowledged |= values

    def rows(self, random_: random.Random, number: int) -> list[Row]:
        """Rows of distinct entities: some new, some corrections of earlier event times, some with a null or a part."""
        made = []
        for entity in random_.sample(ENTITIES, number):
            turn = next(self.numbers)
            values: dict[str, object] = {"speed": float(turn), "mood": random_.choice(["calm é", None, str(turn)])}
            if turn % 5 == 0:
                del values["speed"]
            made.append(Row(entity, NOW - random_.randrange(60) * HOUR // 10, values, NOW * 1_000 + turn))
        return made


FEATURES = [
    FeatureDefinition("speed", ValueType.DOUBLE, entity_type="entity", group="engine"),
    FeatureDefinition("mood", ValueType.TEXT, entity_type="entity", group="engine"),
]


@pytest.fixture
async def ship(cql_endpoint: Any) -> AsyncIterator[Ship]:
    """A namespace with periods of an hour."""
    name, clock = f"packing_{uuid.uuid4().hex[:12]}", FakeClock(NOW)
    settings = StorageSettings(cql_endpoint.url, request_timeout_ms=20_000)
    async with AsyncExitStack() as stack:
        storages = [
            await stack.enter_async_context(CqlStorage.open(StorageUrl.parse(cql_endpoint.url), settings, clock=clock))
            for _ in range(2)
        ]
        await storages[0].create_namespace(name, NamespaceOptions(history_period=HOUR))
        spaces = [
            Namespace(name, await each.namespace(name), SETTINGS, clock, lambda: clock.nanos / 1e9) for each in storages
        ]
        made = Ship(cql_endpoint.url, name, clock, storages[0], spaces)
        await made.store.register([FeatureGroup("engine", buckets=2), *FEATURES])
        yield made
        await storages[0].drop_namespace(name)


async def read(space: Namespace, entity_ids: list[str], newest: int | None = None) -> list[Value]:
    """The history of some entities."""
    group = (await space.registry.snapshot()).group("engine")
    wanted = [(each, group) for each in FEATURES]
    found = await space.storage.read_history(entity_ids, wanted, start=-(2**62), end=2**62, newest=newest)
    return [value for history in found for value in values_of(history, entity_ids)]


async def scan(space: Namespace) -> list[Value]:
    """All that scans find."""
    group = (await space.registry.snapshot()).group("engine")
    found: list[Value] = []
    for partition in await space.storage.partitions(group):
        async for block in space.storage.scan_history(FEATURES, group, partition):
            found += [value for history in block.histories for value in values_of(history, list(block.entity_ids))]
    return found


def values_of(history: History, entity_ids: list[str]) -> list[Value]:
    """A history as values."""
    times = history.ingested_at.tolist()
    return [
        (history.column.name, entity, time, ingested_at, value)
        for (entity, time, value), ingested_at in zip(listed(history, entity_ids), times, strict=True)
    ]


def check(ship: Ship, found: list[Value], before: set[Value], entity_ids: list[str]) -> None:
    """Every value that was acknowledged before the read, nothing that was not sent, nothing twice."""
    shown = [value for value in found if value[1] not in ship.deleted]
    asked = set(entity_ids) - ship.deleted
    assert len(set(shown)) == len(shown)
    assert {value for value in before if value[1] in asked} <= set(shown) <= ship.sent


async def read_and_check(ship: Ship, random_: random.Random) -> None:
    """One read of each kind."""
    space = ship.namespaces[random_.randrange(2)]
    some, before = random_.sample(ENTITIES, 5), set(ship.acknowledged)
    check(ship, await read(space, some), before, some)
    before = set(ship.acknowledged)
    check(ship, await scan(space), before, ENTITIES)
    await check_newest(ship, space, some)


async def check_newest(ship: Ship, space: Namespace, some: list[str]) -> None:
    """Of each entity and feature the newest values, as far as there are any, with all their corrections."""
    before = set(ship.acknowledged)
    found = await read(space, some, newest=2)
    assert set(found) <= ship.sent
    assert len(set(found)) == len(found)
    for entity in set(some) - ship.deleted:
        for feature in ("speed", "mood"):
            mine = [each for each in found if each[:2] == (feature, entity)]
            stored = sorted(each[2] for each in before if each[:2] == (feature, entity))
            assert len(mine) >= min(2, len(stored))
            oldest = min((each[2] for each in mine), default=0)
            assert {each for each in before if each[:2] == (feature, entity) and each[2] >= oldest} <= set(mine)


async def child(ship: Ship) -> asyncio.subprocess.Process:
    """The process that makes a pass."""
    arguments = (ship.url, ship.name, "engine", str(ship.clock.now))
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.faults.packing", *arguments, cwd=REPOSITORY, stdout=asyncio.subprocess.PIPE
    )


async def killed_after(ship: Ship, statements: int) -> bool:
    """A pass that is killed at a statement. -> whether it reached its end before."""
    process = await child(ship)
    assert process.stdout is not None
    for _ in range(statements):
        line = await process.stdout.readline()
        if line != b"copied\n":
            assert line == b"done\n"
            break
    else:
        process.kill()
    await process.communicate()
    return process.returncode == 0


async def test_a_group_moves_while_it_is_read_and_written_and_its_mover_is_killed(ship: Ship) -> None:
    """Every read of the old and the new form finds what was acknowledged; in the end only packed cells are read."""
    random_ = random.Random(3000)
    for mode in (WriteMode.ATOMIC, WriteMode.BULK, WriteMode.BULK):
        await ship.write(ship.rows(random_, 40), mode)
    # Deleted and not cleaned: the rows are there, and are not copied.
    ship.deleted, first = {ENTITIES[0]}, {value[3] for value in ship.sent}
    await ship.namespaces[0].storage.put_tombstone(Tombstone(ENTITIES[0], "", NOW + 100 * DAY))
    with pytest.raises(FailedPrecondition, match="change it to packed first"):
        await pack(ship.namespaces[0], "engine")
    await ship.store.update_feature_group("engine", history="packed")
    with pytest.raises(FailedPrecondition, match=r"is packed from .* on; wait until then"):
        await pack(ship.namespaces[0], "engine")
    await ship.write(ship.rows(random_, 10), WriteMode.ATOMIC)
    ended = asyncio.Event()

    async def write_on() -> None:
        while not ended.is_set():
            await ship.write(ship.rows(random_, 3), random_.choice(list(WriteMode)))

    async def read_on() -> None:
        while not ended.is_set():
            await read_and_check(ship, random_)

    async with asyncio.TaskGroup() as load:
        load.create_task(write_on())
        load.create_task(read_on())
        ship.clock.advance(SETTINGS.revision_lead)
        for statements in (1, 2, 4, 7):
            await killed_after(ship, statements)
        assert await killed_after(ship, 10**9)
        early = await pack(ship.namespaces[0], "engine")
        assert (0, True) == (early.values, early.periods > 0)
        assert early.again_at is not None
        ship.clock.advance(early.again_at - ship.clock.now)
        last = await pack(ship.namespaces[0], "engine")
        assert (0, 0, None, 0) == (last.values, last.periods, last.again_at, last.removed)
        await read_and_check(ship, random_)
        ship.clock.advance(DAY + 1)
        assert (await pack(ship.namespaces[1], "engine")).removed > 0
        await read_and_check(ship, random_)
        ended.set()
    check(ship, await scan(ship.namespaces[1]), ship.acknowledged, ENTITIES)
    check(ship, await read(ship.namespaces[1], ENTITIES), ship.acknowledged, ENTITIES)
    # A value with an event time at or before the deletion that was written later is stored, and never read.
    assert not {value[3] for value in await scan(ship.namespaces[1]) if value[1] in ship.deleted} & first


async def test_a_writer_that_knows_an_earlier_revision_follows_its_period(ship: Ship) -> None:
    """From the beginning of a move on it writes packed cells, and keeps to them."""
    random_ = random.Random(3000)
    await ship.write(ship.rows(random_, 5), WriteMode.ATOMIC)
    earlier, first = FeatureGroup("engine", buckets=2), set(ship.acknowledged)
    await ship.namespaces[0].storage.partitions_to_pack(replace(earlier, history="packed"))
    late = ship.namespaces[1].storage
    numbers = {each.partition.period for each in await late.partitions_to_pack(earlier)}
    rows = [Row(ENTITIES[at], number * HOUR, {"speed": 1.0, "mood": None}) for at, number in enumerate(sorted(numbers))]
    made = batch(rows, [FEATURES], earlier)
    assert [Outcome.ACCEPTED] * len(rows) == (await late.write(made, WriteMode.BULK)).tolist()
    unpacked = set()
    for partition in await late.partitions(earlier):
        async for block in late.scan_unpacked(FEATURES, earlier, partition):
            unpacked |= {value for each in block.histories for value in values_of(each, list(block.entity_ids))}
    assert first == unpacked
    assert len(first) + 2 * len(rows) == len(await scan(ship.namespaces[0]))


async def test_moved_values_keep_their_life_and_those_past_it_stay_behind(ship: Ship) -> None:
    """The expiry of a cell is that of a row: what is left of the retention, and a day."""
    space, fuel = ship.namespaces[0], FeatureDefinition("fuel", ValueType.INT, entity_type="entity", group="kept")
    await ship.store.register([FeatureGroup("kept", retention="10d"), fuel])
    kept = await ship.store.get_feature_group("kept")
    rows = [Row("fry", NOW - 3 * DAY, {"fuel": 1}), Row("fry", NOW - 10 * DAY + HOUR, {"fuel": 2})]
    made = batch(rows, [[fuel]], kept)
    await space.put_layouts(run.layout for run in made.runs)
    await space.storage.write(made, WriteMode.BULK)
    await ship.store.update_feature_group("kept", history="packed")
    ship.clock.advance(HOUR)
    assert 1 == (await pack(space, "kept")).values
    ship.clock.advance(HOUR)
    assert 0 == (await pack(space, "kept")).periods
    group = await ship.store.get_feature_group("kept")
    (found,) = await space.storage.read_history(["fry"], [(fuel, group)], start=-(2**62), end=2**62)
    assert [("fry", NOW - 3 * DAY, 1)] == listed(found, ["fry"])
    for table in ("feature_values_packed", "feature_values_packed_by_group"):
        text = f"SELECT ttl(packed) FROM fs_{ship.name}.{table} WHERE entity_id = 'fry' ALLOW FILTERING"
        ((ttl,),) = await space.storage._statements.driver.look_up(text)  # type: ignore[attr-defined]
        assert 8 * 86_400 - 3_600 - 60 <= ttl <= 8 * 86_400 - 3_600


async def test_an_export_in_the_middle_of_a_move_holds_every_value_once(ship: Ship, tmp_path: Path) -> None:
    """It is imported to SQLite, and from there to a cluster, where the history is packed from the beginning."""
    random_ = random.Random(3000)
    await ship.write(ship.rows(random_, 20), WriteMode.ATOMIC)
    await ship.store.update_feature_group("engine", history="packed")
    ship.clock.advance(SETTINGS.revision_lead)
    await killed_after(ship, 1)
    await ship.write(ship.rows(random_, 20), WriteMode.BULK)
    ship.clock.advance(SETTINGS.settling_time)
    await export_namespace(ship.namespaces[0], tmp_path / "first", lambda _: None)
    async with Stores.open(f"sqlite:///{tmp_path}/store", clock=ship.clock) as embedded:
        await import_namespace(embedded, "copy", tmp_path / "first", lambda _: None)
        copy = await embedded.namespace("copy")
        assert ship.acknowledged == set(await scan(copy))
        await export_namespace(copy, tmp_path / "second", lambda _: None)
    cluster = Stores(ship.url, ship.storage, SETTINGS, ship.clock)
    name = f"back_{uuid.uuid4().hex[:12]}"
    await import_namespace(cluster, name, tmp_path / "second", lambda _: None)
    try:
        back = await cluster.namespace(name)
        assert ship.acknowledged == set(await scan(back)) == set(await read(back, ENTITIES))
        assert [] == await back.storage.partitions_to_pack(await OpenedStore(back).get_feature_group("engine"))
    finally:
        await ship.storage.drop_namespace(name)
