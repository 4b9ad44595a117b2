"""What a training run promotes: a version that was tried, and compared with what the alias names when it moves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from featurama_core.store import FeatureStore
from featurama_core.types.errors import Conflict, FailedPrecondition, Reason
from featurama_model.checking import CheckLimits
from featurama_model.manifest import ModelManifest
from featurama_model.model_checker import ModelChecker
from featurama_model.promotion import trying
from featurama_model.registry import ModelRegistry
from featurama_trainer.comparing import promote_unless_worse
from featurama_trainer.config import TrainingConfig
from featurama_trainer.report import TrainingReport
from featurama_trainer.training import train

from .fish_store import fill
from .servers import shared_checker

SCORE: dict[str, Any] = {
    "model": "score",
    "labels": {"entity_type": "fish", "target": "score", "time_feature": "length"},
    "features": ["length"],
    "early_stopping": 0,
}


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[FeatureStore]:
    async with FeatureStore.open(f"sqlite:///{tmp_path}/store") as opened:
        await fill(opened)
        yield opened


async def trained(store: FeatureStore, rounds: int, alias: str = "", **more: Any) -> TrainingReport:
    """More rounds predict better."""
    config = TrainingConfig.of({**SCORE, "rounds": rounds})
    return await train(store, config, alias=alias, checker=shared_checker(), **more)


async def test_a_version_that_fails_its_trial_is_published_but_not_promoted(store: FeatureStore) -> None:
    await trained(store, 20, "champion")
    hasty = ModelChecker(CheckLimits(seconds=1e-6))
    with hasty, pytest.raises(FailedPrecondition, match="version 2 of 'score' cannot be used") as refused:
        await train(store, TrainingConfig.of({**SCORE, "rounds": 20}), checker=hasty)
    assert refused.value.reason is Reason.MODEL_UNUSABLE
    registry = ModelRegistry(store.storage)
    assert [listed.stored.version for listed in await registry.list("score")] == [1, 2]
    assert await registry.aliases("score") == {"champion": 1}


class Meddled:
    """A trial, after which, at a promotion, somebody else moves the alias first."""

    def __init__(self, registry: ModelRegistry, trial: Any, *versions: int) -> None:
        self._registry = registry
        self._trial = trial
        self._versions = list(versions)
        self._tried = 0

    async def __call__(self, manifest: ModelManifest) -> None:
        await self._trial(manifest)
        self._tried += 1
        # The first trial comes before the comparison, the others after one.
        if self._tried > 1 and self._versions:
            await self._registry.set_alias("score", "champion", self._versions.pop(0), by="amy")


async def promoted(store: FeatureStore, candidate: ModelManifest, *meddling: int) -> Any:
    registry = ModelRegistry(store.storage)
    async with trying(registry, shared_checker()) as trial:
        meddled = Meddled(registry, trial, *meddling)
        return await promote_unless_worse(store, registry, meddled, candidate, alias="champion", by="hermes")


async def test_a_champion_that_was_replaced_during_the_comparison_is_compared_with_in_its_turn(
    store: FeatureStore,
) -> None:
    """Better than the poor champion of the beginning, worse than the good one that took its place: it stays."""
    poor = await trained(store, 1, "champion")
    good = await trained(store, 40)
    middling = await trained(store, 6)
    verdict = await promoted(store, middling.manifest, good.manifest.version)
    assert (verdict.incumbent_version, verdict.not_worse) == (good.manifest.version, False)
    registry = ModelRegistry(store.storage)
    assert await registry.aliases("score") == {"champion": good.manifest.version}
    assert (await registry.rollback("score")).version == poor.manifest.version

    won = await promoted(store, middling.manifest)
    assert (won.incumbent_version, won.not_worse) == (poor.manifest.version, True)
    assert await registry.aliases("score") == {"champion": middling.manifest.version}


async def test_an_alias_that_goes_on_being_moved_is_left_alone(store: FeatureStore) -> None:
    versions = [(await trained(store, rounds)).manifest.version for rounds in (1, 1, 1, 20)]
    registry = ModelRegistry(store.storage)
    await registry.set_alias("score", "champion", 1)
    best = await registry.get("score", version=versions[-1])
    with pytest.raises(Conflict) as refused:
        await promoted(store, best, 2, 3, 2)
    assert refused.value.reason is Reason.ALIAS_MOVED
    assert await registry.aliases("score") == {"champion": 2}
