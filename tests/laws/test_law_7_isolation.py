"""Law 7: nothing done in one namespace changes what another reads."""

from __future__ import annotations

import uuid

import numpy as np
from tests.opened import OpenedStore

from featurama_core.ingest.purge import purge
from featurama_core.settings import StoreSettings
from featurama_core.storage.port import NamespaceOptions
from featurama_core.stores import Stores
from featurama_core.types.column import Column, column_of
from featurama_core.types.values import ValueType
from featurama_core.types.writes import WriteRequest

from .scene import START, Arena, FakeClock

Told = tuple[list[object], list[object], list[object], list[str]]


def request(clock: FakeClock, value: float) -> WriteRequest:
    """One value of one entity."""
    return WriteRequest(["fry"], np.array([clock.now]), [column_of("speed", ValueType.DOUBLE, np.array([value]))])


async def told(store: OpenedStore) -> Told:
    """All that this test's namespaces hold."""
    online = await store.get_online_features(["fry"], ["speed"])
    past = await store.get_historical_features(["fry"], ["speed"])
    history = await store.get_feature_history("fry", "speed", corrections=True)
    listed = [f"{each.reference} {each.description}" for each in await store.list_features(all_versions=True)]
    shown: list[list[object]] = [column.to_list() for column in (online.columns[0], past.columns[0], history.column)]
    return shown[0], shown[1], shown[2], listed


def test_a_namespace_sees_nothing_of_another(arena: Arena) -> None:
    """The same names and ids in both: definitions, writes, deletion, purge, and dropping and making one anew."""
    clock = FakeClock(START if arena.adapter == "sqlite" else arena.start)
    names = [f"law7_{who}_{uuid.uuid4().hex[:8]}" for who in ("a", "b")]

    async def check() -> None:
        storage = arena.storage
        stores = Stores("", storage, StoreSettings(), clock)
        for name in names:
            await storage.create_namespace(name, NamespaceOptions())
        mine, other = [OpenedStore(await stores.namespace(name)) for name in names]
        await mine.register_feature("speed", "double", "mine")
        await other.register_feature("speed", "double", "other")
        await mine.write(request(clock, 1.0))
        await other.write(request(clock, 2.0))
        before = await told(other)
        assert ([2.0], [2.0], [2.0], ["speed@1 other"]) == before

        await mine.register_feature("speed", "text", version=2)
        assert before == await told(other)
        clock.advance(1)
        await mine.write(WriteRequest(["fry"], np.array([clock.now]), [_text("speed", "fast")]))
        assert before == await told(other)
        await mine.register_entity("fry", name="Philip")
        await mine.delete_feature_values("fry", ["speed"])
        await mine.delete_entity("fry")
        await purge(mine.space)
        assert before == await told(other)

        await storage.drop_namespace(names[0])
        assert before == await told(other)
        await storage.create_namespace(names[0], NamespaceOptions())
        anew = OpenedStore(await stores.namespace(names[0]))
        await anew.register_feature("speed", "double", "anew")
        # Neither a mark nor a version of the first incarnation is left.
        await anew.write(request(clock, 3.0))
        assert ([3.0], [3.0], [3.0], ["speed@1 anew"]) == await told(anew)
        assert before == await told(other)
        for name in names:
            await storage.drop_namespace(name)

    arena.run(check())


def _text(name: str, value: str) -> Column:
    return column_of(name, ValueType.TEXT, np.array([value], dtype=object))
