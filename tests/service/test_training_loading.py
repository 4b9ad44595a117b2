"""Loading: what XGBoost wrote predicts as in training; whatever was changed is refused or harmless, never a crash."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import xgboost
from tests.unit.featurama_model.models import ARTEFACT, MANIFEST

from featurama_core.types.errors import FailedPrecondition, Reason
from featurama_model.engineered import EngineeredSpec
from featurama_model.loading import LoadedModel, load_model
from featurama_model.manifest import Artefact

ROWS = np.random.default_rng(5).normal(size=(64, 3)).astype(np.float32)
ROWS[::5, 1] = np.nan


def load(artefact: bytes) -> LoadedModel:
    """With a manifest that names exactly these bytes: only their content is judged."""
    return load_model(replace(MANIFEST, artefact=Artefact.of(artefact)), artefact)


def test_a_loaded_model_predicts_what_the_library_does() -> None:
    booster = xgboost.Booster()
    booster.load_model(bytearray(ARTEFACT))
    predicted = load(ARTEFACT).predict_matrix(ROWS)
    assert predicted.dtype == np.float64
    np.testing.assert_array_equal(predicted, booster.predict(xgboost.DMatrix(ROWS)))


def test_no_rows_have_no_predictions() -> None:
    assert load(ARTEFACT).predict_matrix(ROWS[:0]).shape == (0,)


@pytest.mark.parametrize(
    ("artefact", "said"),
    [(ARTEFACT + b" ", "long"), (ARTEFACT[:-1] + b" ", "hash"), (b"", "long")],
)
def test_bytes_that_the_manifest_does_not_name_are_refused_unread(artefact: bytes, said: str) -> None:
    with pytest.raises(FailedPrecondition, match=said) as refused:
        load_model(MANIFEST, artefact)
    assert refused.value.reason is Reason.MODEL_UNUSABLE
    assert refused.value.metadata == {"model": "delivery_time", "version": "7"}


def test_a_manifest_of_other_columns_or_another_objective_is_refused() -> None:
    fewer = replace(MANIFEST, engineered=EngineeredSpec.of_features(["distance"]))
    with pytest.raises(FailedPrecondition, match="3 columns"):
        load_model(fewer, ARTEFACT)
    with pytest.raises(FailedPrecondition, match="objective"):
        load_model(replace(MANIFEST, objective="binary:logistic"), ARTEFACT)


def test_what_passes_the_structure_but_not_the_library_is_unusable() -> None:
    document = json.loads(ARTEFACT)
    document["learner"]["objective"]["reg_loss_param"]["scale_pos_weight"] = "not a number"
    with pytest.raises(FailedPrecondition) as refused:
        load(json.dumps(document).encode())
    assert refused.value.reason is Reason.MODEL_UNUSABLE
    assert "scale_pos_weight" not in refused.value.message


@pytest.mark.parametrize(
    "parameters",
    [
        {"tree_method": "hist", "gamma": 3.0, "max_depth": 8},
        {"tree_method": "exact", "gamma": 20.0},
        {"tree_method": "approx", "gamma": 20.0},
        {"tree_method": "hist", "grow_policy": "lossguide", "max_leaves": 200, "max_depth": 0},
        {"tree_method": "hist", "num_parallel_tree": 3},
    ],
)
def test_however_the_library_grew_and_pruned_its_trees_they_are_read(parameters: dict[str, object]) -> None:
    noise = np.random.default_rng(9)
    rows = noise.normal(size=(800, 3)).astype(np.float32)
    target = rows[:, 0] * rows[:, 1] + noise.normal(size=800)
    booster = xgboost.train({"nthread": 1, **parameters}, xgboost.DMatrix(rows, target), 8)
    predicted = load(bytes(booster.save_raw("json"))).predict_matrix(rows)
    np.testing.assert_array_equal(predicted, booster.inplace_predict(rows))


def mutated() -> Iterator[bytes]:
    """Artefacts with a few bytes overwritten by what JSON is made of, the same on every run."""
    chance = random.Random(1_729)
    for _ in range(200):
        artefact = bytearray(ARTEFACT)
        for _ in range(chance.randint(1, 4)):
            artefact[chance.randrange(len(artefact))] = chance.choice(b'0123456789-.eE[]{},:"ntf ')
        yield bytes(artefact)


def loaded(artefact: bytes) -> LoadedModel | None:
    """The model, or None if it is unusable; any other error is the test's failure."""
    try:
        return load(artefact)
    except FailedPrecondition:
        return None


def test_a_mutated_artefact_is_refused_or_predicts_numbers() -> None:
    models = [loaded(artefact) for artefact in mutated()]
    harmless = [model for model in models if model is not None]
    assert 0 < len(harmless) < 50
    for model in harmless:
        assert model.predict_matrix(ROWS).shape == (64,)
