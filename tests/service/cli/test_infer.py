"""`featurama infer`: what it proposes for files as people have them is applied and written unchanged where it is sure,
and is a question where it is not.
"""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet
import pytest
import yaml

from .conftest import Featurama

UTC = "2024-01-01T{:02}:00:00Z"


class Inferred:
    """What was proposed, and what comes of it when it is applied and written."""

    def __init__(self, command: Featurama, folder: Path, *given: str) -> None:
        ran = command("infer", *given)
        assert 0 == ran.code, ran.err
        self.text = ran.out
        self.said = ran.err
        self.read = yaml.safe_load(ran.out)
        self.mapping: dict[str, Any] = self.read["mapping"]
        self.types = {each["name"]: each["type"] for each in self.read["features"]}
        self._command = command
        self._folder = folder

    def unsure(self, field: str) -> str:
        """The question beside a field or feature, "" if it is sure."""
        lines = self.text.splitlines()
        (line,) = [each for each in lines if each.strip().startswith((f"{field}:", f"- {{name: {field},"))]
        return line.partition("# unsure: ")[2]

    def written(self, *files: str, **answers: str) -> dict[str, int]:
        """The counts of the rows, with `answers` for what is open."""
        for name, answer in answers.items():
            assert f'{name}: "?"' in self.text
            self.text = self.text.replace(f'{name}: "?"', f'{name}: "{answer}"')
        (self._folder / "made.yaml").write_text(self.text)
        applied = self._command("apply", "made.yaml", "--yes")
        assert 0 == applied.code, applied.err
        ran = self._command("write", "--mapping", "made.yaml", *files, "--bulk", "--json")
        assert ran.code in (0, 1), ran.err
        assert [] == ran.json.get("problems", []), ran.json
        return {name: ran.json[name] for name in ("accepted", "rejected", "unknown") if ran.json[name]}


@pytest.fixture
def infer(featurama: Featurama, folder: Path) -> Callable[..., Inferred]:
    """`infer("ratings.csv")` -> what was proposed."""
    return lambda *given: Inferred(featurama, folder, *given)


Infer = Callable[..., Inferred]


def test_film_ratings(infer: Infer, folder: Path, featurama: Featurama) -> None:
    """Epoch seconds are sure by name and range; of two columns of ids the first is proposed, and asked about."""
    rows = [f"{at // 3 + 1},{at},{at % 9 / 2 + 0.5},{964_982_703 + at}" for at in range(30)]
    (folder / "ratings.csv").write_text("userId,movieId,rating,timestamp\n" + "\n".join(rows) + "\n")
    made = infer("ratings.csv")
    expected = {"entity_column": "userId", "time_column": "timestamp", "time_unit": "s"}
    assert expected | {"rename": {"movieId": "movie_id"}} == made.mapping
    assert {"movie_id": "int", "rating": "double"} == made.types
    assert [{"name": "user"}] == made.read["entity_types"]
    assert "the entity may also be movieId" == made.unsure("entity_column")
    assert "" == made.unsure("time_unit") == made.unsure("rating")
    assert "30 rows read; 1 question, marked as unsure." in made.said
    assert {"accepted": 30} == made.written("ratings.csv")
    assert "2000-07-30T18:45:05Z" == featurama("history", "1", "rating", "--json").json[0]["event_time"]


def test_columns_that_name_a_row_together_are_proposed_as_keys(
    infer: Infer, folder: Path, featurama: Featurama
) -> None:
    """Where every single one repeats at one time, and the pair does not; it is asked about, and written as it is."""
    rows = [f"{at % 6},S{at // 6},{at},{UTC.format(1)}" for at in range(36)]
    (folder / "stock.csv").write_text("Shop Id,sku,amount,time\n" + "\n".join(rows) + "\n")
    made = infer("stock.csv")
    assert [{"name": "stock", "keys": {"shop_id": "int", "sku": "text"}}] == made.read["entity_types"]
    assert (
        "shop_id and sku name a row together, and none does alone; are they the keys of its entity?"
    ) == made.unsure("entity_types")
    assert {"time_column": "time", "rename": {"Shop Id": "shop_id"}} == made.mapping
    assert {"amount": "int"} == made.types
    assert {"accepted": 36} == made.written("stock.csv")
    history = featurama("history", "--key", "shop_id=2", "--key", "sku=S1", "amount", "--json").json
    assert [8] == [each["value"] for each in history]
    (folder / "plain.csv").write_text("\n".join(["shop_id,sku,price", *(",".join(row.split(",")[:3]) for row in rows)]))
    untimed = infer("plain.csv")
    assert {"shop_id": "int", "sku": "text"} == untimed.read["entity_types"][0]["keys"]


def test_columns_that_do_not_name_a_row_together_are_no_keys(infer: Infer, folder: Path) -> None:
    """As where one of them does alone, at one time, or where rows repeat anyway."""
    alone = [f"{at % 6},{at},{at},{UTC.format(at % 24)}" for at in range(36)]
    (folder / "one.csv").write_text("\n".join(["shop_id,order_id,amount,time", *alone]))
    assert "keys" not in infer("one.csv").read["entity_types"][0]
    rows = [f"{at % 6},S{at // 6},{at},{UTC.format(1)}" for at in range(36)]
    (folder / "twice.csv").write_text("\n".join(["shop_id,sku,amount,time", *rows, rows[0]]))
    made = infer("twice.csv")
    assert ("shop_id", True) == (made.mapping["entity_column"], "share a key" in made.unsure("entity_column"))


def test_two_columns_of_one_kind_of_thing_are_a_question_of_roles(infer: Infer, folder: Path) -> None:
    """Only if most of their values are in common; numbers only if they are named as ids."""
    head = "match_id,time,home_team,away_team,home_goal,away_goal,from_city,to_city,home_coach_id,away_coach_id"
    rows = [
        f"{at},{UTC.format(at)},T{at % 5},T{at % 4},{at % 3},{at % 3},C{at},D{at},{at % 7},{100 + at % 7}"
        for at in range(20)
    ]
    (folder / "matches.csv").write_text("\n".join([head, *rows]))
    said = infer("matches.csv").unsure("entity_types")
    assert (
        "home_team and away_team name the same teams; label rows have a role for each: --role home=team:home_team"
        " --role away=team:away_team"
    ) == said


@pytest.mark.parametrize(
    ("days", "clocks", "form"),
    [
        (["31/01/2024", "13/02/2024"], ["9:30", "17:05"], "%d/%m/%Y %H:%M"),
        (["2024-01-31", "2024-02-13"], ["09:30", "17:05"], None),
        (["2024-01-31", "2024-02-13"], ["9:30 AM", "5:05 PM"], "%Y-%m-%d %I:%M %p"),
    ],
)
def test_dates_and_times_of_day_side_by_side_are_one_event_time(
    infer: Infer, folder: Path, featurama: Featurama, days: list[str], clocks: list[str], form: str | None
) -> None:
    """It is asked about, and written as it is."""
    rows = [f"1,{day},{clock},{at}" for at, (day, clock) in enumerate(zip(days, clocks, strict=True), 5)]
    (folder / "games.csv").write_text("\n".join(["team_id,Date,Time,x", *rows]))
    made = infer("games.csv")
    assert ("Date", "Time") == (made.mapping["time_column"], made.mapping["clock_column"])
    assert (form, {"x": "int"}) == (made.mapping.get("time_format"), made.types)
    assert "are Date and Time together the event time?" == made.unsure("clock_column")
    assert {"accepted": 2} == made.written("games.csv", timezone="UTC")
    history = featurama("history", "1", "x", "--json").json
    assert ["2024-02-13T17:05:00Z", "2024-01-31T09:30:00Z"] == [each["event_time"] for each in history]


def test_years_alone_are_no_times(infer: Infer, folder: Path) -> None:
    """The column is named, and stays a feature."""
    rows = [f"{at},{1990 + at},{at * 0.5}" for at in range(37)]
    (folder / "y.csv").write_text("\n".join(["city_id,year,x", *rows]))
    made = infer("y.csv")
    assert "year holds years alone (1990 to 2026), which are no times" in made.unsure("timestamp")
    assert ("?", "int") == (made.mapping["timestamp"], made.types["year"])


def test_nothing_is_stored(infer: Infer, folder: Path) -> None:
    """Only the file is in the directory afterwards."""
    (folder / "a.csv").write_text(f"id,time,x\n1,{UTC.format(1)},2\n")
    infer("a.csv")
    assert ["a.csv"] == [each.name for each in folder.iterdir()]


def test_penguins(infer: Infer, folder: Path, featurama: Featurama) -> None:
    """`NA` in a column of numbers is declared null. Without ids and times both are open, and `write` says so."""
    rows = ["Adelie,Torgersen,39.1,18.7,181,3750,male,2007", "Adelie,Torgersen,NA,NA,NA,NA,NA,2008"]
    head = "species,island,bill_length_mm,bill_depth_mm,flipper_length_mm,body_mass_g,sex,year\n"
    (folder / "penguins.csv").write_text(head + "\n".join([*rows, "Gentoo,Biscoe,46.1,13.2,211,4500,female,2008"]))
    made = infer("penguins.csv")
    assert {"entity_column": "?", "timestamp": "?", "null_values": ["NA"]} == made.mapping
    assert {"species": "text", "bill_length_mm": "double", "body_mass_g": "int", "sex": "text"}.items() <= (
        made.types.items()
    )
    assert "'NA' is null in sex too (1 row)" == made.unsure("null_values")
    (folder / "open.yaml").write_text(made.text)
    ran = featurama("write", "--mapping", "open.yaml", "penguins.csv")
    assert (2, 1) == (ran.code, ran.err.count("\n"))
    assert "open.yaml: mapping: entity_column is still '?'; replace it" in ran.err
    with_ids = (folder / "penguins.csv").read_text().replace("\n", "\nx", 2).splitlines()
    (folder / "penguins.csv").write_text(
        "\n".join(["bird_id," + with_ids[0], *(f"b{at},{row}" for at, row in enumerate(with_ids[1:]))])
    )
    made = infer("penguins.csv")
    assert ("bird_id", "") == (made.mapping["entity_column"], made.unsure("entity_column"))
    assert {"accepted": 3} == made.written("penguins.csv", timestamp="2024-01-01T00:00:00Z")


def test_storms(infer: Infer, folder: Path) -> None:
    """Names are normalised, the index that pandas wrote is left out, 0 and 1 are a bool that is asked about."""
    rows = [f"{at},Storm {at // 5},{173_042_400 + at * 21_600},{at + 20},{at % 2},{at % 2}" for at in range(20)]
    (folder / "storms.tsv").write_text(
        ",Storm Name,Seen,Wind (knots),hurricane,Is major\n".replace(",", "\t") + "\n".join(rows).replace(",", "\t")
    )
    made = infer("storms.tsv")
    renamed = {"Wind (knots)": "wind_knots", "Is major": "is_major"}
    assert {"entity_column": "Storm Name", "time_column": "Seen", "time_unit": "s", "rename": renamed} == made.mapping
    assert {"wind_knots": "int", "hurricane": "bool", "is_major": "bool"} == made.types
    assert "0 and 1 as bool; or int" == made.unsure("hurricane")
    assert "" == made.unsure("is_major")
    assert "storm" == made.read["entity_types"][0]["name"]
    assert {"accepted": 20} == made.written("storms.tsv")


def test_football(infer: Infer, folder: Path, featurama: Featurama) -> None:
    """A day above 12 decides between dd/mm and mm/dd; the zone is open; the other team is asked about."""
    rows = [f"E0,{at % 28 + 1:02}/08/2023,Team {at % 4},Team {at % 4 + 1},{at % 5},HDA" for at in range(28)]
    (folder / "E0.csv").write_text("Div,Date,HomeTeam,AwayTeam,FTHG,FTR\n" + "\n".join(rows))
    made = infer("E0.csv")
    assert ("HomeTeam", "Date") == (made.mapping["entity_column"], made.mapping["time_column"])
    assert ("%d/%m/%Y", "?") == (made.mapping["time_format"], made.mapping["timezone"])
    assert "the entity may also be AwayTeam" == made.unsure("entity_column")
    assert "" == made.unsure("time_format")
    assert "team" == made.read["entity_types"][0]["name"]
    assert "the same value in every row" in made.unsure("div")
    (folder / "open.yaml").write_text(made.text)
    ran = featurama("write", "--mapping", "open.yaml", "E0.csv")
    assert (2, 1, True) == (ran.code, ran.err.count("\n"), "timezone is still '?'" in ran.err)
    assert {"accepted": 28} == made.written("E0.csv", timezone="Europe/London")
    (folder / "E1.csv").write_text("team_id,Date,x\n1,01/02/2023,5\n2,03/02/2023,6\n")
    assert "%m/%d/%Y reads as many rows" == infer("E1.csv").unsure("time_format")


def test_weather_of_two_cities_in_folders(infer: Infer, folder: Path, featurama: Featurama) -> None:
    """A folder is the entity, dates and naive times need a zone, columns without values are left out."""
    for city in ("rome", "oslo"):
        (folder / "weather" / f"city={city}").mkdir(parents=True)
        days = pd.date_range("2024-01-01", periods=4)
        frame = pd.DataFrame({"day": days, "high": [1.5, None, 3, 4], "rain": [0, 1, 1, 0], "note": [None] * 4})
        frame.to_parquet(folder / "weather" / f"city={city}" / "part-0.parquet")
    made = infer("weather")
    assert {
        "entity_column": "city",
        "time_column": "day",
        "timezone": "?",
        "only": ["high", "rain"],
        "casts": {"rain": "bool"},
    } == made.mapping
    assert "column note is left out: no value in any row" in made.text
    assert "" == made.unsure("entity_column") == made.unsure("high")
    assert {"accepted": 8} == made.written("weather", timezone="Europe/Rome")
    assert "2024-01-03T23:00:00Z" == featurama("history", "oslo", "rain", "--json").json[0]["event_time"]


def test_pandas_frames(infer: Infer, folder: Path) -> None:
    """A named index may be the entity, an unnamed one is nothing. Decimals are cast, ids of 64 bits become texts."""
    times = pd.date_range("2024-01-01", periods=4, tz="UTC")
    frame = pd.DataFrame(
        {
            "at": times,
            "price": [Decimal("1.50"), Decimal(2), None, Decimal(3)],
            "count": [1.0, None, 3.0, 4.0],
            "level": [1.0, 2.0, 3.0, 4.0],
            "vector": [[1.0, 2.0]] * 4,
            "ragged": [[1.0], [1.0, 2.0], None, None],
            "ended": times,
            "big": pa.array([2**63 + at for at in range(4)], pa.uint64()).to_numpy(),
        },
        index=pd.Index(["a", "b", "c", "d"], name="sensor"),
    )
    frame.to_parquet(folder / "named.parquet")
    made = infer("named.parquet")
    assert ("sensor", "at") == (made.mapping["entity_column"], made.mapping["time_column"])
    assert {"price": "double", "big": "text"} == made.mapping["casts"]
    assert {"price": "double", "count": "int", "level": "double", "vector": "vector[2]", "big": "text"} == made.types
    assert "whole numbers beside nulls; or double" in made.unsure("count")
    assert "all values are whole; or int" in made.unsure("level")
    assert "column ragged is left out: vectors of the lengths 1, 2" in made.text
    assert "column ended is left out: holds times" in made.text
    assert {"accepted": 4} == made.written("named.parquet")
    tweets = pd.DataFrame({"tweet_id": [2**62 + at for at in range(9)], "text": [f"{at}!" for at in range(9)]})
    tweets.assign(created_at=times[0])[tweets.tweet_id % 2 == 1].to_parquet(folder / "tweets.parquet")
    made = infer("tweets.parquet")
    assert ("tweet_id", {"tweet_id": "text"}) == (made.mapping["entity_column"], made.mapping["casts"])
    assert "" == made.unsure("entity_column")
    assert {"accepted": 4} == made.written("tweets.parquet")


def test_columns_of_a_csv_get_the_type_that_takes_all_values(infer: Infer, folder: Path) -> None:
    """Leading zeros, ids beyond 64 bits and texts stay texts; a few texts among numbers are a question."""
    head = "id,when,zip,huge,mixed,truth,vector,mostly,answer,2nd,ключ,value,A,a,dash\n"
    rows = [
        f'k{at},{UTC.format(at)},{at:05},{2**64 + at},{"x" if at else 7},{at % 2 == 0},"[{at},1]",'
        f"{at if at != 11 else 'lost'},{'N/A' if at else 'yes'},{at},{at},{at}.5,{at},{at},{at or '-'}"
        for at in range(12)
    ]
    (folder / "all.csv").write_text(head + "\n".join(rows), encoding="utf-8-sig")
    made = infer("all.csv")
    assert {
        "zip": "text",
        "huge": "text",
        "mixed": "text",
        "truth": "bool",
        "vector": "vector[2]",
        "mostly": "int",
        "answer": "text",
        "n_2nd": "int",
        "column_11": "int",
        "source_value": "double",
        "a": "int",
        "a_2": "int",
        "dash": "int",
    } == made.types
    assert "1 value is no number ('lost') and would be rejected; or text" == made.unsure("mostly")
    assert "'N/A' in 11 rows is a text; or declare null_values" == made.unsure("answer")
    assert "no Latin letters in 'ключ'" in made.unsure("rename")
    assert ["-"] == made.mapping["null_values"]
    made.text = made.text.replace("name: mostly, group: all, type: int", "name: mostly, group: all, type: text")
    assert {"accepted": 12} == made.written("all.csv")


@pytest.mark.parametrize(
    ("texts", "expected", "asked"),
    [
        ([f"2024-01-01T0{at}:00:00+01:00" for at in range(3)], {}, ""),
        ([f"2024-01-0{at} 10:00" for at in range(1, 4)], {"timezone": "?"}, ""),
        ([f"2024/1/{at} 10:00" for at in range(1, 4)], {"time_format": "%Y/%m/%d %H:%M", "timezone": "?"}, ""),
        ([f"Tue, 0{at} Nov 2022 12:45:26 +0100" for at in (1, 2, 3)], {"time_format": "rfc2822"}, ""),
        ([f"2{at}.01.2024 7:30" for at in range(3)], {"time_format": "%d.%m.%Y %H:%M", "timezone": "?"}, ""),
        ([f"Jan {at}, 2024" for at in (1, 2, 3)], {"time_format": "%b %d, %Y", "timezone": "?"}, ""),
        ([f"1/{at}/2024 1:05 PM" for at in (11, 12, 13)], {"time_format": "%m/%d/%Y %I:%M %p", "timezone": "?"}, ""),
        ([f"2024013{at}" for at in (0, 1)], {"time_format": "%Y%m%d", "timezone": "?"}, ""),
        (["1704067200123", "1704067201123"], {"time_unit": "ms"}, ""),
        (["1704067200123456", "1704067201123456"], {"time_unit": "us"}, ""),
        (["1704067200.5", "1704067201.5"], {"time_unit": "s"}, ""),
        (["5", "1704067201"], {"time_unit": "s"}, "numbers that in s are times from 1970-01-01 to 2024-01-01"),
    ],
)
def test_forms_and_units_of_times(
    infer: Infer, folder: Path, texts: list[str], expected: dict[str, str], asked: str
) -> None:
    """The form or the unit follows from all values; the zone is never guessed. What is proposed reads all rows."""
    (folder / "t.csv").write_text("id,time,x\n" + "\n".join(f'k,"{text}",1' for text in texts))
    made = infer("t.csv")
    ignored = ("entity_column", "time_column")
    assert expected == {name: value for name, value in made.mapping.items() if name not in ignored}
    assert asked == (made.unsure("time_unit") if "time_unit" in expected else "")
    answers = {"timezone": "Europe/Rome"} if "timezone" in expected else {}
    assert {"accepted": len(texts)} == made.written("t.csv", **answers)


def test_days_as_integers_of_a_parquet_file(infer: Infer, folder: Path) -> None:
    """They are cast to text, and read by their form."""
    table = pa.table({"shop_id": [1, 2], "day": [20240131, 20240201], "sold": [3, 4]})
    pyarrow.parquet.write_table(table, folder / "days.parquet")
    made = infer("days.parquet")
    assert {"shop_id": "text", "day": "text"} == made.mapping["casts"]
    assert {"accepted": 2} == made.written("days.parquet", timezone="UTC")


def test_several_candidates_are_named(infer: Infer, folder: Path) -> None:
    """Two times that are as likely, and two ids."""
    (folder / "o.csv").write_text(
        "order_id,user_id,created_at,updated_at,x\n" + f"1,7,{UTC.format(1)},{UTC.format(2)},5\n"
    )
    made = infer("o.csv")
    assert "the entity may also be user_id" == made.unsure("entity_column")
    assert "the event time may also be updated_at" == made.unsure("time_column")
    assert "texts of times stay texts" in made.unsure("updated_at")
    decided = infer("o.csv", "--entity-column", "user_id", "--time-column", "updated_at")
    assert ("user_id", "") == (decided.mapping["entity_column"], decided.unsure("entity_column"))
    assert "" == decided.unsure("time_column")


def test_rows_that_would_be_rejected_are_counted(infer: Infer, folder: Path) -> None:
    """Rows without a key, and rows that share one."""
    day = UTC.format(1)
    rows = [f"a,{day},1", f"a,{day},2", f",{day},3", *(f"k{at},{day},{at}" for at in range(40))]
    (folder / "k.csv").write_text("id,time,x\n" + "\n".join(rows))
    asked = infer("k.csv").unsure("entity_column")
    assert "1 row would be rejected: entity_id is missing or not text" in asked
    assert "2 rows share a key with others" in asked


def test_long_tables(infer: Infer, folder: Path) -> None:
    """Their features are those that they name, typed by their own values."""
    rows = [f"p{at},{name},{value},{UTC.format(at)}" for at in range(3) for name, value in (("t", 1.5), ("s", "no"))]
    (folder / "long.csv").write_text("entity_id,feature_name,value,timestamp\n" + "\n".join(rows))
    made = infer("long.csv")
    assert {"t": "double", "s": "text"}.items() <= made.types.items()
    assert [{"name": "long"}] == made.read["entity_types"]
    assert {"accepted": 6} == made.written("long.csv")


def test_files_of_a_directory_may_lack_columns(infer: Infer, folder: Path, featurama: Featurama) -> None:
    """One mapping describes all of them: what it says of a column holds where the column is."""
    (folder / "many").mkdir()
    (folder / "many" / "a.csv").write_text(f"id,time,Wind (knots),gust\na,{UTC.format(1)},3,4\n")
    (folder / "many" / "b.csv").write_text(f"id,time,Storm\nb,{UTC.format(1)},1\nb,{UTC.format(2)},0\n")
    made = infer("many")
    assert {"wind_knots": "int", "gust": "int", "storm": "bool"} == made.types
    assert {"accepted": 3} == made.written("many")
    ran = featurama("write", "--mapping", "made.yaml", "many", "--rename", "Wnd=wnd")
    assert (2, True) == (ran.code, "there is no column 'Wnd' to rename" in ran.err)


def test_layouts_are_found_or_given(infer: Infer, folder: Path, featurama: Featurama) -> None:
    """Another delimiter, an encoding that is not UTF-8, compressed files, Arrow streams."""
    text = f"name;time;note\nJosé;{UTC.format(1)};ñandú\nZoë;{UTC.format(2)};ok\n"
    (folder / "people.csv.gz").write_bytes(gzip.compress(text.encode("cp1252")))
    made = infer("people.csv.gz")
    assert (";", "cp1252") == (made.mapping["delimiter"], made.mapping["encoding"])
    assert "not UTF-8; this encoding may be another" == made.unsure("encoding")
    assert {"accepted": 2} == made.written("people.csv.gz")
    given = infer("people.csv.gz", "--encoding", "latin-1")
    assert ("latin-1", "") == (given.mapping["encoding"], given.unsure("encoding"))
    table = pa.table({"id": ["a"], "ts": pa.array([0], pa.timestamp("us", "UTC")), "x": [True]})
    with pa.ipc.new_stream(folder / "s.arrows", table.schema) as stream:
        stream.write_table(table)
    assert {"x": "bool"} == infer("s.arrows").types
    for name, said in (("gone.csv", "does not exist"), ("x.txt", "is none of")):
        ran = featurama("infer", name)
        assert (2, True) == (ran.code, said in ran.err)
    ran = featurama("infer", "s.arrows", "--entity-column", "di")
    assert (2, True) == (ran.code, "there is no column 'di'; there are id, ts, x" in ran.err)


def test_names_cannot_break_the_yaml(infer: Infer, folder: Path) -> None:
    """Quotes, colons, line breaks and words of YAML in names of columns and values."""
    names = ["id", "time", "yes", "a: b", 'q"uote', "#x", "new\nline", "🐧 weight", "- d", "null", "left\nout"]
    frame = pd.DataFrame([["k", pd.Timestamp("2024-01-01T00:00Z"), *range(1, 9), None]], columns=names)
    frame.to_parquet(folder / "odd: 'name' #1.parquet")
    made = infer("odd: 'name' #1.parquet")
    assert {"yes", "a_b", "q_uote", "x", "new_line", "weight", "d", "null"} == set(made.types)
    assert {"accepted": 1} == made.written("odd: 'name' #1.parquet")


COLUMNS: dict[str, Callable[[random.Random], Any]] = {
    "whole": lambda draw: draw.randrange(-(2**40), 2**40),
    "digit": lambda draw: draw.randrange(10),
    "huge": lambda draw: draw.randrange(2**62, 2**63),
    "point": lambda draw: draw.uniform(-1e6, 1e6),
    "tiny": lambda draw: draw.choice([1e-300, -0.0, 2.5e200]),
    "flag": lambda draw: draw.randrange(2),
    "truth": lambda draw: draw.choice([True, False]),
    "Word": lambda draw: draw.choice(["x", "NA", "null", " ", "é", "1e", "0x1", "1_000", "a,b", '"', "y\nz"]),
    "day": lambda draw: draw.choice(["2024-01-01", "2024-02-30", "yesterday"]),
    "Code Nr.": lambda draw: f"{draw.randrange(1000):04}",
}


@pytest.mark.parametrize("seed", range(8))
def test_tables_of_any_columns_are_written_without_a_rejected_row(infer: Infer, folder: Path, seed: int) -> None:
    """CSV and Parquet files of drawn columns, some values of which are missing."""
    draw = random.Random(seed)
    chosen = draw.sample(list(COLUMNS), 5)
    rows = [
        {
            "device_id": f"d{at}",
            "event_time": UTC.format(at % 24),
            **{name: None if draw.random() < 0.2 else COLUMNS[name](draw) for name in chosen},
        }
        for at in range(40)
    ]
    table = pa.Table.from_pylist(rows)
    if seed % 2:
        pyarrow.parquet.write_table(table, folder / "drawn.parquet")
    else:
        table.to_pandas(types_mapper=pd.ArrowDtype).to_csv(folder / "drawn.csv", index=False)
    file = "drawn.parquet" if seed % 2 else "drawn.csv"
    assert {"accepted": 40} == infer(file).written(file)


@pytest.mark.parametrize(
    ("texts", "shown"),
    [
        (["1,5", "1234,75", "3,0"], "'1,5', '1234,75', '3,0'"),
        (["1,200", "950", "12,345.50"], "'1,200', '12,345.50'"),
        (["1.200,5", "7", "8"], "'1.200,5'"),
        (["12%", "7.5%", "0%"], "'12%', '7.5%', '0%'"),
        (["$3.00", "$1,200.00", "-$4"], "'$3.00', '$1,200.00', '-$4'"),
        (["3.00 €", "4 €", "EUR 5"], "'3.00 €', '4 €', 'EUR 5'"),
        (["1 200", "2\N{NO-BREAK SPACE}300", "5"], "'1 200', '2\\xa0300'"),
    ],
)
def test_numbers_in_other_forms_are_texts_with_a_question(
    infer: Infer, folder: Path, texts: list[str], shown: str
) -> None:
    """They are never the entity, as texts that differ in every row might be."""
    rows = [f'"{text}",{UTC.format(at)}' for at, text in enumerate(texts)]
    (folder / "sales.csv").write_text("turnover,time\n" + "\n".join(rows))
    made = infer("sales.csv")
    assert {"turnover": "text"} == made.types
    assert f"numbers such as {shown} stay texts; rewrite the column as 1234.75 for double" == made.unsure("turnover")
    assert "?" == made.mapping["entity_column"]


@pytest.mark.parametrize("texts", [["10.0.0.1", "10.0.0.2"], ["A1", "B2"], ["00501", "00502"], ["ABC 123", "ABD 7"]])
def test_texts_with_digits_are_no_numbers(infer: Infer, folder: Path, texts: list[str]) -> None:
    """Addresses, codes and numbers with zeros in front may be an entity."""
    rows = [f"{text},{UTC.format(at)},1.5" for at, text in enumerate(texts)]
    (folder / "k.csv").write_text("what,time,x\n" + "\n".join(rows))
    assert "what" == infer("k.csv").mapping["entity_column"]


def test_decimals_beyond_the_digits_of_a_double_are_a_question(infer: Infer, folder: Path) -> None:
    """As many rows are rejected as were announced; no digit is lost without a word."""
    prices = [Decimal("12345678901234567.89"), Decimal("0.10"), Decimal("-99999999999999999.25"), None]
    table = {"id": list("abcd"), "price": pa.array(prices, pa.decimal128(30, 2))}
    pyarrow.parquet.write_table(pa.table(table), folder / "prices.parquet")
    made = infer("prices.parquet")
    assert "# unsure: 2 values have more digits than a double and would be rejected\n" in made.text
    (folder / "made.yaml").write_text(made.text.replace('timestamp: "?"', "timestamp: 2024-01-01T00:00:00Z"))
    assert 0 == made._command("apply", "made.yaml", "--yes").code
    ran = made._command("write", "--mapping", "made.yaml", "prices.parquet", "--json")
    assert (2, 2) == (ran.json["accepted"], ran.json["rejected"])
    assert {"price to double": 1} == ran.json["casts"]
    assert (
        "price holds Decimal; declare a cast to double or int, which takes each that loses no digit, or give text"
        in (ran.json["problems"][0])
    )


def test_the_index_of_a_csv_may_be_the_entity(infer: Infer, folder: Path, featurama: Featurama) -> None:
    """It is proposed where no column has an id per row and no time; otherwise it is left out."""
    penguins = pd.DataFrame({"species": ["Adelie"] * 3, "mass": [3750.5, 3800.0, 3250.0]}, index=[10, 11, 12])
    penguins.to_csv(folder / "penguins.csv")
    made = infer("penguins.csv")
    assert ("Unnamed: 0", {"species": "text", "mass": "double"}) == (made.mapping["entity_column"], made.types)
    assert "is it the entity that the rows describe?" == made.unsure("entity_column")
    assert [{"name": "penguins"}] == made.read["entity_types"]
    assert {"accepted": 3} == made.written("penguins.csv", timestamp="2024-01-01T00:00:00Z")
    assert 3750.5 == featurama("get", "10", "-f", "mass", "--json").json[0]["value"]
    penguins.assign(time=UTC.format(1), id=["a", "b", "c"]).to_csv(folder / "seen.csv")
    seen = infer("seen.csv")
    assert ("id", {"species": "text", "mass": "double"}) == (seen.mapping["entity_column"], seen.types)
    ran = featurama("infer", "seen.csv", "--entity-column", "")
    assert (2, True) == (ran.code, "there is no column ''; there are Unnamed: 0, species, mass" in ran.err)
