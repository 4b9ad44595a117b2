"""A namespace with many features: a server holds those that are used, and finds others with bounded reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from tests.laws.scene import FakeClock
from tests.opened import OpenedStore

from featurama_core.registry import current
from featurama_core.storage.port import FeaturesOf, NamespaceStorage
from featurama_core.storage.records import Definitions
from featurama_core.types.errors import FailedPrecondition, InvalidInput, Reason, Unknown
from featurama_core.types.schema import Definition, EntityType, FeatureDefinition, FeatureGroup
from featurama_core.types.values import ValueType

from .standing_clock import Unique, store_over

MANY = 1_100


class Counted:
    """A storage that counts the definitions that it answers with, and the calls."""

    def __init__(self, inner: NamespaceStorage) -> None:
        self._inner = inner
        self.calls: list[str] = []
        self.definitions = 0
        self.names = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def reset(self) -> None:
        self.calls, self.definitions, self.names = [], 0, 0

    async def load_definitions(self, after: int = 0) -> Definitions:
        self.calls.append("load_definitions")
        found = await self._inner.load_definitions(after)
        self.definitions += len(found.entity_types) + len(found.groups) + len(found.services)
        self.names += len(found.changed_features or ())
        return found

    async def read_features(self, names: Sequence[str]) -> list[FeatureDefinition]:
        self.calls.append("read_features")
        found = await self._inner.read_features(names)
        self.definitions += len(found)
        return found

    async def list_feature_names(self, of: FeaturesOf | None, first: str, limit: int) -> list[str]:
        self.calls.append("list_feature_names")
        found = await self._inner.list_feature_names(of, first, limit)
        self.names += len(found)
        return found


@pytest.fixture
async def many(store: OpenedStore, unique: Unique) -> list[str]:
    """Of many features of one group of this test, in order."""
    made = sorted(unique(f"f{number:04}") for number in range(MANY))
    kind, group = unique("planet"), unique("group")
    features = [FeatureDefinition(each, ValueType.DOUBLE, entity_type=kind, group=group) for each in made]
    await store.register([EntityType(kind), FeatureGroup(group, kind), *features])
    return made


@pytest.fixture
def counted(namespace: NamespaceStorage) -> Counted:
    return Counted(namespace)


@pytest.fixture
def server(counted: Counted, clock: FakeClock) -> OpenedStore:
    """Another server, which keeps what it has read."""
    return store_over(counted, clock, staleness=1e9)  # type: ignore[arg-type]


async def test_features_of_a_request_are_found_with_one_read(
    server: OpenedStore, counted: Counted, many: list[str], unique: Unique
) -> None:
    """And only they are held; the same request again reads no definition."""
    await server.list_entity_types()
    counted.reset()
    wanted = many[5:1_000:10]
    await server.get_online_features([unique("mars")], wanted)
    assert (["load_definitions", "read_features"], len(wanted)) == (counted.calls, counted.definitions)
    counted.reset()
    await server.get_online_features([unique("venus")], wanted)
    assert [] == counted.calls
    snapshot = await server.space.registry.snapshot()
    assert set(wanted) == set(snapshot.features)


async def test_a_feature_that_was_missing_is_found_once_it_is_registered(
    server: OpenedStore, store: OpenedStore, unique: Unique
) -> None:
    """Also as the first definition of a namespace."""
    assert [] == await server.find_features([unique("speed")])
    await store.register_feature(unique("speed"), "int")
    assert [unique("speed")] == [each.name for each in await server.find_features([unique("speed")])]


async def test_a_refresh_reads_again_what_changed_and_is_needed(
    server: OpenedStore, store: OpenedStore, counted: Counted, many: list[str], unique: Unique
) -> None:
    """Other features of the namespace are not read."""
    wanted = many[:50]
    await server.get_online_features([unique("mars")], wanted)
    await store.register_feature(wanted[7], "int", version=2, group=unique("group"), entity_type=unique("planet"))
    counted.reset()
    await server.space.registry.snapshot(fresh=True)
    assert (["load_definitions"], 1) == (counted.calls, counted.names)
    read = await server.get_online_features([unique("mars")], wanted)
    assert [1] * 7 + [2] + [1] * 42 == [column.version for column in read.columns]
    assert 2 == counted.definitions


async def test_a_server_holds_a_bounded_number_of_features(
    server: OpenedStore, many: list[str], unique: Unique, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One too many, and only those of the request are held; every request is answered."""
    monkeypatch.setattr(current, "_MOST_HELD", 500)
    for first in range(0, MANY, 300):
        wanted = many[first : first + 300]
        read = await server.get_online_features([unique("mars")], wanted)
        assert wanted == [column.name for column in read.columns]
        assert len((await server.space.registry.snapshot()).features) <= 500


async def test_features_are_listed_in_pages(
    server: OpenedStore, counted: Counted, many: list[str], unique: Unique
) -> None:
    """Each with two bounded reads: of all, of a group, of an entity type; whole, they are the list."""
    counted.reset()
    listed, after = await server.page_features(limit=100, group=unique("group"))
    assert many[:100] == [each.name for each in listed]
    assert (["list_feature_names", "read_features"], 101, 100) == (counted.calls, counted.names, counted.definitions)
    listed, _ = await server.page_features(after, 10, entity_type=unique("planet"))
    assert many[100:110] == [each.name for each in listed]
    assert many == [each.name for each in await server.list_features(group=unique("group"))]
    assert [] == await server.list_features(group=unique("group"), entity_type="entity")


async def test_a_deleted_feature_is_not_listed(
    server: OpenedStore, store: OpenedStore, many: list[str], unique: Unique
) -> None:
    """A page of deleted features only is not a page."""
    for name in many[:5]:
        await store.delete_definition(FeatureDefinition, name, 1)
    listed, _ = await server.page_features(limit=3, group=unique("group"))
    assert many[5:6] == [each.name for each in listed]
    assert many[4:6][1:] == [each.name for each in await server.find_features(many[4:6])]


async def test_a_name_like_one_of_many_is_proposed(
    server: OpenedStore, counted: Counted, many: list[str], unique: Unique
) -> None:
    """With bounded reads, however many there are."""
    meant = many[1_034]
    await server.list_entity_types()
    counted.reset()
    typed = f"{meant}x"
    with pytest.raises(Unknown, match=f"did you mean .*'{meant}'"):
        await server.get_online_features([unique("mars")], [typed])
    assert counted.names <= 1_100
    counted.reset()
    with pytest.raises(Unknown, match=f"did you mean .*'{meant}'"):
        await server.get_online_features([unique("mars")], [typed])
    assert ["load_definitions"] == counted.calls


async def test_a_deleted_feature_is_not_proposed(store: OpenedStore, many: list[str], unique: Unique) -> None:
    """Nor one that was never there."""
    await store.delete_definition(FeatureDefinition, many[7], 1)
    with pytest.raises(Unknown) as refused:
        await store.get_feature(f"{many[7]}x")
    assert many[7] not in refused.value.message.removeprefix(f"feature '{many[7]}x'")
    with pytest.raises(Unknown, match=f"did you mean '{many[8]}'"):
        await store.get_feature(f"{many[8]}x")


async def test_the_uses_of_a_large_group_are_counted_up_to_a_bound(
    server: OpenedStore, counted: Counted, many: list[str], unique: Unique
) -> None:
    """It is not deleted."""
    await server.list_entity_types()
    counted.reset()
    uses = await server.uses(FeatureGroup, unique("group"))
    assert [f"{each}@1" for each in many[:1_000]] == [each.name for each in uses]
    assert counted.definitions <= 1_100
    with pytest.raises(FailedPrecondition, match=r"is used by feature .* and many more; delete these first") as refused:
        await server.delete_definition(FeatureGroup, unique("group"))
    assert Reason.DEFINITION_USED is refused.value.reason


async def test_definitions_are_judged_by_those_that_they_name(
    server: OpenedStore, counted: Counted, many: list[str], unique: Unique
) -> None:
    """The rest of the namespace is not read."""
    await server.list_entity_types()
    counted.reset()
    wanted: list[Definition] = [
        FeatureDefinition(many[0], ValueType.INT, 2, unique("planet"), unique("group")),
        FeatureDefinition(unique("new"), ValueType.INT, 1, unique("planet"), unique("group")),
    ]
    await server.register(wanted)
    await server.register_feature_service(unique("service"), [many[1], f"{many[0]}@1"])
    assert counted.definitions <= 30


async def test_an_entity_of_a_type_with_too_many_features_is_read_by_name(
    server: OpenedStore, many: list[str], unique: Unique, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others are answered whole."""
    from featurama_core import namespace

    await server.register_entity(unique("mars"), unique("planet"))
    read = await server.get_all_features(unique("mars"))
    assert many == [column.name for column in read.columns]
    monkeypatch.setattr(namespace, "_FEATURES_OF_TYPE", MANY - 1)
    with pytest.raises(InvalidInput, match="name those to read") as refused:
        await server.get_all_features(unique("mars"))
    assert Reason.LIMIT_EXCEEDED is refused.value.reason
