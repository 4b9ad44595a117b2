"""How fresh definitions are: what a server remembers, what it looks up again, and what counts as read anew."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from tests.laws.scene import FakeClock
from tests.opened import OpenedStore

from featurama_core.storage.port import NamespaceStorage
from featurama_core.storage.records import Definitions
from featurama_core.types.errors import Conflict, Reason, Unknown
from featurama_core.types.schema import FeatureDefinition
from featurama_core.types.times import MAX_EVENT_TIME, MIN_TIME

from .standing_clock import Unique, answers, store_over, two_versions, write

FOREVER = 1e9
"""Seconds of staleness: definitions are read once, unless something asks for them afresh."""


class Watched:
    """A storage that counts how often definitions are read, and can hold an answer that it has read already."""

    def __init__(self, inner: NamespaceStorage) -> None:
        self._inner = inner
        self.reads = 0
        self.names: list[list[str]] = []
        self.holds = False
        self.read = asyncio.Event()
        self.released = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def load_definitions(self, after: int = 0) -> Definitions:
        """As stored now; answered when `released` is set, if it holds."""
        self.reads += 1
        found = await self._inner.load_definitions(after)
        if self.holds:
            self.read.set()
            await self.released.wait()
        return found

    async def read_features(self, names: Sequence[str]) -> list[FeatureDefinition]:
        """As stored now."""
        self.names.append(list(names))
        return await self._inner.read_features(names)


@pytest.fixture
def watched(namespace: NamespaceStorage) -> Watched:
    return Watched(namespace)


@pytest.fixture
def lagging(watched: Watched, clock: FakeClock) -> OpenedStore:
    """Another server on the same storage, which keeps the definitions that it has read."""
    return store_over(watched, clock, staleness=FOREVER)  # type: ignore[arg-type]


async def test_a_remembered_list_is_that_of_its_known_at(
    store: OpenedStore, lagging: OpenedStore, watched: Watched, clock: FakeClock, unique: Unique
) -> None:
    """Asked at one moment, then at others, all from definitions that were read once."""
    speed = unique("speed")
    first, second = await two_versions(store, clock, speed)
    wanted = {None: 2, first: 1, second: 2, second - 1: 1, second + 1: 2}
    for known_at in [*wanted, *reversed(wanted)]:
        (resolved,) = await lagging.space.resolve([speed], known_at=known_at)
        assert (known_at, wanted[known_at]) == (known_at, resolved.definition.version)
    assert 2 == watched.reads


async def test_definitions_that_were_being_read_before_the_call_are_not_fresh(
    store: OpenedStore, lagging: OpenedStore, watched: Watched, unique: Unique
) -> None:
    """A call that needs fresh ones waits for a read that begins after it, though another is about to be answered."""
    watched.holds = True
    early = asyncio.create_task(lagging.list_entity_types())
    await watched.read.wait()
    planet = (await store.register_entity_type(unique("planet"))).name
    late = asyncio.create_task(lagging.list_entity_types())
    await asyncio.sleep(0)
    watched.holds = False
    watched.released.set()
    assert planet not in [each.name for each in await early]
    assert planet in [each.name for each in await late]
    assert 2 == watched.reads


async def test_calls_that_need_no_fresh_definitions_share_the_read_under_way(
    store: OpenedStore, lagging: OpenedStore, watched: Watched, unique: Unique
) -> None:
    """One read for all that came while it lasted, and for all that come after; another one for what they need."""
    speed = (await store.register_feature(unique("speed"), "int")).name
    await asyncio.gather(*[lagging.get_feature(speed) for _ in range(5)])
    await lagging.get_feature(speed)
    assert (2, [[speed]]) == (watched.reads, watched.names)


async def test_a_write_of_a_feature_that_was_just_registered_elsewhere_is_accepted(
    store: OpenedStore, lagging: OpenedStore, watched: Watched, clock: FakeClock, unique: Unique
) -> None:
    """What the server does not know it looks up afresh, once a request; so do reads."""
    speed, fry = unique("speed"), unique("fry")
    await lagging.list_entity_types()
    await store.register_feature(speed, "int")
    await write(lagging, speed, [(fry, clock.now, 1)])
    assert 2 == watched.reads
    await store.register_feature(unique("mood"), "int")
    assert [[("PRESENT", 1)], [("NOT_FOUND", None)]] == answers(
        await lagging.get_online_features([fry], [speed, unique("mood")])
    )
    assert 3 == watched.reads
    wide = {"entity_id": [fry], "timestamp": [clock.now], unique("nothing"): [1], unique("nought"): [2]}
    (verdict,) = (await lagging.write_features(wide, time_unit="us")).verdicts
    assert Reason.UNKNOWN_FEATURE == verdict.reason
    assert 5 == watched.reads


async def test_a_write_of_a_feature_that_was_missing_is_accepted_once_it_is_registered(
    store: OpenedStore, lagging: OpenedStore, clock: FakeClock, unique: Unique
) -> None:
    """Though the server has found before that it is not there."""
    speed, fry = unique("speed"), unique("fry")
    sent = {"entity_id": [fry], "timestamp": [clock.now], speed: [1]}
    (verdict,) = (await lagging.write_features(sent, time_unit="us")).verdicts
    assert Reason.UNKNOWN_FEATURE == verdict.reason
    await store.register_feature(speed, "int")
    await write(lagging, speed, [(fry, clock.now, 1)])


async def test_a_server_sees_at_once_what_it_registered_or_deprecated_itself(
    lagging: OpenedStore, unique: Unique
) -> None:
    """However long it may keep what it has read."""
    speed = unique("speed")
    await lagging.register_feature(speed, "int")
    await lagging.register_feature(speed, "double", version=2)
    (resolved,) = await lagging.space.resolve([speed])
    assert f"{speed}@2" == resolved.reference
    await lagging.deprecate_feature(speed, 2)
    assert (await lagging.get_feature(speed)).deprecated


async def test_what_is_registered_is_judged_by_fresh_definitions(
    store: OpenedStore, lagging: OpenedStore, unique: Unique
) -> None:
    """A version that another server has overtaken is refused."""
    speed = unique("speed")
    await lagging.register_feature(speed, "int")
    await store.register_feature(speed, "int", version=3)
    with pytest.raises(Conflict, match="is at version 3"):
        await lagging.register_feature(speed, "int", version=2)


async def test_a_call_that_is_given_up_does_not_end_the_read_that_others_wait_for(
    lagging: OpenedStore, watched: Watched, unique: Unique
) -> None:
    """One call's deadline is its own."""
    watched.holds = True
    first = asyncio.create_task(lagging.space.incarnation())
    await watched.read.wait()
    second = asyncio.create_task(lagging.space.incarnation())
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    watched.released.set()
    assert await second == await lagging.space.incarnation()
    assert 1 == watched.reads


async def test_definitions_are_read_once_while_they_are_fresh_enough(
    store: OpenedStore, watched: Watched, clock: FakeClock, unique: Unique
) -> None:
    """For as many seconds as the settings say, whatever is looked up; with none, at each call."""
    await store.register_entity_type(unique("planet"))
    for staleness, reads in ((3_600.0, 1), (0.0, 3)):
        watched.reads = 0
        registry = store_over(watched, clock, staleness=staleness).space.registry  # type: ignore[arg-type]
        for _ in range(3):
            assert unique("planet") in (await registry.snapshot()).entity_types
        assert reads == watched.reads


async def test_a_deletion_knows_what_was_registered_elsewhere_since(
    store: OpenedStore, lagging: OpenedStore, watched: Watched, clock: FakeClock, unique: Unique
) -> None:
    """The values of a new group are cleaned too, and a feature that was deleted is not named."""
    group, speed, mood, fry = unique("group"), unique("speed"), unique("mood"), unique("fry")
    await store.register_feature(mood, "int")
    await lagging.get_feature(mood)
    stored = await store.register_feature_group(group)
    of = [(await store.register_feature(speed, "int", group=group), stored)]
    await write(store, speed, [(fry, clock.now, 1)])
    (before,) = await watched.read_history([fry], of, start=MIN_TIME, end=MAX_EVENT_TIME)
    assert (await lagging.delete_entity(fry)).cleaned
    (after,) = await watched.read_history([fry], of, start=MIN_TIME, end=MAX_EVENT_TIME)
    assert [1, 0] == [len(before.entity), len(after.entity)]
    await store.delete_definition(FeatureDefinition, mood, 1)
    with pytest.raises(Unknown):
        await lagging.delete_feature_values(fry, [mood])
