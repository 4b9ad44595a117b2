"""Entities, purge, migrate, config, doctor, world: the commands that keep a store in order."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import Featurama


def test_an_entity_is_registered_shown_and_listed(defined: Featurama) -> None:
    ran = defined(
        "entities",
        "register",
        "planet_mars",
        "--type",
        "planet",
        "--name",
        "Mars",
        "--metadata",
        '{"moons": 2}',
        "--json",
    )
    assert (ran.code, ran.json["metadata"]) == (0, {"moons": 2})
    assert defined("entities", "show", "planet_mars", "--json").json == ran.json
    assert [row["entity_id"] for row in defined("entities", "list", "planet", "--json").json] == ["planet_mars"]
    assert "moons: 2" in defined("entities", "list", "planet").out


@pytest.mark.parametrize("metadata", ["{", "[]", "7", '{"moons": 2, "moons": 3}'])
def test_metadata_that_is_no_object_is_refused(defined: Featurama, metadata: str) -> None:
    assert defined("entities", "register", "x", "--metadata", metadata).code == 2


def test_an_id_of_another_type_is_refused(defined: Featurama) -> None:
    defined("entities", "register", "planet_mars", "--type", "planet")
    ran = defined("entities", "register", "planet_mars")
    assert (ran.code, "[ENTITY_CONFLICT]" in ran.err) == (2, True)


def test_groups_services_and_types_are_listed(defined: Featurama) -> None:
    assert defined("features", "--groups", "--json").json[0]["ttl"] == "365d"
    assert defined("features", "--services", "--json").json[0]["features"] == ["temperature@1", "storm@1"]
    assert [row["name"] for row in defined("features", "--types", "--json").json] == ["planet"]
    assert defined("features", "show", "wind", "--json").json["type"] == "vector[3]"


def test_purge_removes_what_is_past_retention(defined: Featurama, folder: Path) -> None:
    """Nothing expires without retention; the counts say so."""
    ran = defined("purge", "--all", "--json")
    assert ran.json == [{"namespace": "default", "latest_cells": 0, "history_rows": 0}]


def test_migrate_is_safe_to_repeat(defined: Featurama) -> None:
    ran = defined("migrate", "--all", "--json")
    assert ran.json == [{"namespace": "default", "applied": ["nothing; it is up to date"]}]


def test_migrate_makes_a_namespace_when_told_to(featurama: Featurama) -> None:
    """What docker-compose runs before the servers start."""
    assert featurama("migrate", "--create").code == 0
    assert featurama("migrate", "--create").code == 0
    assert [row["namespace"] for row in featurama("namespaces", "list", "--json").json] == ["default"]


def test_config_shows_every_setting_and_its_variable(featurama: Featurama, monkeypatch) -> None:
    monkeypatch.setenv("FEATURAMA_ONLINE_STORAGE_PASSWORD", "hush-hush")
    monkeypatch.setenv("FEATURAMA_ONLINE_STORAGE", "scylla://me:s3cret@host")
    told = featurama("config", "online")
    assert "FEATURAMA_ONLINE_MAX_CALLS" in told.out
    assert "scylla://me:***@host" in told.out
    assert "hush-hush" not in told.out
    assert "s3cret" not in told.out
    assert featurama("config", "--json").json["gateway"]["listen"] == "127.0.0.1:8080"
    changed = featurama("config", "online", "--changed", "--json").json["online"]
    assert set(changed) == {"storage", "storage_password"}


def test_config_names_a_variable_that_is_none(featurama: Featurama, monkeypatch) -> None:
    monkeypatch.setenv("FEATURAMA_INGEST_LISTN", "0.0.0.0:1")
    ran = featurama("config")
    assert (ran.code, "did you mean FEATURAMA_INGEST_LISTEN" in ran.err) == (2, True)
    assert featurama("doctor").code == 1


def test_doctor_finds_an_installation_well(filled: Featurama) -> None:
    ran = filled("doctor", "--json")
    assert ran.code == 0, ran.out
    found = {row["check"]: row for row in ran.json}
    assert found["Python"]["state"] == "ok"
    assert found["Namespace default"]["seen"].startswith("schema is current; 5 features")
    assert all(row["how_to_mend"] for row in ran.json if row["state"] != "ok")


def test_doctor_says_of_servers_that_they_are_down(featurama: Featurama) -> None:
    ran = featurama("doctor", "--store", "grpc://127.0.0.1:1", "--json")
    assert ran.code == 1
    (servers,) = [row for row in ran.json if row["check"] == "Servers"]
    assert (servers["state"], "featurama up" in servers["how_to_mend"]) == ("fail", True)


def test_doctor_names_a_namespace_without_its_schema(filled: Featurama, folder: Path) -> None:
    """A namespace that was made by other code fails, with the command that mends it."""
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(folder / "featurama-data" / "default.db")) as connection, connection:
        connection.execute("DELETE FROM schema_version")
    ran = filled("doctor", "--json")
    assert ran.code == 1
    (row,) = [row for row in ran.json if row["check"] == "Namespace default"]
    assert row["how_to_mend"] == "`featurama migrate -n default`"


@pytest.mark.parametrize("file_format", ["parquet", "csv", "arrow"])
def test_a_world_in_files_can_be_applied_and_written(featurama: Featurama, folder: Path, file_format: str) -> None:
    """The files that `world --out` makes are what `apply` and `write` take."""
    made = featurama(
        "world", "--out", "w", "--format", file_format, "--deliveries", 30, "--days", 2, "--planets", 3, "--json"
    )
    assert made.code == 0, made.err
    assert featurama("apply", "w/definitions.yaml").code == 0
    for group in ("planet_conditions", "character_stats", "delivery_metrics", "delivery_outcome"):
        ran = featurama("write", f"w/{group}.{file_format}", "--bulk", "--json")
        assert (ran.code, ran.json["rejected"]) == (0, 0), ran.out + ran.err
    read = featurama("get", "delivery_00000030", "--json")
    assert {row["status"] for row in read.json} == {"PRESENT"}
    built = featurama(
        "dataset", "build", "--labels", f"w/labels.{file_format}", "-s", "delivery_time", "-o", "s.parquet"
    )
    assert built.code == 0, built.err


def test_a_world_goes_straight_into_a_store(featurama: Featurama) -> None:
    made = featurama("world", "--into", "--deliveries", 20, "--days", 2, "--planets", 2, "--characters", 1, "--json")
    assert made.code == 0, made.err
    assert made.json["accepted_rows"] == made.json["rows"]
    assert json.loads(featurama("entities", "list", "delivery", "--json").out)[0]["entity_id"] == "delivery_00000001"


def test_a_size_that_cannot_be_is_refused(featurama: Featurama) -> None:
    assert featurama("world", "--seed", -1).code == 2
    assert featurama("world", "--days", 3_651).code == 2


def test_an_unexpected_error_is_one_line_too(featurama: Featurama, folder: Path) -> None:
    """Nothing shows a traceback unless --debug asks for it."""
    (folder / "featurama-data").mkdir()
    (folder / "featurama-data" / "default.db").write_bytes(b"this is no database" * 100)
    ran = featurama("features")
    assert ran.code in (1, 2)
    assert len(ran.err.splitlines()) == 1
    assert "Traceback" not in ran.err
