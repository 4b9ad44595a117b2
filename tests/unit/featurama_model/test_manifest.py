"""The manifest: its JSON form, and what is refused when it is read."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.featurama_model.models import MANIFEST

from featurama_core.types.errors import FailedPrecondition, InvalidInput, Reason
from featurama_model.engineered import EngineeredSpec
from featurama_model.expressions import Feature, Power, Product, Ratio
from featurama_model.manifest import ModelFeature, ModelManifest, TrainingFacts

TRAINING = TrainingFacts(
    100, 80, 20, -5, 1_000, 2_000, seed=7, rounds=30, parameters={"max_depth": 3, "eta": 0.1, "method": "hist"}
)
EVERY_EXPRESSION = EngineeredSpec(
    (
        Feature("d", "distance"),
        Product("x", ("distance", "destination.traffic_level")),
        Ratio("r", "distance", "destination.traffic_level"),
        Power("p", "distance", 3),
    )
)


def test_a_manifest_reads_back_equal_from_its_own_text() -> None:
    full = replace(MANIFEST, training=TRAINING, engineered=EVERY_EXPRESSION, created_by="Hermes", description="ü")
    assert ModelManifest.from_json(full.to_json()) == full


def test_the_text_is_plain_json_that_tells_expressions_by_op() -> None:
    written = json.loads(replace(MANIFEST, engineered=EVERY_EXPRESSION).to_json())
    assert [column["op"] for column in written["engineered"]["columns"]] == ["feature", "product", "ratio", "power"]
    assert written["features"][1]["reference"] == "destination@1.traffic_level@2"


def test_fields_that_a_later_version_adds_are_ignored() -> None:
    written = json.loads(MANIFEST.to_json())
    written["new_field"] = {"anything": 1}
    assert ModelManifest.from_json(json.dumps(written)) == MANIFEST


def _set(*path: Any, to: Any) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        place: Any = document
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = to

    return change


@pytest.mark.parametrize(
    "change",
    [
        _set("format", to=2),
        _set("features", 0, "missing", to="guess"),
        _set("features", 0, "missing", to="default"),
        _set("features", 0, "default", to=1.0),
        _set("classes", to=3),
        _set("artefact", "location", to="../../etc/passwd"),
        _set("objective", to="rank:pairwise"),
        _set("name", to="Robert'); DROP TABLE"),
        _set("version", to="7"),
        _set("version", to=-1),
        _set("features", to=[]),
        _set("features", 0, "value_type", to="object"),
        _set("features", 0, "reference", to="weight@1"),
        _set("features", 0, "reference", to="../etc"),
        _set("features", 1, to={"name": "distance", "reference": "distance@1", "value_type": "double"}),
        _set("engineered", "columns", 2, "op", to="eval"),
        _set("engineered", "columns", 2, "of", to=["distance", "nothing"]),
        _set("engineered", "columns", 2, "of", to="distance"),
        _set("engineered", "version", to=2),
        _set("artefact", "size", to=64 * 1024 * 1024 + 1),
        _set("artefact", "size", to=0),
        _set("artefact", "format", to="pickle"),
        _set("metrics", "test", "r2", to="Infinity"),
    ],
)
def test_a_manifest_that_is_not_consistent_is_unusable(change: Callable[[dict[str, Any]], None]) -> None:
    document = json.loads(MANIFEST.to_json())
    change(document)
    with pytest.raises(FailedPrecondition) as refused:
        ModelManifest.from_json(json.dumps(document))
    assert refused.value.reason is Reason.MODEL_UNUSABLE


@pytest.mark.parametrize("text", ["", "null", "[]", "{", "{}", "\x00", " " * (1024 * 1024 + 1)])
def test_a_text_that_is_no_manifest_is_unusable(text: str) -> None:
    with pytest.raises(FailedPrecondition) as refused:
        ModelManifest.from_json(text)
    assert refused.value.reason is Reason.MODEL_UNUSABLE


def test_a_feature_must_be_named_as_its_reference_names_it() -> None:
    wrong = replace(MANIFEST, features=(ModelFeature("traffic", "traffic_level@1", "double"),))
    with pytest.raises(InvalidInput, match="traffic_level@1"):
        wrong.check()
