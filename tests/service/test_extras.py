"""Every extra of the wheel, alone in a clean environment: what it is for runs, and another program names its extra."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.service.clean_environment import Installed, Wheel

# One worker: the wheel is built once.
pytestmark = [pytest.mark.extras, pytest.mark.xdist_group("extras"), pytest.mark.timeout(600)]

PROGRAMS = {
    "cli": ("featurama", "train"),
    "online": ("python", "-m", "featurama_online"),
    "ingest": ("python", "-m", "featurama_ingest"),
    "gateway": ("python", "-m", "featurama_gateway"),
    "trainer": ("python", "-m", "featurama_trainer"),
}
OTHERS = {
    "": ("cli", "online", "ingest", "gateway", "trainer"),
    "online": ("cli", "gateway", "trainer"),
    "ingest": ("cli", "gateway", "trainer"),
    "gateway": ("cli", "trainer"),
    "trainer": ("cli", "online", "ingest", "gateway"),
    "trainer-gpu": ("cli",),
    "ray": ("cli",),
}
"""Programs that need more than an extra brings."""

EMBEDDED = """
import featurama
with featurama.sync.connect("sqlite:///featurama-data") as store:
    store.register_feature("bill", "double")
    store.write_features({"entity_id": ["pingu"], "timestamp": ["2026-01-01T00:00:00Z"], "bill": [40.5]})
    assert [40.5] == store.get_online_features(["pingu"], ["bill"]).to_dict()["bill"]
"""

PENGUINS = """
import math
import featurama
with featurama.sync.connect("sqlite:///featurama-data") as store:
    store.register_feature("bill", "double")
    rows = range(200)
    ids, bills = [f"penguin_{row}" for row in rows], [30 + 10 * math.sin(row) for row in rows]
    times = [f"2026-01-{1 + row // 24:02}T{row % 24:02}:00:00Z" for row in rows]
    store.write_features({"entity_id": ids, "timestamp": times, "bill": bills})
with open("labels.csv", "w") as labels:
    labels.write("entity_id,timestamp,mass\\n")
    labels.writelines(f"{id},{time},{100 * bill}\\n" for id, time, bill in zip(ids, times, bills))
with open("mass.yaml", "w") as config:
    config.write("{model: mass, labels: {file: labels.csv, target: mass}, features: [bill], rounds: 20}")
"""

ON_RAY = """
from featurama_trainer import ray as on_ray
with on_ray.connected(num_cpus=1):
    assert 200 == on_ray.history("sqlite:///featurama-data", ["bill"]).count()
"""

TRAINING = {
    "FEATURAMA_TRAINER_CONFIG": "mass.yaml",
    "FEATURAMA_TRAINER_STORAGE": "sqlite:///featurama-data",
    "FEATURAMA_TRAINER_REPORT": "report",
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Wheel:
    return Wheel.built(tmp_path_factory.mktemp("wheel"))


def others_name_their_extra(installed: Installed, extra: str) -> None:
    """Every program that the extra is not for refuses in one line, with the extra to install."""
    for program in OTHERS[extra]:
        refusal = installed.refusal(*PROGRAMS[program])
        assert refusal.endswith(f"is not installed; pip install 'featurama[{program}]'"), refusal


def test_the_extras_are_those_that_are_tried_here(wheel: Wheel) -> None:
    assert {*PROGRAMS, *OTHERS, "trainer-base", "all", "dev"} == {"", *wheel.extras}


def test_without_an_extra_the_embedded_store_works_and_every_program_names_its_own(
    wheel: Wheel, tmp_path: Path
) -> None:
    """Whatever the command: its help too."""
    installed = Installed.of(wheel, "", tmp_path)
    installed.succeeded("python", "-c", EMBEDDED)
    others_name_their_extra(installed, "")
    for arguments in ((), ("--help",), ("demo",), ("serve", "online")):
        assert installed.refusal("featurama", *arguments).endswith("pip install 'featurama[cli]'")


@pytest.mark.parametrize("extra", ["online", "ingest", "gateway"])
def test_a_server_runs_from_its_extra_alone_until_it_is_stopped(wheel: Wheel, tmp_path: Path, extra: str) -> None:
    installed = Installed.of(wheel, extra, tmp_path)
    prefix = f"FEATURAMA_{extra.upper()}"
    settings = {f"{prefix}_LISTEN": "127.0.0.1:0", f"{prefix}_LOG_FORMAT": "json", f"{prefix}_DRAIN_DELAY_MS": "0"}
    with subprocess.Popen(
        [installed.python, "-m", f"featurama_{extra}"],
        cwd=tmp_path,
        env={**installed.environment, **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as server:
        assert server.stdout is not None
        said = []
        for line in server.stdout:
            said.append(line)
            if '"serving"' in line:
                server.send_signal(signal.SIGTERM)
        assert server.wait() == 0, "".join(said)
    others_name_their_extra(installed, extra)


@pytest.mark.parametrize("extra", ["trainer", "trainer-gpu"])
def test_a_model_is_trained_from_the_trainers_extra_alone(wheel: Wheel, tmp_path: Path, extra: str) -> None:
    """With its report; of the GPU's extra, with the CPU build of xgboost in place of its own."""
    installed = Installed.of(wheel, extra, tmp_path)
    installed.succeeded("python", "-c", PENGUINS)
    assert '"model": "mass"' in installed.succeeded("python", "-m", "featurama_trainer", **TRAINING)
    assert (tmp_path / "report" / "report.html").stat().st_size > 50_000
    others_name_their_extra(installed, extra)


def test_what_the_trainers_extras_share_says_which_of_them_is_missing(wheel: Wheel, tmp_path: Path) -> None:
    """`trainer-base` has no xgboost."""
    installed = Installed.of(wheel, "trainer-base", tmp_path)
    installed.succeeded("python", "-c", PENGUINS)
    done = installed.ran("python", "-m", "featurama_trainer", **TRAINING)
    assert (2, "featurama: xgboost is not installed; pip install 'featurama[trainer]'\n") == (
        done.returncode,
        done.stderr,
    )


def test_the_command_runs_from_its_extra_alone_and_names_the_one_of_ray(wheel: Wheel, tmp_path: Path) -> None:
    """Writing, training, predicting; `score --ray` needs more."""
    installed = Installed.of(wheel, "cli", tmp_path)
    installed.succeeded("python", "-c", PENGUINS)
    installed.succeeded("featurama", "train", "--config", "mass.yaml")
    assert "mass" in installed.succeeded("featurama", "predict", "penguin_7")
    scoring = ("score", "--labels", "labels.csv", "--out", "scores.parquet")
    installed.succeeded("featurama", *scoring)
    assert "ray is not installed; pip install 'featurama[ray]'" in installed.refusal(
        "featurama", *scoring, "--overwrite", "--ray"
    )


@pytest.mark.ray
@pytest.mark.skipif(sys.version_info >= (3, 14) or os.name != "posix", reason="ray has no wheel")
def test_ray_reads_a_store_from_its_extra_alone(wheel: Wheel, tmp_path: Path) -> None:
    installed = Installed.of(wheel, "ray", tmp_path)
    installed.succeeded("python", "-c", PENGUINS)
    installed.succeeded("python", "-c", ON_RAY)
    others_name_their_extra(installed, "ray")


def test_all_is_the_command_and_ray(wheel: Wheel) -> None:
    assert wheel.packages("cli") | wheel.packages("ray") == wheel.packages("all")
