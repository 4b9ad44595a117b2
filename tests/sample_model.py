"""The training config of the sample world's model, with changes, for tests of training."""

from __future__ import annotations

from typing import Any

import yaml

from featurama_trainer.config import TrainingConfig
from featurama_world import training_path

_OF_THE_TARGET = {"engineered": (), "baseline": ""}


def sample_settings(**changes: Any) -> dict[str, Any]:
    """The config as a mapping. `features` replace the feature service; labels are merged. What the sample derives from
    its target goes with it.
    """
    settings = yaml.safe_load(training_path().read_text(encoding="utf-8"))
    labels = settings["labels"] | dict(changes.get("labels", {}))
    if labels["target"] != settings["labels"]["target"]:
        settings |= _OF_THE_TARGET
    if "features" in changes:
        del settings["feature_service"]
    return settings | changes | {"labels": labels}


def sample_config(**changes: Any) -> TrainingConfig:
    """The config, checked."""
    return TrainingConfig.of(sample_settings(**changes))
