"""`featurama infer`: what it proposes for files as people have them is applied and written unchanged where it is sure,
and is a question where it is not.
"""

from __future__ import annotations

import gzip
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet
import pytest

from .conftest import Featurama
from .inferring import Infer, infer

__all__ = ["infer"]

UTC = "2024-01-01T{:02}:00:00Z"


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


@pytest.mark.parametrize("ending", ["csv", "tsv.gz"])
def test_decimal_commas_and_words_are_declared(infer: Infer, folder: Path, ending: str) -> None:
    """With a question about the words, and about numbers whose comma might part thousands."""
    rows = [
        "\t".join(
            (
                f"s{at % 7}\t2024-01-{at % 28 + 1:02}T{at % 24:02}:00:00Z\t{at},{at % 10}5",
                f"{at % 9 + 1},250\t{'Ja' if at % 3 else 'Nein'}",
            )
        )
        for at in range(168)
    ]
    text = "\n".join(["station\tat\twind\tload\tstorm", *rows])
    if ending == "csv":
        (folder / "w.csv").write_text(text.replace("\t", ";"))
    else:
        (folder / "w.tsv.gz").write_bytes(gzip.compress(text.encode()))
    made = infer(f"w.{ending}")
    assert {"wind": "double", "load": "double", "storm": "bool"} == made.types
    assert (",", ["Ja"], ["Nein"]) == tuple(made.mapping[name] for name in ("decimal", "true_values", "false_values"))
    assert "'Ja' and 'Nein' as bool; or text" == made.unsure("storm")
    assert "1,234 is read as 1.234 also in load" == made.unsure("decimal")
    assert {"accepted": 168} == made.written(f"w.{ending}")


@pytest.mark.parametrize("other", ["1.5", "'x'"])
def test_a_comma_that_may_part_thousands_declares_nothing(infer: Infer, folder: Path, other: str) -> None:
    """Nor does one beside numbers with a point: a question says what could be declared."""
    load = "1,5" if other == "1.5" else "1,250"
    rows = "\n".join(f"s{at};2024-01-01;{load};{other}" for at in range(20))
    (folder / "w.csv").write_text(f"station;at;load;other\n{rows}\n")
    made = infer("w.csv")
    assert (None, "text") == (made.mapping.get("decimal"), made.types["load"])
    assert f"numbers such as '{load}' stay texts; declare decimal: \",\" for double" in made.unsure("load")


@pytest.mark.parametrize("form", ["%m/%d/%Y %I:%M %p", "%d.%m.%Y %I:%M:%S %p"])
def test_times_of_twelve_hours_have_a_form_and_no_zone(infer: Infer, folder: Path, form: str) -> None:
    """PM is no zone."""
    moments = pd.date_range("2024-01-13 00:04", periods=60, freq="151h")
    times = [each.strftime(form) for each in moments]
    (folder / "t.csv").write_text(
        "station,at,wind\n" + "\n".join(f"s{at},{each},{at}.5" for at, each in enumerate(times))
    )
    made = infer("t.csv")
    assert (form, "?") == (made.mapping["time_format"], made.mapping["timezone"])
    assert {"accepted": 60} == made.written("t.csv", timezone="UTC")


def test_rows_with_an_odd_time_or_one_in_the_future_are_named(infer: Infer, folder: Path) -> None:
    """Beside the column of times, with the file and the row."""
    times = [f"2024-01-{at % 28 + 1:02}T{at % 24:02}:00:00Z" for at in range(50)]
    times[17], times[40], times[41] = "yesterday", "2131-01-01T00:00:00Z", "2131-01-02T00:00:00Z"
    (folder / "t.csv").write_text(
        "station,at,wind\n" + "\n".join(f"s{at},{each},{at}.5" for at, each in enumerate(times))
    )
    asked = infer("t.csv").unsure("time_column")
    assert "1 row would be rejected: timestamp 'yesterday' is not an ISO 8601 time" in asked
    assert "(t.csv, row 17)" in asked
    future = "2 rows have times in the future and would be rejected: 2131-01-01T00:00:00.000000Z in t.csv, row 40"
    assert future in asked


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_ids_that_became_doubles_are_cast_to_text(infer: Infer, folder: Path, ending: str) -> None:
    """One id in either file, without a point."""
    frame = pd.DataFrame(
        {"user_id": [float(at // 4) for at in range(40)], "at": pd.date_range("2024-01-01", periods=40)}
    )
    frame["spent"] = [at + 0.5 for at in range(40)]
    frame.to_csv(folder / "u.csv", index=False) if ending == "csv" else frame.to_parquet(folder / "u.parquet")
    made = infer(f"u.{ending}")
    assert ("user_id", {"user_id": "text"}) == (made.mapping["entity_column"], made.mapping["casts"])
    assert {"accepted": 40} == made.written(f"u.{ending}", timezone="UTC")
    assert 31.5 == made.newest("7", "spent")
