"""The shipped definitions describe exactly the columns that the world yields."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from featurama_world import COLUMNS, WorldConfig, definitions_path, generate


@pytest.fixture(scope="module")
def definitions() -> Any:
    """The parsed file."""
    return yaml.safe_load(definitions_path().read_text(encoding="utf-8"))


def test_features_are_the_columns_of_the_frames(definitions: Any) -> None:
    """Group by group, names and order of the features are those of the wide tables."""
    listed: dict[str, list[str]] = {}
    for feature in definitions["features"]:
        listed.setdefault(feature["group"], []).append(feature["name"])
    yielded = {
        batch.group: batch.table.column_names[2:]
        for batch in generate(WorldConfig(deliveries=5, days=2)).batches(rows_per_batch=100)
    }
    assert listed == yielded


def test_types_are_those_of_the_columns(definitions: Any) -> None:
    """Each feature's value type is the one its column has."""
    listed = {feature["name"]: feature["type"] for feature in definitions["features"]}
    assert listed == {name: kind for columns in COLUMNS.values() for name, kind in columns.items()}


def test_every_definition_is_complete_and_leads_somewhere(definitions: Any) -> None:
    """Groups and references name entity types, features name groups, and all have a description."""
    types = {entity_type["name"] for entity_type in definitions["entity_types"]}
    groups = {group["name"]: group for group in definitions["feature_groups"]}
    assert types == {"planet", "character", "delivery"}
    assert {group["entity_type"] for group in groups.values()} == types
    for group in groups.values():
        assert group.keys() == {"name", "entity_type", "description", "ttl", "retention", "buckets"}
        assert (group["ttl"], group["retention"], group["buckets"]) == (None, None, 1)
    for feature in definitions["features"]:
        assert feature.keys() == {"name", "group", "type", "description", "tags", "references"}
        assert feature["group"] in groups
        assert feature["references"] in {None, *types}
        assert feature["tags"]
    everything = [entry for entries in definitions.values() for entry in entries]
    assert all(entry["description"] for entry in everything)
    assert all(re.fullmatch("[a-z][a-z0-9_]{0,62}", entry["name"]) for entry in everything)


def test_references_name_the_type_of_entity_they_hold(definitions: Any) -> None:
    """origin and destination hold planets, assigned_to a character; nothing else refers."""
    references = {
        feature["name"]: feature["references"] for feature in definitions["features"] if feature["references"]
    }
    assert references == {"origin": "planet", "destination": "planet", "assigned_to": "character"}


def test_the_service_asks_for_the_model_s_inputs(definitions: Any) -> None:
    """`delivery_time` consumes the documented features in the documented order, each of them defined."""
    (service,) = definitions["feature_services"]
    assert service["name"] == "delivery_time"
    assert service["features"] == [
        "distance",
        "package_weight",
        "hazard_level",
        "estimated_duration",
        "destination.traffic_level",
        "destination.weather_index",
    ]
    names = {feature["name"] for feature in definitions["features"]}
    assert {part for feature in service["features"] for part in feature.split(".")} <= names
