"""Definitions from files, and the plan that comes before they are registered."""

from __future__ import annotations

from pathlib import Path

import pytest

from featurama_cli.definitions_file import read_definitions
from featurama_core.types.errors import InvalidInput
from featurama_core.types.schema import FeatureGroup

from .conftest import DEFINITIONS, Featurama

PYTHON = """
from featurama_core.types.schema import FeatureDefinition
from featurama_core.types.values import ValueType

speed = FeatureDefinition("speed", ValueType.DOUBLE)
more = [FeatureDefinition(name, ValueType.INT, group="default") for name in ("seats", "engines")]
_not_this = FeatureDefinition("draft", ValueType.INT)
"""


def effects(ran) -> dict[str, str]:
    return {row["name"]: row["effect"] for row in ran.json}


def test_what_is_new_is_registered_after_the_plan(featurama: Featurama, folder: Path) -> None:
    """All is new at first, and registered; the same file again changes nothing."""
    (folder / "planets.yaml").write_text(DEFINITIONS)
    first = featurama("apply", "planets.yaml", "--json")
    again = featurama("apply", "planets.yaml", "--json")
    assert first.code == again.code == 0
    assert set(effects(first).values()) == {"new"}
    assert set(effects(again).values()) == {"unchanged"}
    assert len(featurama("features", "--json").json) == 5


def test_a_plan_alone_changes_nothing(defined: Featurama, folder: Path) -> None:
    (folder / "more.yaml").write_text("features: [{name: gravity, group: weather, type: double}]")
    assert effects(defined("apply", "more.yaml", "--plan", "--json")) == {"gravity@1": "new"}
    assert "gravity" not in defined("features").out


def test_a_conflict_stops_all_of_it(defined: Featurama, folder: Path) -> None:
    """One definition that differs under its name: exit code 2, and the new one beside it is not registered either."""
    (folder / "other.yaml").write_text(
        "features:\n"
        "  - {name: gravity, group: weather, type: double}\n"
        "  - {name: temperature, group: weather, type: int}\n"
    )
    ran = defined("apply", "other.yaml", "--yes", "--json")
    assert ran.code == 2
    assert effects(ran) == {"gravity@1": "new", "temperature@1": "conflict"}
    assert "register a new version" in ran.json[1]["problem"]
    assert defined("features", "show", "gravity").code == 2


def test_what_may_change_in_a_group_is_planned_as_a_change(defined: Featurama, folder: Path) -> None:
    (folder / "more.yaml").write_text("feature_groups: [{name: weather, entity_type: planet, ttl: 365d, buckets: 4}]")
    assert effects(defined("apply", "more.yaml", "--json")) == {"weather": "changed"}
    assert defined("features", "--groups", "--json").json[0]["buckets"] == 4


def test_definitions_are_shown_with_what_uses_them_and_deleted(defined: Featurama) -> None:
    """A used one stays; deprecated, restored and deleted ones are said to be."""
    shown = defined("features", "show", "storm", "--json").json
    assert (shown["name"], shown["used_by"]) == ("storm", ["feature service outlook"])
    assert defined("features", "show", "weather", "--kind", "group", "--json").json["ttl"] == "365d"
    refused = defined("features", "delete", "storm@1", "--yes")
    assert (refused.code, "is used by feature service outlook" in refused.err) == (2, True)
    assert defined("features", "deprecate", "storm@1").code == 0
    assert defined("features", "show", "storm", "--json").json["deprecated"]
    assert defined("features", "restore", "storm@1").code == 0
    assert not defined("features", "show", "storm", "--json").json["deprecated"]
    assert defined("features", "delete", "outlook", "--kind", "service", "--yes").code == 0
    assert defined("features", "delete", "storm@1", "--yes").code == 0
    assert defined("features", "show", "storm").code == 2
    assert defined("features", "delete", "moons", "--yes").code == 2
    assert "give --yes" in defined("features", "delete", "moons@1").err


def test_a_new_version_is_new(defined: Featurama, folder: Path) -> None:
    (folder / "v2.yaml").write_text("features: [{name: temperature, group: weather, type: int, version: 2}]")
    assert effects(defined("apply", "v2.yaml", "--json")) == {"temperature@2": "new"}
    versions = defined("features", "--all-versions", "--json").json
    assert [row["version"] for row in versions if row["name"] == "temperature"] == [1, 2]


def test_a_python_file_is_run_and_its_values_are_taken(featurama: Featurama, folder: Path) -> None:
    """Definitions at the top level, alone or in lists; names with an underscore are left out."""
    (folder / "ship.py").write_text(PYTHON)
    assert set(effects(featurama("apply", "ship.py", "--json"))) == {"speed@1", "seats@1", "engines@1"}


def test_a_python_file_gives_ages_with_their_unit(folder: Path) -> None:
    """A text or a timedelta; a bare number is refused, as in YAML."""
    start = "from datetime import timedelta\nfrom featurama import FeatureGroup\n"
    (folder / "ages.py").write_text(start + 'found = FeatureGroup("g", ttl="90 minutes", retention=timedelta(days=2))')
    (group,) = read_definitions(folder / "ages.py")
    assert FeatureGroup("g", ttl="90m", retention="48h") == group
    (folder / "bare.py").write_text(start + 'found = FeatureGroup("g", ttl=30)')
    with pytest.raises(InvalidInput, match="ttl 30 has no unit"):
        read_definitions(folder / "bare.py")


def test_the_worlds_definitions_are_read(folder: Path) -> None:
    import featurama_world

    assert len(read_definitions(featurama_world.definitions_path())) == 29


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("features: [{name: a}]", "type is missing"),
        ("features: [{type: int}]", "name is missing"),
        ("features: [{name: a, type: number}]", r"^wrong.yaml: features\[0\] 'a': .*'number' is not known"),
        ("features: [{name: a, type: int, colour: red}]", "'colour' is not a field"),
        ("features: [{name: a, type: int, version: one}]", "version must be a whole number"),
        ("features: {name: a}", "features must be a list"),
        ("feature: []", "'feature' is not a field; did you mean 'features'"),
        ("features: [a", "is not YAML"),
        ("[]", "must hold entity_types"),
        ("{}", "defines nothing"),
        ("feature_groups: [{name: g, ttl: soon}]", "is not a duration"),
        ("feature_groups: [{name: g, ttl: 30}]", r"feature_groups\[0\] 'g': ttl 30 has no unit; write .* '30d'"),
        ("feature_groups: [{name: g, retention: 1.5}]", "retention 1.5 has no unit"),
        ("feature_services: [{name: s, features: [1]}]", r"^wrong.yaml: .* 's': features must be a list of texts"),
        ("feature_services: [{name: s, roles: [home]}]", r"^wrong.yaml: feature_services\[0\] 's': roles must map"),
        ("entity_types: [{name: t, keys: {a: number}}]", r"^wrong.yaml: .* 't': keys gives 'a' the type number; a key"),
    ],
)
def test_a_file_that_is_wrong_is_refused_by_its_place(folder: Path, text: str, problem: str) -> None:
    (folder / "wrong.yaml").write_text(text)
    with pytest.raises(InvalidInput, match=problem):
        read_definitions(folder / "wrong.yaml")


@pytest.mark.parametrize(("name", "text"), [("a.txt", ""), ("gone.yaml", None), ("gone.py", None), ("bad.py", "1/0")])
def test_a_file_that_cannot_be_used_is_one_line(
    featurama: Featurama, folder: Path, name: str, text: str | None
) -> None:
    if text is not None:
        (folder / name).write_text(text)
    ran = featurama("apply", name)
    assert (ran.code, len(ran.err.splitlines())) == (2, 1)
    assert name in ran.err


def test_a_plan_for_a_storage_that_is_not_there_makes_none(featurama: Featurama, folder: Path) -> None:
    """All of it would be new; the directory is not made."""
    (folder / "planets.yaml").write_text(DEFINITIONS)
    assert set(effects(featurama("apply", "planets.yaml", "--plan", "--json")).values()) == {"new"}
    assert not (folder / "featurama-data").exists()


def test_features_are_listed_page_by_page(defined: Featurama) -> None:
    """The line below a page says how the next one is asked for; the last page has none."""
    first = defined("features", "--limit", "3", "--json")
    assert [each["name"] for each in first.json] == ["moons", "nickname", "storm"]
    assert "More features: --limit 3 --after temperature" in first.err
    last = defined("features", "--limit", "3", "--after", "temperature", "--json")
    assert ([each["name"] for each in last.json], last.err) == (["temperature", "wind"], "")
    refused = defined("features", "--after", "storm")
    assert (refused.code, "--limit" in refused.err) == (2, True)


def test_entities_are_listed_up_to_a_limit(filled: Featurama) -> None:
    """Those that only have values too."""
    assert filled("entities", "register", "planet_pluto", "--type", "planet").code == 0
    listed = filled("entities", "list", "planet", "--json").json
    assert [each["entity_id"] for each in listed] == ["planet_pluto", "planet_earth", "planet_mars"]
    some = filled("entities", "list", "planet", "--limit", "2", "--json")
    assert (len(some.json), "raise --limit" in some.err) == (2, True)


def test_keys_of_entity_types_are_planned_and_listed(featurama: Featurama, folder: Path) -> None:
    """A list of names means text keys. The bytes are those that an id has left for the keys."""
    text = "entity_types:\n  - {name: user, keys: [user_id]}\n  - {name: rating, keys: {user_id: int, film: text}}\n"
    (folder / "keys.yaml").write_text(text + "  - {name: film}\n")
    keys = {"user": "user_id text (251 bytes)", "rating": "user_id int, film text (248 bytes)", "film": ""}
    assert keys == {row["name"]: row["keys"] for row in featurama("apply", "keys.yaml", "--json").json}
    assert keys == {row["name"]: row["keys"] for row in featurama("entities", "types", "--json").json}
    (folder / "other.yaml").write_text("entity_types: [{name: user, keys: {user_id: int}}]")
    other = featurama("apply", "other.yaml", "--json")
    assert (2, "conflict") == (other.code, other.json[0]["effect"])
    assert "another keys" in other.json[0]["problem"]


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ("user_id", "is 'user_id'; give a list of names"),
        ("{user_id: double}", "gives 'user_id' the type double"),
        ("{user_id: [int]}", "give a list of names"),
        ("[entity_id]", "keys 'entity_id' is reserved"),
        ("[a, a]", "names a column twice"),
    ],
)
def test_keys_that_are_none_are_refused(featurama: Featurama, folder: Path, keys: str, problem: str) -> None:
    """In the file, or in the plan."""
    (folder / "keys.yaml").write_text(f"entity_types: [{{name: user, keys: {keys}}}]")
    ran = featurama("apply", "keys.yaml", "--json")
    assert ran.code != 0
    assert problem in (ran.err + ran.out)


def test_a_name_of_another_kind_is_pointed_out(defined: Featurama) -> None:
    """In every command on one definition; an unknown name, or version, stays unknown."""
    for command in (("show",), ("edit", "--description", "x"), ("deprecate",), ("restore",), ("delete", "--yes")):
        for name, given, kind in (("weather", "feature", "group"), ("outlook", "group", "service")):
            ran = defined("features", *command, name, "--kind", given)
            assert (2, True) == (ran.code, f"{given} {name!r} is not registered, but" in ran.err), ran.err
            assert f"add --kind {kind}" in ran.err
    for name in ("nothing", "temperature@7"):
        ran = defined("features", "show", name)
        assert (2, False) == (ran.code, "--kind" in ran.err)


def test_a_version_that_is_left_out_is_the_newest(defined: Featurama, folder: Path) -> None:
    """The refusal names it."""
    (folder / "second.yaml").write_text("features: [{name: moons, group: weather, type: double, version: 2}]")
    ran = defined("apply", "second.yaml", "--yes")
    assert (0, True) == (ran.code, "Registered 1 definition in" in ran.err), ran.err
    for command in ("deprecate", "restore", "delete"):
        ran = defined("features", command, "moons")
        assert (2, True) == (ran.code, "'moons' names no version of a feature; write it as moons@2" in ran.err), ran.err
