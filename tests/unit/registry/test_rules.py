"""What a definition brings with it in a namespace without definitions."""

from __future__ import annotations

import pytest

from featurama_core.registry.rules import Draft
from featurama_core.registry.snapshot import Snapshot
from featurama_core.storage.records import Definitions
from featurama_core.types.schema import Definition, EntityType, FeatureDefinition, FeatureGroup
from featurama_core.types.values import ValueType


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        (FeatureDefinition("mass", ValueType.DOUBLE), ["entity", "default", "mass"]),
        (FeatureGroup("weights", "entity"), ["entity", "weights"]),
        (FeatureDefinition("home", ValueType.TEXT, entity_type="ship", group=""), ["ship", "home"]),
        (FeatureDefinition("home", ValueType.TEXT, references="entity"), ["entity", "default", "home"]),
        (
            FeatureDefinition("home", ValueType.TEXT, entity_type="ship", group="", references="entity"),
            ["entity", "ship", "home"],
        ),
    ],
)
def test_the_type_entity_and_the_group_of_a_type_come_on_first_use(given: Definition, stored: list[str]) -> None:
    """Also where the type `entity` is only referred to."""
    draft = Draft(Snapshot(Definitions("here", (), (), (), changed_features=None)), (), 1)
    draft.define(EntityType("ship"))
    draft.new.clear()
    draft.define(given)
    assert stored == [each.name for each in draft.new]
