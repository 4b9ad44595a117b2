"""A model is served and scored with the ttls that it was trained with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.laws.scene import FakeClock
from tests.opened import open_store
from tests.service.predicting_store import define
from tests.service.servers import shared_checker
from tests.unit.featurama_model.models import ARTEFACT, MANIFEST

from featurama_core.types.times import DAY, to_micros
from featurama_model.model_cache import ModelCache
from featurama_model.prediction import PredictionRequest
from featurama_model.predictor import Predictor
from featurama_model.registry import ModelRegistry
from featurama_model.scoring import scores


@pytest.mark.parametrize(("pinned", "missing"), [(1, ()), (2, ("distance",)), (None, ("distance",))])
async def test_predictions_and_scores_use_the_revisions_of_the_manifest(
    tmp_path: Path, pinned: int | None, missing: tuple[str, ...]
) -> None:
    """A value that is too old by the ttl in force now is still used by a model that was trained without one."""
    clock = FakeClock(to_micros("2026-01-02T00:00:00Z"))
    async with open_store(f"sqlite:///{tmp_path}/store", clock=clock) as store:
        await define(store)
        clock.nanos = (await store.update_feature_group("delivery", ttl="1h")).start * 1_000
        clock.advance(DAY)
        draft = replace(MANIFEST, ttl_revisions={} if pinned is None else {"delivery": pinned})
        models = ModelRegistry(store.space.storage)
        published = await models.publish(draft, ARTEFACT)
        await models.set_alias(MANIFEST.name, "champion", published.version)
        assert draft.ttl_revisions == (await models.get(MANIFEST.name, version=1)).ttl_revisions
        async with ModelCache(checker=shared_checker()) as cache:
            request = PredictionRequest(MANIFEST.name, entity_ids=["delivery_1"])
            predicted = await Predictor(cache).predict(store.space, request)
        assert set(missing) <= set(predicted.missing.get(0, ()))
        assert bool(missing) == ("distance" in predicted.missing.get(0, ()))
        made = await scores(store.space, ["delivery_1"], MANIFEST.name, checker=shared_checker(), timestamp=clock.now)
        (found,) = (await made.to_dict())["missing_features"]
        assert bool(missing) == ("distance" in found)
