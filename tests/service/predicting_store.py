"""A store with two deliveries, a planet and versions of a small model, for the tests of serving."""

from __future__ import annotations

from dataclasses import replace

from tests.opened import OpenedStore
from tests.unit.featurama_model.models import ARTEFACT, MANIFEST, shifted

from featurama_core.storage.records import StoredModel
from featurama_model.manifest import Artefact
from featurama_model.registry import ModelRegistry

NAME = MANIFEST.name
AT = "2026-01-01T00:00:00Z"


async def define(store: OpenedStore) -> None:
    """Register and write what the model reads."""
    for kind in ("planet", "delivery"):
        await store.register_entity_type(kind)
    await store.register_feature("traffic_level", "double", entity_type="planet")
    await store.register_feature("traffic_level", "double", version=2, entity_type="planet")
    await store.register_feature("distance", "double", entity_type="delivery")
    await store.register_feature("destination", "text", entity_type="delivery", references="planet")
    await store.register_entity("planet_mars", "planet")
    for each in ("delivery_1", "delivery_2", "delivery_empty"):
        await store.register_entity(each, "delivery")
    await store.write_features({"entity_id": ["planet_mars"], "timestamp": [AT], "traffic_level": [0.5]})
    await store.write_features(
        {
            "entity_id": ["delivery_1", "delivery_2"],
            "timestamp": [AT] * 2,
            "distance": [100.0, 9_000.0],
            "destination": ["planet_mars"] * 2,
        }
    )


async def publish(store: OpenedStore, *shifts: float, champion: int = 0, name: str = NAME) -> None:
    """A version a shift, each predicting so much more than the artefact; `champion`: which one the alias names."""
    models = ModelRegistry(store.space.storage)
    for shift in shifts:
        await models.publish(replace(MANIFEST, name=name), shifted(shift) if shift else ARTEFACT)
    if champion:
        await models.set_alias(name, "champion", champion)


async def publish_mutated(store: OpenedStore, version: int, *, name: str = NAME) -> None:
    """A version as a broken writer leaves it: a changed link, under a manifest that names its hash."""
    artefact = ARTEFACT.replace(b'"left_children":[1', b'"left_children":[9', 1)
    assert artefact != ARTEFACT
    manifest = replace(MANIFEST, name=name, version=version, artefact=Artefact.of(artefact))
    stored = StoredModel(name, version, manifest.to_json(), manifest.created_at, len(artefact))
    assert await store.space.storage.put_model(stored, [artefact])
