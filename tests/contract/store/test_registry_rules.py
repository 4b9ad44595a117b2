"""Definitions: which version a reference means, what may be registered, and what may change afterwards."""

from __future__ import annotations

from typing import Any

import pytest
from tests.laws.scene import FakeClock
from tests.opened import OpenedStore

from featurama_core.types.errors import Conflict, InvalidInput, Reason
from featurama_core.types.values import ValueType

from .standing_clock import SECOND, Unique, as_of, two_versions


async def test_a_version_is_known_from_the_moment_of_its_registration(
    store: OpenedStore, clock: FakeClock, unique: Unique
) -> None:
    """A known_at takes the newest version registered at or before it; one that is named is taken as it is."""
    speed, fry = unique("speed"), unique("fry")
    first, second = await two_versions(store, clock, speed)

    async def version(known_at: int | None, reference: str = speed) -> str:
        (resolved,) = await store.space.resolve([reference], known_at=known_at)
        return resolved.reference

    assert f"{speed}@1" == await version(first)
    assert f"{speed}@1" == await version(second - 1)
    assert f"{speed}@2" == await version(second)
    assert f"{speed}@2" == await version(None)
    assert f"{speed}@2" == await version(first, f"{speed}@2")
    home = unique("home")
    await store.register_feature(home, "text", references="entity")
    clock.advance(SECOND)
    await store.register_feature(home, "text", version=2, references="entity")
    assert f"{home}@1.{speed}@2" == await version(clock.now - 1, f"{home}.{speed}")
    assert f"{home}@2.{speed}@2" == await version(clock.now, f"{home}.{speed}")
    assert f"{speed}@1" == await version(first - 1)
    assert [[("NOT_FOUND", None)]] == await as_of(store, [(fry, first)], speed, known_at=first - 1)


async def test_a_path_to_a_feature_of_another_entity_type_is_refused(store: OpenedStore, unique: Unique) -> None:
    """It may lead to a feature of the type that the reference names, or to one that takes any id."""
    planet, ship = unique("planet"), unique("ship")
    for kind in (planet, ship):
        await store.register_entity_type(kind)
    home, size = unique("home"), unique("size")
    await store.register_feature(home, "text", entity_type=ship, references=planet)
    await store.register_feature(size, "int", entity_type=planet)
    await store.register_feature(unique("speed"), "int", entity_type=ship)
    await store.register_feature(unique("mood"), "int")
    for allowed in (size, unique("mood")):
        (resolved,) = await store.space.resolve([f"{home}.{allowed}"])
        assert (f"{home}@1.{allowed}@1", ship) == (resolved.reference, resolved.entity_type)
    with pytest.raises(InvalidInput, match=f"refers to a {planet}, but .* describes a {ship}") as refused:
        await store.get_online_features([unique("fry")], [f"{home}.{unique('speed')}"])
    assert Reason.INVALID_REFERENCE == refused.value.reason
    with pytest.raises(InvalidInput, match="refers to no entity type") as refused:
        await store.get_online_features([unique("fry")], [f"{unique('speed')}.{size}"])
    assert Reason.INVALID_REFERENCE == refused.value.reason


async def test_a_service_registered_again_without_versions_keeps_those_that_it_pinned(
    store: OpenedStore, unique: Unique
) -> None:
    """Though newer ones are there now, in a path too; another version that is named, or another order, is refused."""
    planet, service = unique("planet"), unique("service")
    await store.register_entity_type(planet)
    home, size = unique("home"), unique("size")
    await store.register_feature(home, "text", entity_type=planet, references=planet)
    await store.register_feature(size, "int", entity_type=planet)
    unpinned = [size, f"{home}.{size}", home]
    pinned = (f"{size}@1", f"{home}@1.{size}@1", f"{home}@1")
    assert pinned == (await store.register_feature_service(service, unpinned)).features
    await store.register_feature(size, "double", version=2, entity_type=planet)
    await store.register_feature(home, "text", version=2, entity_type=planet, references=planet)
    for again in (unpinned, list(pinned), [f"{size}@1", f"{home}.{size}@1", home]):
        assert pinned == (await store.register_feature_service(service, again)).features
    for other in (
        [f"{size}@2", *unpinned[1:]],
        [size, f"{home}@2.{size}", home],
        [size, f"{home}.{size}@2", home],
        [home, f"{home}.{size}", size],
        [size, f"{home}.{home}", home],
        unpinned[:2],
    ):
        with pytest.raises(Conflict):
            await store.register_feature_service(service, other)
    assert pinned == (await store.get_feature_service(service)).features
    assert [f"{size}@2", f"{home}@2.{size}@2", f"{home}@2"] == [
        resolved.reference for resolved in await store.space.resolve(unpinned)
    ]  # fmt: skip
    newer = await store.register_feature_service(unique("newer"), unpinned)
    assert (f"{size}@2", f"{home}@2.{size}@2", f"{home}@2") == newer.features


async def test_all_versions_of_a_feature_share_type_group_and_references(store: OpenedStore, unique: Unique) -> None:
    """A new version is higher than all others; the same one again changes nothing, another one under its number is
    refused."""
    planet, ship, speed = unique("planet"), unique("ship"), unique("speed")
    for kind in (planet, ship):
        await store.register_entity_type(kind)
    await store.register_feature_group(unique("other"), planet)
    first = await store.register_feature(speed, "text", "how fast", entity_type=planet, references=planet)
    for name, change in (
        ("entity_type", {"entity_type": ship}),
        ("group", {"group": unique("other")}),
        ("references", {"references": ship}),
        ("references", {"references": None}),
    ):
        arguments: dict[str, Any] = {"entity_type": planet, "references": planet} | change
        with pytest.raises(Conflict) as conflict:
            await store.register_feature(speed, "text", version=3, **arguments)
        assert name == conflict.value.metadata["field"]
    assert 3 == (await store.register_feature(speed, "text", version=3, entity_type=planet, references=planet)).version
    with pytest.raises(Conflict, match="is at version 3; a new version must be higher"):
        await store.register_feature(speed, "text", version=2, entity_type=planet, references=planet)
    again = await store.register_feature(speed, "text", "how fast", entity_type=planet, references=planet)
    assert (first, ValueType.TEXT) == (again, again.value_type)
    with pytest.raises(Conflict, match="another description"):
        await store.register_feature(speed, "text", "how slow", entity_type=planet, references=planet)
