"""The training config: what it must name, YAML, and errors that name the field."""

from __future__ import annotations

from pathlib import Path

import pytest

from featurama_core.types.errors import InvalidInput
from featurama_model.expressions import Power, Product
from featurama_trainer.config import TrainingConfig
from featurama_world import training_path

MINIMAL = {"model": "mass", "labels": {"target": "body_mass_g"}, "features": ["bill_length_mm"]}
OWN = "model: mass\nlabels: {target: body_mass_g}\nfeatures: [bill_length_mm]\n"


def config_of(**changes: object) -> TrainingConfig:
    """A config that names only what it must, with changes."""
    return TrainingConfig.of(MINIMAL | changes)


def test_a_config_that_names_its_own_assumes_nothing_of_any_world() -> None:
    config = config_of()
    named = (config.labels.entity_type, config.labels.time_feature, config.feature_service, config.baseline)
    assert ("", "", "", "") == named
    assert () == config.engineered
    assert {"target": "body_mass_g", "entity_type": "", "entity_column": "entity_id", "time_column": "timestamp"} == (
        config.labels.facts()
    )


@pytest.mark.parametrize("left_out", ["model", "labels", "labels.target"])
def test_a_config_that_leaves_out_its_own_names_is_refused_by_field(left_out: str) -> None:
    given = {**MINIMAL, "labels": {}} if left_out == "labels.target" else {**MINIMAL}
    given.pop(left_out, None)
    with pytest.raises(InvalidInput, match=f"config: {left_out} is missing") as refused:
        TrainingConfig.of(given)
    assert refused.value.metadata["field"] == left_out


@pytest.mark.parametrize("given", [{"features": []}, {"feature_service": "penguins"}])
def test_the_inputs_are_features_or_a_service_not_both_and_not_neither(given: dict[str, object]) -> None:
    with pytest.raises(InvalidInput, match="by features or by feature_service"):
        config_of(**given)


def test_the_sample_worlds_config_can_be_read() -> None:
    config = TrainingConfig.from_file(training_path())
    assert ("delivery_time", "actual_duration") == (config.model, config.labels.target)


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
    assert config.parameters.learning_rate == config_of().parameters.learning_rate


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("rounds: 0", "rounds"),
        ("rounds: many", "rounds"),
        ("roundz: 10", "roundz"),
        ("split: {test_fraction: 1.0}", "split.test_fraction"),
        ("split: {gap: soon}", "split.gap"),
        ("split: {gap: -1}", "split.gap"),
        ("missing: {distance: .nan}", "missing.distance.float"),
        ("known_at: yesterday", "known_at"),
        ("cross_validation: {folds: 1}", "cross_validation.folds"),
        ("objective: multi:softprob\nbaseline: bill_length_mm", "config"),
        ("classes: 3", "config"),
        ("engineered: [{name: a, op: cycle, cycle: month, wave: sin}]", "engineered.0.cycle.cycle"),
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
    path.write_text(text if text.startswith("-") else OWN + text)
    with pytest.raises(InvalidInput) as refused:
        TrainingConfig.from_file(path)
    assert refused.value.metadata["field"] == field


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"absent\.yaml"):
        TrainingConfig.from_file(tmp_path / "absent.yaml")


@pytest.mark.parametrize(
    ("text", "hours"), [("36h", 36.0), ("2d", 48.0), ("90m", 1.5), ("PT6H", 6.0), ("0s", 0.0), ("7200", 2.0)]
)
def test_a_gap_is_written_as_people_write_times(tmp_path: Path, text: str, hours: float) -> None:
    path = tmp_path / "train.yaml"
    path.write_text(f"{OWN}split: {{gap: {text}}}\n")
    assert TrainingConfig.from_file(path).split.gap.total_seconds() == hours * 3600


def test_a_policy_for_missing_values_is_a_word_or_the_default_itself(tmp_path: Path) -> None:
    path = tmp_path / "train.yaml"
    path.write_text(OWN + "missing: {distance: fail, hazard_level: 0.5, package_weight: use_missing}\n")
    config = TrainingConfig.from_file(path)
    names = ("distance", "hazard_level", "package_weight", "estimated_duration")
    assert [config.policy(name) for name in names] == [
        ("fail", None),
        ("default", 0.5),
        ("use_missing", None),
        ("use_missing", None),
    ]


def test_a_manifest_names_the_options_of_a_label_file_that_are_set() -> None:
    """With them the rows can be read again; the folder of the file is left out."""
    source = {"file": "/data/labels.csv", "target": "late", "time_unit": "s", "quote": "", "types": {"late": "bool"}}
    facts = config_of(labels=source).labels.facts()
    known = {"entity_type": "", "entity_column": "entity_id"}
    assert {**source, **known, "time_column": "timestamp", "file": "labels.csv"} == facts
    assert "quote" not in config_of(labels={"file": "labels.csv", "target": "late"}).labels.facts()
