"""Writing files, reading values back."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from featurama import sync

from .conftest import Featurama


def values(ran) -> dict[tuple[str, str], object]:
    return {(row["entity_id"], row["feature"]): row["value"] for row in ran.json}


def test_values_of_a_long_csv_are_read_back(filled: Featurama) -> None:
    """The newest value, with status, version and event time."""
    ran = filled("get", "planet_mars", "-f", "temperature", "--json")
    assert ran.json == [
        {
            "entity_id": "planet_mars",
            "feature": "temperature",
            "version": 1,
            "value": 211.25,
            "status": "PRESENT",
            "event_time": "2026-01-02T00:00:00Z",
        }
    ]


def test_a_feature_without_value_says_so(filled: Featurama) -> None:
    row = filled("get", "planet_mars", "-f", "storm", "--json").json[0]
    assert (row["value"], row["status"], row["event_time"]) == (None, "NOT_FOUND", None)


def test_a_service_is_read_for_several_entities(filled: Featurama) -> None:
    ran = filled("get", "planet_earth", "planet_mars", "--service", "outlook", "--json")
    assert list(values(ran).values()) == [288.0, None, 211.25, None]


def test_all_features_are_read_when_none_is_named(filled: Featurama) -> None:
    assert ("planet_mars", "temperature") in values(filled("get", "planet_mars", "--json"))


def test_a_table_shows_value_and_status(filled: Featurama) -> None:
    ran = filled("get", "planet_mars", "-f", "temperature")
    assert "211.25" in ran.out
    assert "PRESENT" in ran.out


def test_entities_are_registered_from_a_file(defined: Featurama, folder: Path) -> None:
    """Columns beside entity_id are optional; a wrong one, or a bad id, is one line with its place."""
    (folder / "some.csv").write_text('entity_id,name,metadata\nplanet_eris,Eris,\nplanet_ceres,,"{""moons"": 0}"\n')
    assert defined("entities", "register", "some.csv", "--type", "planet").code == 0
    listed = defined("entities", "list", "planet", "--json").json
    assert [(row["entity_id"], row["name"], row["metadata"]) for row in listed] == [
        ("planet_ceres", "", {"moons": 0}),
        ("planet_eris", "Eris", {}),
    ]
    for text, problem in (
        ("entity_id,colour\na,red\n", "bad.csv: column 'colour' is not known"),
        ("id\na\n", "bad.csv: column 'id' is not known"),
        ("name\na\n", "bad.csv: column 'entity_id' is missing"),
        ("entity_id,name\na,\n,b\n", "bad.csv, row 2: entity_id is missing or not text"),
    ):
        (folder / "bad.csv").write_text(text)
        ran = defined("entities", "register", "bad.csv", "--type", "planet")
        assert (ran.code, problem in ran.err) == (2, True), ran.err


def test_entities_of_a_file_are_named_by_the_keys_of_their_type(defined: Featurama, folder: Path) -> None:
    """One alone by --key; a null or malformed key, and a column that is missing or no key, are one line each."""
    (folder / "types.yaml").write_text(
        "entity_types: [{name: film, keys: {film_id: int}}, {name: stay, keys: [guest, city]}]"
    )
    assert defined("apply", "types.yaml", "--yes").code == 0
    (folder / "films.csv").write_text("film_id,name\n1,Alien\n-2,\n")
    assert defined("entities", "register", "films.csv", "--type", "film").code == 0
    (folder / "both.csv").write_text("entity_type,film_id,guest,city\nfilm,3,,\nstay,,fry,a|b\n")
    assert defined("entities", "register", "both.csv").code == 0
    assert defined("entities", "register", "--type", "film", "--key", "film_id=4", "--name", "Heat").code == 0
    listed = {
        row["entity_id"]: row["name"]
        for kind in ("film", "stay")
        for row in defined("entities", "list", kind, "--json").json
    }
    assert {"film:1": "Alien", "film:-2": "", "film:3": "", "film:4": "Heat", "stay:fry|a%7Cb": ""} == listed
    shown = defined("entities", "show", "--key", "guest=fry", "--key", "city=a|b", "--type", "stay", "--json")
    assert "stay:fry|a%7Cb" == shown.json["entity_id"]
    for kind, text, problem in (
        ("film", "film_id\n1\n007\n", "bad.csv, row 2: film_id '007' is not a 64-bit int"),
        ("stay", "guest,city\nfry,\nfry,x\n", "bad.csv, row 1: city is missing"),
        ("stay", "guest,name\nfry,x\n", "bad.csv: the rows have neither entity_id nor a column city, a key of stay"),
        ("film", "film_ids\n1\n", "bad.csv: column 'film_ids' is not known; did you mean 'film_id'?"),
        ("film", "film_id,entity_id\n1,film:1\n2,film:3\n", "bad.csv, row 2: entity_id is not the id of film_id"),
    ):
        (folder / "bad.csv").write_text(text)
        ran = defined("entities", "register", "bad.csv", "--type", kind)
        assert (ran.code, problem in ran.err) == (2, True), ran.err


def test_a_feature_of_another_type_than_the_entities_is_pointed_out(filled: Featurama, folder: Path) -> None:
    """Where no value is found: a mistake of the request, not a missing value."""
    (folder / "ships.yaml").write_text(
        "entity_types: [{name: ship}]\nfeature_groups: [{name: hull, entity_type: ship}]\n"
        "features: [{name: mass, group: hull, type: double}]"
    )
    assert filled("apply", "ships.yaml", "--yes").code == 0
    unregistered = filled("get", "planet_mars", "-f", "mass")
    assert (unregistered.code, unregistered.err) == (0, "")
    assert filled("entities", "register", "planet_mars", "--type", "planet").code == 0
    mistaken = filled("get", "planet_mars", "-f", "mass")
    assert (mistaken.code, mistaken.err) == (0, "mass is a feature of entity type ship, not of planet.\n")


def test_history_is_newest_first(filled: Featurama) -> None:
    ran = filled("history", "planet_mars", "temperature", "--json")
    assert [row["value"] for row in ran.json] == [211.25, 210.5]
    assert len(filled("history", "planet_mars", "temperature", "--limit", 1, "--json").json) == 1
    until = filled("history", "planet_mars", "temperature", "--end", "2026-01-01T12:00:00Z", "--json")
    assert [row["value"] for row in until.json] == [210.5]


def test_ingest_times_of_a_history_have_all_nine_digits(filled: Featurama) -> None:
    """Those that the store has; a table shows them too."""
    (newest, _) = filled("history", "planet_mars", "temperature", "--json").json
    with sync.connect("sqlite:///featurama-data") as store:
        stored = store.get_feature_history("planet_mars", "temperature").ingested_at
    assert pd.Timestamp(newest["ingested_at"]).value == stored[0]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", newest["ingested_at"])
    assert newest["ingested_at"] in filled("history", "planet_mars", "temperature").out


@pytest.mark.parametrize("ending", ["parquet", "arrow", "csv"])
def test_a_wide_file_is_written(defined: Featurama, folder: Path, ending: str) -> None:
    """entity_id, timestamp and a column a feature, in each format."""
    from featurama_core.datasets.files import format_of, new_file

    times = pa.array([1_767_225_600_000_000, 1_767_312_000_000_000]).cast(pa.timestamp("us", tz="UTC"))
    table = pa.table(
        {
            "entity_id": ["planet_mars", "planet_earth"],
            "timestamp": times,
            "temperature": [210.5, None],
            "storm": [True, False],
            "nickname": ["red", "blue"],
            "moons": [2, 1],
        }
    )
    path = folder / f"wide.{ending}"
    with new_file(path, table.schema, format_of(path, None)) as write:
        write(table)
    ran = defined("write", f"wide.{ending}", "--json")
    assert ran.json == {"accepted": 2, "rejected": 0, "unknown": 0, "verdicts": []}
    read = defined("get", "planet_earth", "planet_mars", "-f", "temperature,storm,nickname,moons", "--json")
    assert [row["value"] for row in read.json] == [None, False, "blue", 1, 210.5, True, "red", 2]
    assert read.json[0]["status"] == "NULL_VALUE"


def test_vectors_are_written_from_parquet(defined: Featurama, folder: Path) -> None:
    wind = pa.FixedSizeListArray.from_arrays(pa.array([1.0, 2.0, 3.5], pa.float32()), 3)
    times = pa.array([0]).cast(pa.timestamp("us", tz="UTC"))
    pyarrow.parquet.write_table(
        pa.table({"entity_id": ["planet_mars"], "timestamp": times, "wind": wind}), folder / "v.parquet"
    )
    assert defined("write", "v.parquet").code == 0
    assert defined("history", "planet_mars", "wind", "--json").json[0]["value"] == [1.0, 2.0, 3.5]


def test_rows_that_are_refused_are_named_and_the_rest_is_written(defined: Featurama, folder: Path) -> None:
    """Exit code 1, the row, its reason; the good row is stored."""
    (folder / "mixed.csv").write_text(
        "entity_id,feature_name,value,timestamp\n"
        "planet_mars,temperature,1.5,2026-01-01T00:00:00Z\n"
        "planet_mars,gravity,1.0,2026-01-01T00:00:00Z\n"
        "planet_mars,temperature,1.0,2999-01-01T00:00:00Z\n"
    )
    ran = defined("write", "mixed.csv", "--json")
    assert ran.code == 1
    assert (ran.json["accepted"], ran.json["rejected"]) == (1, 2)
    assert [(each["row"], each["reason"]) for each in ran.json["verdicts"]] == [
        (1, "UNKNOWN_FEATURE"),
        (2, "EVENT_TIME_IN_FUTURE"),
    ]
    assert defined("get", "planet_mars", "-f", "temperature", "--json").json[0]["value"] == 1.5


def test_a_naive_time_needs_a_zone(defined: Featurama, folder: Path) -> None:
    (folder / "naive.csv").write_text(
        "entity_id,feature_name,value,timestamp\nplanet_mars,temperature,1.5,2026-01-01T00:00:00\n"
    )
    refused = defined("write", "naive.csv")
    assert (refused.code, "NAIVE_TIME" in refused.err) == (2, True)
    assert defined("write", "naive.csv", "--timezone", "UTC").code == 0


@pytest.mark.parametrize("name", ["gone.csv", "notes.txt", "broken.parquet"])
def test_a_file_that_cannot_be_read_is_one_line(defined: Featurama, folder: Path, name: str) -> None:
    (folder / "notes.txt").write_text("")
    (folder / "broken.parquet").write_text("no parquet")
    ran = defined("write", name)
    assert (ran.code, len(ran.err.splitlines())) == (2, 1)
    assert name in ran.err


def test_deleting_asks_for_yes(filled: Featurama) -> None:
    """Without a terminal to ask on, nothing is deleted unless --yes says so."""
    assert filled("delete", "planet_mars").code == 2
    assert filled("delete", "planet_mars", "--yes", "--json").json["cleaned"] is True
    assert filled("get", "planet_mars", "-f", "temperature", "--json").json[0]["status"] == "NOT_FOUND"
    assert filled("get", "planet_earth", "-f", "temperature", "--json").json[0]["value"] == 288.0


def test_deleting_what_is_not_stored_says_so(filled: Featurama) -> None:
    """Of an unknown id nothing was cleaned, and of a feature without a value neither."""
    ran = filled("delete", "planet_nars", "--yes")
    assert (0, True) == (ran.code, "Nothing is stored for planet_nars in default; is the id right?" in ran.err)
    assert ("no", False) == (ran.out.split()[3], "cleaned" in ran.out)
    ran = filled("delete", "planet_mars", "-f", "moons", "--yes", "--json")
    assert (False, False) == (ran.json["found"], "cleaned" in ran.json)
    assert "Nothing of moons is stored for planet_mars" in ran.err


def test_one_features_values_are_deleted_through_a_time(filled: Featurama) -> None:
    filled("delete", "planet_mars", "-f", "temperature", "--through", "2026-01-01T00:00:00Z", "--yes")
    assert [row["value"] for row in filled("history", "planet_mars", "temperature", "--json").json] == [211.25]


def test_a_dataset_has_the_label_rows_with_the_values_of_their_time(filled: Featurama, folder: Path) -> None:
    """Rows, order and further columns stay; each value is the one of the row's own time."""
    (folder / "labels.csv").write_text(
        "entity_id,timestamp,label\n"
        "planet_mars,2026-01-01T12:00:00Z,7\n"
        "planet_earth,2026-01-01T00:00:00Z,8\n"
        "planet_mars,2026-01-03T00:00:00Z,9\n"
    )
    ran = filled(
        *(
            "dataset",
            "build",
            "--labels",
            "labels.csv",
            "-f",
            "temperature",
            "-o",
            "set.parquet",
            "--statuses",
            "--json",
        ),
        *("--type", "label=int"),
    )
    assert ran.code == 0, ran.err
    built = pyarrow.parquet.read_table(folder / "set.parquet").to_pydict()
    assert built["label"] == [7, 8, 9]
    assert built["temperature"] == [210.5, None, 211.25]
    assert built["temperature__status"] == ["PRESENT", "NOT_FOUND", "PRESENT"]
    assert (ran.json["rows"], ran.json["without_value"]) == (3, {"temperature": 1})


def test_a_dataset_is_written_as_csv(filled: Featurama, folder: Path) -> None:
    (folder / "labels.csv").write_text("entity_id,timestamp\nplanet_mars,2026-01-03T00:00:00Z\n")
    assert filled("dataset", "build", "--labels", "labels.csv", "-s", "outlook", "-o", "set.csv").code == 0
    assert "211.25" in (folder / "set.csv").read_text()


def test_a_dataset_needs_features(filled: Featurama, folder: Path) -> None:
    (folder / "labels.csv").write_text("entity_id,timestamp\nplanet_mars,2026-01-03T00:00:00Z\n")
    ran = filled("dataset", "build", "--labels", "labels.csv", "-o", "set.csv")
    assert (ran.code, "--features" in ran.err) == (2, True)


def test_a_csv_is_read_as_the_definitions_say(defined: Featurama, folder: Path) -> None:
    """Everything in a CSV is text; each value gets its feature's type, and what does not read so is rejected."""
    (folder / "mixed.csv").write_text(
        "entity_id,feature_name,value,timestamp\n"
        "planet_mars,temperature,210,2026-01-01T00:00:00Z\n"
        "planet_mars,storm,true,2026-01-01T00:00:00Z\n"
        "planet_mars,nickname,007,2026-01-01T00:00:00Z\n"
        'planet_mars,wind,"[1, 2, 3]",2026-01-01T00:00:00Z\n'
        "planet_mars,moons,,2026-01-01T00:00:00Z\n"
        "planet_earth,moons,one,2026-01-01T00:00:00Z\n"
    )
    ran = defined("write", "mixed.csv", "--json")
    assert (ran.code, ran.json["accepted"]) == (1, 5)
    assert [(each["row"], each["reason"]) for each in ran.json["verdicts"]] == [(5, "TYPE_MISMATCH")]
    names = ("temperature", "storm", "nickname", "wind", "moons")
    read = defined("get", "planet_mars", "-f", ",".join(names), "--json").json
    assert [row["value"] for row in read] == [210.0, True, "007", [1.0, 2.0, 3.0], None]
    assert read[-1]["status"] == "NULL_VALUE"


def test_a_wide_csv_is_read_as_the_definitions_say(defined: Featurama, folder: Path) -> None:
    (folder / "wide.csv").write_text(
        "entity_id,timestamp,temperature,nickname,wind,storm\n"
        'planet_mars,2026-01-01T00:00:00Z,210,007,"[1,2,3]",0\n'
        "planet_earth,2026-01-01T00:00:00Z,,NA,,true\n"
    )
    ran = defined("write", "wide.csv", "--json")
    assert ran.code == 0, ran.out + ran.err
    names = "temperature,nickname,wind,storm"
    read = defined("get", "planet_mars", "planet_earth", "-f", names, "--json").json
    assert [row["value"] for row in read] == [210.0, "007", [1.0, 2.0, 3.0], False, None, "NA", None, True]


def test_entities_with_values_only_are_listed_and_shown(filled: Featurama) -> None:
    """Without a type, those of all types; one without values is named; an empty list names the types."""
    assert 0 == filled("entities", "register", "fry").code
    listed = filled("entities", "list", "--json").json
    expected = {("planet_earth", "planet"), ("planet_mars", "planet"), ("fry", "entity")}
    assert expected == {(row["entity_id"], row["entity_type"]) for row in listed}
    assert "entity type" in filled("entities", "list").out
    assert ["planet_earth"] == [row["entity_id"] for row in filled("entities", "list", "--limit", 1, "--json").json]
    ran = filled("entities", "show", "planet_mars", "--json")
    assert ("planet_mars", "planet", None) == tuple(ran.json[key] for key in ("entity_id", "entity_type", "created_at"))
    assert "It is not registered; it has values of 1 feature." in ran.err
    ran = filled("entities", "show", "planet_nowhere")
    assert (2, True) == (ran.code, "'planet_nowhere' is neither registered nor has any value" in ran.err)
    assert 0 == filled("delete", "fry", "--yes").code
    assert "No entities of type entity; the types are planet, entity." in filled("entities", "list", "entity").out
