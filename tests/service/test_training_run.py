"""A training run end to end on the embedded store: labels, point-in-time features, scores, registry."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from bisect import bisect_right
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import yaml
from tests.opened import OpenedStore, open_store
from tests.sample_model import sample_config, sample_settings
from tests.service.servers import shared_checker
from tests.service.training_world import (
    WORLD,
    define_world,
    delivery,
    fill,
    make_trained_directory,
    micros,
    register_entities,
    rows,
    write_rows,
)

from featurama_core.datasets.progress import Progress
from featurama_core.types.errors import FailedPrecondition, FeaturamaError, InvalidInput, Reason
from featurama_core.types.references import FeatureSelection
from featurama_model.engineered import EngineeredSpec
from featurama_model.expressions import Power
from featurama_model.loading import load_model
from featurama_model.manifest import Artefact, ModelManifest
from featurama_model.prediction import PredictionRequest
from featurama_model.predictor import Predictor
from featurama_model.registry import ModelRegistry
from featurama_trainer.config import TrainingConfig
from featurama_trainer.dataset import TrainingMatrix, model_inputs
from featurama_trainer.fitting import fit
from featurama_trainer.labels import Labels, read_labels
from featurama_trainer.point_in_time_set import built_set, read_set, target_name
from featurama_trainer.training import train
from featurama_world import (
    DELIVERY_METRICS,
    DELIVERY_OUTCOME,
    PLANET_CONDITIONS,
    WorldConfig,
    generate,
)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[OpenedStore]:
    async with open_store(f"sqlite:///{tmp_path}/store") as opened:
        yield opened


async def test_the_model_is_far_better_than_the_estimate_and_is_published_as_champion(store: OpenedStore) -> None:
    await fill(store, generate(WORLD))
    seen: list[Progress] = []
    report = await train(store.space, sample_config(), created_by="Hermes", progress=seen.append)

    assert report.test["r2"] > 0.9
    assert report.baseline["r2"] < 0.8
    assert report.test["rmse"] < 0.6 * report.baseline["rmse"]
    assert report.test["mae"] < 0.6 * report.baseline["mae"]

    registry = ModelRegistry(store.space.storage)
    champion = await registry.get("delivery_time")
    assert champion == report.manifest
    assert (champion.version, champion.created_by, champion.target) == (1, "Hermes", "actual_duration")
    assert [feature.reference for feature in champion.features] == [
        "distance@1",
        "package_weight@1",
        "hazard_level@1",
        "estimated_duration@1",
        "destination@1.traffic_level@1",
        "destination@1.weather_index@1",
    ]
    training = champion.training
    assert training is not None
    assert (training.label_rows, training.test_rows) == (400, 80)
    assert 290 < training.train_rows < 320  # less the gap
    assert training.first_label_time < training.split_time <= training.last_label_time
    assert {each.stage for each in seen} == {"labels", "features", "validation", "training", "publishing"}
    assert json.loads(json.dumps(report.to_dict()))["version"] == 1


async def test_the_same_run_again_gives_the_next_version_and_the_same_bytes(store: OpenedStore) -> None:
    await fill(store, generate(WORLD))
    config = sample_config(rounds=40)
    first = await train(store.space, config)
    second = await train(store.space, config, alias="")
    assert (first.manifest.version, second.manifest.version) == (1, 2)
    assert first.manifest.artefact == second.manifest.artefact
    assert await ModelRegistry(store.space.storage).aliases("delivery_time") == {"champion": 1}


async def test_labels_are_the_newest_outcome_at_the_earliest_dispatch(store: OpenedStore) -> None:
    """A later outcome corrects the target; a later reading of the distance does not move the dispatch."""
    world = generate(replace(WORLD, deliveries=4))
    await fill(store, world, [DELIVERY_METRICS])
    sent = {row["entity_id"]: row["timestamp"] for row in rows(world, DELIVERY_METRICS)}
    hour = timedelta(hours=1)
    await write_rows(
        store,
        {
            "entity_id": [delivery(1), delivery(1), delivery(2), delivery(3), delivery(3)],
            "timestamp": [sent[delivery(n)] + hours * hour for n, hours in [(1, 3), (1, 4), (2, 2), (3, 2), (3, 3)]],
            "actual_duration": [3.0, 4.5, 2.25, 7.0, None],
        },
    )
    await write_rows(store, {"entity_id": [delivery(2)], "timestamp": [sent[delivery(2)] + hour], "distance": [1.0]})
    await store.register_entity("delivery_unsent", "delivery")
    await write_rows(
        store, {"entity_id": ["delivery_unsent"], "timestamp": [sent[delivery(1)]], "actual_duration": [1.0]}
    )
    labels = await read_labels(store.space, sample_config().labels)
    assert labels.entity_ids == [delivery(1), delivery(2)]
    assert labels.event_time.tolist() == [micros(sent[delivery(1)]), micros(sent[delivery(2)])]
    assert labels.target.tolist() == [4.5, 2.25]
    # Delivery 3 was corrected to null, delivery 4 has not arrived.
    assert (labels.without_target, labels.without_time) == (2, 1)


async def matrix_of(store: OpenedStore, config: TrainingConfig, labels: Labels) -> TrainingMatrix:
    inputs = await model_inputs(store.space, config)
    async with built_set(
        store.space, labels, FeatureSelection(tuple(inputs.names())), target=target_name(config, inputs)
    ) as built:
        return await asyncio.to_thread(read_set, built, config, inputs, kept=False)


async def test_features_are_those_in_force_at_dispatch(store: OpenedStore, tmp_path: Path) -> None:
    """Compared with a plain bisection over the published frames."""
    world = generate(replace(WORLD, deliveries=60, days=10))
    await fill(store, world)
    readings: dict[str, list[tuple[int, float, float]]] = {}
    for row in rows(world, PLANET_CONDITIONS):
        readings.setdefault(row["entity_id"], []).append(
            (micros(row["timestamp"]), row["traffic_level"], row["weather_index"])
        )
    sent = sorted(rows(world, DELIVERY_METRICS), key=lambda row: (row["timestamp"], row["entity_id"]))
    expected = []
    for row in sent:
        history = readings[row["destination"]]
        _, traffic, weather = history[bisect_right(history, (micros(row["timestamp"]), np.inf, np.inf)) - 1]
        expected.append([row["distance"], row["hazard_level"], traffic, weather, row["distance"] ** 2])
    config = sample_config(
        features=("distance", "hazard_level", "destination.traffic_level", "destination.weather_index"),
        engineered=(Power("far", "distance", 2),),
    )
    labels = await read_labels(store.space, config.labels)
    data = await matrix_of(store, config, labels)
    np.testing.assert_array_equal(data.matrix, np.array(expected, dtype=np.float32))
    assert data.missing() == {}


class SetClock:
    """A wall clock that tests move by hand."""

    def __init__(self, moment: int) -> None:
        self.micros = moment

    def __call__(self) -> int:
        return self.micros * 1_000


async def test_what_training_saw_for_a_dispatch_is_what_serving_built_at_that_moment(
    storage_url: str, own_namespace: str, tmp_path: Path
) -> None:
    """Bit for bit, time, nulls, gaps and defaults included: the world is written as time goes by, and a prediction
    is made at each dispatch.
    """
    world = generate(WorldConfig(deliveries=25, days=3, planets=4, characters=2, readings_per_day=12))
    everything = [
        (micros(row["timestamp"]), row)
        for group in (PLANET_CONDITIONS, DELIVERY_METRICS, DELIVERY_OUTCOME)
        for row in rows(world, group)
    ]
    everything.sort(key=lambda item: item[0])
    for number, (_, row) in enumerate(each for each in everything if "distance" in each[1]):
        if number % 3 == 0:
            row["package_weight"] = None
        if number % 4 == 0:
            del row["hazard_level"]
    clock = SetClock(everything[0][0] - 1)
    config = sample_config(missing={"package_weight": 12.5})
    served: dict[str, bytes] = {}
    async with (
        open_store(storage_url, namespace=own_namespace, clock=clock) as store,
        Predictor.open(checker=shared_checker()) as predictor,
    ):
        await define_world(store)
        await register_entities(store, world)
        await publish_untrained(store, config)
        for moment, row in everything:
            clock.micros = moment
            await write_rows(store, {name: [value] for name, value in row.items()})
            if "distance" in row:
                request = PredictionRequest("delivery_time", entity_ids=[row["entity_id"]])
                prediction = await predictor.predict(store.space, request)
                assert prediction.as_of_time == moment
                served[row["entity_id"]] = prediction.manifest.matrix(prediction.columns, moment).tobytes()
        clock.micros += 365 * 86_400_000_000
        labels = await read_labels(store.space, config.labels)
        data = await matrix_of(store, config, labels)
    assert len(labels) == 25
    assert np.isnan(data.matrix).any()
    assert (data.matrix[:, config_column(data.inputs.engineered, "package_weight")] == np.float32(12.5)).any()
    trained = {each: data.matrix[at : at + 1].tobytes() for at, each in enumerate(labels.entity_ids)}
    assert trained == served


def config_column(spec: EngineeredSpec, name: str) -> int:
    """Where a column stands in the matrix."""
    return spec.names.index(name)


async def publish_untrained(store: OpenedStore, config: TrainingConfig) -> None:
    """A champion fitted to noise: for tests of what a model is given, not of what it answers."""
    inputs = await model_inputs(store.space, config)
    noise = np.random.default_rng(0).normal(size=(40, len(inputs.engineered.names) + 1)).astype(np.float32)
    fitted = await asyncio.to_thread(
        fit,
        noise[:, 1:],
        noise[:, 0].astype(np.float64),
        inputs.engineered.names,
        sample_config(rounds=2),
        threads=1,
    )
    manifest = ModelManifest(
        name=config.model,
        target=config.labels.target,
        entity_type=config.labels.entity_type,
        objective=config.objective,
        features=inputs.features,
        engineered=inputs.engineered,
        artefact=Artefact.of(fitted.artefact),
    )
    assert load_model(manifest, fitted.artefact).structure.trees == 2
    published = await ModelRegistry(store.space.storage).publish(manifest, fitted.artefact)
    await ModelRegistry(store.space.storage).set_alias(published.name, "champion", published.version)


async def test_too_few_labels_publish_nothing(store: OpenedStore) -> None:
    await fill(store, generate(replace(WORLD, deliveries=10)))
    with pytest.raises(FailedPrecondition, match="10 label rows"):
        await train(store.space, sample_config())
    assert await ModelRegistry(store.space.storage).list() == []


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (sample_config(feature_service="no_such_service"), Reason.UNKNOWN_FEATURE_SERVICE),
        (sample_config(features=("distance", "no_such_feature")), Reason.UNKNOWN_FEATURE),
        (sample_config(features=("distance",)), Reason.UNKNOWN_FEATURE),
        (sample_config(baseline="no_such_feature"), Reason.UNKNOWN_FEATURE),
        (sample_config(baseline="destination"), Reason.TYPE_MISMATCH),
        (sample_config(labels={"target": "destination"}), Reason.TYPE_MISMATCH),
        (sample_config(features=("actual_duration",), engineered=()), Reason.INVALID_ARGUMENT),
        (sample_config(features=("destination",), engineered=()), Reason.INVALID_ARGUMENT),
        (sample_config(engineered=(Power("far", "destination", 2),)), Reason.UNKNOWN_FEATURE),
    ],
)
async def test_a_config_that_does_not_fit_the_features_is_refused(
    store: OpenedStore, config: TrainingConfig, reason: Reason
) -> None:
    await define_world(store)
    with pytest.raises(FeaturamaError) as refused:
        await train(store.space, config)
    assert refused.value.reason is reason


async def test_a_text_feature_of_the_service_is_left_out_of_the_matrix_and_of_the_manifest(store: OpenedStore) -> None:
    await define_world(store)
    inputs = await model_inputs(store.space, sample_config(features=("origin", "distance"), engineered=()))
    assert [feature.name for feature in inputs.features] == ["distance"]
    assert inputs.engineered == EngineeredSpec.of_features(["distance"])


async def test_the_target_may_not_be_a_feature_of_itself(store: OpenedStore) -> None:
    await define_world(store)
    with pytest.raises(InvalidInput, match="actual_duration"):
        await model_inputs(store.space, sample_config(features=("distance", "actual_duration"), engineered=()))


def test_the_job_prints_one_json_report_and_refuses_in_one_line(tmp_path: Path) -> None:
    make_trained_directory(tmp_path / "store")
    config = tmp_path / "train.yaml"
    config.write_text(yaml.safe_dump(sample_settings(rounds=5)))
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "FEATURAMA_TRAINER_STORAGE": f"sqlite:///{tmp_path}/store",
        "FEATURAMA_TRAINER_CONFIG": str(config),
        "FEATURAMA_TRAINER_THREADS": "1",
    }

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "featurama_trainer"],
            env=environment,
            cwd=tmp_path,
            text=True,
            capture_output=True,
            check=False,
        )

    done = run()
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["model"], report["version"], report["promoted_to"]) == ("delivery_time", 2, "champion")

    config.write_text(yaml.safe_dump(sample_settings(roundz=5)))
    done = run()
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "roundz" in done.stderr
