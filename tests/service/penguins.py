"""A model that has nothing to do with deliveries, and a penguin to predict for."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from tests.unit.featurama_model.models import ARTEFACT, MANIFEST, shifted

from featurama_model.engineered import EngineeredSpec, Product
from featurama_model.manifest import ModelFeature
from featurama_model.registry import ModelRegistry

from .gateway_fixtures import write

RING = 2**53 + 1
"""An integer that a double cannot hold."""


@dataclass(frozen=True)
class Penguins:
    """Names of a model over penguins. Version 1 is its champion, version 2 its challenger and predicts 100 more."""

    model: str
    kind: str
    bill: str
    ring: str
    pingu: str


@pytest.fixture
async def penguins(store, unique) -> Penguins:
    """A penguin with values of a double and an int feature, and the model over them."""
    names = Penguins(*(unique(each) for each in ("body_mass", "penguin", "bill", "ring", "pingu")))
    await store.register_entity_type(names.kind)
    await store.register_feature(names.bill, "double", entity_type=names.kind)
    await store.register_feature(names.ring, "int", entity_type=names.kind)
    await write(store, {"entity_id": [names.pingu], names.bill: [40.5], names.ring: [RING]})
    manifest = replace(
        MANIFEST,
        name=names.model,
        target="body_mass_g",
        entity_type=names.kind,
        features=tuple(
            ModelFeature(name, f"{name}@1", kind) for name, kind in ((names.bill, "double"), (names.ring, "int"))
        ),
        engineered=EngineeredSpec.of_features([names.bill, names.ring], Product("both", (names.bill, names.ring))),
    )
    models = ModelRegistry(store.space.storage)
    for artefact, alias in ((ARTEFACT, "champion"), (shifted(100.0), "challenger")):
        published = await models.publish(manifest, artefact)
        await models.set_alias(names.model, alias, published.version)
    return names
