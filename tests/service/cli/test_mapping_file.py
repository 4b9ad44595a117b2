"""`featurama write --mapping`: what the columns of a file mean stands in a YAML file, with or without definitions."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Featurama

STORMS = """
features:
  - {name: wind, type: int}
  - {name: hurricane, type: bool}
mapping:
  entity_column: Name
  time_column: at
  time_unit: s
  rename: {Seen At: at, Wind (knots): wind, H: hurricane}
  only: [wind, hurricane]
  delimiter: ";"
  null_values: [NA]
"""
ROWS = "Name;Seen At;Wind (knots);H;note\nAmy;173042400;30;0;x\nBob;173042400;NA;1;y\n"


@pytest.fixture
def storms(featurama: Featurama, folder: Path) -> Featurama:
    """The command, after the definitions of the file were applied."""
    (folder / "storms.yaml").write_text(STORMS)
    (folder / "storms.csv").write_text(ROWS)
    assert featurama("apply", "storms.yaml", "--yes").code == 0
    return featurama


def newest(command: Featurama, entity: str) -> dict[str, object]:
    return {row["feature"]: row["value"] for row in command("get", entity, "-f", "wind,hurricane", "--json").json}


def test_one_file_holds_definitions_and_the_mapping(storms: Featurama) -> None:
    """`apply` takes the ones, `write --mapping` the other; declared texts are null."""
    ran = storms("write", "storms.csv", "--mapping", "storms.yaml", "--json")
    assert (0, 2) == (ran.code, ran.json["accepted"]), ran.err
    assert {"wind": 30, "hurricane": False} == newest(storms, "Amy")
    assert {"wind": None, "hurricane": True} == newest(storms, "Bob")
    assert "1975-06-26T19:20:00Z" == storms("history", "Amy", "wind", "--json").json[0]["event_time"]


def test_options_override_the_file(storms: Featurama, folder: Path) -> None:
    """A column or one value for all rows stand for each other; names of columns are added."""
    (folder / "one.csv").write_text("Name;Seen At;Wind (knots);H;note\nAmy;x;30;-;y\n")
    given = ("--entity-id", "all", "--timestamp", "2026-01-01T00:00:00Z", "--rename", "note=remark")
    assert (
        0
        == storms(
            "write", "one.csv", "--mapping", "storms.yaml", *given, "--null", "-", "--only", "wind,hurricane"
        ).code
    )
    (found,) = storms("history", "all", "wind", "--json").json
    assert ("2026-01-01T00:00:00Z", 30) == (found["event_time"], found["value"])


@pytest.mark.parametrize(
    ("mapping", "said"),
    [
        ("{entity_colum: Name}", "mapping: 'entity_colum' is not a field; did you mean 'entity_column'?"),
        ("{types: {a: int}}", "mapping: 'types' is not a field; the fields are entity_column"),
        ("{only: wind}", "mapping: only must be a list of texts, not 'wind'"),
        ("{casts: [wind]}", "mapping: casts must be texts by column"),
        ("{ignore_extra: 1}", "mapping: ignore_extra must be true or false, not 1"),
        ("{time_unit: h}", "time_unit 'h' is not one of s, ms, us, ns"),
        ("{timezone: '?'}", "wrong.yaml: mapping: timezone is still '?'; replace it"),
        ("{casts: {wind: '?'}}", "mapping: casts is still '?'"),
        ("{timezone: UTC, timezone: Europe/Rome}", "wrong.yaml, line 1: 'timezone' appears twice; keep one"),
        ("", "wrong.yaml: mapping is missing"),
        ("[a]", "wrong.yaml: mapping is ['a']"),
        ("{timestamp: 2026-01-01}", "timestamp"),
        ("{a", "wrong.yaml is not YAML, line 1"),
    ],
)
def test_a_mapping_that_is_wrong_is_one_line(storms: Featurama, folder: Path, mapping: str, said: str) -> None:
    """With the field, its value and the remedy; nothing is written."""
    (folder / "wrong.yaml").write_text(f"mapping: {mapping}")
    ran = storms("write", "storms.csv", "--mapping", "wrong.yaml")
    assert (2, True, 1) == (ran.code, said in ran.err, ran.err.count("\n")), ran.err
    assert [] == storms("history", "Amy", "wind", "--json").json


def test_an_open_field_is_closed_by_an_option(storms: Featurama, folder: Path) -> None:
    """A placeholder that an option replaces is no error."""
    (folder / "open.yaml").write_text(STORMS.replace("time_unit: s", "time_unit: '?'"))
    assert 0 == storms("write", "storms.csv", "--mapping", "open.yaml", "--time-unit", "s").code


def test_unknown_fields_and_repeated_keys_of_definitions_are_refused(featurama: Featurama, folder: Path) -> None:
    """With the name that may have been meant."""
    for text, said in (
        ("feature: []", "'feature' is not a field; did you mean 'features'?"),
        ("features: [{name: a, typ: int, type: int}]", "'typ' is not a field; did you mean 'type'?"),
        ("features: [{name: a, type: int, type: text}]", "'type' appears twice; keep one"),
    ):
        (folder / "wrong.yaml").write_text(text)
        ran = featurama("apply", "wrong.yaml", "--yes")
        assert (2, True) == (ran.code, said in ran.err), ran.err


DECLARED = """
entity_types: [{name: station}]
features:
  - {name: wind, entity_type: station, type: double}
  - {name: storm, entity_type: station, type: bool}
mapping: {entity_column: station, time_column: at, timezone: Europe/Rome, ambiguous: later, decimal: ",",
  true_values: ["yes"], false_values: ["no"], delimiter: ";"}
"""


def test_a_mapping_declares_how_texts_and_repeated_hours_are_read(featurama: Featurama, folder: Path) -> None:
    """Options override it; without a declaration the rows say what to declare."""
    (folder / "d.yaml").write_text(DECLARED)
    (folder / "d.csv").write_text("station;at;wind;storm\na;2024-10-27 02:30;1,5;Yes\nb;2024-03-31 02:30;-2,25;no\n")
    assert featurama("apply", "d.yaml", "--yes").code == 0
    ran = featurama("write", "d.csv", "--mapping", "d.yaml", "--json")
    assert (0, 2) == (ran.code, ran.json["accepted"]), ran.err
    (wind,) = featurama("history", "a", "wind", "--json").json
    assert ("2024-10-27T01:30:00Z", 1.5) == (wind["event_time"], wind["value"])
    (storm,) = featurama("history", "b", "storm", "--json").json
    assert ("2024-03-31T01:30:00Z", False) == (storm["event_time"], storm["value"])
    plain = ("--entity-column", "station", "--time-column", "at", "--zone", "Europe/Rome", "--delimiter", ";", "--json")
    ran = featurama("write", "d.csv", *plain)
    assert "declare --ambiguous earlier or --ambiguous later" in ran.json["problems"][0]
    ran = featurama("write", "d.csv", *plain, "--ambiguous", "earlier")
    assert "declare --cast wind=double and --decimal , if it is a number" in ran.json["problems"][0], ran.json
    words = ("--true", "yes", "--false", "no", "--decimal", ",", "--ambiguous", "earlier")
    assert (0, 2) == ((ran := featurama("write", "d.csv", *plain, *words)).code, ran.json["accepted"]), ran.json


def test_words_that_yaml_takes_for_booleans_must_be_quoted(featurama: Featurama, folder: Path) -> None:
    (folder / "d.yaml").write_text(DECLARED.replace('"yes"', "yes"))
    (folder / "d.csv").write_text("station;at\n")
    ran = featurama("write", "d.csv", "--mapping", "d.yaml")
    assert (2, True) == (ran.code, "true_values must be a list of texts, not [True]; quote the words" in ran.err), (
        ran.err
    )
