"""Prediction on a real embedded store: stored and given features, row errors, aliases that move, models that fail."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.opened import OpenedStore
from tests.service.model_faults import ModelFaults
from tests.service.servers import shared_checker
from tests.service.training_world import delivery, make_trained_directory

from featurama_core.namespace import Namespace
from featurama_core.settings import StoreSettings
from featurama_core.storage.port import NamespaceOptions
from featurama_core.storage.records import StoredModel
from featurama_core.stores import Stores
from featurama_core.types.column import Column, column_of
from featurama_core.types.errors import FailedPrecondition, InvalidInput, Reason, StoreUnavailable, Unknown
from featurama_core.types.values import Status, ValueType
from featurama_model.model_cache import CacheSettings, ModelCache
from featurama_model.prediction import Prediction, PredictionRequest
from featurama_model.predictor import Predictor
from featurama_model.registry import ModelRegistry

MODEL = "delivery_time"


@pytest.fixture(scope="session")
def trained_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("trained") / "store"
    make_trained_directory(directory)
    return directory


@pytest.fixture
async def stores(trained_directory: Path, tmp_path: Path) -> AsyncIterator[Stores]:
    shutil.copytree(trained_directory, tmp_path / "store")
    async with Stores.open(f"sqlite:///{tmp_path}/store") as opened:
        yield opened


@pytest.fixture
async def store(stores: Stores) -> OpenedStore:
    return OpenedStore(await stores.namespace())


class Seconds:
    """A monotonic clock that tests move by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
async def predictor(seconds: Seconds) -> AsyncIterator[Predictor]:
    settings = CacheSettings(staleness=1.0, watch=0.0)
    async with ModelCache(settings, checker=shared_checker(), monotonic=seconds) as models:
        yield Predictor(models)


def doubles(name: str, *values: float | None) -> Column:
    """A given double column; None: not given in this row."""
    column = column_of(name, ValueType.DOUBLE, np.array([value or 0.0 for value in values]))
    status = [Status.NOT_FOUND if value is None else Status.PRESENT for value in values]
    return replace(column, status=np.array(status, dtype=np.uint8))


ALL_GIVEN = (
    doubles("distance", 5_000.0, 1_000.0),
    doubles("package_weight", 20.0, 20.0),
    doubles("hazard_level", 3.0, 0.0),
    doubles("estimated_duration", 10.0, 2.0),
    doubles("traffic_level", 0.5, 0.5),
    doubles("destination.weather_index", 0.5, 0.5),
)


def used(prediction: Prediction, row: int) -> dict[str, object]:
    return {column.name: column.to_list()[row] for column in prediction.columns}


async def by_ids(predictor: Predictor, store: OpenedStore, *entity_ids: str, **more: Any) -> Prediction:
    return await predictor.predict(store.space, PredictionRequest(MODEL, entity_ids=entity_ids, **more))


async def test_an_entity_is_predicted_from_its_stored_features_and_they_are_shown(
    store: OpenedStore, predictor: Predictor
) -> None:
    prediction = await by_ids(predictor, store, delivery(1), delivery(2), delivery(1))
    online = await store.get_online_features([delivery(1)], service=MODEL)
    assert used(prediction, 0) == {column.name: column.to_list()[0] for column in online.columns}
    assert prediction.values.dtype == np.float64
    assert prediction.values[0] == prediction.values[2] != prediction.values[1]
    assert 0.0 < prediction.values.min() < prediction.values.max() < 40.0
    assert (prediction.manifest.version, prediction.row_errors, prediction.missing) == (1, [], {})
    assert prediction.as_of_time > prediction.columns[0].event_time[0] > 0


async def test_given_features_alone_are_enough(store: OpenedStore, predictor: Predictor) -> None:
    prediction = await predictor.predict(store.space, PredictionRequest(MODEL, given=ALL_GIVEN))
    assert prediction.values[0] > 2 * prediction.values[1] > 0.0
    assert used(prediction, 0)["hazard_level"] == 3
    assert prediction.missing == {}


async def test_a_given_value_overrides_the_stored_one_in_its_row(store: OpenedStore, predictor: Predictor) -> None:
    stored = await by_ids(predictor, store, delivery(1), delivery(2))
    mixed = await by_ids(predictor, store, delivery(1), delivery(2), given=[doubles("distance", None, 5_555.0)])
    assert used(mixed, 0) == used(stored, 0)
    assert used(mixed, 1) == {**used(stored, 1), "distance": 5_555.0}
    assert mixed.values[0] == stored.values[0]
    assert mixed.values[1] != stored.values[1]


async def test_features_that_are_neither_given_nor_stored_are_reported_as_missing(
    store: OpenedStore, predictor: Predictor
) -> None:
    given = [doubles("distance", 100.0, 100.0), doubles("traffic_level", None, 0.5)]
    prediction = await predictor.predict(store.space, PredictionRequest(MODEL, given=given))
    rest = ("package_weight", "hazard_level", "estimated_duration")
    assert prediction.missing == {
        0: (*rest, "destination.traffic_level", "destination.weather_index"),
        1: (*rest, "destination.weather_index"),
    }
    assert prediction.row_errors == []


async def test_one_unknown_entity_never_fails_the_rest(store: OpenedStore, predictor: Predictor) -> None:
    prediction = await by_ids(predictor, store, "delivery_unheard_of", delivery(1), "planet_mars")
    assert [(error.row, error.reason) for error in prediction.row_errors] == [
        (0, Reason.UNKNOWN_ENTITY),
        (2, Reason.UNKNOWN_ENTITY),
    ]
    assert prediction.values[[0, 2]].tolist() == [0.0, 0.0]
    assert prediction.values[1] == (await by_ids(predictor, store, delivery(1))).values[0]


async def test_an_entity_is_known_if_it_is_registered_has_any_value_or_is_wholly_given(
    store: OpenedStore, predictor: Predictor
) -> None:
    await store.register_entity("delivery_registered", "delivery")
    await store.write_features(
        {"entity_id": ["delivery_arrived"], "timestamp": [1_700_000_000_000_000], "fuel_consumption": [1.0]},
        time_unit="us",
    )
    prediction = await by_ids(predictor, store, "delivery_registered", "delivery_arrived")
    assert prediction.row_errors == []
    assert set(prediction.missing) == {0, 1}

    wholly = [column.take(np.array([0, 0])) for column in ALL_GIVEN]
    wholly[0] = doubles("distance", 5_000.0, None)
    prediction = await by_ids(predictor, store, "nobody_1", "nobody_2", given=wholly)
    assert [error.row for error in prediction.row_errors] == [1]
    assert prediction.values[0] > 0.0


async def test_a_deleted_entity_is_unknown(store: OpenedStore, predictor: Predictor) -> None:
    await store.delete_entity(delivery(1))
    (error,) = (await by_ids(predictor, store, delivery(1), delivery(2))).row_errors
    assert (error.row, error.reason) == (0, Reason.UNKNOWN_ENTITY)


@pytest.fixture
def faulty(store: OpenedStore) -> tuple[OpenedStore, ModelFaults]:
    storage: Any = ModelFaults(store.space.storage)
    return OpenedStore(Namespace("default", storage, StoreSettings(), lambda: store.now() * 1_000)), storage


async def test_a_row_that_the_store_does_not_answer_for_fails_alone(
    faulty: tuple[OpenedStore, ModelFaults], predictor: Predictor
) -> None:
    store, storage = faulty
    storage.unanswered = {delivery(2)}
    prediction = await by_ids(predictor, store, delivery(1), delivery(2))
    assert [(error.row, error.reason) for error in prediction.row_errors] == [(1, Reason.STORE_UNAVAILABLE)]
    assert prediction.values[0] > 0.0


async def test_a_path_whose_target_does_not_answer_fails_the_rows_that_lead_there(
    faulty: tuple[OpenedStore, ModelFaults], predictor: Predictor
) -> None:
    store, storage = faulty
    ids = [delivery(number) for number in range(1, 21)]
    (places,) = (await store.get_online_features(ids, ["destination"])).columns
    storage.unanswered = {str(places.values[0])}
    there = np.flatnonzero(places.values == places.values[0]).tolist()
    assert 0 < len(there) < 20
    prediction = await by_ids(predictor, store, *ids)
    expected = [(row, Reason.STORE_UNAVAILABLE) for row in there]
    assert [(error.row, error.reason) for error in prediction.row_errors] == expected


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (PredictionRequest(MODEL), Reason.EMPTY_REQUEST),
        (PredictionRequest(MODEL, given=[doubles("distance")]), Reason.EMPTY_REQUEST),
        (PredictionRequest(MODEL, entity_ids=["x"] * 10_001), Reason.LIMIT_EXCEEDED),
        (PredictionRequest(MODEL, given=[doubles("distance", *[1.0] * 10_001)]), Reason.LIMIT_EXCEEDED),
        (PredictionRequest(MODEL, entity_ids=["a", ""]), Reason.INVALID_ENTITY_ID),
        (PredictionRequest(MODEL, entity_ids=["a\x00"]), Reason.INVALID_ENTITY_ID),
        (PredictionRequest("No Model", entity_ids=["a"]), Reason.INVALID_NAME),
        (PredictionRequest(MODEL, entity_ids=["a"], given=[doubles("shoe_size", 1.0)]), Reason.UNKNOWN_FEATURE),
        (PredictionRequest(MODEL, entity_ids=["a"], given=[doubles("hazard_level", 0.5)]), Reason.TYPE_MISMATCH),
        (PredictionRequest(MODEL, entity_ids=["a"], given=[doubles("distance", 1, 2)]), Reason.INVALID_ARGUMENT),
    ],
)
async def test_a_request_that_can_never_succeed_is_refused(
    store: OpenedStore, predictor: Predictor, request_: PredictionRequest, reason: Reason
) -> None:
    with pytest.raises(InvalidInput) as refused:
        await predictor.predict(store.space, request_)
    assert refused.value.reason is reason


@pytest.mark.parametrize(
    "request_",
    [
        PredictionRequest("no_model", entity_ids=["a"]),
        PredictionRequest(MODEL, version=9, entity_ids=["a"]),
        PredictionRequest(MODEL, alias="challenger", entity_ids=["a"]),
    ],
)
async def test_a_model_version_or_alias_that_is_not_there_is_unknown(
    store: OpenedStore, predictor: Predictor, request_: PredictionRequest
) -> None:
    with pytest.raises(Unknown) as refused:
        await predictor.predict(store.space, request_)
    assert refused.value.reason is Reason.UNKNOWN_MODEL


async def publish_copy(store: OpenedStore, *, alias: str = "") -> int:
    """The champion's artefact again, as the next version."""
    registry = ModelRegistry(store.space.storage)
    champion = await registry.get(MODEL)
    copy = await registry.publish(champion, await registry.artefact(champion))
    if alias:
        await registry.set_alias(MODEL, alias, copy.version)
    return copy.version


async def test_versions_and_aliases_choose_the_model(store: OpenedStore, predictor: Predictor) -> None:
    assert await publish_copy(store, alias="challenger") == 2
    answers = [
        await by_ids(predictor, store, delivery(1), **which)
        for which in ({}, {"alias": "challenger"}, {"version": 2}, {"version": 1, "alias": "challenger"})
    ]
    assert [answer.manifest.version for answer in answers] == [1, 2, 2, 1]


async def test_requests_at_the_same_time_load_a_model_once(
    faulty: tuple[OpenedStore, ModelFaults], predictor: Predictor
) -> None:
    store, storage = faulty
    answers = await asyncio.gather(*(by_ids(predictor, store, delivery(1)) for _ in range(20)))
    assert storage.artefact_reads == 1
    assert len({float(answer.values[0]) for answer in answers}) == 1


async def test_a_waiting_request_may_be_cancelled_without_failing_the_others(
    faulty: tuple[OpenedStore, ModelFaults], predictor: Predictor
) -> None:
    store, storage = faulty
    storage.artefact_gate.clear()
    first = asyncio.create_task(by_ids(predictor, store, delivery(1)))
    second = asyncio.create_task(by_ids(predictor, store, delivery(1)))
    await storage.artefact_asked.wait()
    first.cancel()
    storage.artefact_gate.set()
    assert (await second).values[0] > 0.0
    assert (await asyncio.gather(first, return_exceptions=True))[0].__class__ is asyncio.CancelledError
    assert storage.artefact_reads == 1


async def loads_have_ended(predictor: Predictor) -> None:
    await predictor.models._loading.settled()


async def test_when_the_alias_moves_the_old_version_serves_until_the_new_one_is_loaded(
    faulty: tuple[OpenedStore, ModelFaults], predictor: Predictor, seconds: Seconds
) -> None:
    store, storage = faulty
    assert (await by_ids(predictor, store, delivery(1))).manifest.version == 1
    await publish_copy(store, alias="champion")
    assert (await by_ids(predictor, store, delivery(1))).manifest.version == 1  # within the staleness
    seconds.now += 1.5
    storage.artefact_gate.clear()
    assert (await by_ids(predictor, store, delivery(1))).manifest.version == 1  # while it is read
    storage.artefact_gate.set()
    await loads_have_ended(predictor)
    assert (await by_ids(predictor, store, delivery(1))).manifest.version == 2


async def test_a_champion_that_cannot_be_used_never_replaces_the_one_that_serves(
    store: OpenedStore, predictor: Predictor, seconds: Seconds
) -> None:
    assert (await by_ids(predictor, store, delivery(1))).manifest.version == 1
    good = await ModelRegistry(store.space.storage).get(MODEL)
    bad = StoredModel(MODEL, 2, replace(good, version=2).to_json(), good.created_at, 3)
    assert await store.space.storage.put_model(bad, [b"bad"])
    await store.space.storage.put_alias(MODEL, "champion", 2)
    seconds.now += 1.5
    assert (await by_ids(predictor, store, delivery(1))).manifest.version == 1
    await loads_have_ended(predictor)
    assert (await by_ids(predictor, store, delivery(1))).manifest.version == 1
    ((key, problem),) = predictor.models.problems().items()
    assert (key.slot.name, key.version) == (MODEL, 2)
    assert "cannot be used" in problem
    with pytest.raises(FailedPrecondition) as refused:
        await by_ids(predictor, store, delivery(1), version=2)
    assert refused.value.reason is Reason.MODEL_UNUSABLE


async def test_while_the_store_does_not_name_the_champion_the_last_one_serves(
    faulty: tuple[OpenedStore, ModelFaults], predictor: Predictor, seconds: Seconds
) -> None:
    store, storage = faulty
    storage.names_fail = True
    with pytest.raises(StoreUnavailable):
        await by_ids(predictor, store, delivery(1))
    storage.names_fail = False
    before = await by_ids(predictor, store, delivery(1))
    storage.names_fail = True
    seconds.now += 100.0
    assert (await by_ids(predictor, store, delivery(1))).values[0] == before.values[0]


async def test_only_so_many_models_stay_in_memory(store: OpenedStore, seconds: Seconds) -> None:
    await publish_copy(store)
    async with AsyncExitStack() as resources:
        settings = CacheSettings(max_models=1)
        models = await resources.enter_async_context(ModelCache(settings, checker=shared_checker(), monotonic=seconds))
        predictor = Predictor(models)
        for version in (1, 2, 1):
            prediction = await by_ids(predictor, store, delivery(1), version=version)
            assert prediction.manifest.version == version
            assert [manifest.version for _, manifest in models.loaded()] == [version]


async def test_a_namespace_made_anew_is_not_served_from_memory(stores: Stores, predictor: Predictor) -> None:
    assert (await by_ids(predictor, OpenedStore(await stores.namespace()), delivery(1))).manifest.version == 1
    await stores.storage.drop_namespace("default")
    await stores.storage.create_namespace("default", NamespaceOptions())
    with pytest.raises(Unknown) as refused:
        await by_ids(predictor, OpenedStore(await stores.namespace()), delivery(1))
    assert refused.value.reason is Reason.UNKNOWN_MODEL


async def test_many_rows_are_predicted_in_a_thread_with_the_same_result(
    store: OpenedStore, predictor: Predictor
) -> None:
    ids = [delivery(1 + number % 400) for number in range(2_000)]
    many = await by_ids(predictor, store, *ids)
    few = await by_ids(predictor, store, *ids[:400])
    np.testing.assert_array_equal(many.values, np.tile(few.values, 5))
