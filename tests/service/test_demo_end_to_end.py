"""The demonstration, as `make demo` runs it but smaller, on each storage."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.unit.cli.running import CLEAN, run_in


def demo(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "featurama_cli.main", "demo", *arguments],
        cwd=folder,
        env=CLEAN,
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )


def check(found: dict[str, Any]) -> None:
    """The figures hold together, and nothing was lost on the way."""
    assert found["entities"] == 332
    assert found["rows"] == found["entities"] - 32 + 300 + 10 * (20 * 24 + 12 * 4)
    assert found["values_per_second"] > 0
    assert found["online_1x10"]["p99_ms"] >= found["online_1x10"]["p50_ms"] > 0
    assert found["online_100x10"]["calls"] == 200
    assert found["freshness"]["at_first_read"] == found["freshness"]["writes"] == 200
    assert (found["point_in_time"]["rows"], found["point_in_time"]["features"]) == (300, 6)
    assert found["model"]["version"] == 1
    assert found["model"]["test"]["mae"] < found["model"]["baseline"]["mae"]
    assert found["prediction"]["agree"] is True
    assert found["prediction"]["grpc_hours"] == found["prediction"]["rest_hours"] > 0


def test_the_demonstration_runs_end_to_end(tmp_path: Path) -> None:
    """World, ingest, reads, training set, model and predictions: exit code 0, figures as JSON.

    In a storage that is named it has a namespace of its own, and removes it.
    """
    ran = demo(tmp_path, "--deliveries", "300", "--days", "10", "--json", "figures.json", "--storage", "sqlite:///mine")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    found = json.loads((tmp_path / "figures.json").read_text())
    check(found)
    for said in ("values/s", "baseline: estimated_duration", "POST /predict", "What to try next"):
        assert said in ran.stdout
    assert found["namespace"].startswith("demo_")
    assert list((tmp_path / "mine").glob("*.db")) == []


def test_what_is_kept_can_be_used_by_the_commands_it_names(tmp_path: Path) -> None:
    """With --keep the default storage holds the world, so the commands of "what to try next" work."""
    ran = demo(tmp_path, "--deliveries", "100", "--days", "3", "--keep", "--atomic", "--seed", "7")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    read = run_in(tmp_path, "get", "planet_mars", "--json")
    assert {row["status"] for row in read.json} == {"PRESENT"}


def test_a_demonstration_that_fails_says_so(tmp_path: Path) -> None:
    """A storage that is not there: a line that says so, an exit code that is not 0."""
    (tmp_path / "file").touch()
    ran = demo(tmp_path, "--storage", "sqlite:///file/below", "--deliveries", "100", "--days", "2")
    assert ran.returncode != 0
    assert ran.stderr.startswith("featurama: ")
    assert "Traceback" not in ran.stderr


@pytest.mark.cql
def test_the_demonstration_runs_on_a_cql_server(tmp_path: Path, cql_endpoint: Any) -> None:
    """The same on a cluster, in a namespace of its own."""
    ran = demo(tmp_path, "--storage", cql_endpoint.url, "--deliveries", "300", "--days", "10", "--json", "figures.json")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    check(json.loads((tmp_path / "figures.json").read_text()))
