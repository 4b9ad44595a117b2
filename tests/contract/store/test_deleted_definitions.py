"""Definitions that are deprecated, restored and deleted: what uses them, and what is never given again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from tests.laws.scene import FakeClock
from tests.opened import OpenedStore

from featurama_core.ingest.purge import purge
from featurama_core.storage.port import Flag, NamespaceStorage
from featurama_core.storage.records import StoredModel
from featurama_core.storage.sqlite.namespace import SqliteNamespace
from featurama_core.types.errors import Conflict, FailedPrecondition, InvalidInput, Reason, Unknown
from featurama_core.types.schema import (
    Definition,
    EntityType,
    FeatureDefinition,
    FeatureGroup,
    FeatureService,
    Use,
)
from featurama_core.types.times import MAX_EVENT_TIME, MIN_TIME
from featurama_core.types.values import ValueType

from .standing_clock import DAY, Unique, as_of, store_over, write


async def test_a_deprecated_definition_is_restored(store: OpenedStore, unique: Unique) -> None:
    """New definitions may use it again."""
    heat, planet = unique("heat"), unique("planet")
    await store.register_entity_type(planet)
    await store.register_feature(heat, "double", entity_type=planet)
    for kind, name, version in ((FeatureDefinition, heat, 1), (EntityType, planet, None)):
        assert (await store.deprecate(kind, name, version)).deprecated  # type: ignore[type-var]
    with pytest.raises(FailedPrecondition):
        await store.register_feature_service(unique("outlook"), [heat])
    for kind, name, version in ((FeatureDefinition, heat, 1), (EntityType, planet, None)):
        assert not (await store.restore(kind, name, version)).deprecated  # type: ignore[type-var]
    await store.register_feature_service(unique("outlook"), [heat])
    await store.register_feature_group(unique("weather"), planet)


async def test_what_uses_a_definition_is_named_and_keeps_it(store: OpenedStore, unique: Unique) -> None:
    """Services and models, through paths too; features of a group, groups and entities of a type."""
    planet, home, size = unique("planet"), unique("home"), unique("size")
    outlook, path, model = unique("outlook"), f"{home}@1.{size}@1", unique("model")
    await store.register_entity_type(planet)
    await store.register_feature(size, "int", entity_type=planet)
    await store.register_feature(home, "text", references=planet)
    await store.register_feature_service(outlook, [f"{home}.{size}"])
    await store.register_entity(unique("mars"), planet)
    manifest = json.dumps({"features": [{"reference": path}], "entity_type": planet, "feature_service": outlook})
    await store.space.storage.put_model(StoredModel(model, 3, manifest, 0, 0), [])
    by_model = Use("model", f"{model}@3")
    pinned = [Use("feature service", outlook, path), Use("model", f"{model}@3", path)]
    for kind, name, uses in (
        (FeatureDefinition, size, pinned),
        (FeatureDefinition, home, pinned),
        (FeatureService, outlook, [by_model]),
        (FeatureGroup, planet, [Use("feature", f"{size}@1")]),
        (
            EntityType,
            planet,
            [Use("feature group", planet), Use("feature", f"{home}@1"), by_model, Use("entities", planet)],
        ),
    ):
        version = 1 if kind is FeatureDefinition else None
        assert uses == await store.uses(kind, name)
        with pytest.raises(FailedPrecondition, match=f"is used by {uses[0].kind} {uses[0].name}") as refused:
            await store.delete_definition(kind, name, version)  # type: ignore[type-var]
        assert refused.value.reason is Reason.DEFINITION_USED


async def test_the_first_five_uses_are_named_and_the_others_counted(store: OpenedStore, unique: Unique) -> None:
    planet, groups = unique("planet"), [unique(f"g{number}") for number in range(6)]
    await store.register_entity_type(planet)
    used = f"entity type '{planet}' is used by {', '.join(f'feature group {each}' for each in groups[:5])}"
    for group in groups[:5]:
        await store.register_feature_group(group, planet)
    for more in ("", " and 1 more"):
        with pytest.raises(FailedPrecondition) as refused:
            await store.delete_definition(EntityType, planet)
        assert f"{used}{more}; delete these first, or deprecate it" == refused.value.message
        assert "name" == refused.value.metadata["field"]
        await store.register_feature_group(groups[5], planet)


async def test_what_nothing_uses_is_deleted_for_ever(store: OpenedStore, clock: FakeClock, unique: Unique) -> None:
    """A name, of a feature its versions, entity type and group, are never given again; all is in the audit log."""
    planet, heat, outlook = unique("planet"), unique("heat"), unique("outlook")
    await store.register_entity_type(planet)
    await store.register_feature(heat, "double", entity_type=planet)
    await write(store, heat, [(unique("mars"), clock.now, 1.5)])
    await store.register_feature_service(outlook, [heat])
    everything = (
        (FeatureService, outlook, None),
        (FeatureDefinition, heat, 1),
        (FeatureGroup, planet, None),
        (EntityType, planet, None),
    )
    for kind, name, version in everything:
        assert name == (await store.delete_definition(kind, name, version)).name  # type: ignore[type-var]
        with pytest.raises(Unknown):
            await store.get_definition(kind, name)  # type: ignore[type-var]
        with pytest.raises(Unknown):
            await store.delete_definition(kind, name, version)  # type: ignore[type-var]
    with pytest.raises(Unknown):
        await as_of(store, [(unique("mars"), clock.now)], heat)
    feature = FeatureDefinition(heat, ValueType.DOUBLE, entity_type=planet)
    for again in (EntityType(planet), FeatureGroup(planet), feature):
        with pytest.raises((Conflict, Unknown)):
            await store.define(again)
    assert planet not in [each.name for each in await store.list_entity_types()]
    log = {(each.action, each.subject) for each in await store.space.storage.list_audit(100)}
    names = (f"feature service {outlook}", f"feature {heat}@1", f"feature group {planet}", f"entity type {planet}")
    assert {("delete_definition", name) for name in names} <= log


async def test_a_deleted_version_leaves_its_number_type_and_group(store: OpenedStore, unique: Unique) -> None:
    """Higher versions are registered as ever; the other versions stay."""
    heat, group, other = unique("heat"), unique("group"), unique("other")
    for each in (group, other):
        await store.register_feature_group(each)
    for version in (1, 2):
        await store.register_feature(heat, "int", version=version, group=group)
    await store.delete_definition(FeatureDefinition, heat, 2)
    assert 1 == (await store.get_feature(heat)).version
    with pytest.raises(Conflict, match="was deleted up to version 2; register a higher version"):
        await store.register_feature(heat, "double", version=2, group=group)
    await store.delete_definition(FeatureDefinition, heat, 1)
    with pytest.raises(Conflict, match=f"group of '{heat}' is '{group}' in all versions"):
        await store.register_feature(heat, "double", version=3, group=other)
    await store.register_feature(heat, "double", version=3, group=group)
    assert 3 == (await store.get_feature(heat)).version


@pytest.mark.parametrize(("kind", "name"), [(EntityType, "entity"), (FeatureGroup, "default")])
async def test_the_defaults_of_new_features_are_not_deleted(
    store: OpenedStore, unique: Unique, kind: type[EntityType | FeatureGroup], name: str
) -> None:
    await store.register_feature(unique("heat"), "int")
    with pytest.raises(InvalidInput, match="is the default of new features"):
        await store.delete_definition(kind, name)


class Raced:
    """A storage in which something happens before the next change of a definition."""

    def __init__(self, inner: NamespaceStorage) -> None:
        self._inner = inner
        self.before_flag: Any = None
        self.before_put: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def put_flag(self, definition: Definition, flag: Flag) -> None:
        happens, self.before_flag = self.before_flag, None
        if happens is not None:
            await happens()
        await self._inner.put_flag(definition, flag)

    async def put_definitions(
        self, definitions: Sequence[Definition], judged_at: int | None = None
    ) -> list[Definition]:
        del judged_at  # at the moment in which a cluster may miss a change
        happens, self.before_put = self.before_put, None
        if happens is not None:
            await happens()
        return await self._inner.put_definitions(definitions)


async def test_a_deletion_is_withdrawn_if_a_user_is_registered_meanwhile(
    store: OpenedStore, namespace: NamespaceStorage, clock: FakeClock, unique: Unique
) -> None:
    """Between the look for users and the mark."""
    heat = unique("heat")
    await store.register_feature(heat, "int")
    raced = Raced(namespace)
    raced.before_flag = lambda: store.register_feature_service(unique("outlook"), [heat])
    with pytest.raises(FailedPrecondition, match=unique("outlook")):
        await store_over(raced, clock).delete_definition(FeatureDefinition, heat, 1)  # type: ignore[arg-type]
    assert heat == (await store.get_feature(heat)).name
    assert (f"{heat}@1",) == (await store.get_feature_service(unique("outlook"))).features


@pytest.mark.parametrize("kind", [FeatureGroup, EntityType])
async def test_a_feature_is_read_and_written_while_a_deletion_that_meets_it_is_decided(
    store: OpenedStore, namespace: NamespaceStorage, clock: FakeClock, unique: Unique, kind: type[Any]
) -> None:
    """By a server that sees the mark on its group or type before it is withdrawn, and knew the feature or did not."""
    film, year, key = unique("film"), unique("year"), unique("key")
    made = await store.register_entity_type(film, keys={key: "int"})
    group = await store.register_feature_group(film, film)
    await store.register_feature(year, "int", entity_type=film)
    row = {key: [1]}
    definition = group if kind is FeatureGroup else made
    await namespace.put_flag(replace(definition, deleted=True), "deleted")
    for server in (store, store_over(namespace, clock)):
        report = await server.write_features(row | {"timestamp": [clock.now], year: [1999]}, time_unit="us")
        assert 1 == report.accepted
        assert [1999] == (await server.get_online_features(row, [year])).to_dict()[year]
        assert [1999] == (await server.get_all_features(f"{film}:1")).to_dict()[year]
    await namespace.put_flag(definition, "deleted")


@pytest.mark.parametrize("again", ["deprecate", "restore"])
async def test_a_deletion_stands_if_the_definition_is_deprecated_or_restored_meanwhile(
    store: OpenedStore, namespace: NamespaceStorage, clock: FakeClock, unique: Unique, again: str
) -> None:
    """By someone who read it before."""
    heat = unique("heat")
    await store.register_feature(heat, "int")
    raced = Raced(namespace)
    raced.before_flag = lambda: store.delete_definition(FeatureDefinition, heat, 1)
    with pytest.raises(Unknown, match=f"'{heat}' is not registered"):
        await getattr(store_over(raced, clock), again)(FeatureDefinition, heat, 1)  # type: ignore[arg-type]
    with pytest.raises(Unknown):
        await store.get_feature(heat)
    with pytest.raises(Conflict, match="register a higher version"):
        await store.register_feature(heat, "int")


@pytest.mark.parametrize("kind", ["service", "feature"])
async def test_a_registration_is_refused_if_what_it_names_is_deleted_meanwhile(
    store: OpenedStore, namespace: NamespaceStorage, clock: FakeClock, unique: Unique, kind: str
) -> None:
    """Between the look at definitions and the store: no definition names a deleted one."""
    heat, group = unique("heat"), unique("group")
    await store.register_feature_group(group)
    raced = Raced(namespace)
    other = store_over(raced, clock)  # type: ignore[arg-type]
    if kind == "service":
        await store.register_feature(heat, "int", group=group)
        raced.before_put = lambda: store.delete_definition(FeatureDefinition, heat, 1)
        with pytest.raises(Conflict, match="was deleted meanwhile"):
            await other.register_feature_service(unique("outlook"), [heat])
        assert unique("outlook") not in [each.name for each in await store.list_feature_services()]
    else:
        raced.before_put = lambda: store.delete_definition(FeatureGroup, group)
        with pytest.raises(Conflict, match="was deleted meanwhile"):
            await other.register([FeatureDefinition(heat, ValueType.INT, group=group), FeatureService(heat, (heat,))])
        assert heat not in [each.name for each in await store.list_features()]
        assert heat not in [each.name for each in await store.list_feature_services()]


async def test_values_of_deleted_definitions_are_purged_by_their_age(
    store: OpenedStore, clock: FakeClock, unique: Unique
) -> None:
    """As those of the others: the retention of the group still holds."""
    heat, group, mars = unique("heat"), unique("group"), unique("mars")
    await store.register_feature_group(group, retention="1d")
    definition = await store.register_feature(heat, "double", group=group)
    await write(store, heat, [(mars, clock.now, 1.5)])
    stored = await store.get_feature_group(group)
    await store.delete_definition(FeatureDefinition, heat, 1)
    await store.delete_definition(FeatureGroup, group)
    storage = store.space.storage
    await purge(store.space)
    assert 1 == len((await storage.read_cells([mars])).cells)
    clock.advance(3 * DAY)
    await purge(store.space)
    assert 0 == len((await storage.read_cells([mars])).cells)
    if isinstance(storage, SqliteNamespace):  # a cluster expires rows by its own clock
        (history,) = await storage.read_history([mars], [(definition, stored)], start=MIN_TIME, end=MAX_EVENT_TIME)
        assert 0 == len(history.entity)
