"""A small sample world in an embedded store, for the tests of training and prediction."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from tests.opened import OpenedStore, open_store
from tests.sample_model import sample_config

from featurama_core.types.schema import Entity
from featurama_core.types.writes import WriteMode
from featurama_trainer.training import train
from featurama_world import World, WorldConfig, definitions_path, generate

WORLD = WorldConfig(deliveries=400, days=30, planets=8, characters=3)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def delivery(number: int) -> str:
    """The id of the n-th delivery, from 1."""
    return f"delivery_{number:08d}"


def micros(moment: datetime) -> int:
    """A zoned datetime as microseconds since 1970."""
    gap = moment - EPOCH
    return (gap.days * 86_400 + gap.seconds) * 1_000_000 + gap.microseconds


def rows(world: World, *groups: str) -> list[dict[str, Any]]:
    """The published rows of some groups."""
    return [row for batch in world.batches(groups=groups) for row in batch.table.to_pylist()]


async def define_world(store: OpenedStore) -> None:
    """Register everything in the world's definitions file."""
    written = yaml.safe_load(definitions_path().read_text())
    groups = {group["name"]: group for group in written["feature_groups"]}
    for kind in written["entity_types"]:
        await store.register_entity_type(kind["name"], kind["description"])
    for group in groups.values():
        await store.register_feature_group(group["name"], group["entity_type"], group["description"])
    for feature in written["features"]:
        await store.register_feature(
            feature["name"],
            feature["type"],
            feature["description"],
            tags=tuple(feature["tags"]),
            entity_type=groups[feature["group"]]["entity_type"],
            group=feature["group"],
            references=feature["references"],
        )
    for service in written["feature_services"]:
        await store.register_feature_service(service["name"], service["features"], service["description"])


async def register_entities(store: OpenedStore, world: World) -> None:
    """Register every planet, character and delivery."""
    for table in world.entities(rows_per_batch=1_000):
        await store.register_entities([Entity(**row) for row in table.to_pylist()])


async def write_rows(store: OpenedStore, table: Any) -> None:
    """Write a frame, of which every row must be accepted."""
    report = await store.write_features(table, mode=WriteMode.BULK)
    assert report.accepted == report.sent, report.verdicts[:3]


async def fill(store: OpenedStore, world: World, groups: Sequence[str] | None = None) -> None:
    """Define the world and write all of it."""
    await define_world(store)
    await register_entities(store, world)
    for batch in world.batches() if groups is None else world.batches(groups=groups):
        await write_rows(store, batch.table)


def make_trained_directory(directory: Path) -> None:
    """A store directory that holds the world and one trained model, its champion. On a loop of its own."""

    async def make() -> None:
        async with open_store(f"sqlite:///{directory}") as store:
            await fill(store, generate(WORLD))
            await train(store.space, sample_config(), threads=1)

    asyncio.run(make())
