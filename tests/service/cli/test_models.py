"""Training and predicting by the command, on a store and over the servers that `featurama up` runs."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.sample_model import sample_settings
from tests.unit.cli.running import CLEAN, Featurama, Ran, run_in

# One worker: the module's world, model and servers are made once.
pytestmark = pytest.mark.xdist_group("cli_models")

FEATURAMA = [sys.executable, "-m", "featurama_cli.main"]
FREE_PORTS = ["--online-port", "0", "--ingest-port", "0", "--gateway-port", "0"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a small world and its model."""
    folder = tmp_path_factory.mktemp("trained")
    sizes = ("--deliveries", 200, "--days", 8, "--planets", 4, "--characters", 2)
    assert run_in(folder, "world", "--into", *sizes).code == 0
    (folder / "small.yaml").write_text(yaml.safe_dump(sample_settings(rounds=40)))
    ran = run_in(folder, "train", "--config", "small.yaml", "--json")
    assert ran.code == 0, ran.err
    assert (ran.json["version"], ran.json["promoted_to"], ran.json["label_rows"]) == (1, "champion", 200)
    return folder


@pytest.fixture(scope="module")
def up(trained: Path) -> Iterator[dict[str, str]]:
    """The addresses of `featurama up` on free ports. SIGTERM must end it with exit code 0."""
    with subprocess.Popen(
        [*FEATURAMA, "up", *FREE_PORTS],
        cwd=trained,
        env=CLEAN,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        lines = [process.stdout.readline() for _ in range(3)]
        assert all(lines), process.stderr.read()
        yield {line.split()[0]: re.findall(r"[\d.]+:\d+", line)[0] for line in lines}
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said
        assert "Traceback" not in said


@pytest.fixture
def store(folder: Path, trained: Path) -> Featurama:
    """The command on the trained directory."""
    return lambda *arguments: run_in(trained, *arguments)


def test_models_are_listed_and_shown(store) -> None:
    (row,) = store("models", "list", "--json").json
    assert (row["model"], row["version"], row["target"]) == ("delivery_time", 1, "actual_duration")
    assert "champion" in row["aliases"]
    assert store("models", "show", "--json").json["entity_type"] == "delivery"
    assert "delivery_time version 1" in store("models", "show").out


def test_an_alias_is_pointed_at_a_version(store) -> None:
    assert store("models", "promote", "delivery_time", 1, "--alias", "shadow").code == 0
    (row,) = store("models", "list", "--json").json
    assert row["aliases"] == ["champion", "shadow"]
    assert store("models", "promote", "delivery_time", 9).code == 2


def test_a_model_that_is_not_there_is_one_line(store) -> None:
    for ran in (store("predict", "delivery_00000001", "--model", "nothing"), store("models", "show", "nothing")):
        assert (ran.code, len(ran.err.splitlines()), "[UNKNOWN_MODEL]" in ran.err) == (2, 1, True)


def test_a_mistyped_model_is_asked_about(store) -> None:
    for ran in (
        store("predict", "delivery_00000001", "--model", "delivry_time"),
        store("models", "show", "deliverytime"),
    ):
        assert (ran.code, "did you mean 'delivery_time'?" in ran.err) == (2, True)


def test_training_without_a_config_shows_what_one_names(store) -> None:
    ran = store("train")
    assert (2, 1) == (ran.code, len(ran.err.splitlines()))
    assert "--config is missing; name a YAML file such as {model: NAME, labels:" in ran.err


def test_training_without_labels_says_what_is_missing(featurama, folder) -> None:
    """An empty namespace: one line, exit code 2."""
    (folder / "small.yaml").write_text(yaml.safe_dump(sample_settings()))
    featurama("namespaces", "create", "default")
    ran = featurama("train", "--config", "small.yaml")
    assert (ran.code, len(ran.err.splitlines())) == (2, 1)


def test_a_prediction_shows_the_values_that_were_used(store) -> None:
    (answer,) = store("predict", "delivery_00000001", "--json").json
    assert answer["prediction"] > 0
    assert {each["feature"] for each in answer["features_used"]} >= {"distance", "destination.traffic_level"}
    assert "actual_duration" in store("predict", "delivery_00000001").out


def test_given_features_override_stored_ones(store) -> None:
    (answer,) = store("predict", "delivery_00000001", "distance=12345", "--json").json
    assert {each["feature"]: each["value"] for each in answer["features_used"]}["distance"] == 12345


def test_given_features_alone_are_predicted(store) -> None:
    (answer,) = store("predict", "distance=1000", "package_weight=5", "--json").json
    assert (answer["entity_id"], answer["prediction"] > 0) == (None, True)


def test_an_unknown_entity_has_no_prediction(store) -> None:
    ran = store("predict", "delivery_99999999", "--json")
    assert (ran.code, ran.json[0]["prediction"], bool(ran.json[0]["problem"])) == (1, None, True)


def test_the_same_commands_work_over_servers(store, trained: Path, up: dict[str, str]) -> None:
    """What the store answers, the servers answer; writes go to the ingest service."""

    def over(*arguments: object) -> Ran:
        ran = store(*arguments, "--store", f"grpc://{up['online']}?ingest={up['ingest']}")
        assert ran.code == 0, ran.out + ran.err
        return ran

    asked = ("predict", "delivery_00000001", "--json")
    assert over(*asked).json == store(*asked).json
    assert over("features", "--json").json == store("features", "--json").json
    (trained / "late.csv").write_text(
        "entity_id,feature_name,value,timestamp\nplanet_mars,traffic_level,0.125,2026-02-01T00:00:00Z\n"
    )
    assert over("write", "late.csv", "--json").json["accepted"] == 1
    assert over("get", "planet_mars", "-f", "traffic_level", "--json").json[0]["value"] == 0.125
    assert over("history", "planet_mars", "traffic_level", "--limit", 1, "--json").json[0]["value"] == 0.125
    (trained / "labels.csv").write_text("entity_id,timestamp\ndelivery_00000001,2026-01-01T00:00:00Z\n")
    assert (
        over("dataset", "build", "--labels", "labels.csv", "-s", "delivery_time", "-o", "s.csv", "--json").json["rows"]
        == 1
    )
    (trained / "more.yaml").write_text("features: [{name: cargo, group: delivery_metrics, type: text}]")
    over("apply", "more.yaml")
    assert over("features", "show", "cargo", "--json").json["type"] == "text"
    over("entities", "register", "delivery_new", "--type", "delivery")
    over("delete", "delivery_new", "--yes")
    over("doctor")


def test_the_gateway_of_up_answers(up: dict[str, str]) -> None:
    with urllib.request.urlopen(f"http://{up['gateway']}/health", timeout=20) as answer:
        assert json.load(answer)["status"] == "healthy"


def test_a_write_to_the_online_service_alone_says_where_writes_go(store, up: dict[str, str]) -> None:
    """Without --ingest-target a write reaches the online service, whose refusal is one line with its reason."""
    ran = store("entities", "register", "x", "--store", f"grpc://{up['online']}")
    assert (ran.code, "[SERVED_BY_INGEST]" in ran.err, len(ran.err.splitlines())) == (2, True, 1)


def test_a_port_that_is_taken_is_one_line(trained: Path, up: dict[str, str]) -> None:
    port = up["online"].rpartition(":")[2]
    ran = subprocess.run(
        [*FEATURAMA, "up", *FREE_PORTS, "--online-port", port],
        cwd=trained, env=CLEAN, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert (ran.returncode, "is the port taken?" in ran.stderr) == (2, True)
    assert len([line for line in ran.stderr.splitlines() if line.startswith("featurama: ")]) == 1
    assert "Traceback" not in ran.stderr


def test_a_service_is_served_alone_and_drains(trained: Path) -> None:
    """`featurama serve gateway` runs until SIGTERM, and ends well."""
    name = "FEATURAMA_GATEWAY"
    environment = CLEAN | {f"{name}_LISTEN": "127.0.0.1:0", f"{name}_DRAIN_DELAY_MS": "0", f"{name}_LOG_FORMAT": "json"}
    with subprocess.Popen(
        [*FEATURAMA, "serve", "gateway"], cwd=trained, env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if json.loads(line)["event"] == "serving":
                process.send_signal(signal.SIGTERM)
                break
        assert process.wait(timeout=60) == 0, process.stderr.read()


def test_a_service_that_is_none_is_refused(store) -> None:
    assert store("serve", "trains").code == 2
