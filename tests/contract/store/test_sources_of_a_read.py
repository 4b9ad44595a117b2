"""Which reads of the storage answer a request, and that the choice among them changes nothing but their cost."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from tests.faults.storage import FaultyStorage, not_answering
from tests.laws.scene import FakeClock
from tests.opened import OpenedStore

from featurama_core.namespace import Namespace
from featurama_core.retrieval.engine import Retrieval
from featurama_core.retrieval.plan import ReadPlan
from featurama_core.retrieval.source import ValueSource
from featurama_core.retrieval.tombstones import Tombstones
from featurama_core.retrieval.visibility import ReadBounds
from featurama_core.storage.layouts import Layout
from featurama_core.storage.records import Cells, History, Partition, ScanBlock, Seeks, Sought
from featurama_core.types.column import Column
from featurama_core.types.errors import StoreUnavailable
from featurama_core.types.references import FeatureSelection, ResolvedFeature
from featurama_core.types.roles import RowEntities
from featurama_core.types.schema import FeatureGroup
from featurama_core.types.times import MAX_TIME, MIN_TIME
from featurama_core.types.values import Status

from .standing_clock import DAY, SECOND, SETTLING, Unique, answers, store_over, write

MINUTE = 60 * SECOND
PERIOD = 30 * DAY
FEW = 200
"""Entities whose whole past is looked up at once, at most."""
NOTHING = ("NOT_FOUND", None)
Answers = list[list[tuple[str, object]]]


class Noted(ValueSource):
    """Notes what is read. calls: ("latest", entities), ("lookup", entities, start, end), or a word."""

    def __init__(self, namespace: Namespace) -> None:
        super().__init__(namespace)
        self.calls: list[tuple[object, ...]] = []

    @property
    def words(self) -> set[object]:
        return {each[0] for each in self.calls}

    async def latest(self, entity_ids: Sequence[str]) -> tuple[Cells, Mapping[int, Layout]]:
        self.calls.append(("latest", list(entity_ids)))
        return await super().latest(entity_ids)

    async def lookup(
        self,
        entity_ids: Sequence[str],
        features: Sequence[ResolvedFeature],
        start: int,
        end: int,
        *,
        newest: int | None = None,
    ) -> list[History]:
        self.calls.append(("lookup", list(entity_ids), start, end))
        return await super().lookup(entity_ids, features, start, end, newest=newest)

    async def partitions(self, group: FeatureGroup) -> list[Partition]:
        self.calls.append(("partitions",))
        return await super().partitions(group)

    def scan(
        self, features: Sequence[ResolvedFeature], group: FeatureGroup, partition: Partition
    ) -> AsyncIterator[ScanBlock]:
        self.calls.append(("scan",))
        return super().scan(features, group, partition)

    async def seek(
        self, wanted: Seeks, features: Sequence[ResolvedFeature], group: FeatureGroup, partition: Partition
    ) -> list[Sought]:
        self.calls.append(("seek",))
        return await super().seek(wanted, features, group, partition)

    async def tombstones(self, entity_ids: Sequence[str]) -> Tombstones:
        self.calls.append(("tombstones",))
        return await super().tombstones(entity_ids)


class Reading:
    """Reads of some features through a source that notes them."""

    def __init__(self, store: OpenedStore, *features: str) -> None:
        self._store = store
        self._features = features
        self.source = Noted(store.space)

    async def retrieval(self, *, known_at: int | None = None, at_now: bool = False, **options: Any) -> Retrieval:
        plan = await self._store.space.compiled(FeatureSelection(self._features), ReadPlan.of)
        return Retrieval(self.source, plan, ReadBounds(known_at, self._store.now(), at_now=at_now), **options)

    async def __call__(self, ids: Sequence[str | None], times: Sequence[int] | None, **options: Any) -> Answers:
        """(status, value) of each feature. The calls of this read replace those of the one before."""
        self.source.calls.clear()
        retrieval = await self.retrieval(at_now=times is None, **options)
        return shown(
            await retrieval.columns(RowEntities.of(ids), None if times is None else np.array(times, dtype=np.int64))
        )


def shown(columns: Sequence[Column]) -> Answers:
    return [
        [(Status(status).name, value) for status, value in zip(column.status.tolist(), column.to_list(), strict=True)]
        for column in columns
    ]


@pytest.fixture
async def speed(store: OpenedStore, clock: FakeClock, unique: Unique) -> str:
    """Two values of fry and one of leela, the last known for longer than writes take to settle."""
    name, now = unique("speed"), clock.now
    await store.register_feature(name, "int")
    await write(store, name, [(unique("fry"), now - DAY, 1), (unique("fry"), now, 2), (unique("leela"), now, 3)])
    clock.advance(SETTLING + MINUTE)
    return name


async def test_a_read_at_now_is_one_read_of_the_newest_cells(store: OpenedStore, speed: str, unique: Unique) -> None:
    """Of each entity once, however often it is named."""
    read, (fry, leela) = Reading(store, speed), (unique("fry"), unique("leela"))
    assert [[("PRESENT", 3), ("PRESENT", 2), ("PRESENT", 3)]] == await read([leela, fry, leela], None)
    assert [("latest", [leela, fry])] == read.source.calls
    await store.delete_entity(leela)
    assert [[("PRESENT", 2), NOTHING]] == await read([fry, leela], None)


async def test_the_past_of_few_entities_is_one_look_up(
    store: OpenedStore, speed: str, clock: FakeClock, unique: Unique
) -> None:
    """Of all that may be visible: up to the last moment of the rows. One entity more, and the partitions are read."""
    read, then = Reading(store, speed), clock.now - SETTLING - MINUTE
    ids = [unique("fry"), *(unique(f"e{number:03}") for number in range(FEW - 1))]
    rows = [*ids, unique("fry")]
    times = [then, *[then - 5] * (len(ids) - 1), then - 1]
    expected = [[("PRESENT", 2), *[NOTHING] * (len(ids) - 1), ("PRESENT", 1)]]
    assert expected == await read(rows, times)
    assert [("lookup", ids, MIN_TIME + 1, then), ("tombstones",), ("latest", ids)] == read.source.calls
    assert [[("PRESENT", 3), *expected[0]]] == await read([unique("leela"), *rows], [then, *times])
    assert "partitions" in read.source.words


async def test_thousands_of_rows_of_few_entities_are_one_look_up_too(
    store: OpenedStore, speed: str, clock: FakeClock, unique: Unique
) -> None:
    """Each at its own moment, however long the search takes."""
    read, (fry, leela), then = Reading(store, speed), (unique("fry"), unique("leela")), clock.now - SETTLING - MINUTE
    answer = await read([fry, leela, fry] * 2_000, [then, then, then - 1] * 2_000)
    assert [[("PRESENT", 2), ("PRESENT", 3), ("PRESENT", 1)] * 2_000] == answer
    assert 1 == sum(each[0] == "lookup" for each in read.source.calls)


async def test_a_look_up_begins_where_the_longest_retention_ends(
    store: OpenedStore, clock: FakeClock, unique: Unique
) -> None:
    """Of all groups of the request."""
    for days in (10, 20):
        await store.register_feature_group(unique(f"days{days}"), retention=f"{days}d")
        await store.register_feature(unique(f"speed{days}"), "int", group=unique(f"days{days}"))
    read = Reading(store, unique("speed10"), unique("speed20"))
    assert [[NOTHING], [NOTHING]] == await read([unique("fry")], [clock.now])
    assert ("lookup", [unique("fry")], clock.now - 20 * DAY + 1, clock.now) == read.source.calls[0]


@pytest.mark.parametrize("strategy", ["auto", "scan", "lookup", "seek"])
async def test_a_read_at_now_of_what_was_known_looks_beyond_now(
    store: OpenedStore, speed: str, clock: FakeClock, unique: Unique, strategy: str
) -> None:
    """Values a little ahead of the clock are visible online, so here too; those that came later are not."""
    read, fry = Reading(store, speed), unique("fry")
    await write(store, speed, [(fry, clock.now + 5 * SECOND, 4)])
    known_at = clock.now + SECOND
    clock.advance(2 * SECOND)
    await write(store, speed, [(fry, clock.now + 5 * SECOND, 5)])
    clock.advance(SETTLING + MINUTE)
    assert [[("PRESENT", 4)]] == await read([fry], None, known_at=known_at, strategy=strategy)
    assert [[("PRESENT", 5)]] == await read([fry], None)
    if strategy == "auto":
        await read([fry], None, known_at=known_at)
        assert ("lookup", [fry], MIN_TIME + 1, MAX_TIME) == read.source.calls[0]


@pytest.mark.parametrize("strategy", ["scan", "lookup", "seek"])
async def test_the_strategy_of_a_request_is_taken_for_each_group(
    store: OpenedStore, speed: str, clock: FakeClock, unique: Unique, strategy: str
) -> None:
    """With the values of all features, rows and deletions in their places. A storage that cannot seek looks up."""
    heat, mass, then = unique("heat"), unique("mass"), clock.now
    await store.register_feature_group(unique("other"))
    for name in (heat, mass):
        await store.register_feature(name, "double", group=unique("other") if name == heat else None)
    fry, leela, bender = unique("fry"), unique("leela"), unique("bender")
    await write(store, heat, [(fry, then - 2, 0.5), (leela, then - 1, 1.5)])
    await write(store, mass, [(leela, then - 3, 70.0), (bender, then, 300.0)])
    await store.delete_entity(bender)
    read = Reading(store, heat, speed, mass)
    answer = await read([leela, fry, bender, leela], [then, then, then, then - 2], strategy=strategy)
    assert [
        [("PRESENT", 1.5), ("PRESENT", 0.5), NOTHING, NOTHING],
        [("PRESENT", 3), ("PRESENT", 2), NOTHING, ("PRESENT", 3)],
        [("PRESENT", 70.0), NOTHING, NOTHING, ("PRESENT", 70.0)],
    ] == answer
    if strategy == "seek" and not read.source.seeks:
        strategy = "lookup"
    assert {"partitions", strategy, "tombstones", "latest"} == read.source.words
    assert 2 == sum(each == ("partitions",) for each in read.source.calls)


async def test_a_period_with_other_numbers_of_values_is_measured_by_itself(
    store: OpenedStore, clock: FakeClock, unique: Unique
) -> None:
    """The newest period often has few values yet: what a scan of it costs says nothing of the others."""
    name, ids = unique("speed"), [unique(f"fry{at}") for at in range(FEW + 50)]
    then = clock.now - PERIOD
    await store.register_feature(name, "int")
    await write(store, name, [(each, clock.now, 0) for each in ids])
    await write(store, name, [(each, then - back, back) for each in ids for back in range(5)])
    read = Reading(store, name)
    answer = await read([*ids, *ids], [clock.now] * len(ids) + [then - 2] * len(ids))
    assert [[("PRESENT", 0)] * len(ids) + [("PRESENT", 2)] * len(ids)] == answer
    assert 2 == sum(each == ("scan",) for each in read.source.calls)


async def test_what_is_too_old_is_not_read_where_only_values_are_wanted(
    store: OpenedStore, clock: FakeClock, unique: Unique
) -> None:
    """Statuses need it. So does a path, which has the status of its reference, and a read at now, whose rows have no
    moments.
    """
    fry, leela, then = unique("fry"), unique("leela"), clock.now - PERIOD
    kind, home, mood = unique("kind"), unique("home"), unique("mood")
    await store.register_entity_type(kind)
    await store.register_feature_group(unique("brief"), kind, ttl="1h")
    await store.register_feature(home, "text", group=unique("brief"), references=kind)
    await store.register_feature(mood, "int", group=unique("brief"))
    await write(store, home, [(fry, then, leela)])
    await write(store, mood, [(leela, then, 5), (fry, then, 6)])
    clock.advance(SETTLING + MINUTE)
    old = ("OUTSIDE_MAX_AGE", None)
    scan: dict[str, Any] = {"strategy": "scan"}
    alone, path = Reading(store, mood), Reading(store, f"{home}.{mood}")
    assert [[old]] == await alone([fry], [clock.now], **scan)
    assert "scan" in alone.source.words
    assert [[NOTHING]] == await alone([fry], [clock.now], **scan, values_only=True)
    assert "scan" not in alone.source.words
    assert [[("PRESENT", 6)]] == await alone([fry], [then + MINUTE], **scan, values_only=True)
    assert [[old]] == await path([fry], [clock.now], **scan, values_only=True)
    known_at = clock.now - SETTLING
    assert [[old]] == await alone([fry], None, **scan, values_only=True, known_at=known_at)
    await store.update_feature_group(unique("brief"), ttl="90d")
    assert [[NOTHING]] == await alone([fry], [clock.now], **scan, values_only=True)
    clock.advance(store.space.settings.revision_lead)
    assert [[("PRESENT", 6)]] == await alone([fry], [clock.now], **scan, values_only=True)


async def test_partitions_of_which_nothing_is_kept_are_not_read(
    store: OpenedStore, clock: FakeClock, unique: Unique
) -> None:
    """Retention has ended for all that they hold, though a purge may not have come yet."""
    fry, speed, then = unique("fry"), unique("speed"), clock.now
    await store.register_feature_group(unique("kept"), retention="40d")
    await store.register_feature(speed, "int", group=unique("kept"))
    await write(store, speed, [(fry, then, 1)])
    read = Reading(store, speed)
    assert [[("PRESENT", 1)]] == await read([fry], [then], strategy="scan")
    clock.advance(40 * DAY + PERIOD)
    assert [[NOTHING]] == await read([fry], [then], strategy="scan")
    assert {"partitions", "tombstones", "latest"} == read.source.words


async def test_a_row_without_an_id_has_no_values(
    store: OpenedStore, speed: str, clock: FakeClock, unique: Unique
) -> None:
    """The others keep their moments; without any id nothing is read."""
    read, (fry, leela) = Reading(store, speed), (unique("fry"), unique("leela"))
    then = clock.now - SETTLING - MINUTE
    past = await read([None, fry, None, leela, fry], [then, then - 1, then, then, then])
    assert [[NOTHING, ("PRESENT", 1), NOTHING, ("PRESENT", 3), ("PRESENT", 2)]] == past
    assert [[NOTHING, ("PRESENT", 3), ("PRESENT", 2)]] == await read([None, leela, fry], None)
    for times in ([then, then], None):
        assert [[NOTHING, NOTHING]] == await read([None, None], times)
        assert [] == read.source.calls
        assert [[]] == await read([], times and [])


async def test_references_are_followed_from_columns_that_are_given(
    store: OpenedStore, clock: FakeClock, unique: Unique
) -> None:
    """As if they had been read, each row at its own moment."""
    fry, leela, home, then = unique("fry"), unique("leela"), unique("home"), clock.now
    await store.register_feature(home, "text", references="entity")
    await store.register_feature(unique("mood"), "int")
    await write(store, home, [(fry, then - 9, leela)])
    await write(store, unique("mood"), [(leela, then - 5, 5), (leela, then, 6)])
    times = np.array([then, then - 10, then - 1], dtype=np.int64)
    own = await (await Reading(store, home).retrieval()).columns(RowEntities.of([fry] * 3), times)
    reading = Reading(store, f"{home}.{unique('mood')}")
    followed = shown(await (await reading.retrieval()).follow(own, times))
    assert [[("PRESENT", 6), NOTHING, ("PRESENT", 5)]] == followed == await reading([fry] * 3, times.tolist())


async def test_a_store_that_does_not_answer_fails_what_has_no_status_for_it(
    store: OpenedStore, clock: FakeClock, unique: Unique
) -> None:
    """An error of one entity is a status where errors are statuses, else the whole read fails; of the entities of the
    rows all must be lost for that, of those that they refer to not even all.
    """
    fry, leela, home, mood = unique("fry"), unique("leela"), unique("home"), unique("mood")
    await store.register_feature(home, "text", references="entity")
    await store.register_feature(mood, "int")
    await write(store, home, [(fry, clock.now, leela), (leela, clock.now, fry)])
    broken = store_over(FaultyStorage(store.space.storage, reading=not_answering({leela})), clock)  # type: ignore[arg-type]
    own, path = Reading(broken, home), Reading(broken, home, f"{home}.{mood}")
    error = ("ERROR", None)
    assert [[("PRESENT", leela), error]] == await own([fry, leela], None, errors_as_status=True)
    assert [[("PRESENT", leela)], [error]] == await path([fry], None, errors_as_status=True)
    for read, ids, options in (
        (own, [fry, leela], {}),
        (own, [leela], {"errors_as_status": True}),
        (path, [fry], {}),
        (path, [leela], {"errors_as_status": True}),
    ):
        with pytest.raises(StoreUnavailable, match="did not answer for every entity; try again"):
            await read(ids, None, **options)


async def test_newest_values_of_an_entity_may_lie_in_several_cells(
    store: OpenedStore, clock: FakeClock, unique: Unique
) -> None:
    """Written alone and together: of each feature the newest is read."""
    speed, mood, fry = unique("speed"), unique("mood"), unique("fry")
    for name in (speed, mood):
        await store.register_feature(name, "int")
    await write(store, speed, [(fry, clock.now - 20, 1)])
    both = {"entity_id": [fry], "timestamp": [clock.now - 10], speed: [2], mood: [3]}
    assert 1 == (await store.write_features(both, time_unit="us")).accepted
    await write(store, mood, [(fry, clock.now, 4)])
    assert [[("PRESENT", 2)], [("PRESENT", 4)]] == answers(await store.get_online_features([fry], [speed, mood]))
