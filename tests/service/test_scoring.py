"""Batch scoring: the predictions that serving gives for the values of each row's moment, row by row, in files."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet
import pytest
from tests.opened import OpenedStore, open_store
from tests.service.predicting_store import NAME, define, publish_mutated
from tests.service.servers import shared_checker
from tests.unit.featurama_model.models import ARTEFACT, MANIFEST

from featurama_core.datasets.dataset import TrainingDataset
from featurama_core.datasets.progress import Progress
from featurama_core.datasets.verify import verify
from featurama_core.retrieval.sizes import Sizes
from featurama_core.retrieval.spilled import SpilledRetrieval
from featurama_core.store_datasets import rebuilt
from featurama_core.types.column import Column
from featurama_core.types.errors import FailedPrecondition, InvalidInput, Reason, Unknown
from featurama_core.types.values import Status
from featurama_model.checked_model import ModelReference
from featurama_model.engineered import EngineeredSpec
from featurama_model.expressions import Cycle, Feature
from featurama_model.loading import load_model
from featurama_model.manifest import ModelFeature, ModelManifest
from featurama_model.model_cache import ModelCache
from featurama_model.prediction import PredictionRequest
from featurama_model.predictor import Predictor
from featurama_model.registry import ModelRegistry
from featurama_model.scoring import scores

HOUR = 3_600_000_000
START = 1_790_000_000_000_000
WRITTEN, NOW = START + 300 * HOUR, START + 400 * HOUR
DISTANCE, TRAFFIC = MANIFEST.features
TIMED = EngineeredSpec(
    (
        Feature(DISTANCE.name, DISTANCE.name),
        Cycle("hour", "day", "sin"),
        Feature(TRAFFIC.name, TRAFFIC.name),
    )
)


def moments(times: Any) -> Any:
    return pa.array(np.asarray(times, dtype=np.int64)).cast(pa.timestamp("us", "UTC"))


async def fill(store: OpenedStore) -> None:
    """Ten deliveries whose values change, some of them null, to planets whose traffic changes."""
    await define(store)
    draw = np.random.default_rng(5)
    ids = [f"parcel_{number}" for number in range(10)]
    at = START + draw.integers(0, 300, 200) * HOUR
    planets = [f"planet_{number}" for number in range(3)]
    for name, values in (
        ("distance", [None if each < 0.1 else each * 4.0 - 2.0 for each in draw.random(200).tolist()]),
        ("destination", [planets[each] for each in draw.integers(0, 3, 200)]),
    ):
        # One value an entity and moment.
        last = {(ids[row % 10], int(at[row])): values[row] for row in range(200)}
        keys = list(last)
        await store.write_features(
            {
                "entity_id": [each for each, _ in keys],
                "timestamp": [when for _, when in keys],
                name: list(last.values()),
            },
            time_unit="us",
        )
    await store.write_features(
        {
            "entity_id": [planets[row % 3] for row in range(90)],
            "timestamp": [START + (30 + row // 3 * 9) * HOUR for row in range(90)],
            "traffic_level": draw.random(90),
        },
        version=2,
        time_unit="us",
    )


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[OpenedStore]:
    url = f"sqlite:///{tmp_path}/store"
    async with open_store(url, clock=lambda: WRITTEN * 1_000) as earlier:
        await fill(earlier)
    async with open_store(url, clock=lambda: NOW * 1_000) as opened:
        yield opened


def labels(rows: int = 300) -> Any:
    """Deliveries at moments from before their first value on, one of them unheard of; with a column of a feature's
    name, and one of texts."""
    draw = np.random.default_rng(7)
    return pa.table(
        {
            "distance": draw.random(rows),
            "entity_id": [f"parcel_{each}" for each in draw.integers(0, 11, rows)],
            "timestamp": moments(START + draw.integers(-20, 390, rows) * HOUR),
            "note": [f"row {row}" for row in range(rows)],
        }
    )


async def publish(store: OpenedStore, engineered: EngineeredSpec = TIMED, *features: ModelFeature) -> ModelManifest:
    draft = replace(MANIFEST, engineered=engineered, features=features or MANIFEST.features)
    models = ModelRegistry(store.space.storage)
    published = await models.publish(draft, ARTEFACT)
    await models.set_alias(NAME, "champion", published.version)
    return published


async def scored(store: OpenedStore, rows: Any, model: str = NAME, **options: Any) -> Any:
    made = await scores(store.space, rows, model, checker=shared_checker(), **options)
    return await made.to_arrow()


async def values_of(store: OpenedStore, rows: Any) -> list[Column]:
    ids, times = rows.column("entity_id").to_pylist(), rows.column("timestamp").cast(pa.int64()).to_numpy()
    return (await store.point_in_time(ids, times, features=[each.reference for each in MANIFEST.features])).columns


def known(table: Any) -> Any:
    return table.filter(pa.compute.is_valid(table.column("prediction")))


async def test_scores_are_those_of_the_matrix_that_training_saw(store: OpenedStore) -> None:
    """Bit for bit, with columns of the row's own time; rows, order and label columns stay."""
    manifest = await publish(store)
    rows = labels()
    found = await scored(store, rows)
    columns = await values_of(store, rows)
    matrix = manifest.matrix(columns, rows.column("timestamp").cast(pa.int64()).to_numpy())
    expected = load_model(manifest, ARTEFACT).predict_matrix(matrix)
    there = np.array([each is not None for each in found.column("prediction").to_pylist()])
    assert 200 < there.sum() < 300
    assert len(set(expected.tolist())) > 5
    assert found.column("prediction").drop_null().to_numpy().tobytes() == expected[there].tobytes()
    assert found.select(rows.column_names).equals(rows)
    assert set(found.column("model_version").to_pylist()) == {1}


async def test_scores_in_a_frame_have_the_dtypes_of_every_result(store: OpenedStore) -> None:
    """Carried integers beside nulls keep every digit; a row without a prediction is NaN."""
    await publish(store)
    large = 2**60 + 1
    rows = labels(300).append_column("large", pa.array([None] + [large] * 299))
    frame = await (await scores(store.space, rows, NAME, checker=shared_checker())).to_pandas()
    columns = ("prediction", "model_version", "error_reason", "large", "note")
    assert ["float64", "Int64", "string", "Int64", "string"] == [str(frame[name].dtype) for name in columns]
    assert {large} == set(frame["large"].dropna())


async def test_without_label_rows_scores_have_no_rows_and_all_columns(store: OpenedStore, tmp_path: Path) -> None:
    """Also of a model of classes; their files verify, and their manifest counts nothing."""
    await publish(store)
    artefact = await asyncio.to_thread(three_classes)
    draft = replace(MANIFEST, objective="multi:softprob", classes=3, class_labels=("near", "far", "away"))
    await ModelRegistry(store.space.storage).publish(draft, artefact)
    for version in (1, 2):
        some = await scored(store, labels(), f"{NAME}@{version}")
        made = await scores(store.space, labels().slice(0, 0), f"{NAME}@{version}", checker=shared_checker())
        assert some.slice(0, 0).equals(await made.to_arrow())
        manifest = await made.write(tmp_path / f"set{version}")
        assert {"predicted": 0, "failed": {}, "missing": {}, "min": None, "max": None} == manifest.content["scores"]
        assert f"scores of {NAME} version {version}" in str(manifest)
        assert (await verify(tmp_path / f"set{version}")).is_good


async def test_scores_are_what_predict_answers_for_the_same_values(store: OpenedStore) -> None:
    """Bit for bit, missing values too; nobody can tell that a parcel without any value is missing given values."""
    await publish(store, MANIFEST.engineered)
    rows = labels()
    found = known(await scored(store, rows))
    given = [
        replace(column, status=np.where(column.status == Status.PRESENT, Status.PRESENT, Status.NOT_FOUND).astype("u1"))
        for column in await values_of(store, found)
    ]
    given = [replace(column, name=each.name) for column, each in zip(given, MANIFEST.features, strict=True)]
    async with ModelCache(checker=shared_checker()) as models:
        predicted = await Predictor(models).predict(store.space, PredictionRequest(NAME, given=given))
    assert found.column("prediction").to_numpy().tobytes() == predicted.values.tobytes()
    missing = [tuple(each) for each in found.column("missing_features").to_pylist()]
    assert missing == [tuple(predicted.missing.get(row, ())) for row in range(found.num_rows)]
    assert {(), ("distance",)} <= set(missing)


async def test_scores_of_newest_values_are_what_predict_answers_now(store: OpenedStore) -> None:
    """By entity, at the moment of the request, errors and missing features included."""
    await publish(store)
    found = await scored(store, None, entity_type="delivery")
    ids = found.column("entity_id").to_pylist()
    assert ids == ["delivery_1", "delivery_2", "delivery_empty", *(f"parcel_{number}" for number in range(10))]
    found = await scored(store, ["parcel_3", "delivery_empty", "nobody", "planet_mars"], timestamp=NOW)
    async with ModelCache(checker=shared_checker()) as models:
        asked = PredictionRequest(NAME, entity_ids=found.column("entity_id").to_pylist())
        predicted = await Predictor(models).predict(store.space, asked)
    values = found.column("prediction").to_pylist()
    assert values[:2] == predicted.values[:2].tolist()
    assert values[2:] == [None, None]
    errors = [(error.row, error.reason.name, error.message) for error in predicted.row_errors]
    pairs = zip(found.column("error_reason").to_pylist(), found.column("error_message").to_pylist(), strict=True)
    assert [(row, *pair) for row, pair in enumerate(pairs) if pair[0] is not None] == errors
    assert [reason for _, reason, _ in errors] == ["UNKNOWN_ENTITY", "UNKNOWN_ENTITY"]


async def test_what_is_missing_follows_the_models_policy(store: OpenedStore) -> None:
    """`fail`: no prediction, and which feature; `default`: as if it were that value; and both say what was missing."""
    rows = labels()
    manifest = await publish(
        store,
        MANIFEST.engineered,
        replace(DISTANCE, missing="fail"),
        replace(TRAFFIC, missing="default", default=0.25),
    )
    found = await scored(store, rows)
    columns = await values_of(store, rows)
    lacking = columns[0].status != Status.PRESENT
    assert np.array_equal(np.array([each is None for each in found.column("prediction").to_pylist()]), lacking)
    reasons = set(zip(found.column("error_reason").to_pylist(), found.column("error_message").to_pylist(), strict=True))
    assert ("MISSING_FEATURE", "the model needs a value of distance; write or give it") in reasons
    filled = replace(
        columns[1],
        values=np.where(columns[1].status == Status.PRESENT, columns[1].values, 0.25),
        status=np.full(len(lacking), Status.PRESENT, dtype=np.uint8),
    )
    plain = replace(manifest, features=MANIFEST.features)
    expected = load_model(manifest, ARTEFACT).predict_matrix(plain.matrix([columns[0], filled], None))
    assert known(found).column("prediction").to_pylist() == expected[~lacking].tolist()
    traffic = (columns[1].status != Status.PRESENT).tolist()
    assert [TRAFFIC.name in each for each in found.column("missing_features").to_pylist()] == traffic


async def test_a_version_or_an_alias_is_named_and_known_at_leaves_later_writes_out(store: OpenedStore) -> None:
    await publish(store)
    await publish(store, MANIFEST.engineered)
    await ModelRegistry(store.space.storage).set_alias(NAME, "challenger", 1)
    rows = labels()
    first, second = await scored(store, rows, f"{NAME}@1"), await scored(store, rows, f"{NAME}@champion")
    assert (await scored(store, rows, f"{NAME}@challenger")).equals(first)
    assert (await scored(store, rows)).equals(second)
    assert not first.column("prediction").equals(second.column("prediction"))
    nothing = await scored(store, rows.slice(0, 20), known_at=WRITTEN - HOUR)
    assert set(map(tuple, nothing.column("missing_features").to_pylist())) == {(DISTANCE.name, TRAFFIC.name)}


@pytest.mark.parametrize("text", ["", "Eta", "eta@", "eta@0", "eta@1.5", "eta@-1", "eta@@1", "eta@1x"])
def test_a_reference_that_names_no_model_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        ModelReference.parse(text)


async def test_files_of_each_format_hold_the_same_scores_under_a_manifest(store: OpenedStore, tmp_path: Path) -> None:
    """The manifest names model, request, counts and hashes; `verify` checks the files, and builds no scores again."""
    manifest = await publish(store, MANIFEST.engineered, replace(DISTANCE, missing="fail"), TRAFFIC)
    made = await scores(store.space, labels(), NAME, checker=shared_checker(), known_at=NOW - 10 * HOUR)
    table = await made.to_arrow()
    written = {kind: await made.write(tmp_path / f"set.{kind}") for kind in ("parquet", "csv", "arrow")}
    assert (await asyncio.to_thread(pyarrow.parquet.read_table, tmp_path / "set.parquet")).equals(table)
    assert (await asyncio.to_thread(pyarrow.feather.read_table, tmp_path / "set.arrow")).equals(table)
    csv = await asyncio.to_thread(pyarrow.csv.read_csv, tmp_path / "set.csv")
    assert csv.column("prediction").equals(table.column("prediction"))
    lists = [json.loads(each) for each in csv.column("missing_features").to_pylist()]
    assert lists == table.column("missing_features").to_pylist()
    content = written["parquet"].content
    assert manifest.artefact is not None
    model = content["request"]["model"]
    assert (model["name"], model["version"], model["sha256"]) == (NAME, 1, manifest.artefact.sha256)
    failed = table.column("error_reason").drop_null().to_pylist()
    counts = content["scores"]
    assert counts["predicted"] == 300 - len(failed)
    assert counts["failed"] == {each: failed.count(each) for each in sorted(set(failed))}
    assert counts["missing"][TRAFFIC.name] == sum(TRAFFIC.name in each for each in lists)
    assert [file["rows"] for file in written["parquet"].files] == [300]
    assert (await verify(tmp_path / "set.parquet")).is_good
    with pytest.raises(InvalidInput, match="scores"):
        await verify(tmp_path / "set.parquet", partial(rebuilt, store.space))


async def test_an_interrupted_run_leaves_nothing_and_goes_on_where_it_stopped(
    store: OpenedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await publish(store)
    monkeypatch.setattr(
        "featurama_core.store_datasets.SpilledRetrieval",
        partial(SpilledRetrieval, sizes=Sizes(part_rows=60, shards=2)),
    )
    make = partial(scores, store.space, labels(), NAME, checker=shared_checker(), known_at=NOW - HOUR)
    whole = await (await make()).write(tmp_path / "whole")

    def interrupt(progress: Progress) -> None:
        if progress.stage == "writing" and progress.done >= 120:
            raise KeyboardInterrupt

    stopped: TrainingDataset = await make()
    with pytest.raises(KeyboardInterrupt):
        await stopped.write(tmp_path / "set", progress=interrupt)
    assert not (tmp_path / "set").exists()
    first = tmp_path / ".set.building" / "parts" / "part-00000.parquet"
    written = await asyncio.to_thread(first.stat)
    resumed = await (await make()).write(tmp_path / "set", resume=True)
    assert await asyncio.to_thread(lambda: (tmp_path / "set" / first.name).stat().st_ino) == written.st_ino
    assert resumed.content["scores"] == whole.content["scores"]
    assert resumed.files == whole.files
    assert len(resumed.files) == 5


async def test_a_model_that_cannot_be_used_scores_nothing(store: OpenedStore) -> None:
    """It is tried in the limited process, as for serving."""
    await publish_mutated(store, 3)
    with pytest.raises(FailedPrecondition) as unusable:
        await scores(store.space, labels(), f"{NAME}@3", checker=shared_checker())
    assert unusable.value.reason is Reason.MODEL_UNUSABLE
    for unknown in (f"{NAME}@4", f"{NAME}@nobody", "nothing"):
        with pytest.raises(Unknown):
            await scores(store.space, labels(), unknown, checker=shared_checker())


async def test_a_label_column_of_a_scores_name_is_refused(store: OpenedStore) -> None:
    await publish(store)
    rows = labels().append_column("prediction", pa.array([1.0] * 300))
    with pytest.raises(InvalidInput, match="the label column 'prediction' has the name of a column of scores; rename"):
        await scores(store.space, rows, NAME, checker=shared_checker())


async def test_a_model_of_several_classes_shows_the_likeliest_and_the_probabilities(store: OpenedStore) -> None:
    artefact = await asyncio.to_thread(three_classes)
    draft = replace(MANIFEST, objective="multi:softprob", classes=3, class_labels=("near", "far", "away"))
    published = await ModelRegistry(store.space.storage).publish(draft, artefact)
    rows = labels()
    found = known(await scored(store, rows, f"{NAME}@{published.version}"))
    columns = await values_of(store, found)
    outputs = load_model(published, artefact).outputs(published.matrix(columns, None))
    assert np.array_equal(np.array(found.column("probabilities").to_pylist()), outputs)
    assert found.column("prediction").to_pylist() == outputs.argmax(axis=1).tolist()
    likeliest = [published.class_names[at] for at in outputs.argmax(axis=1).tolist()]
    assert found.column("predicted_class").to_pylist() == likeliest
    assert len(set(likeliest)) > 1


def three_classes() -> bytes:
    """A small model of three inputs."""
    import xgboost

    draw = np.random.default_rng(1)
    rows = draw.random((200, 3)) * [4.0, 1.0, 1.0] - [2.0, 0.0, 0.0]
    data = xgboost.DMatrix(rows, np.digitize(rows[:, 0], [-0.7, 0.7]), nthread=1)
    parameters = {"objective": "multi:softprob", "num_class": 3, "max_depth": 2, "nthread": 1}
    return bytes(xgboost.train(parameters, data, num_boost_round=3).save_raw("json"))


async def test_more_rows_than_a_part_are_streamed(store: OpenedStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """In parts of the engine's size, each scored by itself: the same rows as in one."""
    await publish(store)
    rows = labels(1_000)
    whole = await scored(store, rows)
    monkeypatch.setattr(
        "featurama_core.store_datasets.SpilledRetrieval",
        partial(SpilledRetrieval, sizes=Sizes(part_rows=70, shards=4)),
    )
    made = await scores(store.space, rows, NAME, checker=shared_checker())
    batches = [batch async for batch in made.batches()]
    assert [each.num_rows for each in batches] == [70] * 14 + [20]
    assert pa.Table.from_batches(batches).equals(whole.combine_chunks())
