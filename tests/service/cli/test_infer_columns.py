"""`featurama infer`: types of columns, forms of times, layouts and names, alone and in tables of any columns."""

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

from .conftest import Featurama
from .inferring import Infer, infer

__all__ = ["infer"]

UTC = "2024-01-01T{:02}:00:00Z"


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
