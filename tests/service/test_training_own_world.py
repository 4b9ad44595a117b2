"""Training on a data set of one's own: the entity type is that of the features, and no word is of another world."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.opened import OpenedStore, open_store

from featurama_core.types.errors import FailedPrecondition, InvalidInput, Reason
from featurama_model.registry import ModelRegistry
from featurama_trainer.config import TrainingConfig
from featurama_trainer.page import write_report
from featurama_trainer.training import train

from .servers import shared_checker

PENGUINS = [f"penguin_{number}" for number in range(120)]
BILLS = [40 + 5 * math.sin(number) for number in range(120)]
TIMES = [f"2026-01-{1 + number // 24:02}T{number % 24:02}:00:00Z" for number in range(120)]
OWN: dict[str, Any] = {"model": "mass", "features": ["bill"], "rounds": 5}


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[OpenedStore]:
    """Penguins with a bill, and islands with a wind, none of which is registered as an entity."""
    async with open_store(f"sqlite:///{tmp_path}/store") as opened:
        for kind, feature in (("penguin", "bill"), ("penguin", "mass"), ("island", "wind")):
            if feature != "mass":
                await opened.register_entity_type(kind)
            await opened.register_feature(feature, "double", entity_type=kind)
        await opened.write_features({"entity_id": PENGUINS, "timestamp": TIMES, "bill": BILLS})
        await opened.write_features({"entity_id": PENGUINS, "timestamp": TIMES, "mass": [100 * each for each in BILLS]})
        yield opened


@pytest.fixture
def labels(tmp_path: Path) -> dict[str, str]:
    """A label file, as the labels of a config."""
    rows = [f"{each},{time},{100 * bill}" for each, time, bill in zip(PENGUINS, TIMES, BILLS, strict=True)]
    (tmp_path / "labels.csv").write_text("\n".join(["entity_id,timestamp,mass", *rows]))
    return {"file": str(tmp_path / "labels.csv"), "target": "mass"}


async def test_the_entity_type_is_that_of_the_features(
    store: OpenedStore, labels: dict[str, str], tmp_path: Path
) -> None:
    """In the manifest, in the facts of the labels and in the report; no word of the sample world is anywhere."""
    report = await train(store.space, TrainingConfig.of({**OWN, "labels": labels}), checker=shared_checker())
    manifest = await ModelRegistry(store.space.storage).get("mass")
    page, figures = write_report(report, tmp_path / "report")
    said = manifest.to_json() + page.read_text() + figures.read_text()

    assert manifest.training is not None
    assert ("penguin", "penguin") == (manifest.entity_type, manifest.training.labels["entity_type"])
    assert "<b>mass</b> of a penguin" in page.read_text()
    assert not [word for word in ("deliver", "duration", "dispatch", "planet") if word in said.lower()]
    assert json.loads(figures.read_text())["target"] == "mass"


async def test_entities_are_label_rows_at_the_first_value_of_the_time_feature(store: OpenedStore) -> None:
    """A feature of the same type is the target; values alone make an entity."""
    config = TrainingConfig.of({**OWN, "labels": {"target": "mass", "time_feature": "bill"}})
    report = await train(store.space, config, checker=shared_checker())

    assert report.manifest.training is not None
    assert (120, "penguin") == (report.manifest.training.label_rows, report.manifest.entity_type)


async def test_labels_of_the_store_need_entities_and_a_time_feature(store: OpenedStore) -> None:
    """Each is said in a line, with the way out."""
    target = {"target": "mass"}
    with pytest.raises(InvalidInput, match=r"labels\.time_feature is missing.*or give the label rows as labels\.file"):
        await train(store.space, TrainingConfig.of({**OWN, "labels": target}))
    await store.register_feature("gust", "double", entity_type="island")
    islands = {**OWN, "features": ["wind"], "labels": {"target": "gust", "time_feature": "wind"}}
    with pytest.raises(FailedPrecondition, match="no entity of type 'island' is registered or has values") as refused:
        await train(store.space, TrainingConfig.of(islands))
    assert Reason.UNKNOWN_ENTITY is refused.value.reason


async def test_features_of_several_entity_types_are_refused(store: OpenedStore, labels: dict[str, str]) -> None:
    """Their types are named: a row has one entity."""
    several = {**OWN, "features": ["bill", "wind"], "labels": labels}
    with pytest.raises(InvalidInput, match="the features describe island, penguin"):
        await train(store.space, TrainingConfig.of(several))
