"""Files of values as people have them: `featurama write` is told what their columns mean, and rewrites none."""

from __future__ import annotations

import gzip
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from .conftest import Featurama

DAY = "2026-01-01T00:00:00Z"


def read(command: Featurama, *names: str, entity: str = "planet_mars") -> list[object]:
    return [row["value"] for row in command("get", entity, "-f", ",".join(names), "--json").json]


def test_a_file_is_written_as_its_options_describe_it(defined: Featurama, folder: Path) -> None:
    """Names, keys, zone, form of times, delimiter, encoding and casts; the casts are counted."""
    text = "Body;When;Moons Found;Spitzname;Sturm;noise\nplanet_mars;01.02.2026 12:00;2.0;Röte;1;?\n"
    (folder / "planets.csv").write_bytes(text.encode("latin-1"))
    options = (
        "--entity-column",
        "Body",
        "--time-column",
        "When",
        "--time-format",
        "%d.%m.%Y %H:%M",
        "--zone",
        "Europe/Berlin",
    )
    renamed = ("--rename", "Moons Found=moons", "--rename", "Spitzname=nickname", "--rename", "Sturm=storm")
    ran = defined(
        "write",
        "planets.csv",
        *options,
        *renamed,
        "--only",
        "moons,nickname,storm",
        "--delimiter",
        ";",
        "--encoding",
        "latin-1",
        "--json",
    )
    assert (ran.code, ran.json["accepted"]) == (0, 1), ran.err
    assert read(defined, "moons", "nickname", "storm") == [2, "Röte", True]
    shown = defined("history", "planet_mars", "moons", "--json").json[0]
    assert shown["event_time"] == "2026-02-01T11:00:00Z"


def test_casts_of_a_parquet_file_are_named_and_counted(defined: Featurama, folder: Path) -> None:
    """Integer ids, 0 and 1, texts of numbers and decimals, which are refused without."""
    table = pa.table(
        {
            "entity_id": [7, 8],
            "day": [1_767_225_600, 1_767_225_600],
            "storm": [0, 1],
            "moons": ["2", "n/a"],
            "temperature": pa.array([Decimal(1), Decimal(2)], pa.decimal128(5, 2)),
            "noise": ["x", "y"],
        }
    )
    pyarrow.parquet.write_table(table, folder / "p.parquet")
    casts = [
        part
        for each in ("entity_id=text", "storm=bool", "moons=int", "temperature=double")
        for part in ("--cast", each)
    ]
    given = ("write", "p.parquet", "--time-column", "day", "--time-unit", "s", "--ignore-extra")
    assert defined(*given).code == 2
    ran = defined(*given, *casts, "--json")
    assert (ran.code, ran.json["accepted"], ran.json["rejected"]) == (1, 1, 1)
    assert ran.json["casts"] == {
        "entity_id to text": 2,
        "storm to bool": 2,
        "moons to int": 1,
        "temperature to double": 2,
    }
    assert ran.json["problems"] == ["p.parquet: 1 row: moons 'n/a' is not an int (row 1)"]
    assert read(defined, "storm", "moons", "temperature", entity="7") == [False, 2, 1.0]


def test_one_entity_and_one_time_for_all_rows(defined: Featurama, folder: Path) -> None:
    """As options, for a file without such columns."""
    (folder / "one.csv").write_text("temperature\n210.5\n")
    assert defined("write", "one.csv", "--entity-id", "planet_mars", "--timestamp", DAY).code == 0
    assert read(defined, "temperature") == [210.5]


def test_an_option_that_cannot_be_meant_is_refused(defined: Featurama, folder: Path) -> None:
    """With the option named."""
    (folder / "one.csv").write_text(f"entity_id,timestamp,moons\nplanet_mars,{DAY},1\n")
    for options, said in (
        (("--rename", "moons"), "--rename 'moons' is not COLUMN=TEXT"),
        (("--cast", "moons=number"), "one of bool, int, double, text"),
        (("--rename", "mooons=moons"), "no column 'mooons'"),
        (("--delimiter", "tab"), "not one ASCII character"),
        (("--zone", "Mars/Dome"), "Mars/Dome"),
    ):
        ran = defined("write", "one.csv", *options)
        assert (ran.code, said in ran.err) == (2, True), ran.err


@pytest.mark.parametrize("between", [1, 30_000])
def test_a_contradiction_is_found_however_far_apart_its_rows_stand(
    defined: Featurama, folder: Path, between: int
) -> None:
    """Both rows are rejected, an equal repetition is one value, and the rows between are written."""
    rows = [f"planet_mars,{DAY},1", f"planet_earth,{DAY},5"]
    rows += [f"moon_{number},{DAY},0" for number in range(between)]
    rows += [f"planet_mars,{DAY},2", f"planet_earth,{DAY},5"]
    (folder / "far.csv").write_text("entity_id,timestamp,moons\n" + "\n".join(rows) + "\n")
    ran = defined("write", "far.csv", "--batch-size", "10000", "--json")
    assert (ran.json["accepted"], ran.json["rejected"]) == (between + 2, 2)
    assert {(0, "CONFLICTING_DUPLICATE"), (between + 2, "CONFLICTING_DUPLICATE")} == {
        (each["row"], each["reason"]) for each in ran.json["verdicts"]
    }
    assert read(defined, "moons") == [None]
    assert read(defined, "moons", entity="planet_earth") == [5]


def test_refused_rows_are_grouped_and_quote_the_value(defined: Featurama, folder: Path) -> None:
    """Whatever the value, three of which are shown with the first rows."""
    rows = [f"planet_{number},{DAY},{cell}" for number, cell in enumerate(["n/a"] * 7 + ["0x10", "3", "1_000"])]
    (folder / "many.csv").write_text("entity_id,timestamp,moons\n" + "\n".join(rows) + "\n")
    ran = defined("write", "many.csv")
    assert ran.code == 1
    shown = [" ".join(line.split()) for line in ran.out.splitlines()]
    assert shown[3] == "many.csv 9 0, 1, 2, 3, 4, ... TYPE_MISMATCH moons 'n/a', '0x10', '1_000' is not an int"


def test_compressed_and_partitioned_files_of_a_directory_are_written(defined: Featurama, folder: Path) -> None:
    """The name of a folder is a column, typed by its feature; a file beside has its own form of times."""
    (folder / "d" / "moons=2").mkdir(parents=True)
    (folder / "d" / "moons=2" / "a.csv.gz").write_bytes(
        gzip.compress(f"entity_id,timestamp\nplanet_mars,{DAY}\n".encode())
    )
    zoned = pd.DataFrame({"entity_id": ["planet_earth"], "timestamp": pd.to_datetime([DAY]), "moons": [1]}, index=[9])
    zoned.to_parquet(folder / "d" / "b.parquet")
    (folder / "d" / "moons=3").mkdir()
    zoned.drop(columns="moons").assign(entity_id="planet_x").to_parquet(folder / "d" / "moons=3" / "c.parquet")
    ran = defined("write", "d", "--json")
    assert (ran.code, ran.json["accepted"]) == (0, 3), ran.err
    assert [read(defined, "moons", entity=each) for each in ("planet_mars", "planet_earth", "planet_x")] == [
        [2],
        [1],
        [3],
    ]


def test_a_whole_float_of_a_csv_is_an_int(defined: Featurama, folder: Path) -> None:
    """pandas writes integers beside a missing one so."""
    pd.DataFrame({"entity_id": ["a", "b"], "timestamp": [DAY] * 2, "moons": [193, None]}).to_csv(
        folder / "i.csv", index=False
    )
    assert defined("write", "i.csv").code == 0
    assert read(defined, "moons", entity="a") + read(defined, "moons", entity="b") == [193, None]


def test_files_of_one_import_are_matched_by_column_names(defined: Featurama, folder: Path) -> None:
    """In any order and with types that join; a contradiction between two files rejects both rows."""
    (folder / "old").mkdir()
    times = {"timestamp": [1_735_689_600], "ingested_at": [1_735_689_600]}
    for name, table in (
        ("a", pa.table({"entity_id": ["planet_mars"], **times, "moons": pa.array([1], pa.int32())})),
        ("b", pa.table({"moons": [2], "entity_id": ["planet_mars"], **times})),
    ):
        pyarrow.parquet.write_table(table, folder / "old" / f"{name}.parquet")
    ran = defined("write", "old", "--bulk", "--time-unit", "s", "--ingested-at-unit", "s", "--json")
    assert (ran.json["accepted"], ran.json["rejected"]) == (0, 2)
    assert {"a.parquet", "b.parquet"} == {each["file"] for each in ran.json["verdicts"]}


FILMS = """
entity_types: [{name: film, keys: {film_id: int}}, {name: stay, keys: [guest, city]}]
features:
  - {name: year, type: int, entity_type: film}
  - {name: sequel, type: text, entity_type: film, references: film}
  - {name: nights, type: int, entity_type: stay}
"""


def test_files_have_key_columns_instead_of_ids(featurama: Featurama, folder: Path) -> None:
    """A key of a CSV is its text: nothing is trimmed or read as a number. What is no key is named with its row."""
    (folder / "films.yaml").write_text(FILMS)
    assert featurama("apply", "films.yaml").code == 0
    (folder / "films.csv").write_text("Movie,year,next\n1,1999,2\n2,2000,\n03,2001,1\n,2002,1\n1,1999,2\n")
    options = ("--rename", "Movie=film_id", "--timestamp", DAY, "--reference", "sequel=next")
    ran = featurama("write", "films.csv", *options, "--json")
    assert (1, 3, 2) == (ran.code, ran.json["accepted"], ran.json["rejected"])
    no_int = (
        "film_id '03' is not a 64-bit int; the key is declared int: write it without zeros in front or a fraction, or "
        "declare it text"
    )
    assert [(2, no_int), (3, "film_id is missing")] == [(each["row"], each["message"]) for each in ran.json["verdicts"]]
    assert [1999, "film:2"] == read(featurama, "year", "sequel", entity="film:1")
    (folder / "stays").mkdir()
    (folder / "stays" / "1.csv").write_text("guest,city,nights\n007, x,1\n")
    pa.parquet.write_table(pa.table({"city": ["y"], "nights": [2], "guest": ["8"]}), folder / "stays" / "2.parquet")
    assert 2 == featurama("write", "stays", "--timestamp", DAY, "--json").json["accepted"]
    assert [1] == read(featurama, "nights", entity="stay:007| x")
    assert [2] == read(featurama, "nights", entity="stay:8|y")
    (folder / "odd.csv").write_text("guest,nights\n1,2\n")
    odd = featurama("write", "odd.csv", "--timestamp", DAY)
    assert 2 == odd.code
    assert "odd.csv: the frame has neither entity_id nor the column city, a key of stay" in odd.err


def test_a_row_without_a_feature_name_is_rejected_alone(defined: Featurama, folder: Path) -> None:
    """Of a long file; so are names that are none."""
    rows = [f"planet_mars,{name},7,{DAY}" for name in ("", "Bad Name", "moons")]
    (folder / "long.csv").write_text("entity_id,feature_name,value,timestamp\n" + "\n".join(rows))
    ran = defined("write", "long.csv", "--json")
    assert (1, 1, 2) == (ran.code, ran.json["accepted"], ran.json["rejected"]), ran.err
    assert read(defined, "moons") == [7]


def test_rows_that_were_not_accepted_are_shown_by_message(defined: Featurama, folder: Path) -> None:
    """One line for all rows of one reason and message, the most frequent first; a list for programs has each row."""
    rows = [f"planet_mars,{DAY},{moons}" for moons in range(30)]
    (folder / "m.csv").write_text("\n".join(["entity_id,timestamp,moons", *rows, f"planet_earth,{DAY},few"]))
    ran = defined("write", "m.csv")
    assert 1 == ran.code
    conflict = "moons has different values for one entity and timestamp; keep one"
    shown = [" ".join(line.split()) for line in ran.out.splitlines()]
    assert f"m.csv 30 0, 1, 2, 3, 4, ... CONFLICTING_DUPLICATE {conflict}" == shown[3]
    assert ["m.csv 1 30 TYPE_MISMATCH moons 'few' is not an int"] == shown[4:]
    assert 20 == len(defined("write", "m.csv", "--json").json["verdicts"])
