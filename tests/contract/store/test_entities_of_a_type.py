"""All entities of a type: the registered ones, and those whose values say what they are."""

from __future__ import annotations

from collections.abc import Sequence

from tests.laws.scene import FakeClock
from tests.opened import OpenedStore

from featurama_core.types.schema import Entity, FeatureDefinition

from .standing_clock import Unique, write


async def ids_of(store: OpenedStore, entity_type: str, ids: Sequence[str]) -> list[str]:
    """Those among these ids that are listed as entities of a type: whole, and page by page."""
    listed = [each.entity_id for each in await store.list_entities(entity_type)]
    paged: list[str] = []
    after: str | None = None
    while True:
        page, after = await store.page_entities(entity_type, after, 3)
        paged += [each.entity_id for each in page]
        if after is None:
            break
    assert listed == paged
    assert len(listed) == len(set(listed))
    return sorted(each for each in listed if each in ids)


async def test_entities_with_values_only_belong_to_the_type_of_their_features(
    store: OpenedStore, clock: FakeClock, unique: Unique
) -> None:
    """In lists and sets; what is registered as another type does not, and values of any entity name no type."""
    planet, size, mass, mood = unique("planet"), unique("size"), unique("mass"), unique("mood")
    await store.register_entity_type(planet)
    await store.register_entity_type(unique("moon"))
    await store.register_feature(size, "double", entity_type=planet)
    await store.register_feature(mass, "double", entity_type=unique("moon"))
    await store.register_feature(mood, "double")
    everyone = [unique(f"e{number}") for number in range(12)]
    await store.register_entities([Entity(each, planet, "Named") for each in everyone[:4]])
    await store.register_entity(everyone[4], unique("moon"))
    await write(store, size, [(each, clock.now, 1.0) for each in everyone[2:4] + everyone[6:10]])
    await write(store, mass, [(each, clock.now, 1.0) for each in (everyone[4], everyone[10])])
    await write(store, mood, [(each, clock.now, 1.0) for each in (everyone[0], everyone[4], everyone[6], everyone[11])])
    planets = everyone[:4] + everyone[6:10]
    assert sorted(planets) == await ids_of(store, planet, everyone)
    assert sorted([everyone[4], everyone[10]]) == await ids_of(store, unique("moon"), everyone)
    assert [] == await ids_of(store, "entity", everyone)
    await store.register_entity(everyone[11])
    assert [everyone[11]] == await ids_of(store, "entity", everyone)
    named = {each.entity_id: each.name for each in await store.list_entities(planet)}
    assert {each: "Named" if each in everyone[:4] else "" for each in planets} == named
    dataset = await store.training_set(entity_type=planet, features=[size])
    assert sorted(planets) == (await dataset.to_arrow())["entity_id"].to_pylist()


async def test_values_of_a_deleted_feature_name_no_type(store: OpenedStore, clock: FakeClock, unique: Unique) -> None:
    """Nobody can see them."""
    planet, size = unique("planet"), unique("size")
    await store.register_entity_type(planet)
    await store.register_feature(size, "double", entity_type=planet)
    await write(store, size, [(unique("mars"), clock.now, 1.0)])
    assert [unique("mars")] == await ids_of(store, planet, [unique("mars")])
    await store.delete_definition(FeatureDefinition, size, 1)
    assert [] == await ids_of(store, planet, [unique("mars")])


async def test_entities_whose_values_are_all_deleted_are_not_listed(
    store: OpenedStore, clock: FakeClock, unique: Unique
) -> None:
    """Also if values of before the deletion are written again, which stay invisible; a newer or another value lists."""
    planet, size, mass = unique("planet"), unique("size"), unique("mass")
    await store.register_entity_type(planet)
    for name in (size, mass):
        await store.register_feature(name, "double", entity_type=planet)
    whole, some, later, untouched = everyone = [unique(each) for each in ("whole", "some", "later", "untouched")]
    old = [(each, clock.now, 1.0) for each in everyone]
    await write(store, size, old)
    clock.advance(10)
    for each in (whole, later):
        await store.delete_entity(each)
    await store.delete_feature_values(some, [size])
    assert [untouched] == await ids_of(store, planet, everyone)
    await write(store, size, old)
    assert [untouched] == await ids_of(store, planet, everyone)
    clock.advance(10)
    await write(store, size, [(later, clock.now, 2.0)])
    await write(store, mass, [(some, clock.now, 2.0)])
    assert sorted([some, later, untouched]) == await ids_of(store, planet, everyone)
    dataset = await store.training_set(entity_type=planet, features=[size])
    assert sorted([some, later, untouched]) == (await dataset.to_arrow())["entity_id"].to_pylist()
