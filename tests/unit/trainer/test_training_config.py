"""The training config: defaults for the sample world, YAML, and errors that name the field."""

from __future__ import annotations

from pathlib import Path

import pytest

from featurama_core.model.errors import InvalidInput
from featurama_model.engineered import Power, Product
from featurama_trainer.config import TrainingConfig


def test_the_defaults_train_the_sample_worlds_model() -> None:
    config = TrainingConfig()
    assert (config.model, config.feature_service, config.labels.target) == (
        "delivery_time",
        "delivery_time",
        "actual_duration",
    )


def test_an_empty_file_is_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "train.yaml"
    path.write_text("# nothing\n")
    assert TrainingConfig.from_file(path) == TrainingConfig()


def test_a_file_says_what_differs(tmp_path: Path) -> None:
    path = tmp_path / "train.yaml"
    path.write_text(
        """
model: fuel
labels: {entity_type: delivery, target: fuel_consumption, time_feature: distance}
features: [distance, destination.traffic_level]
engineered:
  - {name: both, op: product, of: [distance, destination.traffic_level]}
  - {name: far, op: power, feature: distance, exponent: 2}
baseline: ""
parameters: {max_depth: 5}
rounds: 50
"""
    )
    config = TrainingConfig.from_file(path)
    assert config.engineered == (
        Product("both", ("distance", "destination.traffic_level")),
        Power("far", "distance", 2),
    )
    assert (config.model, config.rounds, config.parameters.max_depth) == ("fuel", 50, 5)
    assert config.parameters.learning_rate == TrainingConfig().parameters.learning_rate


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("rounds: 0", "rounds"),
        ("rounds: many", "rounds"),
        ("roundz: 10", "roundz"),
        ("test_fraction: 1.0", "test_fraction"),
        ("labels: {target: x, when: y}", "labels.when"),
        ("parameters: {max_depth: 99}", "parameters.max_depth"),
        ("objective: rank:pairwise", "objective"),
        ("engineered: [{name: a, op: eval, code: 'print(1)'}]", "engineered.0"),
        ("- a list", "config"),
        ("a: [", "config"),
        ("a: !!python/object/apply:os.system ['true']", "config"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_by_field(tmp_path: Path, text: str, field: str) -> None:
    path = tmp_path / "train.yaml"
    path.write_text(text)
    with pytest.raises(InvalidInput) as refused:
        TrainingConfig.from_file(path)
    assert refused.value.metadata["field"] == field


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"absent\.yaml"):
        TrainingConfig.from_file(tmp_path / "absent.yaml")
