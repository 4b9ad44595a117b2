"""What the registry refuses: lists that cannot be resolved, definitions that do not fit together, and anything new that
would use what is deprecated."""

from __future__ import annotations

import pytest
from tests.laws.scene import FakeClock
from tests.opened import OpenedStore

from featurama_core.registry import MAX_FEATURES_PER_READ
from featurama_core.types.errors import FailedPrecondition, InvalidInput, Reason, Unknown
from featurama_core.types.schema import FeatureGroup

from .standing_clock import Unique


async def test_a_list_names_from_one_to_a_thousand_features_each_once(store: OpenedStore, unique: Unique) -> None:
    """With or without its version, a feature is the same one; two versions of it are two features."""
    speed = unique("speed")
    await store.register_feature(speed, "int")
    await store.register_feature(speed, "double", version=2)
    for references, reason in (
        ([], Reason.EMPTY_REQUEST),
        ([speed, f"{speed}@2"], Reason.INVALID_ARGUMENT),
        ([f"{speed}@{version}" for version in range(1, MAX_FEATURES_PER_READ + 2)], Reason.LIMIT_EXCEEDED),
    ):
        with pytest.raises(InvalidInput) as refused:
            await store.get_online_features([unique("fry")], references)
        assert (reason, "features") == (refused.value.reason, refused.value.metadata["field"])
    assert [1, 2] == [found.definition.version for found in await store.space.resolve([f"{speed}@1", speed])]


async def test_a_reference_that_names_the_group_names_the_right_one(store: OpenedStore, unique: Unique) -> None:
    """Another group is an error, not a hint."""
    speed, group = unique("speed"), unique("group")
    await store.register_feature_group(group)
    await store.register_feature(speed, "int", group=group)
    (resolved,) = await store.space.resolve([f"{group}:{speed}"])
    assert f"{speed}@1" == resolved.reference
    with pytest.raises(Unknown, match=f"belongs to group '{group}', not 'default'"):
        await store.space.resolve([f"default:{speed}"])


async def test_a_feature_is_of_its_groups_entity_type(store: OpenedStore, unique: Unique) -> None:
    """A group is written together, so it is about one kind of thing."""
    planet, ship, group = unique("planet"), unique("ship"), unique("group")
    for kind in (planet, ship):
        await store.register_entity_type(kind)
    await store.register_feature_group(group, planet)
    with pytest.raises(InvalidInput, match=f"is of entity type '{planet}', the feature of '{ship}'") as refused:
        await store.register_feature(unique("speed"), "int", entity_type=ship, group=group)
    assert Reason.INVALID_DEFINITION == refused.value.reason
    assert planet == (await store.register_feature(unique("speed"), "int", group=group)).entity_type


async def test_a_service_reads_one_entity_type_and_what_takes_any_id(store: OpenedStore, unique: Unique) -> None:
    """A path is of the type that it starts from."""
    planet, ship = unique("planet"), unique("ship")
    for kind in (planet, ship):
        await store.register_entity_type(kind)
    home, size, speed = unique("home"), unique("size"), unique("speed")
    await store.register_feature(home, "text", entity_type=ship, references=planet)
    await store.register_feature(size, "int", entity_type=planet)
    await store.register_feature(speed, "int")
    service = await store.register_feature_service(unique("one"), [home, f"{home}.{size}", speed])
    assert (f"{home}@1", f"{home}@1.{size}@1", f"{speed}@1") == service.features
    with pytest.raises(InvalidInput, match="one service reads one entity type") as refused:
        await store.register_feature_service(unique("two"), [home, size])
    assert Reason.INVALID_DEFINITION == refused.value.reason


async def test_nothing_new_uses_what_is_deprecated(store: OpenedStore, unique: Unique) -> None:
    """What is registered already goes on: the same again changes nothing, and it is read as before."""
    planet, group, speed, home = unique("planet"), unique("group"), unique("speed"), unique("home")
    await store.register_entity_type(planet)
    await store.register_feature_group(group, planet)
    await store.register_feature_group(unique("things"))
    await store.register_feature(speed, "int", group=group)
    await store.register_feature(home, "text", group=unique("things"), references=planet)
    await store.register_feature_service(unique("pilots"), [home])
    await store.deprecate_feature_group(group)
    await refused(store.register_feature(unique("mood"), "int", group=group), "group")
    await refused(store.register_feature(speed, "int", version=2, group=group), "group")
    await store.deprecate_entity_type(planet)
    await refused(store.register_feature_group(unique("other"), planet), "entity_type")
    await refused(store.register_feature(unique("mood"), "int", group=group), "entity_type")
    await refused(store.register_feature(unique("where"), "text", references=planet), "references")
    await refused(
        store.register_feature(home, "text", version=2, group=unique("things"), references=planet), "references"
    )
    await store.deprecate_feature(home, 1)
    await refused(store.register_feature_service(unique("new"), [home]), home)
    await refused(store.register_feature_service(unique("new"), [f"{home}.{speed}"]), home)

    assert (await store.register_feature(speed, "int", group=group)).version == 1
    assert (await store.register_feature_group(group, planet)).deprecated
    assert (await store.register_feature_service(unique("pilots"), [home])).features == (f"{home}@1",)
    read = await store.get_online_features([unique("fry")], [f"{home}.{speed}", home])
    assert [f"{home}@1.{speed}@1", f"{home}@1"] == [column.reference for column in read.columns]


async def test_a_new_version_may_replace_a_deprecated_one(store: OpenedStore, unique: Unique) -> None:
    """The one version is deprecated, not the feature."""
    speed = unique("speed")
    await store.register_feature(speed, "int")
    await store.deprecate_feature(speed, 1)
    await store.register_feature(speed, "double", version=2)
    assert (f"{speed}@2",) == (await store.register_feature_service(unique("pilots"), [speed])).features
    assert [True, False] == [
        (await store.get_feature(speed, 1)).deprecated,
        (await store.get_feature(speed)).deprecated,
    ]


async def test_a_definition_is_stamped_by_the_registry(store: OpenedStore, clock: FakeClock, unique: Unique) -> None:
    """When it was registered is not the caller's to say, nor that it begins as deprecated."""
    given = FeatureGroup(unique("group"), deprecated=True, created_at=1)
    stored = await store.define(given)
    assert (False, clock.now) == (stored.deprecated, stored.created_at)


async def refused(call: object, what: str) -> None:
    """The call is refused as it would use something deprecated, which is named."""
    with pytest.raises(FailedPrecondition, match=f"{what}.* is deprecated") as failed:
        await call  # type: ignore[misc]
    assert (Reason.DEPRECATED, what) == (failed.value.reason, failed.value.metadata["field"])


async def test_fields_of_other_types_are_refused_by_name(store: OpenedStore, unique: Unique) -> None:
    """Python takes them all: `1.0` as a version, None as a description, a text as a number."""
    name = unique("typed")
    wrong: dict[str, object] = {"version": 1.0, "description": None, "owner": 7, "feature_type": None}
    for field, value in wrong.items():
        given = {"name": name, "feature_type": "int"} | {field: value}
        with pytest.raises(InvalidInput, match=field.replace("_", " ")) as refused:
            await store.register_feature(**given)  # type: ignore[arg-type]
        assert field == refused.value.metadata["field"]
    with pytest.raises(InvalidInput, match="buckets must be a whole number, not '2'"):
        await store.register_feature_group(name, buckets="2")  # type: ignore[arg-type]
    assert [] == [each for each in await store.list_features() if each.name == name]
