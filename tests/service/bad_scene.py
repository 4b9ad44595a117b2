"""What good requests name, beside which bad ones change nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.opened import OpenedStore

from featurama_core.retrieval.history import visible_history
from featurama_core.stores import Stores

IDS = ["bad_fry", "bad_leela", "bad_doomed", "bad_mars", "bad_new", "x"]
TYPES = {"bad_speed": "double", "bad_count": "int", "bad_motto": "text", "bad_alive": "bool", "bad_mood": "vector[3]"}
FEATURES = [*TYPES, "bad_home"]


@pytest.fixture(scope="session")
def scene(storage_url: str, namespace: str) -> None:
    """What the good requests name is there."""

    async def make() -> None:
        async with Stores.open(storage_url) as stores:
            store = OpenedStore(await stores.namespace(namespace))
            await define(store)
            await store.register_feature("bad_dropped", "double")  # once: its good request deletes it

    asyncio.run(make())


async def define(store: OpenedStore) -> None:
    for name in ("bad_planet", "bad_robot", "bad_gone"):
        await store.register_entity_type(name)
    await store.register_feature_group("bad_group")
    await store.register_feature_group("bad_gone")
    await store.register_feature_group("bad_brief", retention="30d")
    for name, kind in (
        ("speed", "double"),
        ("count", "int"),
        ("motto", "text"),
        ("alive", "bool"),
        ("mood", "vector[3]"),
    ):
        await store.register_feature(f"bad_{name}", kind)
    for name in ("bad_gone", "bad_back"):
        await store.register_feature(name, "double")
    await store.register_feature("bad_kept", "double", group="bad_brief")
    await store.register_feature("bad_home", "text", references="bad_planet")
    await store.register_feature("bad_size", "double", entity_type="bad_planet")
    await store.register_entity_type("bad_film", keys={"film_id": "int"})
    await store.register_feature("bad_year", "int", entity_type="bad_film")
    await store.register_entity("bad_film:1", "bad_film")
    await store.register_feature_service("bad_view", ["bad_speed"])
    await store.register_feature_service("bad_gone", ["bad_speed"])
    await store.register_entity("bad_mars", "bad_planet")
    await store.register_entity("bad_bender", "bad_robot")
    await store.deprecate_entity_type("bad_gone")
    await store.deprecate_feature_group("bad_gone")
    await store.deprecate_feature("bad_gone", 1)
    await store.deprecate_feature_service("bad_gone")


async def readable(store: OpenedStore) -> Any:
    """Everything of the scene that can be read: definitions, entities, newest values, history."""
    definitions = [
        [each for each in listed if each.name.startswith("bad_")]
        for listed in (
            await store.list_entity_types(),
            await store.list_feature_groups(),
            await store.list_features(all_versions=True),
            await store.list_feature_services(),
        )
    ]
    entities = await store.space.storage.get_entities(IDS)
    histories = await visible_history(store.space, IDS, await store.space.resolve(FEATURES), store.now())
    newest = await store.get_online_features(IDS, FEATURES)
    return (
        definitions,
        entities,
        [(each.entity.tolist(), each.event_time.tolist(), each.column.values.tolist()) for each in histories],
        newest.to_dict(),
    )
