"""`featurama score`: label rows in, files of predictions out; errors in a line."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pandas as pd  # noqa: F401 - pyarrow loads it when it first converts, which must not be on a loop
import pyarrow.csv
import pyarrow.parquet
import pytest
from tests.opened import open_store
from tests.service.predicting_store import define, publish

from .conftest import Featurama

LABELS = """entity_id,timestamp,label
delivery_1,2026-02-01T00:00:00Z,7
delivery_nobody,2026-02-01T00:00:00Z,8
delivery_2,2026-02-01T00:00:00Z,9
delivery_1,2025-02-01T00:00:00Z,10
"""


@pytest.fixture
def trained(featurama: Featurama, folder: Path) -> Featurama:
    """The command beside a store with a model of two versions, and labels."""

    async def make() -> None:
        async with open_store(f"sqlite:///{folder}/featurama-data") as store:
            await define(store)
            await publish(store, 0.0, 5.0, champion=2)

    asyncio.run(make())
    (folder / "labels.csv").write_text(LABELS)
    return featurama


def test_the_only_model_is_the_default_and_several_are_listed(trained: Featurama, folder: Path) -> None:
    """Of predict, score and models show alike."""
    commands = [("predict", "delivery_1"), ("score", "--labels", "labels.csv", "--out", "s.csv"), ("models", "show")]
    first = [trained(*command).code for command in commands]

    async def publish_another() -> None:
        async with open_store(f"sqlite:///{folder}/featurama-data") as store:
            await publish(store, 0.0, champion=1, name="another")

    asyncio.run(publish_another())
    then = [trained(*command) for command in commands]
    assert [0, 0, 0] == first
    assert [2, 2, 2] == [ran.code for ran in then]
    assert all("name the model: another, delivery_time are registered" in ran.err for ran in then)
    assert ["--model NAME", "--model NAME", "NAME"] == [
        ran.err.partition("; give it as ")[2].split(" [")[0] for ran in then
    ]


def test_a_model_is_named_with_its_version_or_alias(trained: Featurama) -> None:
    """Of predict and models show alike; a second version is refused."""
    for name, version in (("delivery_time", 2), ("delivery_time@1", 1), ("delivery_time@champion", 2)):
        shown = trained("models", "show", name, "--json")
        predicted = trained("predict", "delivery_1", "--model", name, "--json")
        assert (version, version) == (shown.json["version"], predicted.json[0]["version"])
    for command in (("models", "show"), ("predict", "delivery_1", "--model")):
        ran = trained(*command, "delivery_time@1", "--version", 2)
        assert (2, True) == (ran.code, "leave out --version and --alias" in ran.err)


def test_label_rows_are_scored_into_files_beside_a_manifest(trained: Featurama, folder: Path) -> None:
    """Predictions agree with `predict`; a row that has none has a reason; what was missing is listed."""
    ran = trained("score", "--labels", "labels.csv", "--model", "delivery_time@1", "--out", "scores", "--json")
    assert ran.code == 0, ran.err
    assert (ran.json["rows"], ran.json["predicted"], ran.json["failed"]) == (4, 3, {"UNKNOWN_ENTITY": 1})
    assert (ran.json["model"], ran.json["version"], ran.json["files"]) == ("delivery_time", 1, 1)
    table = pyarrow.parquet.read_table(folder / "scores")
    assert table.column("label").to_pylist() == ["7", "8", "9", "10"]
    predicted = trained("predict", "delivery_1", "delivery_2", "--version", "1", "--json").json
    values = table.column("prediction").to_pylist()
    assert [values[0], values[2]] == [row["prediction"] for row in predicted]
    assert values[1] is None
    assert table.column("missing_features").to_pylist()[3] == ["distance", "destination.traffic_level"]
    manifest = json.loads((folder / "scores.manifest.json").read_text())
    assert manifest["request"]["model"]["version"] == 1
    assert len(manifest["request"]["model"]["sha256"]) == 64
    assert trained("dataset", "verify", "scores").code == 0


def test_an_alias_is_the_champion_unless_named_and_the_file_may_be_a_csv(trained: Featurama, folder: Path) -> None:
    ran = trained("score", "--entity-type", "delivery", "--model", "delivery_time", "--out", "scores.csv", "--json")
    assert ran.code == 0, ran.err
    assert ran.json["version"] == 2
    table = pyarrow.csv.read_csv(folder / "scores.csv")
    assert table.column("entity_id").to_pylist() == ["delivery_1", "delivery_2", "delivery_empty"]
    shown = trained("score", "--labels", "labels.csv", "--out", "scores2")
    assert (shown.code, "delivery_time" in shown.out) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--labels", "labels.csv"], "--out"),
        (["--out", "scores"], "labels"),
        (["--labels", "nothing.csv", "--out", "scores"], "nothing.csv"),
        (["--labels", "labels.csv", "--out", "scores", "--model", "unheard"], "unheard"),
        (["--labels", "labels.csv", "--out", "scores", "--model", "delivery_time@9"], "version 9"),
        (["--labels", "labels.csv", "--out", "scores", "--model", "delivery_time@"], "name@alias"),
        (["--labels", "labels.csv", "--out", "scores", "--known-at", "2999-01-01T00:00:00Z"], "known_at"),
        (["--labels", "labels.csv", "--out", "scores.txt"], "format"),
        (["--labels", "labels.csv", "--out", "scores", "--address", "auto"], "--ray"),
        (["--labels", "labels.csv", "--out", "scores", "--time-column", "when"], "when"),
        (["--labels", "labels.csv", "--out", "scores", "--namespace", "nowhere"], "nowhere"),
    ],
)
def test_what_cannot_be_scored_is_one_line_and_leaves_nothing(
    trained: Featurama, folder: Path, arguments: list[str], said: str
) -> None:
    ran = trained("score", *arguments)
    assert (ran.code, said in ran.err) == (2, True), ran.err
    assert len(ran.err.strip().splitlines()) == 1
    assert [path.name for path in folder.glob("*scores*")] == [] == [path.name for path in folder.glob(".*scores*")]
