"""The shadow model: compared with what was answered, off the reply's path, never in its way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.opened import OpenedStore, open_store
from tests.service.predicting_store import NAME, define, publish, publish_mutated
from tests.service.servers import shared_checker
from tests.unit.featurama_model.models import ARTEFACT, MANIFEST

from featurama_core.namespace import Namespace
from featurama_model.engineered import EngineeredSpec
from featurama_model.loading import LoadedModel
from featurama_model.manifest import ModelFeature
from featurama_model.model_cache import ModelCache
from featurama_model.prediction import Prediction, PredictionRequest
from featurama_model.predictor import Predictor
from featurama_model.registry import CHAMPION, ModelRegistry
from featurama_model.shadow import Comparison, Shadow, ShadowSettings

IDS = ("delivery_1", "delivery_nobody", "delivery_2")


@pytest.fixture
async def store(tmp_path) -> AsyncIterator[OpenedStore]:
    """Two versions, the second predicts 100 more; the first is the champion."""
    async with open_store(f"sqlite:///{tmp_path}/store") as opened:
        await define(opened)
        await publish(opened, 0.0, 100.0, champion=1)
        yield opened


@pytest.fixture
async def reports() -> list[Comparison]:
    return []


@pytest.fixture
async def predictor(store: OpenedStore, reports: list[Comparison]) -> AsyncIterator[Predictor]:
    async with Predictor.open(checker=shared_checker(), shadow=ShadowSettings(), on_compared=reports.append) as opened:
        yield opened


def shadow_of(predictor: Predictor) -> Shadow:
    assert predictor.shadow is not None
    return predictor.shadow


async def predict(predictor: Predictor, store: OpenedStore, **more: Any) -> Prediction:
    return await predictor.predict(store.space, PredictionRequest(NAME, entity_ids=IDS, **more))


async def compared(predictor: Predictor) -> Comparison:
    """The one pair that was compared."""
    await shadow_of(predictor).settled()
    (comparison,) = shadow_of(predictor).comparisons()
    return comparison


async def test_the_challenger_predicts_the_same_rows_and_only_the_difference_is_kept(
    store: OpenedStore, predictor: Predictor, reports: list[Comparison]
) -> None:
    """The reply is the champion's; rows without a prediction do not count; the rest is in the last report."""
    await ModelRegistry(store.space.storage).set_alias(NAME, "challenger", 2)
    replies = [await predict(predictor, store) for _ in range(3)]
    assert {1} == {reply.manifest.version for reply in replies}
    comparison = await compared(predictor)
    assert comparison == Comparison("default", NAME, 1, 2, 3, 6, 0, 0, pytest.approx(100.0), pytest.approx(100.0))
    assert reports == []


async def test_what_was_compared_is_reported_at_the_end(store: OpenedStore) -> None:
    await ModelRegistry(store.space.storage).set_alias(NAME, "challenger", 2)
    reports: list[Comparison] = []
    async with Predictor.open(
        checker=shared_checker(), shadow=ShadowSettings(), on_compared=reports.append
    ) as predictor:
        await predict(predictor, store)
        await shadow_of(predictor).settled()
    assert [(1, 2)] == [(each.requests, each.rows) for each in reports]


async def test_without_a_challenger_or_where_it_is_the_champion_nothing_is_compared(
    store: OpenedStore, predictor: Predictor
) -> None:
    await predict(predictor, store)
    await ModelRegistry(store.space.storage).set_alias(NAME, "challenger", 1)
    predictor.models.expire()
    await predict(predictor, store)
    await predict(predictor, store, version=2)
    await predict(predictor, store, alias="challenger")
    await shadow_of(predictor).settled()
    assert shadow_of(predictor).comparisons() == []


async def test_a_challenger_that_reads_other_features_reads_them_from_the_store(
    store: OpenedStore, predictor: Predictor
) -> None:
    await store.register_feature("package_weight", "double", entity_type="delivery")
    other = replace(
        MANIFEST,
        features=(*MANIFEST.features, ModelFeature("package_weight", "package_weight@1", "double")),
        engineered=EngineeredSpec.of_features(["package_weight", "distance", "destination.traffic_level"]),
    )
    registry = ModelRegistry(store.space.storage)
    published = await registry.publish(other, ARTEFACT)
    await registry.set_alias(NAME, "challenger", published.version)
    await predict(predictor, store)
    comparison = await compared(predictor)
    assert (comparison.shadow_version, comparison.rows, comparison.failed) == (3, 2, 0)


async def test_a_challenger_that_cannot_be_used_is_counted_and_harms_no_reply(
    store: OpenedStore, predictor: Predictor
) -> None:
    await publish_mutated(store, 3)
    await store.space.storage.put_alias(NAME, "challenger", 3)
    reply = await predict(predictor, store)
    comparison = await compared(predictor)
    assert (comparison.shadow_version, comparison.requests, comparison.failed) == (3, 0, 1)
    assert reply.manifest.version == (await predict(predictor, store)).manifest.version == 1


class GatedModels(ModelCache):
    """The challenger does not come before the gate is open."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.gate, self.stuck = asyncio.Event(), asyncio.Event()

    async def get(self, namespace: Namespace, name: str, *, version: int = 0, alias: str = CHAMPION) -> LoadedModel:
        if alias == "challenger":
            self.stuck.set()
            await self.gate.wait()
        return await super().get(namespace, name, version=version, alias=alias)


async def test_a_reply_does_not_wait_for_the_shadow_and_what_is_too_much_is_dropped_and_counted(
    store: OpenedStore,
) -> None:
    """A shadow that is stuck holds two requests; the third is dropped. Rows are bounded as well as requests."""
    await ModelRegistry(store.space.storage).set_alias(NAME, "challenger", 2)
    async with GatedModels(checker=shared_checker()) as models:
        shadow = Shadow(ShadowSettings(max_requests=2, max_rows=9), models, lambda _: None)
        predictor = Predictor(models, shadow)
        async with shadow.comparing(predictor.predict_by):
            await predict(predictor, store)
            await models.stuck.wait()
            replies = [await predict(predictor, store) for _ in range(3)]
            assert {1} == {reply.manifest.version for reply in replies}
            models.gate.set()
            await shadow.settled()
            (comparison,) = shadow.comparisons()
    assert (comparison.requests, comparison.rows, comparison.dropped) == (3, 6, 1)
    assert np.isfinite(comparison.mean_absolute_difference)
