"""A real XGBoost artefact of three columns and three trees, and a manifest that fits it; xgboost is not imported."""

from __future__ import annotations

import json
from pathlib import Path

from featurama_model.engineered import EngineeredSpec
from featurama_model.expressions import Product
from featurama_model.manifest import Artefact, ModelFeature, ModelManifest

ARTEFACT = Path(__file__).with_name("small_model.json").read_bytes()

MANIFEST = ModelManifest(
    name="delivery_time",
    target="actual_duration",
    entity_type="delivery",
    objective="reg:squarederror",
    features=(
        ModelFeature("distance", "distance@1", "double"),
        ModelFeature("destination.traffic_level", "destination@1.traffic_level@2", "double"),
    ),
    engineered=EngineeredSpec.of_features(
        ["distance", "destination.traffic_level"],
        Product("distance_x_traffic", ("distance", "destination.traffic_level")),
    ),
    feature_service="delivery_time",
    metrics={"test": {"mae": 0.25, "rmse": 0.5, "r2": 0.97}},
    baseline="estimated_duration",
    libraries={"xgboost": "3.2.0"},
    version=7,
    created_at=1_767_225_600_000_000,
    artefact=Artefact.of(ARTEFACT),
)


def shifted(by: float) -> bytes:
    """The artefact with every prediction moved by so much: another version, told apart by what it answers."""
    document = json.loads(ARTEFACT)
    parameters = document["learner"]["learner_model_param"]
    parameters["base_score"] = f"[{float(parameters['base_score'].strip('[]')) + by:E}]"
    return json.dumps(document).encode()
