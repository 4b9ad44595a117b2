"""Where a command works: flags before environment, never two places."""

from __future__ import annotations

import pytest

from featurama_cli.place import Place, place
from featurama_core.types.errors import InvalidInput


def test_without_anything_it_is_the_embedded_storage_of_this_directory(folder) -> None:
    assert place() == Place("default", storage="sqlite:///featurama-data")


def test_the_environment_names_a_place(folder, monkeypatch) -> None:
    monkeypatch.setenv("FEATURAMA_TARGET", "host:1")
    monkeypatch.setenv("FEATURAMA_NAMESPACE", "mars")
    assert place() == Place("mars", target="host:1", ingest_target="host:1")


def test_a_flag_wins_over_the_environment(folder, monkeypatch) -> None:
    monkeypatch.setenv("FEATURAMA_TARGET", "host:1")
    assert place(storage="sqlite:///x") == Place("default", storage="sqlite:///x")


def test_target_and_storage_together_are_refused(featurama) -> None:
    """Both flags are an error that says what to do."""
    ran = featurama("get", "x", "--target", "a:1", "--storage", "sqlite:///x")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == "featurama: --target and --storage exclude each other; give one [INVALID_ARGUMENT]\n"


def test_both_in_the_environment_are_refused(folder, monkeypatch) -> None:
    monkeypatch.setenv("FEATURAMA_TARGET", "host:1")
    monkeypatch.setenv("FEATURAMA_STORAGE", "sqlite:///x")
    with pytest.raises(InvalidInput, match="FEATURAMA_TARGET and FEATURAMA_STORAGE are both set"):
        place()


def test_what_opens_the_storage_does_not_take_a_target_for_one(featurama, monkeypatch) -> None:
    """With only a target in the environment `namespaces list` says that it needs a storage."""
    monkeypatch.setenv("FEATURAMA_TARGET", "host:1")
    ran = featurama("namespaces", "list")
    assert ran.code == 2
    assert "--storage URL" in ran.err


def test_a_password_is_not_part_of_what_people_see() -> None:
    assert "secret" not in Place("default", storage="scylla://me:secret@host").text


def test_reading_makes_no_storage(featurama, folder) -> None:
    """A mistyped directory is an error, not an empty store."""
    ran = featurama("get", "planet_mars", "--storage", "sqlite:///elsewhere")
    assert ran.code == 2
    assert "there is no storage at sqlite:///elsewhere" in ran.err
    assert not (folder / "elsewhere").exists()


def test_a_storage_url_that_is_none_is_refused(featurama) -> None:
    ran = featurama("get", "x", "--storage", "mysql://host")
    assert ran.code == 2
    assert "is not one of sqlite, scylla, cassandra" in ran.err


def test_a_server_that_is_not_there_is_one_line(featurama) -> None:
    """Nothing listens there: one line with a reason, and exit code 2."""
    ran = featurama("features", "--target", "127.0.0.1:1")
    assert ran.code == 2
    assert len(ran.err.splitlines()) == 1
    assert "[STORE_UNAVAILABLE]" in ran.err
