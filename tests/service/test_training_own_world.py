"""Training on a data set of one's own: the entity type is that of the features, and no word is of another world."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.opened import OpenedStore, open_store

from featurama_cli.model_versions import label_rows
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
    said = "the features describe island, penguin; a model reads one entity per row: keep the features of one type"
    for more in ({}, {"baseline": "wind", "features": ["bill"]}):
        with pytest.raises(InvalidInput, match=said):
            await train(store.space, TrainingConfig.of(several | more))


@pytest.fixture
async def nests(store: OpenedStore, tmp_path: Path) -> dict[str, Any]:
    """A type with two keys and a feature of it, and a config whose label file has ids."""
    await store.register_entity_type("nest", keys={"site": "text", "number": "int"})
    await store.register_feature("eggs", "double", entity_type="nest")
    keys = {"site": [f"a|{number % 7}" for number in range(120)], "number": list(range(120))}
    await store.write_features(keys | {"timestamp": TIMES, "eggs": BILLS})
    ids = await store.make_entity_ids("nest", keys)
    rows = [f"{each},{time},{100 * bill}" for each, time, bill in zip(ids, TIMES, BILLS, strict=True)]
    (tmp_path / "ids.csv").write_text("\n".join(["entity_id,timestamp,mass", *rows]))
    return {
        "model": "mass",
        "features": ["eggs"],
        "rounds": 5,
        "labels": {"file": str(tmp_path / "ids.csv"), "target": "mass"},
    }


async def test_a_label_file_has_the_key_columns_of_the_type_instead_of_ids(
    store: OpenedStore, nests: dict[str, Any], tmp_path: Path
) -> None:
    """The same model; rows without an entity are left out and counted. The file of a comparison has them too."""
    by_id = await train(store.space, TrainingConfig.of(nests), checker=shared_checker())
    rows = [f"a|{at % 7},{at},{time},{100 * bill}" for at, (time, bill) in enumerate(zip(TIMES, BILLS, strict=True))]
    nameless = [f",3,{TIMES[0]},1", f"x,007,{TIMES[0]},2", f"x,,{TIMES[0]},"]
    path = tmp_path / "keys.csv"
    path.write_text("\n".join(["site,number,timestamp,mass", *rows, *nameless]))
    config = TrainingConfig.of({**nests, "labels": {"file": str(path), "target": "mass"}})
    by_key = await train(store.space, config, checker=shared_checker())

    assert by_id.manifest.artefact == by_key.manifest.artefact
    assert (2, 1) == (by_key.rows_without_required, by_key.entities_without_target)
    compared = await label_rows(store.space, by_key.manifest, path)
    assert compared is not None
    assert (120, 2) == (len(compared), compared.without_entity)
    path.write_text("\n".join(["site,timestamp,mass", f"x,{TIMES[0]},1"]))
    with pytest.raises(InvalidInput, match="neither entity_id nor a column number, a key of nest"):
        await train(store.space, config)


async def test_a_set_by_keys_is_trained_on_and_compared_by_them(
    store: OpenedStore, nests: dict[str, Any], tmp_path: Path
) -> None:
    """The facts of the model name no key column as one of ids."""
    keys = {"site": [f"a|{number % 7}" for number in range(120)], "number": list(range(120))}
    labels = keys | {"timestamp": TIMES, "mass": [100 * each for each in BILLS]}
    await (await store.training_set(labels, ["eggs"])).write(tmp_path / "set")
    config = TrainingConfig.of({**nests, "labels": {"target": "mass"}})
    report = await train(store.space, config, dataset=tmp_path / "set", checker=shared_checker())

    path = tmp_path / "keys.csv"
    rows = [f"a|{at % 7},{at},{time},{100 * bill}" for at, (time, bill) in enumerate(zip(TIMES, BILLS, strict=True))]
    path.write_text("\n".join(["site,number,timestamp,mass", *rows]))
    compared = await label_rows(store.space, report.manifest, path)
    assert compared is not None
    assert (await store.make_entity_ids("nest", keys))[0] in compared.entity_ids


async def test_types_of_columns_that_the_label_file_lacks_are_refused(
    store: OpenedStore, nests: dict[str, Any]
) -> None:
    """With the name that was meant; and so is a target that is no column."""
    typed = nests["labels"] | {"types": {"mas": "double"}}
    with pytest.raises(InvalidInput, match=r"types names the column 'mas'.* did you mean 'mass'"):
        await train(store.space, TrainingConfig.of(nests | {"labels": typed}))
    with pytest.raises(InvalidInput, match="the label file has no column 'weight'"):
        await train(store.space, TrainingConfig.of(nests | {"labels": nests["labels"] | {"target": "weight"}}))


async def test_a_target_of_any_name_is_learned_by_a_new_name(store: OpenedStore, tmp_path: Path) -> None:
    """With the texts of its file; the message of a name that no model can have says so, for a file and for a set."""
    rows = [f'{each},{time},"{bill:.3f}"' for each, time, bill in zip(PENGUINS, TIMES, BILLS, strict=True)]
    (tmp_path / "l.csv").write_text("\n".join(["entity_id,timestamp,Ziel µg", *rows]).replace(".", ","))
    source = {"file": str(tmp_path / "l.csv"), "target": "ziel", "decimal": ",", "rename": {"Ziel µg": "ziel"}}
    report = await train(store.space, TrainingConfig.of(OWN | {"labels": source}), checker=shared_checker())
    assert ("ziel", {"Ziel µg": "ziel"}) == (report.manifest.target, report.manifest.training.labels["rename"])
    assert (120, True) == (report.manifest.training.label_rows, 4 > report.test["mae"])
    config = TrainingConfig.of(OWN | {"labels": source | {"decimal": "."}})
    with pytest.raises(InvalidInput, match=r"labels.target 'ziel' is '.*' in row 0; .* declare decimal=','"):
        await train(store.space, config, checker=shared_checker())
    labels = {name: value for name, value in source.items() if name != "rename"} | {"target": "Ziel µg"}
    config = TrainingConfig.of(OWN | {"labels": labels})
    with pytest.raises(
        InvalidInput, match=r"labels.target 'Ziel µg' is not a name; .* labels.rename: \{'Ziel µg': target"
    ):
        await train(store.space, config, checker=shared_checker())
    with pytest.raises(InvalidInput, match=r"rename=\{'Ziel µg': 'target'\}, which `dataset build` takes as --rename"):
        await train(store.space, config, dataset=tmp_path / "set", checker=shared_checker())
