"""Training from a point-in-time set that was built before: the same model, and what is refused."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest
from tests.opened import OpenedStore, open_store
from tests.sample_model import sample_config
from tests.service.training_world import WORLD, delivery, fill

from featurama_core.datasets.manifest import Manifest
from featurama_core.types.errors import InvalidInput
from featurama_core.types.references import FeatureSelection
from featurama_model.registry import ModelRegistry
from featurama_model.scoring import scores
from featurama_trainer.labels import read_labels
from featurama_trainer.page import html
from featurama_trainer.training import train
from featurama_world import generate

CONFIG = sample_config(rounds=40, early_stopping=10, missing={"hazard_level": "fail"})
SERVICE = "delivery_time"
LABEL_COLUMNS = ["entity_id", "timestamp", "actual_duration"]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample world, in which two deliveries lack something."""
    directory = tmp_path_factory.mktemp("filled") / "store"

    async def make() -> None:
        async with open_store(f"sqlite:///{directory}") as store:
            await fill(store, generate(WORLD))
            await store.delete_feature_values(delivery(1), ["hazard_level"])
            await store.delete_feature_values(delivery(2), ["package_weight"])

    asyncio.run(make())
    return directory


@pytest.fixture
async def store(filled: Path, tmp_path: Path) -> AsyncIterator[OpenedStore]:
    shutil.copytree(filled, tmp_path / "store")
    async with open_store(f"sqlite:///{tmp_path}/store") as opened:
        yield opened


async def label_table(store: OpenedStore) -> pa.Table:
    """The label rows that a run would take, in an order of their own, one without an outcome."""
    labels = await read_labels(store.space, CONFIG.labels)
    table = pa.table(
        {
            "parcel": [*labels.entity_ids, delivery(3)],
            "sent": pa.array([*labels.event_time.tolist(), int(labels.event_time[0])]).cast(pa.timestamp("us", "UTC")),
            "actual_duration": pa.array([*labels.target.tolist(), None]),
        }
    )
    return table.take(list(range(0, len(table), 2)) + list(range(1, len(table), 2)))


async def test_a_kept_set_trains_the_same_model_again(store: OpenedStore, tmp_path: Path) -> None:
    """Its manifest's hash stands in both models' manifests."""
    first = await train(store.space, CONFIG, dataset_out=tmp_path / "kept")
    manifest = await asyncio.to_thread(Manifest.load, tmp_path / "kept.manifest.json")
    second = await train(store.space, CONFIG, dataset=tmp_path / "kept", alias="")
    facts = [each.manifest.training for each in (first, second)]
    assert [manifest.sha256] * 2 == [each.dataset_sha256 for each in facts if each]
    assert first.manifest.artefact == second.manifest.artefact
    assert (first.test, first.missing, first.segments) == (second.test, second.missing, second.segments)
    assert (first.rows_without_required, second.rows_without_required) == (1, 1)
    assert first.missing["package_weight"] == 1
    unkept = await train(store.space, CONFIG, alias="")
    assert first.manifest.artefact == unkept.manifest.artefact


@pytest.mark.parametrize("out", ["set", "set.parquet", "set.arrow"])
async def test_a_set_of_any_order_and_column_names_trains_the_same_model(
    store: OpenedStore, tmp_path: Path, out: str
) -> None:
    """Rows without an outcome are left out; segments that nobody asked for need not be in the set."""
    expected = await train(store.space, CONFIG, alias="")
    table = await label_table(store)
    made = await store.training_set(table, service=SERVICE, entity_column="parcel", time_column="sent")
    await made.write(tmp_path / out)
    report = await train(store.space, CONFIG, dataset=tmp_path / out)
    assert expected.manifest.artefact == report.manifest.artefact
    assert (expected.test, expected.missing) == (report.test, {"package_weight": 1})
    assert (report.entities_without_target, report.rows_without_required) == (1, 1)
    training = report.manifest.training
    assert training is not None
    assert dict(training.labels) == {
        "entity_type": "delivery",
        "target": "actual_duration",
        "time_feature": "distance",
        "file": out,
        "entity_column": "parcel",
        "time_column": "sent",
    }
    assert "destination" not in {each.feature for each in report.segments}
    assert training.dataset_sha256 in html(report)


async def test_a_set_of_several_entity_columns_trains_by_the_one_of_the_models_type(
    store: OpenedStore, tmp_path: Path
) -> None:
    """Whatever else is in it, also where the other column names nobody."""
    expected = await train(store.space, CONFIG, alias="")
    resolved = await store.space.resolve(FeatureSelection.of(None, SERVICE))
    table = await label_table(store)
    table = table.append_column("where", pa.nulls(len(table), pa.string()))
    made = await store.training_set(
        table,
        ["planet.traffic_level", *(each.reference for each in resolved)],
        entity_columns={"delivery": "parcel", "planet": "where"},
        time_column="sent",
    )
    await made.write(tmp_path / "set")
    report = await train(store.space, CONFIG, dataset=tmp_path / "set", alias="")
    assert expected.manifest.artefact == report.manifest.artefact
    assert report.manifest.training is not None
    assert report.manifest.training.labels["entity_column"] == "parcel"
    other = CONFIG.model_copy(update={"labels": CONFIG.labels.model_copy(update={"entity_type": "character"})})
    with pytest.raises(InvalidInput, match="the features describe delivery, the rows character"):
        await train(store.space, other, dataset=tmp_path / "set", alias="")


async def test_a_set_that_does_not_fit_the_run_is_refused_with_what_to_do(store: OpenedStore, tmp_path: Path) -> None:
    """It lacks a feature or the target, is CSV, was changed, was known at another time; or there are labels."""
    table = (await label_table(store)).rename_columns(LABEL_COLUMNS)
    made = await store.training_set(table, service=SERVICE)
    for name in ("good", "set.csv", "changed"):
        await made.write(tmp_path / name)
    await (await store.training_set(table, ["distance"])).write(tmp_path / "narrow")
    unlabelled = await store.training_set(table.drop_columns(["actual_duration"]), service=SERVICE)
    await unlabelled.write(tmp_path / "unlabelled")
    part = tmp_path / "changed" / "part-00000.parquet"
    read = await asyncio.to_thread(pyarrow.parquet.read_table, part)
    await asyncio.to_thread(pyarrow.parquet.write_table, read.slice(1), part)
    cases = [
        ("narrow", {}, r"lacks package_weight@1.*--features distance@1,package_weight@1"),
        ("unlabelled", {}, "no label column 'actual_duration'"),
        ("set.csv", {}, "Parquet"),
        ("changed", {}, "not as it was built"),
        ("good", {"known_at": "label"}, "built with known_at None"),
        ("good", {"labels": {"file": "labels.csv"}}, "exclude each other"),
        ("good", {"segments": ["destination"]}, "lacks destination@1"),
        ("nowhere", {}, "manifest"),
    ]
    for name, given, message in cases:
        with pytest.raises(InvalidInput, match=message):
            await train(store.space, sample_config(**{"rounds": 5} | given), dataset=tmp_path / name)
    with pytest.raises(InvalidInput, match="dataset_out"):
        await train(store.space, CONFIG, dataset=tmp_path / "good", dataset_out=tmp_path / "new")
    registry = ModelRegistry(store.space.storage)
    assert json.loads(json.dumps(await registry.aliases(SERVICE))) == {}


async def test_scores_are_refused_as_a_training_set(store: OpenedStore, tmp_path: Path) -> None:
    """What `featurama score` writes has a manifest without features, and is no set to train on."""
    await train(store.space, CONFIG)
    made = await scores(store.space, (await label_table(store)).slice(0, 3).rename_columns(LABEL_COLUMNS), SERVICE)
    await made.write(tmp_path / "scores")
    with pytest.raises(InvalidInput, match="holds the scores of a model"):
        await train(store.space, CONFIG, dataset=tmp_path / "scores")
