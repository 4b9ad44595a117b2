"""Many definitions at once: in any order, all or none, and what readers fetch afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from tests.laws.scene import FakeClock
from tests.opened import OpenedStore

from featurama_core.storage.port import NamespaceStorage
from featurama_core.types.entity_keys import key_columns
from featurama_core.types.errors import Conflict, InvalidInput, Reason, Unknown
from featurama_core.types.schema import Definition, EntityType, FeatureDefinition, FeatureGroup, FeatureService
from featurama_core.types.values import ValueType

from .standing_clock import DAY, Unique, store_over


def one_of_each(unique: Unique) -> list[Definition]:
    """A service, its feature in two versions, their group and type: each before what it names."""
    planet, weather, heat = unique("planet"), unique("weather"), unique("heat")
    return [
        FeatureService(unique("outlook"), (heat,)),
        FeatureDefinition(heat, ValueType.DOUBLE, 2, "", weather),
        FeatureDefinition(heat, ValueType.INT, 1, "", weather),
        FeatureGroup(weather, planet, ttl="2d"),
        EntityType(planet),
    ]


async def test_definitions_that_name_each_other_are_registered_in_any_order(store: OpenedStore, unique: Unique) -> None:
    """The answer is in the order of the list, complete; the same list again changes nothing."""
    wanted = one_of_each(unique)
    service, newer, older, group, kind = await store.register(wanted)
    assert isinstance(service, FeatureService)
    assert service.features == (f"{unique('heat')}@2",)
    for each, version in ((newer, 2), (older, 1)):
        assert isinstance(each, FeatureDefinition)
        assert (each.entity_type, each.version) == (unique("planet"), version)
    assert [group, kind] == wanted[3:]
    assert repr([service, newer, older, group, kind]) == repr(await store.register(wanted))
    assert newer == await store.get_feature(unique("heat"))


async def test_one_that_is_refused_stops_all(store: OpenedStore, unique: Unique) -> None:
    """It is named, with what is wrong."""
    bad = FeatureDefinition(unique("bad"), ValueType.INT, group=unique("nowhere"))
    with pytest.raises(Unknown, match=f"{unique('bad')}@1: feature group '{unique('nowhere')}' is not registered"):
        await store.register([*one_of_each(unique), bad])
    with pytest.raises(Unknown):
        await store.get_entity_type(unique("planet"))
    twice = [EntityType(unique("moon")), EntityType(unique("moon"), "another")]
    with pytest.raises(Conflict, match=f"{unique('moon')}: .* another description"):
        await store.register(twice)


@pytest.mark.parametrize("bad", [[], ["distance"], [None]])
async def test_what_is_no_list_of_definitions_is_refused(store: OpenedStore, bad: list[Any]) -> None:
    with pytest.raises(InvalidInput, match="definitions") as refused:
        await store.register(bad)
    assert refused.value.reason in (Reason.EMPTY_REQUEST, Reason.INVALID_ARGUMENT)


class Overtaken:
    """A storage to which another process writes just before this one does."""

    def __init__(self, inner: NamespaceStorage, others: Sequence[Definition]) -> None:
        self._inner = inner
        self.others = list(others)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def put_definitions(
        self, definitions: Sequence[Definition], judged_at: int | None = None
    ) -> list[Definition]:
        if self.others:
            await self._inner.put_definitions(self.others)
            self.others = []
        return await self._inner.put_definitions(definitions, judged_at)


async def test_a_name_that_another_process_takes_meanwhile_is_a_conflict(
    namespace: NamespaceStorage, clock: FakeClock, unique: Unique
) -> None:
    """As if it had been registered before; where it is the same, both are right and the earlier time stays."""
    kind = EntityType(unique("kind"), created_at=7)
    same = store_over(Overtaken(namespace, [kind]), clock)  # type: ignore[arg-type]
    (stored,) = await same.register([replace(kind, created_at=0)])
    assert stored.created_at == 7
    other = store_over(Overtaken(namespace, [EntityType(unique("type"), "theirs")]), clock)  # type: ignore[arg-type]
    with pytest.raises(Conflict, match="is registered with another description"):
        await other.register_entity_type(unique("type"), "ours")
    group = FeatureGroup(unique("group"), retention="9d")
    late = store_over(Overtaken(namespace, [group]), clock)  # type: ignore[arg-type]
    with pytest.raises(Conflict, match="is registered with another retention"):
        await late.register_feature_group(group.name, retention="3d")
    assert (await late.get_feature_group(group.name)).retention == 9 * DAY


async def test_what_another_process_registers_meanwhile_is_judged_with(
    namespace: NamespaceStorage, clock: FakeClock, unique: Unique
) -> None:
    """Also what has another name or version: all versions of a feature are of one type, and no feature of `entity` is
    named like a key.
    """
    planet, heat, key = unique("planet"), unique("heat"), unique("key")
    await store_over(namespace, clock).register_entity_type(planet)
    theirs = FeatureDefinition(heat, ValueType.INT, group="default")
    other = store_over(Overtaken(namespace, [FeatureGroup(), theirs]), clock)  # type: ignore[arg-type]
    with pytest.raises(Conflict, match=f"entity_type of '{heat}' is 'entity' in all versions"):
        await other.register_feature(heat, "int", version=2, entity_type=planet)
    kind = EntityType(unique("kind"), keys=key_columns([key]))
    other = store_over(Overtaken(namespace, [kind]), clock)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="is named like a key column"):
        await other.register_feature(key, "int")


async def test_registrations_at_once_wait_for_each_other(
    namespace: NamespaceStorage, clock: FakeClock, unique: Unique
) -> None:
    """In one process, and in several."""
    servers = [store_over(namespace, clock) for _ in range(3)]
    names = [f"{unique('kind')}_{at}" for at in range(30)]
    await asyncio.gather(*(servers[at % 3].register_entity_type(name) for at, name in enumerate(names)))
    assert set(names) <= {each.name for each in await servers[0].list_entity_types()}


async def test_a_refresh_without_changes_keeps_what_is_compiled(store: OpenedStore, unique: Unique) -> None:
    """Also with changes of what is not held: the snapshot stays the same object. Another change makes another one, and
    the old one stays as it was.
    """
    heat, group = unique("heat"), unique("group")
    await store.register_feature_group(group)
    first = await store.register_feature(heat, "double", group=group)
    registry = store.space.registry
    before = await registry.snapshot(fresh=True, names=[heat])
    await store.register_feature(unique("cold"), "double", group=group)
    assert before is await registry.snapshot(fresh=True)
    second = await store.register_feature(heat, "int", version=2, group=group)
    after = await registry.snapshot(names=[heat])
    assert ([first], [first, second]) == (before.features[heat], after.features[heat])
