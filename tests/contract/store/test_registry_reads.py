"""What a registry asks of its storage, and when: changes since it last read, and the features that it lacks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from tests.opened import OpenedStore

from featurama_core.registry import Registry, current
from featurama_core.storage.port import FeaturesOf, NamespaceStorage
from featurama_core.storage.records import Definitions
from featurama_core.types.errors import Conflict, FailedPrecondition, StoreUnavailable, Unknown
from featurama_core.types.schema import Definition, EntityType, FeatureDefinition

from .standing_clock import SECOND, Unique


class Asked:
    """A storage that notes what is asked of it."""

    def __init__(self, inner: NamespaceStorage) -> None:
        self._inner = inner
        self.called: list[str] = []
        self.after: list[int] = []
        self.found: list[Definitions] = []
        self.names: list[list[str]] = []
        self.listed: list[tuple[str, int]] = []
        self.lost: list[str] = []
        self.broken = False

    def __getattr__(self, name: str) -> Any:
        self.called.append(name)
        return getattr(self._inner, name)

    async def load_definitions(self, after: int = 0) -> Definitions:
        self.after.append(after)
        if self.broken:
            raise StoreUnavailable("a fault was set here")
        self.found.append(await self._inner.load_definitions(after))
        return self.found[-1]

    async def read_features(self, names: Sequence[str]) -> list[FeatureDefinition]:
        self.names.append(sorted(names))
        return await self._inner.read_features(names)

    async def list_feature_names(self, of: FeaturesOf | None, first: str, limit: int) -> list[str]:
        """With `lost`: names of which a registration in this group or type lost to another one."""
        self.listed.append((first, limit))
        return sorted([*await self._inner.list_feature_names(of, first, limit), *self.lost])[:limit]


class Seconds:
    """A monotonic clock."""

    at = 100.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def asked(namespace: NamespaceStorage) -> Asked:
    return Asked(namespace)


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def registry(asked: Asked, seconds: Seconds) -> Registry:
    """Keeps definitions for two seconds."""
    return Registry(asked, staleness=2.0, now=lambda: 0, monotonic=seconds)  # type: ignore[arg-type]


async def test_changes_are_asked_for_since_the_last_read(
    store: OpenedStore, registry: Registry, asked: Asked, unique: Unique
) -> None:
    """All of them at first; the number that is known is that of the last answer."""
    await store.register_entity_type(unique("planet"))
    await registry.snapshot()
    await store.register_entity_type(unique("moon"))
    snapshot = await registry.snapshot(fresh=True)
    await registry.snapshot(fresh=True)
    assert [0, *(each.revision for each in asked.found[:2])] == asked.after
    assert {unique("planet"), unique("moon")} <= snapshot.entity_types.keys()
    assert [unique("moon")] == [each.name for each in asked.found[1].entity_types]


async def test_definitions_are_read_again_once_they_are_older_than_the_staleness(
    registry: Registry, asked: Asked, seconds: Seconds
) -> None:
    """Its end is included; a failed read counts as a try, and the last known ones are given."""
    first = await registry.snapshot()
    seconds.at += 2.0
    assert first is await registry.snapshot()
    assert 1 == len(asked.after)
    seconds.at += 0.001
    await registry.snapshot()
    assert 2 == len(asked.after)
    asked.broken = True
    seconds.at += 2.001
    for _ in range(2):
        assert first is await registry.snapshot()
    assert 3 == len(asked.after)


async def test_a_registry_is_behind_once_it_could_not_read_for_longer_than_the_lead(
    registry: Registry, asked: Asked, seconds: Seconds
) -> None:
    """Counted from the last read that went well; not before the first one, and not without a failure."""
    asked.broken = True
    with pytest.raises(StoreUnavailable):
        await registry.snapshot()
    seconds.at += 50
    assert not registry.is_behind(10 * SECOND)
    asked.broken = False
    await registry.snapshot()
    seconds.at += 10
    asked.broken = True
    assert not registry.is_behind(9 * SECOND)
    await registry.snapshot()
    assert [True, False] == [registry.is_behind(each * SECOND) for each in (9, 10)]
    asked.broken = False
    seconds.at += 5
    await registry.snapshot()
    assert not registry.is_behind(0)


async def test_features_that_are_lacking_are_given_only_if_they_can_be_read(
    store: OpenedStore, registry: Registry, asked: Asked, unique: Unique
) -> None:
    """The last known definitions answer for what they hold, and nothing fresh is made up."""
    await store.register_feature(unique("speed"), "int")
    await registry.snapshot(names=[unique("speed")])
    asked.broken = True
    assert unique("speed") in (await registry.snapshot(names=[unique("speed")])).features
    for options in ({"names": [unique("mood")]}, {"fresh": True}):
        with pytest.raises(StoreUnavailable):
            await registry.snapshot(**options)  # type: ignore[arg-type]


async def test_as_many_features_as_fit_are_held(
    store: OpenedStore, registry: Registry, asked: Asked, unique: Unique, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One more, and those of the request alone are, from one read; other definitions stay."""
    names = [unique(f"f{number}") for number in range(4)]
    for name in names:
        await store.register_feature(name, "int")
    await store.register_entity_type(unique("planet"))
    monkeypatch.setattr(current, "_MOST_HELD", 3)
    first = await registry.snapshot(names=names[:2])
    assert first is await registry.snapshot(names=names[1:3])
    assert set(names[:3]) == set(first.features)
    assert [names[:2], names[2:3]] == asked.names
    reads = len(asked.after)
    second = await registry.snapshot(names=names[2:])
    assert set(names[2:]) == set(second.features)
    assert (names[2:], reads + 1) == (asked.names[-1], len(asked.after))
    assert [first.incarnation, *first.entity_types] == [second.incarnation, *second.entity_types]


async def test_what_is_looked_up_in_vain_is_looked_up_once_more(
    store: OpenedStore, registry: Registry, asked: Asked, unique: Unique
) -> None:
    """In fresh definitions, with the features that are lacking."""
    with pytest.raises(Unknown, match="is not registered"):
        await registry.resolving(lambda snapshot: snapshot.group(unique("group")))
    assert 2 == len(asked.after)
    await store.register_feature(unique("speed"), "int")
    found = await registry.resolving(lambda snapshot: snapshot.resolve_all([unique("speed")]))
    assert [f"{unique('speed')}@1"] == [each.reference for each in found]
    assert ([[unique("speed")]], 3) == (asked.names, len(asked.after))


async def test_a_page_of_features_ends_with_its_last_name(
    store: OpenedStore, registry: Registry, asked: Asked, unique: Unique
) -> None:
    """All versions of each; a full page has a next one only if there is a further name. Names alone do not belong."""
    group, names = unique("group"), [unique(f"f{number}") for number in range(3)]
    await store.register_feature_group(group)
    for name in names:
        await store.register_feature(name, "int", group=group)
    await store.register_feature(names[0], "double", version=2, group=group)

    async def page(first: str, limit: int) -> tuple[list[str], str | None]:
        features, after = await registry.page_features(("feature_group", group), first, limit)
        return [each.reference for each in features], after

    assert ([f"{names[0]}@1", f"{names[0]}@2"], names[1]) == await page("", 1)
    assert ([f"{names[1]}@1", f"{names[2]}@1"], None) == await page(names[1], 2)
    assert ([f"{names[1]}@1"], names[2]) == await page(names[1], 1)
    await store.register_feature(unique("g"), "int")
    asked.lost = [unique("g")]
    assert ([f"{names[1]}@1", f"{names[2]}@1"], None) == await page(names[1], 3)


async def test_a_group_is_known_whole_unless_it_is_too_large_for_a_write(
    store: OpenedStore, registry: Registry, asked: Asked, unique: Unique, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest versions, listed once after each change that was read; another group is another one."""
    names = [unique(f"f{number}") for number in range(3)]
    for group, name in zip((unique("a"), unique("a"), unique("b")), names, strict=True):
        if group != unique("a") or name == names[0]:
            await store.register_feature_group(group)
        await store.register_feature(name, "int", group=group)
    await store.register_feature(names[0], "double", version=2, group=unique("a"))
    monkeypatch.setattr(current, "_WHOLE_GROUP", 2)
    await registry.snapshot()
    for _ in range(2):
        whole = await registry.whole_group(unique("a"))
        assert [f"{names[0]}@2", f"{names[1]}@1"] == [each.reference for each in whole]
    assert 1 == len(asked.listed)
    assert names[2:] == [each.name for each in await registry.whole_group(unique("b"))]
    await store.register_feature(unique("g"), "int", group=unique("a"))
    assert 2 == len(await registry.whole_group(unique("a")))
    await registry.snapshot(fresh=True)
    assert [] == await registry.whole_group(unique("a"))
    assert [("", 3)] * 3 == asked.listed


async def test_a_definition_is_used_by_what_was_registered_elsewhere_since(
    store: OpenedStore, registry: Registry, unique: Unique
) -> None:
    """However fresh the last known definitions are; an entity type also by its first entity."""
    speed = await store.register_feature(unique("speed"), "int")
    planet = await store.register_entity_type(unique("planet"))
    await registry.snapshot()
    await store.register_feature_service(unique("view"), [speed.name])
    assert [unique("view")] == [each.name for each in await registry.uses(speed)]
    assert [] == await registry.uses(planet)
    await store.register_entity(unique("mars"), planet.name)
    assert [("entities", planet.name)] == [(each.kind, each.name) for each in await registry.uses(planet)]


async def test_nothing_is_stored_for_what_is_there_or_used(
    store: OpenedStore, registry: Registry, asked: Asked, unique: Unique
) -> None:
    """The same definition again, and a deletion that is refused."""
    planet = await store.register_entity_type(unique("planet"))
    await store.register_feature_group(unique("weather"), planet.name)
    assert [planet] == await registry.define_all([planet])
    with pytest.raises(FailedPrecondition, match=f"is used by feature group {unique('weather')}"):
        await registry.delete(planet)
    assert not {"put_definitions", "put_flag"} & set(asked.called)


async def test_changes_are_in_the_audit_log_by_their_names(registry: Registry, asked: Asked, unique: Unique) -> None:
    """A text stands in it as it was given."""
    (planet,) = await registry.define_all([EntityType(unique("planet"))])
    await registry.set_deprecated(planet, deprecated=True)
    await registry.set_deprecated(planet, deprecated=False)
    await registry.revise(planet, {"description": "größer"}, lead=5)
    await registry.delete(planet)
    log = [each for each in await asked.list_audit(100) if each.subject == f"entity type {planet.name}"]
    actions = ["deprecate", "restore", "update", "delete"]
    assert sorted(f"{each}_definition" for each in actions) == sorted(each.action for each in log)
    (detail,) = [each.detail for each in log if each.action == "update_definition"]
    assert '{"revision": 2, "start_us": 5, "changes": {"description": ["", "größer"]}}' == detail


async def test_a_change_of_a_revision_that_is_not_the_newest_names_it(registry: Registry, unique: Unique) -> None:
    """Both were made of the first one."""
    (planet,) = await registry.define_all([EntityType(unique("planet"))])
    await registry.revise(planet, {"description": "a"}, lead=5)
    with pytest.raises(Conflict, match="since revision 1;"):
        await registry.revise(planet, {"description": "b"}, lead=5)


class Overtaken(Asked):
    """Another process always registers the same names, otherwise, just before."""

    async def put_definitions(
        self, definitions: Sequence[Definition], judged_at: int | None = None
    ) -> list[Definition]:
        self.called.append("put_definitions")
        return [replace(each, description=f"theirs since {judged_at}") for each in definitions]


async def test_a_registration_that_is_overtaken_again_and_again_is_given_up(
    namespace: NamespaceStorage, unique: Unique
) -> None:
    """After fifty tries, each over definitions that are read anew."""
    overtaken = Overtaken(namespace)
    registry = Registry(overtaken, staleness=0.0, now=lambda: 0, monotonic=Seconds())  # type: ignore[arg-type]
    with pytest.raises(Conflict, match="are being changed by others all the time; send the request again") as refused:
        await registry.define_all([EntityType(unique("planet"))])
    assert "name" == refused.value.metadata["field"]
    assert (50, 50) == (overtaken.called.count("put_definitions"), len(overtaken.after))
