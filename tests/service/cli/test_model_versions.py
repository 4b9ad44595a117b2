"""`featurama train` with a report, and `featurama models`: compare, promote, rollback, history, delete."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from tests.sample_model import sample_settings
from tests.unit.cli.running import Featurama

ONE = ("--threads", 1)
SIZES = ("--deliveries", 200, "--days", 8, "--planets", 4, "--characters", 2)


def test_versions_are_compared_promoted_rolled_back_and_deleted(featurama: Featurama, folder: Path) -> None:
    """One walk, because the world it needs takes seconds."""
    assert featurama("world", "--into", *SIZES).code == 0
    (folder / "good.yaml").write_text(yaml.safe_dump(sample_settings(rounds=60)))
    (folder / "poor.yaml").write_text(yaml.safe_dump(sample_settings(rounds=1)))
    for config in ("good.yaml", "poor.yaml"):
        ran = featurama(
            "train", "--config", config, "--report", f"report-{config[:4]}", "--by", "hermes", "--alias", ""
        )
        assert ran.code == 0, ran.err
        assert (folder / f"report-{config[:4]}" / "report.html").stat().st_size > 50_000
    assert featurama("models", "promote", "delivery_time", 1, "--by", "amy").code == 0

    compared = featurama("models", "compare", "delivery_time", 1, 2, "--holdout", "--json").json
    assert {row[""] for row in compared["differences"]} >= {"test rmse", "rounds", "artefact"}
    assert compared["holdout"]["not_worse"] is True
    assert compared["holdout"]["rows"] == 40

    refused = featurama("models", "promote", "delivery_time", 2, "--if-better")
    assert refused.code == 1
    assert "stays version 1" in refused.err
    assert featurama("models", "promote", "delivery_time", 2, "--if-better", "--tolerance", 100).code == 0
    assert featurama("models", "delete", "delivery_time", 2, "--yes").code != 0
    assert featurama("models", "rollback", "delivery_time", "--by", "amy").code == 0
    moves = featurama("models", "history", "delivery_time", "--json").json
    assert [(move["version"], move["action"]) for move in moves] == [(1, "moved"), (2, "moved"), (1, "rolled_back")]
    assert moves[0]["by"] == moves[2]["by"] == "amy"

    assert featurama("models", "delete", "delivery_time", 2, "--yes").code == 0
    assert [row["version"] for row in featurama("models", "list", "--json").json] == [1]
    shown = featurama("models", "show", "delivery_time", "--json").json
    assert (shown["version"], shown["created_by"]) == (1, "hermes")


def test_artefacts_in_a_directory_are_used_by_every_command(
    featurama: Featurama, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert featurama("world", "--into", *SIZES).code == 0
    (folder / "small.yaml").write_text(yaml.safe_dump(sample_settings(rounds=20)))
    monkeypatch.setenv("FEATURAMA_ARTEFACTS", str(folder / "artefacts"))
    ran = featurama("train", "--config", "small.yaml", *ONE)
    assert ran.code == 0, ran.err
    assert len(list((folder / "artefacts" / "default" / "delivery_time").iterdir())) == 1
    predicted = featurama("predict", "delivery_00000001", "--json")
    assert predicted.code == 0, predicted.err
