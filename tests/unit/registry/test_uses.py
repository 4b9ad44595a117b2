"""What uses a definition: groups, services, features and models that name it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest
from tests.unit.registry.drafts import BOTH, CITY, HOME_CITY, NOTE, POPULATION, RATING, TEAM, snapshot

from featurama_core.registry.uses import uses_in
from featurama_core.storage.records import StoredModel
from featurama_core.types.schema import Definition, FeatureDefinition, FeatureGroup, FeatureService, Use

pytestmark = pytest.mark.unit

PLAIN = FeatureService("plain", ("note@1", "home_city@1.population@1"))
MATCH = FeatureService("match", ("home.rating@1", "away.home_city@1.population@2"), roles=BOTH)
WORLD = snapshot(PLAIN, MATCH)


def model(name: str, **manifest: object) -> StoredModel:
    return StoredModel(name, 3, json.dumps({"features": []} | manifest), 0, 0)


FORECAST = model(
    "forecast",
    entity_type="team",
    feature_service="match",
    features=[{"reference": "home.rating@1"}, {"reference": "away.home_city@1.population@2"}],
)
MODELS = [replace(FORECAST, name="broken", manifest="{"), FORECAST, model("plain", entity_type="city")]


def uses(definition: Definition, features: Sequence[FeatureDefinition] = ()) -> list[Use]:
    return list(uses_in(WORLD, features, definition, MODELS))


def test_a_type_is_used_by_groups_roles_features_and_models() -> None:
    """A feature refers to it."""
    assert [
        Use("feature group", "team"),
        Use("feature group", "weekly"),
        Use("feature service", "match", "home"),
        Use("feature service", "match", "away"),
        Use("model", "forecast@3"),
    ] == uses(TEAM)
    assert [
        Use("feature group", "city"),
        Use("feature", "home_city@1"),
        Use("model", "plain@3"),
    ] == uses(CITY, [HOME_CITY])


def test_a_version_of_a_feature_is_used_by_services_and_models_at_any_step() -> None:
    """With the reference in which it stands; other versions are not used."""
    assert [
        Use("feature service", "plain", "home_city@1.population@1"),
        Use("feature service", "match", "away.home_city@1.population@2"),
        Use("model", "forecast@3", "away.home_city@1.population@2"),
    ] == uses(HOME_CITY)
    assert [Use("feature service", "plain", "home_city@1.population@1")] == uses(POPULATION)
    assert [
        Use("feature service", "match", "home.rating@1"),
        Use("model", "forecast@3", "home.rating@1"),
    ] == uses(RATING)
    assert [] == uses(replace(NOTE, version=2))


def test_a_group_is_used_by_its_features_and_a_service_by_models() -> None:
    """A group's name means nothing in a model, nor that of a service in another service."""
    assert [Use("feature", "rating@1"), Use("feature", "home_city@1")] == uses(
        FeatureGroup("team", "team"), [RATING, HOME_CITY]
    )
    assert [Use("model", "forecast@3")] == uses(MATCH)
    assert [] == uses(PLAIN)
