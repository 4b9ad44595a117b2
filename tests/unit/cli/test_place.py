"""Where a command works: the flag before the environment."""

from __future__ import annotations

from featurama_cli.place import Place, place


def test_without_anything_it_is_the_embedded_storage_of_this_directory(folder) -> None:
    assert Place("default", "sqlite:///featurama-data") == place()


def test_the_environment_names_a_store(folder, monkeypatch) -> None:
    monkeypatch.setenv("FEATURAMA_STORE", "grpc://host:1")
    monkeypatch.setenv("FEATURAMA_NAMESPACE", "mars")
    assert Place("mars", "grpc://host:1") == place()
    assert place().servers


def test_a_flag_wins_over_the_environment(folder, monkeypatch) -> None:
    monkeypatch.setenv("FEATURAMA_STORE", "grpc://host:1")
    assert Place("default", "sqlite:///x") == place("sqlite:///x")


def test_what_runs_servers_has_a_variable_of_its_own(folder, monkeypatch) -> None:
    """A storage that is served is no store that a command works on."""
    monkeypatch.setenv("FEATURAMA_STORE", "grpc://host:1")
    monkeypatch.setenv("FEATURAMA_STORAGE", "sqlite:///served")
    assert Place("default", "sqlite:///served") == place(option="storage", servers=False)


def test_what_opens_the_storage_does_not_take_servers_for_one(featurama, monkeypatch) -> None:
    """With servers in the environment `namespaces list` says that it needs a storage."""
    monkeypatch.setenv("FEATURAMA_STORE", "grpc://host:1")
    ran = featurama("namespaces", "list")
    assert ran.code == 2
    assert "grpc://host:1 names servers; give --store sqlite:///dir" in ran.err


def test_a_password_is_not_part_of_what_people_see() -> None:
    assert "secret" not in Place("default", "scylla://me:secret@host").text


def test_reading_makes_no_storage(featurama, folder) -> None:
    """A mistyped directory is an error, not an empty store."""
    ran = featurama("get", "planet_mars", "--store", "sqlite:///elsewhere")
    assert ran.code == 2
    assert "there is no storage at sqlite:///elsewhere" in ran.err
    assert not (folder / "elsewhere").exists()


def test_a_storage_url_that_is_none_is_refused(featurama) -> None:
    ran = featurama("get", "x", "--store", "mysql://host")
    assert ran.code == 2
    assert "is not one of sqlite, scylla, cassandra" in ran.err


def test_the_demonstration_refuses_a_bad_url_before_it_builds_its_world(featurama) -> None:
    ran = featurama("demo", "--storage", "mysql://x")
    assert (ran.code, len(ran.err.splitlines())) == (2, 1)
    assert "is not one of sqlite, scylla, cassandra" in ran.err
    assert "World" not in ran.out


def test_a_server_that_is_not_there_is_one_line(featurama) -> None:
    """Nothing listens there: one line with a reason, and exit code 2."""
    ran = featurama("features", "--store", "grpc://127.0.0.1:1")
    assert ran.code == 2
    assert len(ran.err.splitlines()) == 1
    assert "[STORE_UNAVAILABLE]" in ran.err
