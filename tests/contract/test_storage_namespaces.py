"""Namespaces: made, found, removed, and apart."""

from __future__ import annotations

import uuid

import pytest

from featurama_core.storage.port import NamespaceOptions, NamespaceStorage, Storage
from featurama_core.types.errors import Conflict, InvalidInput, Reason, Unknown
from featurama_core.types.writes import WriteMode

from .batches import DAY, NOW, Row, batch, store
from .conftest import Names


@pytest.fixture
def name() -> str:
    return f"ns_{uuid.uuid4().hex[:12]}"


async def test_a_namespace_is_there_from_its_making_to_its_dropping(storage: Storage, name: str) -> None:
    """Listed, opened with its options, refused a second time, unknown afterwards."""
    await storage.ping()
    assert name not in await storage.list_namespaces()
    await storage.create_namespace(name, NamespaceOptions(history_period=7 * DAY))
    try:
        listed = await storage.list_namespaces()
        assert name in listed
        assert listed == sorted(listed)
        assert (await storage.namespace(name)).options.history_period == 7 * DAY
        assert await storage.namespace(name) is await storage.namespace(name)
        assert await storage.migrate(name) == []
        with pytest.raises(Conflict) as taken:
            await storage.create_namespace(name, NamespaceOptions())
        assert taken.value.reason is Reason.NAMESPACE_EXISTS
    finally:
        await storage.drop_namespace(name)
    assert name not in await storage.list_namespaces()


async def test_an_unknown_namespace_is_refused_by_every_door(storage: Storage, name: str) -> None:
    """namespace, drop and migrate name it with UNKNOWN_NAMESPACE."""
    for door in (storage.namespace, storage.drop_namespace, storage.migrate):
        with pytest.raises(Unknown) as caught:
            await door(name)
        assert caught.value.reason is Reason.UNKNOWN_NAMESPACE


async def test_a_mistyped_namespace_is_asked_about(storage: Storage, shared_namespace: str) -> None:
    """By the doors that find it missing."""
    for door in (storage.namespace, storage.drop_namespace, storage.migrate):
        with pytest.raises(Unknown, match=f"did you mean .*'{shared_namespace}'"):
            await door(shared_namespace[:-1])


@pytest.mark.parametrize("bad", ["", "Upper", "../up", "a/b", "1a", "a" * 41, "a b", "a;b", "ä"])
async def test_a_name_that_is_none_is_refused(storage: Storage, bad: str) -> None:
    """It goes into file names and CQL text."""
    with pytest.raises(InvalidInput):
        await storage.create_namespace(bad, NamespaceOptions())
    with pytest.raises((InvalidInput, Unknown)):
        await storage.namespace(bad)


async def test_a_namespace_made_again_is_empty_and_another_incarnation(
    storage: Storage, namespace: NamespaceStorage, names: Names, name: str
) -> None:
    """What the first held never shows in the second, nor does it touch a third."""
    speed, fry = names.feature("speed"), names.entity("fry")
    kept = await store(namespace, [Row(fry, NOW, {speed.name: 9.0})], [[speed]], names.group)
    await storage.create_namespace(name, NamespaceOptions())
    first = await storage.namespace(name)
    incarnation = (await first.load_definitions()).incarnation
    await store(first, [Row(fry, NOW, {speed.name: 1.0})], [[speed]], names.group)
    await first.put_definitions([speed])
    await storage.drop_namespace(name)
    await storage.create_namespace(name, NamespaceOptions())
    try:
        second = await storage.namespace(name)
        assert second is not first
        catalogue = await second.load_definitions()
        assert catalogue.incarnation != incarnation
        assert await second.list_feature_names(None, "", 10) == []
        assert len((await second.read_cells([fry])).cells) == 0
        assert await second.get_layouts([kept.runs[0].layout.layout_id]) == {}
        assert await second.partitions(names.group) == []
        (history,) = await second.read_history([fry], [(speed, names.group)], start=-(2**62), end=2**62)
        assert len(history.entity) == 0
        assert [bytes(cell) for cell in (await namespace.read_cells([fry])).cells] == kept.runs[0].cells
    finally:
        await storage.drop_namespace(name)
    with pytest.raises(Unknown):
        await storage.namespace(name)
    again = batch([Row(fry, NOW, {speed.name: 9.0})], [[speed]], names.group)
    assert (await namespace.write(again, WriteMode.ATOMIC)).tolist() == [1]
