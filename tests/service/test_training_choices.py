"""What a training config can choose: objectives, label files, missing values, folds, promotion; and the report."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from tests.opened import OpenedStore, open_store
from tests.sample_model import sample_config
from tests.service.training_world import WORLD, delivery, fill

from featurama_core.types.errors import FailedPrecondition, InvalidInput, Reason
from featurama_core.types.times import to_rfc3339
from featurama_model.prediction import PredictionRequest
from featurama_model.predictor import Predictor
from featurama_model.registry import ModelRegistry
from featurama_trainer.comparing import compare_on_holdout
from featurama_trainer.config import TrainingConfig
from featurama_trainer.labels import read_labels
from featurama_trainer.page import html, write_report
from featurama_trainer.training import train
from featurama_world import generate

SMALL = sample_config(rounds=60, early_stopping=10)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("filled") / "store"

    async def make() -> None:
        async with open_store(f"sqlite:///{directory}") as store:
            await fill(store, generate(WORLD))

    asyncio.run(make())
    return directory


@pytest.fixture
async def store(filled: Path, tmp_path: Path) -> AsyncIterator[OpenedStore]:
    shutil.copytree(filled, tmp_path / "store")
    async with open_store(f"sqlite:///{tmp_path}/store") as opened:
        yield opened


async def label_table(store: OpenedStore) -> pa.Table:
    labels = await read_labels(store.space, sample_config().labels)
    return pa.table(
        {
            "parcel": labels.entity_ids,
            "sent_at": [to_rfc3339(time) for time in labels.event_time.tolist()],
            "late": labels.target > np.median(labels.target),
            "slowness": np.digitize(labels.target, np.quantile(labels.target, [1 / 3, 2 / 3])),
        }
    )


def from_file(path: Path, target: str, **more: object) -> TrainingConfig:
    source = {"file": str(path), "target": target, "entity_column": "parcel", "time_column": "sent_at"}
    return sample_config(**{"model": target, "labels": source, "rounds": 60, "early_stopping": 10, **more})


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
async def test_a_binary_model_learns_from_a_label_file_and_predicts_probabilities(
    store: OpenedStore, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"labels{suffix}"
    table = await label_table(store)
    if suffix == ".csv":
        pa.csv.write_csv(table, path)
    else:
        pa.parquet.write_table(table, path)
    report = await train(store.space, from_file(path, "late", objective="binary:logistic", baseline=""))
    assert report.test["auc"] > 0.95
    assert report.test["logloss"] < 0.5 * report.baseline_constant["logloss"]
    training = report.manifest.training
    assert training is not None
    assert training.label_rows == 400
    assert training.labels["file"] == path.name
    assert str(tmp_path) not in report.manifest.to_json()
    async with Predictor.open() as predictor:
        ids = [delivery(number) for number in range(1, 60)]
        answer = await predictor.predict(store.space, PredictionRequest("late", entity_ids=ids))
    assert 0.0 < answer.values.min() < 0.3 < 0.7 < answer.values.max() < 1.0
    assert "Reliability of the probabilities" in html(report)


async def test_a_model_of_several_classes_predicts_the_index_of_the_likeliest(
    store: OpenedStore, tmp_path: Path
) -> None:
    path = tmp_path / "labels.parquet"
    table = await label_table(store)
    pa.parquet.write_table(table, path)
    report = await train(store.space, from_file(path, "slowness", objective="multi:softprob", classes=3))
    assert report.test["accuracy"] > 0.75
    assert report.test["logloss"] < 0.7 * report.baseline_constant["logloss"]
    assert report.manifest.classes == 3
    ids = table.column("parcel").to_pylist()[-80:]
    async with Predictor.open() as predictor:
        answer = await predictor.predict(store.space, PredictionRequest("slowness", entity_ids=ids, contributions=True))
    assert set(answer.values.tolist()) <= {0.0, 1.0, 2.0}
    assert float(np.mean(answer.values == table.column("slowness").to_numpy()[-80:])) > 0.7
    assert answer.contributions is not None
    assert answer.contributions.values.shape == (80, len(report.manifest.engineered.names))
    assert "Answers by class" in html(report)


@pytest.mark.parametrize(
    ("target", "objective", "classes"), [("slowness", "binary:logistic", 0), ("slowness", "multi:softprob", 2)]
)
async def test_targets_that_the_objective_does_not_learn_are_refused(
    store: OpenedStore, tmp_path: Path, target: str, objective: str, classes: int
) -> None:
    path = tmp_path / "labels.parquet"
    pa.parquet.write_table(await label_table(store), path)
    with pytest.raises(InvalidInput, match="slowness"):
        await train(store.space, from_file(path, target, objective=objective, classes=classes))


async def test_a_label_file_that_cannot_be_used_is_refused_by_column(store: OpenedStore, tmp_path: Path) -> None:
    path = tmp_path / "labels.parquet"
    table = await label_table(store)
    pa.parquet.write_table(table, path)
    with pytest.raises(InvalidInput, match="no column 'lateness'"):
        await train(store.space, from_file(path, "lateness"))
    with pytest.raises(InvalidInput, match="a number is needed"):
        await train(store.space, from_file(path, "parcel"))
    naive = table.set_column(1, "sent_at", [["2026-01-01T00:00:00"] * 400])
    pa.parquet.write_table(naive, path)
    with pytest.raises(InvalidInput) as refused:
        await train(store.space, from_file(path, "slowness"))
    assert refused.value.reason is Reason.NAIVE_TIME
    with pytest.raises(InvalidInput, match=r"labels\.txt"):
        await train(store.space, from_file(tmp_path / "labels.txt", "late"))


async def test_a_required_feature_that_is_missing_drops_the_row_in_training_and_fails_it_in_serving(
    store: OpenedStore,
) -> None:
    await store.delete_feature_values(delivery(1), ["hazard_level"])
    await store.delete_feature_values(delivery(2), ["package_weight"])
    config = sample_config(missing={"hazard_level": "fail", "package_weight": 20.0}, rounds=60, early_stopping=10)
    report = await train(store.space, config)
    assert report.rows_without_required == 1
    assert report.manifest.training is not None
    assert report.manifest.training.label_rows == 399
    assert (report.manifest.required, dict(report.manifest.defaults)) == (("hazard_level",), {"package_weight": 20.0})
    async with Predictor.open() as predictor:
        ids = [delivery(number) for number in (1, 2, 3)]
        answer = await predictor.predict(store.space, PredictionRequest("delivery_time", entity_ids=ids))
        given = replace(answer.columns[1].take(np.array([1])), name="package_weight")
        stated = replace(given, values=np.array([20.0]), status=np.zeros(1, dtype=np.uint8) + 1)
        assert given.status[0] != stated.status[0]
        same = await predictor.predict(
            store.space, PredictionRequest("delivery_time", entity_ids=ids[1:2], given=[stated])
        )
    assert [(error.row, error.reason, error.field) for error in answer.row_errors] == [
        (0, Reason.MISSING_FEATURE, "hazard_level")
    ]
    assert "hazard_level" in answer.row_errors[0].message
    assert answer.missing == {0: ("hazard_level",), 1: ("package_weight",)}
    assert answer.values[0] == 0.0
    assert answer.values[1] == pytest.approx(same.values[0], rel=1e-3)


async def test_a_policy_for_a_feature_that_the_model_has_not_is_refused(store: OpenedStore) -> None:
    with pytest.raises(InvalidInput, match="shoe_size"):
        await train(store.space, sample_config(missing={"shoe_size": "fail"}))


@pytest.mark.parametrize("folds", [{"kind": "rolling", "folds": 3}, {"kind": "grouped", "folds": 3, "group": "origin"}])
async def test_cross_validation_scores_folds_of_the_rows_before_the_test(
    store: OpenedStore, folds: dict[str, object]
) -> None:
    report = await train(store.space, sample_config(cross_validation=folds, rounds=40, early_stopping=10))
    training = report.manifest.training
    assert training is not None
    assert len(report.folds) == 3
    assert all(fold.last_time < training.split_time for fold in report.folds)
    if folds["kind"] == "grouped":
        assert sum(fold.judged_rows for fold in report.folds) == training.train_rows
    assert report.manifest.metrics["cross_validation"]["r2"] > 0.6


async def test_the_number_of_rounds_is_found_on_validation_rows_and_the_bytes_are_reproducible(
    store: OpenedStore,
) -> None:
    config = replace_config(rounds=400, early_stopping=5)
    first, second = await train(store.space, config, threads=1), await train(store.space, config, threads=1)
    assert 10 < first.curve.best < 400
    assert first.manifest.training is not None
    assert first.manifest.training.rounds == first.curve.best == int(np.argmin(first.curve.validation)) + 1
    assert first.manifest.artefact == second.manifest.artefact
    assert second.manifest.training is not None
    assert first.manifest.training.dataset_sha256 == second.manifest.training.dataset_sha256 != ""
    registry = ModelRegistry(store.space.storage)
    artefacts = [await registry.artefact(report.manifest) for report in (first, second)]
    assert artefacts[0] == artefacts[1]


def replace_config(**changes: object) -> TrainingConfig:
    return sample_config(**{"split": {"gap": "6h"}} | changes)


async def test_a_training_set_as_known_then_is_the_same_after_corrections(filled: Path, tmp_path: Path) -> None:
    shutil.copytree(filled, tmp_path / "store")
    known_at = time.time_ns() // 1_000 + 60_000_000
    an_hour_later = open_store(f"sqlite:///{tmp_path}/store", clock=lambda: time.time_ns() + 3_600 * 10**9)
    then = sample_config(known_at=to_rfc3339(known_at), rounds=10)
    async with an_hour_later as store:
        before = await train(store.space, then, alias="")
        newest = await store.get_feature_history(delivery(1), "actual_duration")
        sent = await store.get_feature_history(delivery(1), "distance")
        for name, history in (("actual_duration", newest), ("distance", sent)):
            moment = int(history.column.event_time[0])
            report = await store.write_features(
                {"entity_id": [delivery(1)], "timestamp": [moment], name: [3.25]}, time_unit="us"
            )
            assert report.accepted == 1
        after, now = [await train(store.space, each, alias="") for each in (then, sample_config(rounds=10))]
    facts = [each.manifest.training.dataset_sha256 for each in (before, after, now) if each.manifest.training]
    assert facts[0] == facts[1] != facts[2]
    assert before.manifest.artefact == after.manifest.artefact


async def test_a_new_version_is_promoted_only_if_it_is_not_worse_on_the_same_rows(store: OpenedStore) -> None:
    good = await train(store.space, SMALL, if_better=True)
    assert (good.promoted_to, good.verdict) == ("champion", None)
    poor_config = sample_config(
        features=["package_weight"], engineered=[], baseline="", rounds=5, split={"test_fraction": 0.3}
    )
    poor = await train(store.space, poor_config, if_better=True)
    registry = ModelRegistry(store.space.storage)
    assert poor.promoted_to == ""
    assert poor.verdict is not None
    assert not poor.verdict.not_worse
    assert poor.verdict.measure == "rmse"
    assert poor.verdict.incumbent["rmse"] == pytest.approx(good.test["rmse"])
    assert good.manifest.training is not None
    assert poor.verdict.since_us == good.manifest.training.split_time
    assert await registry.aliases("delivery_time") == {"champion": 1}

    lenient = await compare_on_holdout(store.space, registry, poor.manifest, good.manifest, tolerance=100.0)
    assert lenient.not_worse
    again = await train(store.space, SMALL, if_better=True)
    assert again.promoted_to == "champion"
    assert again.verdict is not None
    assert again.verdict.candidate == again.verdict.incumbent


async def test_versions_of_different_targets_cannot_be_compared(store: OpenedStore) -> None:
    first = await train(store.space, SMALL)
    second = await train(store.space, sample_config(labels={"target": "fuel_consumption"}, rounds=5), alias="")
    with pytest.raises(FailedPrecondition, match="fuel_consumption"):
        await compare_on_holdout(store.space, ModelRegistry(store.space.storage), first.manifest, second.manifest)


class Page(HTMLParser):
    """What a page holds: its tags, and every address in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("href", "xlink:href", "src")]
        assert not any(name.startswith("on") for name, _ in attrs)


async def test_the_report_is_one_page_without_scripts_or_links_and_the_same_figures_as_json(
    store: OpenedStore, tmp_path: Path
) -> None:
    config = sample_config(
        rounds=40,
        description="<script>alert(1)</script>",
        cross_validation={"folds": 2},
        segments=["destination", "hazard_level", "distance"],
    )
    report = await train(store.space, config, created_by="<b>Hermes")
    page_path, json_path = write_report(report, tmp_path / "report")
    text = page_path.read_text()
    page = Page(text)
    assert "script" not in page.tags
    assert page.tags.count("svg") == 6
    assert all(address.startswith("#") for address in page.addresses)
    assert "Content-Security-Policy" in text
    assert "&lt;script&gt;" in text
    for part in ("Predicted against actual", "Residuals over time", "Learning curve", "Errors by destination"):
        assert part in text
    figures = json.loads(json_path.read_text())
    assert figures["test"] == report.test
    assert len(figures["cross_validation"]) == 2
    assert sum(each["rows"] for each in figures["segments"] if each["feature"] == "destination") == 80
    assert set(figures["contributions"]) == set(figures["importance"]) == set(figures["columns"])
    assert text == write_report(report, tmp_path / "again")[0].read_text()
