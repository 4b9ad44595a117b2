"""The type and the group that a definition brings with it."""

from __future__ import annotations

from pathlib import Path

from tests.laws.scene import FakeClock
from tests.opened import OpenedStore, open_store

from featurama_core.storage.port import NamespaceStorage
from featurama_core.types.schema import EntityType

from .standing_clock import SECOND, Unique, store_over


async def test_the_type_of_any_entity_comes_with_its_first_group(store: OpenedStore, unique: Unique) -> None:
    """It says what it is, and since when."""
    await store.register_feature_group(unique("group"))
    kind = await store.get_entity_type("entity")
    assert EntityType("entity", "Anything: its features take any id") == kind
    assert kind.created_at > 0


async def test_the_type_of_any_entity_comes_with_its_first_reference(tmp_path: Path) -> None:
    """It need not be registered before a feature whose values are ids of any form."""
    async with open_store(f"sqlite:///{tmp_path}") as store:
        await store.register_entity_type("team")
        made = await store.register_feature("patron", "text", entity_type="team", references="entity")
        assert "entity" == made.references
        assert "entity" == (await store.get_entity_type("entity")).name


async def test_the_group_that_a_feature_brings_is_made_when_the_feature_is(
    store: OpenedStore, clock: FakeClock, unique: Unique
) -> None:
    """It is named like the entity type, and of it; a second feature finds it there."""
    planet = unique("planet")
    await store.register_entity_type(planet)
    made = clock.now
    await store.register_feature(unique("size"), "int", entity_type=planet)
    clock.advance(SECOND)
    await store.register_feature(unique("mass"), "int", entity_type=planet)
    group = (await store.space.registry.snapshot()).group(planet)
    assert (planet, planet, made) == (group.name, group.entity_type, group.created_at)


async def test_a_feature_of_a_named_group_brings_no_other(store: OpenedStore, unique: Unique) -> None:
    """The group that is named like the entity type is made for those that name none."""
    planet, group = unique("planet"), unique("group")
    await store.register_entity_type(planet)
    await store.register_feature_group(group, planet)
    await store.register_feature(unique("size"), "int", entity_type=planet, group=group)
    assert planet not in (await store.space.registry.snapshot()).groups


async def test_a_server_that_keeps_definitions_sees_the_group_that_it_has_just_made(
    namespace: NamespaceStorage, clock: FakeClock, unique: Unique
) -> None:
    """In the same call."""
    planet = unique("planet")
    store = store_over(namespace, clock, staleness=3_600.0)
    await store.register_entity_type(planet)
    assert planet == (await store.register_feature(unique("size"), "int", entity_type=planet)).group
