"""Commands on one entity that is named by the keys of its type."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Featurama

DEFINED = """
entity_types: [{name: film, keys: {film_id: int}}, {name: stay, keys: [guest, city]}]
features: [{name: year, type: int, entity_type: film}, {name: nights, type: int, entity_type: stay}]
"""
KEY = ("--key", "film_id=1")
STAY = ("--key", "guest=a=b", "--key", "city=x|y")


@pytest.fixture
def films(featurama: Featurama, folder: Path) -> Featurama:
    (folder / "films.yaml").write_text(DEFINED)
    (folder / "films.csv").write_text("film_id,year\n1,1999\n")
    (folder / "stays.csv").write_text("guest,city,nights\na=b,x|y,3\n")
    assert featurama("apply", "films.yaml").code == 0
    for file in ("films.csv", "stays.csv"):
        assert featurama("write", file, "--timestamp", "2026-01-01T00:00:00Z").code == 0
    return featurama


def test_an_entity_is_read_by_its_keys(films: Featurama) -> None:
    """The features say the type, or the command does."""
    assert [1999] == [row["value"] for row in films("get", *KEY, "-f", "year", "--json").json]
    assert [3] == [row["value"] for row in films("get", *STAY, "--type", "stay", "--json").json]
    assert [1999] == [row["value"] for row in films("history", "year", *KEY, "--json").json]
    assert [3] == [row["value"] for row in films("history", "nights", *STAY, "--type", "stay", "--json").json]


def test_keys_of_types_are_shown(films: Featurama) -> None:
    """In the list, also where only some types have keys, and in one type."""
    keys = {"film": {"film_id": "int"}, "stay": {"guest": "text", "city": "text"}}
    listed = films("features", "--types", "--json").json
    assert keys == {each["name"]: each["keys"] for each in listed if "keys" in each}
    assert "film_id: int" in films("features", "--types").out
    assert keys["stay"] == films("features", "show", "stay", "--kind", "entity-type", "--json").json["keys"]


def test_an_entity_is_deleted_by_its_keys(films: Featurama) -> None:
    """All its values, or those of a feature."""
    assert films("delete", *STAY, "--type", "stay", "--yes").code == 0
    assert films("delete", *KEY, "-f", "year, year", "--yes").code == 0
    assert [] == films("history", "nights", *STAY, "--json").json
    assert [] == films("history", "year", *KEY, "--json").json


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("get", "-f", "year"), "give an entity id, or the keys"),
        (("get", "film:1", *KEY, "-f", "year"), "give an entity id, or the keys"),
        (("get", *KEY), "--key needs --type"),
        (("get", "--key", "film_id=01", "-f", "year"), "film_id '01' is not a 64-bit int"),
        (("get", "--key", "film=1", "-f", "year"), "a film has the keys film_id"),
        (("get", "--key", "film_id", "-f", "year"), "is not NAME=KEY"),
        (("get", *KEY, *KEY, "-f", "year"), "names 'film_id' twice"),
        (("history", "film:1", "year", *KEY), "give ENTITY_ID FEATURE, or --key"),
        (("history", "year"), "give ENTITY_ID FEATURE, or --key"),
        (("history", "film:01", "year", "--type", "film"), "film_id is '01', not a 64-bit int"),
        (("get", "film:01", "--type", "film"), "film_id is '01', not a 64-bit int"),
        (("delete", "--yes"), "give an entity id, or the keys"),
        (("delete", *KEY, "--yes"), "--key needs --type"),
        (("delete", "film:1"), "all values of film:1 in default"),
        (("predict", "film:1", *KEY), "give entity ids, --key, or features"),
    ],
)
def test_what_names_no_single_entity_is_refused(films: Featurama, arguments: tuple[str, ...], problem: str) -> None:
    """With the way to name it."""
    ran = films(*arguments)
    assert ran.code == 2
    assert problem in ran.err


def test_ids_that_belong_to_another_type_are_found(films: Featurama, folder: Path) -> None:
    """Values from before the type with keys was created."""
    (folder / "ships.yaml").write_text(
        "features: [{name: mass, type: int, entity_type: ship}]\nentity_types: [{name: ship}]"
    )
    (folder / "crew.yaml").write_text("entity_types: [{name: crew, keys: [id]}]")
    (folder / "ships.csv").write_text("entity_id,mass\ncrew:1,1\nserenity,2\n")
    assert films("apply", "ships.yaml").code == 0
    assert films("write", "ships.csv", "--timestamp", "2026-01-01T00:00:00Z").code == 0
    assert (0, []) == ((ran := films("entities", "verify", "--json")).code, ran.json)
    assert films("apply", "crew.yaml").code == 0
    ran = films("entities", "verify", "--json")
    assert (1, [("crew:1", "ship")]) == (ran.code, [(each["entity_id"], each["entity_type"]) for each in ran.json])
