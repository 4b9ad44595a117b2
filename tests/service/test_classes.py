"""Models of classes end to end: trained from text, numbers, truth values; answered over gRPC, REST, SDK and command."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from tests.opened import OpenedStore, open_store
from tests.unit.cli.running import run_in

from featurama import Reason, connect
from featurama.v1 import errors_pb2
from featurama.v1 import prediction_service_pb2 as pb
from featurama_core.types.errors import FailedPrecondition, InvalidInput
from featurama_model.manifest import ModelManifest
from featurama_model.prediction import Prediction, PredictionRequest
from featurama_model.predictor import Predictor
from featurama_model.registry import ModelRegistry
from featurama_trainer.comparing import compare_on_holdout
from featurama_trainer.config import TrainingConfig
from featurama_trainer.page import html
from featurama_trainer.report import TrainingReport
from featurama_trainer.training import train

from .fish_store import BEGAN, FISH, HOUR, KINDS, fill, fish
from .gateway_fixtures import gateway_server, http_client
from .servers import Client, client_of, online_server, shared_checker

MULTI: dict[str, Any] = {
    "model": "kind",
    "labels": {"entity_type": "fish", "target": "kind", "time_feature": "length"},
    "features": ["length", "weight"],
    "objective": "multi:softprob",
    "rounds": 20,
    "missing": {"weight": "fail"},
}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the fish and a trained model of their kind."""
    directory = tmp_path_factory.mktemp("fish") / "store"

    async def make() -> None:
        async with open_store(f"sqlite:///{directory}") as store:
            await fill(store)
            await train(store.space, TrainingConfig.of(MULTI), checker=shared_checker())

    asyncio.run(make())
    return directory


@pytest.fixture
async def store(filled: Path, tmp_path: Path) -> AsyncIterator[OpenedStore]:
    shutil.copytree(filled, tmp_path / "store")
    async with open_store(f"sqlite:///{tmp_path}/store") as opened:
        yield opened


@pytest.fixture
async def online(store: OpenedStore, tmp_path: Path) -> AsyncIterator[Client]:
    url = f"sqlite:///{tmp_path}/store"
    async with online_server(url, default_model="kind") as server, client_of(server.address) as client:
        yield client


async def trained(store: OpenedStore, alias: str = "", **changes: Any) -> TrainingReport:
    sets = {each: changes.pop(each, None) for each in ("dataset", "dataset_out")}
    source = MULTI["labels"] | changes.pop("labels", {})
    config = TrainingConfig.of({**MULTI, "labels": source, **changes})
    return await train(store.space, config, alias=alias, checker=shared_checker(), **sets)


async def predicted(store: OpenedStore, manifest: ModelManifest, *numbers: int) -> Prediction:
    request = PredictionRequest(manifest.name, manifest.version, entity_ids=[fish(number) for number in numbers])
    async with Predictor.open(checker=shared_checker()) as predictor:
        return await predictor.predict(store.space, request)


async def test_the_manifest_holds_the_labels_in_order_and_the_answer_is_one_of_them(store: OpenedStore) -> None:
    """Sorted, because the config names none; the probabilities stand in that order and add up to one."""
    manifest = await ModelRegistry(store.space.storage).get("kind")
    assert (manifest.class_labels, manifest.class_names, manifest.classes) == (KINDS, KINDS, 3)
    assert manifest.metrics["test"]["accuracy"] > 0.9
    answer = await predicted(store, manifest, *range(FISH))
    truth = (await store.get_online_features([fish(number) for number in range(FISH)], ["kind"])).columns[0]
    assert np.mean(np.array(answer.classes()) == truth.values) > 0.95
    assert set(answer.classes()) == set(KINDS)
    assert answer.probabilities is not None
    np.testing.assert_allclose(answer.probabilities.sum(axis=1), 1.0, rtol=1e-6)
    assert [KINDS[int(value)] for value in answer.values] == answer.classes()


async def test_grpc_answers_class_and_probabilities_in_columns_and_names_a_missing_required_feature(
    online: Client,
) -> None:
    request = pb.PredictRequest(entity_ids=[fish(0), "fish_light", fish(1), "fish_nobody"])
    answer = await online.predictions.Predict(request)
    assert [each.label for each in answer.class_probabilities] == list(KINDS)
    columns = np.array([each.values for each in answer.class_probabilities])
    assert columns.shape == (3, 4)
    likeliest = [KINDS[at] for at in columns.argmax(axis=0)]
    assert list(answer.predicted_classes) == [likeliest[0], "", likeliest[2], ""]
    assert columns[:, [1, 3]].tolist() == [[0.0, 0.0]] * 3
    errors = [(each.row, errors_pb2.ErrorReason.Name(each.reason), each.field) for each in answer.row_errors]
    assert errors == [(1, "ERROR_REASON_MISSING_FEATURE", "weight"), (3, "ERROR_REASON_UNKNOWN_ENTITY", "")]
    assert list(answer.missing[0].features) == ["weight"]


async def test_the_client_answers_labels_and_a_matrix_and_its_table_has_a_column_a_class(online: Client) -> None:
    async with connect(f"grpc://{online.address}", timeout=60.0) as client:
        made = await client.predict([fish(0), "fish_light"])
        (model,) = await client.list_models("kind")
        many = await client.predict([fish(0)] * 10_001, include_features=False)
    assert (made.classes, model.classes) == (KINDS, KINDS)
    assert made.probabilities is not None
    assert made.probabilities.shape == (2, 3)
    assert np.isnan(made.probabilities[1]).all()
    assert [(error.row, error.reason, error.field) for error in made.errors] == [(1, Reason.MISSING_FEATURE, "weight")]
    table = made.to_dict()
    assert table["predicted_class"] == [made.predicted_classes[0], None]
    assert [table[f"probability_{label}"][0] for label in KINDS] == made.probabilities[0].tolist()
    assert many.probabilities is not None
    assert (len(many.predicted_classes), many.probabilities.shape) == (10_001, (10_001, 3))


async def test_rest_answers_class_and_probabilities_and_422_for_a_missing_required_feature(online: Client) -> None:
    async with (
        gateway_server(online.address, model="kind") as server,
        http_client(server.address) as http,
    ):
        one = (await http.post("/predict", json={"delivery_id": fish(0)})).json()
        lacking = await http.post("/predict", json={"delivery_id": "fish_light"})
        given = await http.post("/predict", json={"delivery_id": "fish_light", "features": {"weight": 1.5}})
        batch = (await http.post("/features/batch", json=[fish(0), "fish_light"])).json()["predictions"]
    assert one["predicted_class"] == max(one["probabilities"], key=one["probabilities"].get)
    assert list(one["probabilities"]) == list(KINDS)
    assert (lacking.status_code, lacking.json()["reason"], lacking.json()["field"]) == (
        422,
        "MISSING_FEATURE",
        "weight",
    )
    assert given.json()["predicted_class"] == KINDS[1]
    assert (batch[0]["predicted_class"], batch[0]["probabilities"]) == (one["predicted_class"], one["probabilities"])
    assert (batch[1]["status"], batch[1]["reason"], batch[1]["field"]) == ("error", "MISSING_FEATURE", "weight")


def test_the_command_shows_class_and_probabilities(filled: Path, tmp_path: Path) -> None:
    shutil.copytree(filled, tmp_path / "featurama-data")
    featurama = partial(run_in, tmp_path)
    ran = featurama("predict", fish(0), "fish_light", "--model", "kind", "--json")
    first, lacking = ran.json
    assert first["class"] == max(first["probabilities"], key=first["probabilities"].get)
    assert list(first["probabilities"]) == list(KINDS)
    assert (ran.code, lacking["prediction"], "weight" in lacking["problem"]) == (1, None, True)
    assert "probabilities" not in lacking
    assert f"kind {first['class']}" in featurama("predict", fish(0), "--model", "kind").out
    assert "shark" in featurama("models", "show", "kind").out
    assert featurama("models", "list", "--json").json[0]["accuracy"] > 0.9


async def test_the_order_of_labels_is_the_configs_and_whole_numbers_need_not_count_from_zero(
    store: OpenedStore,
) -> None:
    ordered = await trained(store, class_labels=["shark", *KINDS[:2]])
    assert ordered.manifest.class_names == ("shark", *KINDS[:2])
    graded = await trained(store, model="grade", labels={"target": "grade"})
    assert graded.manifest.class_names == ("10", "20", "30")
    assert graded.test["accuracy"] > 0.9
    named = await trained(store, model="grade", labels={"target": "grade"}, class_labels=[30, 20, 10])
    assert named.manifest.class_names == ("30", "20", "10")
    answers = [await predicted(store, each.manifest, *range(40)) for each in (graded, named)]
    same = np.mean(np.array(answers[0].classes()) == np.array(answers[1].classes()))
    assert same > 0.9
    assert "Answers by class" in html(ordered)


@pytest.mark.parametrize(
    ("target", "labels", "names"),
    [
        ("big", [], ("false", "true")),
        ("big", [True, False], ("true", "false")),
    ],
)
async def test_a_binary_model_answers_the_probability_of_its_second_class(
    store: OpenedStore, target: str, labels: list[bool], names: tuple[str, str]
) -> None:
    binary = {"model": "big", "objective": "binary:logistic", "class_labels": labels, "labels": {"target": target}}
    report = await trained(store, **binary)
    assert report.manifest.class_names == names
    assert report.test["auc"] > 0.95
    answer = await predicted(store, report.manifest, *range(FISH))
    assert answer.probabilities is not None
    np.testing.assert_array_equal(answer.probabilities[:, 1], answer.values)
    np.testing.assert_allclose(answer.probabilities[:, 0], 1 - answer.values)
    truth = (await store.get_online_features([fish(number) for number in range(FISH)], ["big"])).columns[0]
    answered = np.array([each == "true" for each in answer.classes()])
    assert np.mean(answered == truth.values) > 0.95
    assert "Reliability of the probabilities" in html(report)


async def test_labels_may_come_from_a_file_and_versions_are_compared_on_them(
    store: OpenedStore, tmp_path: Path
) -> None:
    """Texts of a Parquet dictionary; a row without a label is left out. Other classes cannot be compared."""
    online = await store.get_online_features([fish(number) for number in range(FISH)], ["kind"])
    kinds = [None, *online.columns[0].values[1:]]
    table = pa.table(
        {
            "entity_id": [fish(number) for number in range(FISH)],
            "timestamp": pa.array(BEGAN + np.arange(FISH) * HOUR, pa.timestamp("us", "UTC")),
            "kind": pa.array(kinds).dictionary_encode(),
        }
    )
    pa.parquet.write_table(table, tmp_path / "kinds.parquet")
    labels = {"file": str(tmp_path / "kinds.parquet"), "target": "kind"}
    report = await trained(store, labels=labels)
    assert (report.manifest.class_names, report.entities_without_target) == (KINDS, 1)
    registry = ModelRegistry(store.space.storage)
    first = await registry.get("kind", version=1)
    verdict = await compare_on_holdout(store.space, registry, first, report.manifest)
    assert verdict.candidate["accuracy"] > 0.9 < verdict.incumbent["accuracy"]
    other = await trained(store, class_labels=["shark", *KINDS[:2]])
    with pytest.raises(FailedPrecondition, match=r"shark, carp"):
        await compare_on_holdout(store.space, registry, first, other.manifest)


@pytest.mark.parametrize(
    "changes",
    [
        {"class_labels": ["shark", *KINDS[:2]]},
        {"labels": {"target": "grade"}},
        {"labels": {"target": "big"}, "objective": "binary:logistic"},
    ],
)
async def test_a_kept_set_holds_the_classes_and_trains_the_same_model_again(
    store: OpenedStore, tmp_path: Path, changes: dict[str, Any]
) -> None:
    """By their names, whatever the type of the target; numbers stay numbers, so that they sort as such."""
    first = await trained(store, dataset_out=tmp_path / "kept", **changes)
    again = await trained(store, dataset=tmp_path / "kept", **changes)
    assert first.manifest.class_names == again.manifest.class_names
    assert first.manifest.artefact == again.manifest.artefact


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"class_labels": ["carp", "shark"]}, r"has values \(eel & \$2\)"),
        ({"objective": "binary:logistic"}, "3 classes"),
        ({"labels": {"target": "score"}}, "whole numbers"),
        ({"objective": "reg:squarederror"}, "a number is needed"),
        ({"class_labels": ["carp", "carp", "shark"]}, "different"),
    ],
)
async def test_labels_that_cannot_be_learned_are_refused(
    store: OpenedStore, changes: dict[str, Any], problem: str
) -> None:
    with pytest.raises(InvalidInput, match=problem):
        await trained(store, **changes)
