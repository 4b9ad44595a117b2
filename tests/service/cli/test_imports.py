"""Old history from files: each file or directory that is named is one import."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from .conftest import Featurama

EVENT, KNOWN = 1_767_225_600_000_000, 1_767_312_000_000_000
KNOWN_TEXT = "2026-01-02T00:00:00Z"
SECOND = 1_000_000


def parquet(path: Path, *rows: tuple[str, float], known: object = KNOWN, events: object = None) -> None:
    """Temperatures of planets at EVENT, known at KNOWN."""
    ids, values = [name for name, _ in rows], [value for _, value in rows]
    path.parent.mkdir(exist_ok=True)
    table = {
        "entity_id": ids,
        "timestamp": pa.array(events or [EVENT] * len(rows)).cast(pa.timestamp("us", tz="UTC")),
        "ingested_at": pa.array([known] * len(rows)).cast(pa.timestamp("us", tz="UTC")),
        "temperature": values,
    }
    pyarrow.parquet.write_table(pa.table(table), path)


def corrections(featurama: Featurama, entity: str) -> list[tuple[object, str]]:
    """(value, ingest time) of each stored value, the newest first."""
    ran = featurama("history", entity, "temperature", "--corrections", "--json")
    return [(row["value"], row["ingested_at"]) for row in ran.json]


def test_a_later_file_corrects_an_earlier_one_of_equal_times(defined: Featurama, folder: Path) -> None:
    """Also within one command, whose files are imports in their order."""
    parquet(folder / "first.parquet", ("planet_mars", 3.0), ("planet_earth", 3.0))
    parquet(folder / "second.parquet", ("planet_mars", 1.0))
    ran = defined("write", "first.parquet", "second.parquet", "--bulk", "--json")
    assert (ran.code, ran.json["accepted"]) == (0, 3), ran.err
    assert [value for value, _ in corrections(defined, "planet_mars")] == [1.0, 3.0]
    assert defined("write", "first.parquet", "--bulk").code == 0
    assert [value for value, _ in corrections(defined, "planet_mars")] == [3.0, 1.0, 3.0]


def test_a_directory_is_one_import(defined: Featurama, folder: Path) -> None:
    """Equal rows of its files are one value; what was rejected before and lies beside them is not read."""
    parquet(folder / "old" / "a.parquet", ("planet_mars", 3.0), ("planet_earth", 1.0))
    parquet(folder / "old" / "b.parquet", ("planet_mars", 3.0), ("planet_pluto", 2.0))
    parquet(folder / "old" / "b.rejected.parquet", ("planet_earth", 9.0))
    ran = defined("write", "old", "--bulk", "--json")
    assert (ran.code, ran.json["accepted"]) == (0, 4), ran.err
    assert [value for value, _ in corrections(defined, "planet_mars")] == [3.0]
    assert [value for value, _ in corrections(defined, "planet_earth")] == [1.0]


def test_conflicts_of_an_import_are_rejected_wherever_they_lie(
    defined: Featurama, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In tables of one file and in files of one directory: both rows, named by file and row."""
    many = [(f"planet_{number:05}", float(number)) for number in range(10_050)]
    parquet(folder / "old" / "a.parquet", ("planet_mars", 1.0), *many, ("planet_mars", 2.0), ("planet_00003", 3.0))
    parquet(folder / "old" / "b.parquet", ("planet_earth", 1.0), ("planet_00007", 8.0))
    ran = defined("write", "old", "--bulk", "--json")
    assert (ran.code, ran.json["accepted"], ran.json["rejected"]) == (1, 10_051, 4), ran.err
    assert [(each["file"], each["row"], each["reason"]) for each in ran.json["verdicts"]] == [
        ("a.parquet", 0, "CONFLICTING_DUPLICATE"),
        ("a.parquet", 8, "CONFLICTING_DUPLICATE"),
        ("a.parquet", 10_051, "CONFLICTING_DUPLICATE"),
        ("b.parquet", 1, "CONFLICTING_DUPLICATE"),
    ]
    assert corrections(defined, "planet_mars") == []
    assert [value for value, _ in corrections(defined, "planet_00003")] == [3.0]
    beside = pyarrow.parquet.read_table(folder / "old" / "a.rejected.parquet").to_pylist()
    assert [(row["__row"], row["temperature"]) for row in beside] == [(0, 1.0), (8, 7.0), (10_051, 2.0)]


@pytest.mark.parametrize("shape", ["long", "wide"])
@pytest.mark.parametrize(
    ("unit", "text"),
    [(None, KNOWN_TEXT), ("s", str(KNOWN // SECOND)), ("us", str(KNOWN)), ("ns", str(KNOWN * 1_000 + 9))],
)
def test_ingest_times_of_a_csv_are_times_or_numbers_with_a_unit(
    defined: Featurama, folder: Path, shape: str, unit: str | None, text: str
) -> None:
    head, row = "temperature", "1.5"
    if shape == "long":
        head, row = "feature_name,value", "temperature,1.5"
    (folder / "old.csv").write_text(
        f"entity_id,timestamp,ingested_at,{head}\nplanet_mars,2026-01-01T00:00:00Z,{text},{row}\n"
    )
    ran = defined("write", "old.csv", "--bulk", *(["--ingested-at-unit", unit] if unit else []))
    assert ran.code == 0, ran.err
    ((value, known),) = corrections(defined, "planet_mars")
    assert (value, known[:19]) == (1.5, KNOWN_TEXT[:19])


def test_numbers_without_a_unit_are_refused(defined: Featurama, folder: Path) -> None:
    """Nothing is written, and no import begun. Event times and ingest times have a unit each."""
    table = pa.table({"entity_id": ["planet_mars"], "timestamp": [EVENT], "ingested_at": [KNOWN], "temperature": [1.0]})
    pyarrow.parquet.write_table(table, folder / "old.parquet")
    write = ("write", "old.parquet", "--bulk")
    for given, lacking in (("--ingested-at-unit", "--time-unit"), ("--time-unit", "--ingested-at-unit")):
        ran = defined(*write, given, "us")
        assert (ran.code, f"declare their unit with {lacking} (s, ms, us or ns)" in ran.err) == (2, True)
    assert defined(*write, "--time-unit", "us", "--ingested-at-unit", "us").code == 0
    assert defined(*write, "--time-unit", "us", "--ingested-at-unit", "minutes").code == 2
    assert len(corrections(defined, "planet_mars")) == 1


def test_an_import_needs_bulk_and_files_that_are_alike(defined: Featurama, folder: Path) -> None:
    parquet(folder / "old" / "a.parquet", ("planet_mars", 3.0))
    ran = defined("write", "old")
    assert (ran.code, "--bulk" in ran.err) == (2, True)
    (folder / "old" / "b.csv").write_text("entity_id,timestamp,temperature\nplanet_mars,2026-01-01T00:00:00Z,1.0\n")
    ran = defined("write", "old", "--bulk")
    assert (ran.code, "b.csv and a.parquet differ" in ran.err) == (2, True)
    assert corrections(defined, "planet_mars") == []


def test_a_directory_without_ingest_times_is_written_file_by_file(defined: Featurama, folder: Path) -> None:
    """Its files need not be alike; it is no import."""
    (folder / "new").mkdir()
    (folder / "new" / "a.csv").write_text("entity_id,timestamp,temperature\nplanet_mars,2026-01-01T00:00:00Z,1.0\n")
    (folder / "new" / "b.csv").write_text("entity_id,timestamp,moons\nplanet_mars,2026-01-01T00:00:00Z,2\n")
    ran = defined("write", "new", "--json")
    assert (ran.code, ran.json["accepted"]) == (0, 2), ran.err


def test_files_of_an_import_may_differ_in_types_that_lose_nothing(defined: Featurama, folder: Path) -> None:
    """Their rows are compared, and rejected rows written, in the joined types."""
    parquet(folder / "old" / "a.parquet", ("planet_mars", 3), ("planet_earth\n", 1))
    parquet(folder / "old" / "b.parquet", ("planet_mars", 2.5), ("planet_earth\n", 1.5), ("planet_pluto", 2.5))
    ran = defined("write", "old", "--bulk", "--json")
    assert (1, 4) == (ran.json["accepted"], ran.json["rejected"]), ran.err
    for name, values in (("a", [1.0, 3.0]), ("b", [1.5, 2.5])):
        rejected = pyarrow.parquet.read_table(folder / "old" / f"{name}.rejected.parquet")
        assert values == rejected.column("temperature").to_pylist()


def test_files_of_an_import_that_cannot_be_joined_are_refused_before_a_row_is_written(
    defined: Featurama, folder: Path
) -> None:
    """Both files are named."""
    parquet(folder / "old" / "a.parquet", ("planet_mars", 2.5))
    parquet(folder / "old" / "b.parquet", ("planet_mars", 2), ("planet_earth", 2**60 + 1))
    ran = defined("write", "old", "--bulk")
    assert 2 == ran.code
    assert "column temperature of b.parquet is int64 and cannot become double as in a.parquet without loss" in ran.err
    assert [] == corrections(defined, "planet_mars")
