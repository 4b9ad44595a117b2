"""`featurama dataset` and the rejected rows of `featurama write`."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd  # noqa: F401 - pyarrow loads it when it first converts, which must not be on a loop
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from .conftest import Featurama

LABELS = """entity_id,timestamp,label
planet_mars,2026-01-01T12:00:00Z,7
planet_earth,2026-01-01T00:00:00Z,8
planet_mars,2026-01-03T00:00:00Z,9
"""


@pytest.fixture
def labelled(filled: Featurama, folder: Path) -> Featurama:
    (folder / "labels.csv").write_text(LABELS)
    return filled


def test_a_directory_of_parts_is_built_with_a_manifest(labelled: Featurama, folder: Path) -> None:
    """The manifest pins versions and names each file with its hash."""
    ran = labelled("dataset", "build", "--labels", "labels.csv", "-f", "temperature", "-o", "set", "--json")
    assert ran.code == 0, ran.err
    assert (ran.code, ran.json["files"], ran.json["without_value"]) == (0, 1, {"temperature": 1})
    assert pyarrow.parquet.read_table(folder / "set").column("temperature").to_pylist() == [210.5, None, 211.25]
    manifest = json.loads((folder / "set.manifest.json").read_text())
    assert manifest["request"]["features"] == ["temperature@1"]
    assert manifest["time_range"]["last"] == "2026-01-03T00:00:00.000000Z"
    assert manifest["files"][0]["rows"] == 3


def test_what_is_there_is_not_overwritten_unasked(labelled: Featurama, folder: Path) -> None:
    build = ("dataset", "build", "--labels", "labels.csv", "-f", "temperature", "-o", "set.parquet")
    assert labelled(*build).code == 0
    ran = labelled(*build)
    assert (ran.code, "already" in ran.err) == (2, True)
    assert labelled(*build, "--overwrite").code == 0


def test_explain_says_how_history_is_read_and_builds_nothing(labelled: Featurama, folder: Path) -> None:
    ran = labelled("dataset", "build", "--labels", "labels.csv", "-f", "temperature", "--explain", "--json")
    assert ran.code == 0, ran.err
    assert (ran.json["label_rows"], ran.json["label_entities"], ran.json["rows"]) == (3, 2, 3)
    (strategy,) = {read["strategy"] for read in ran.json["reads"]}
    assert strategy in ("seek", "lookup")
    shown = labelled("dataset", "build", "--labels", "labels.csv", "-f", "temperature", "--explain")
    assert strategy in shown.out
    assert "3 label rows of 2 entities, in 1 pass into 1 output part: about 3 values in 1 partition" in shown.err
    assert {"labels.csv", "long.csv", "planets.yaml"} >= {path.name for path in folder.iterdir() if path.is_file()}


def test_a_grid_needs_no_labels(filled: Featurama, folder: Path) -> None:
    """Every entity of the type at every step: a registered one, and one that only has values."""
    assert filled("entities", "register", "planet_mars", "--type", "planet").code == 0
    ran = filled(
        *("dataset", "build", "--entity-type", "planet", "-f", "temperature", "-o", "grid.csv"),
        *("--start", "2026-01-01T00:00:00Z", "--end", "2026-01-02T00:00:00Z", "--every", "12h"),
    )
    assert ran.code == 0, ran.err
    grid = pyarrow.csv.read_csv(folder / "grid.csv").to_pydict()
    assert grid["entity_id"] == ["planet_earth"] * 3 + ["planet_mars"] * 3
    assert grid["temperature"][3:] == [210.5, 210.5, 211.25]


def test_a_set_is_verified_and_a_deletion_is_named(labelled: Featurama, folder: Path) -> None:
    """Law 9: only deletion and retention change a set, and verify says which."""
    assert labelled("dataset", "build", "--labels", "labels.csv", "-f", "temperature", "-o", "set").code == 0
    assert labelled("dataset", "verify", "set", "--rebuild", "--json").json["differences"] == []
    assert labelled("delete", "planet_mars", "--yes").code == 0
    ran = labelled("dataset", "verify", "set", "--rebuild", "--json")
    found = [(each["column"], each["cause"], each["rows"], each["first_rows"]) for each in ran.json["differences"]]
    assert (ran.code, found) == (0, [("temperature", "deletion", 2, [0, 2])])


def test_a_changed_file_fails_verification(labelled: Featurama, folder: Path) -> None:
    assert labelled("dataset", "build", "--labels", "labels.csv", "-f", "temperature", "-o", "set").code == 0
    part = folder / "set" / "part-00000.parquet"
    content = bytearray(part.read_bytes())
    content[100] ^= 1
    part.write_bytes(content)
    ran = labelled("dataset", "verify", "set")
    assert (ran.code, "part-00000.parquet" in ran.err) == (1, True)


def test_rejected_rows_lie_beside_their_file_with_reasons(defined: Featurama, folder: Path) -> None:
    """The rows as they came, where they stood, and why; what is good is stored all the same."""
    (folder / "mixed.csv").write_text(
        "entity_id,feature_name,value,timestamp\n"
        "planet_mars,temperature,210.5,2026-01-01T00:00:00Z\n"
        "planet_mars,temperature,2.0,not a time\n"
        "planet_mars,nonsense,1.0,2026-01-01T00:00:00Z\n"
    )
    ran = defined("write", "mixed.csv", "--json")
    assert (ran.code, "unexpected" in ran.err) == (1, False), ran.err
    assert (ran.json["accepted"], ran.json["rejected"]) == (1, 2), ran.err
    rejected = pyarrow.csv.read_csv(folder / "mixed.rejected.csv").to_pylist()
    assert [(row["__row"], row["__reason"], row["feature_name"]) for row in rejected] == [
        (1, "INVALID_TIME", "temperature"),
        (2, "UNKNOWN_FEATURE", "nonsense"),
    ]


def test_a_label_without_a_time_is_named_and_nothing_is_left(filled: Featurama, folder: Path) -> None:
    pyarrow.parquet.write_table(
        pa.table({"entity_id": ["a", "b"], "timestamp": ["2026-01-01T00:00:00Z", None]}), folder / "l.parquet"
    )
    ran = filled("dataset", "build", "--labels", "l.parquet", "-f", "temperature", "-o", "set")
    assert (ran.code, "l.parquet, row 1" in ran.err) == (2, True)
    assert [path.name for path in folder.glob("*set*")] == [] == [path.name for path in folder.glob(".*set*")]


RIDES = """planet_id,pilot,timestamp
planet_mars,leela,2026-01-01T12:00:00Z
planet_mars,,2026-01-03T00:00:00Z
,fry,2026-01-03T00:00:00Z
"""
PILOTS = """
entity_types:
  - {name: pilot}
feature_groups:
  - {name: flying, entity_type: pilot}
features:
  - {name: flights, group: flying, type: int}
"""
FLIGHTS = """entity_id,feature_name,value,timestamp
leela,flights,12,2026-01-01T00:00:00Z
fry,flights,1,2026-01-01T00:00:00Z
"""


def test_rows_may_name_entities_of_several_types(filled: Featurama, folder: Path) -> None:
    """A column a type; the manifest and --explain say which, and verify builds it again."""
    (folder / "rides.csv").write_text(RIDES)
    (folder / "pilots.yaml").write_text(PILOTS)
    (folder / "flights.csv").write_text(FLIGHTS)
    assert filled("apply", "pilots.yaml", "--yes").code == 0
    assert filled("write", "flights.csv").code == 0
    asked = ("dataset", "build", "--labels", "rides.csv", "-f", "flights,temperature")
    columns = ("--role", "planet=planet:planet_id", "--role", "pilot=pilot")
    ran = filled(*asked, *columns, "-o", "set", "--json")
    assert (ran.code, ran.json["without_value"]) == (0, {"pilot.flights": 1, "planet.temperature": 1}), ran.err
    table = pyarrow.parquet.read_table(folder / "set")
    assert table.column("pilot.flights").to_pylist() == [12, None, 1]
    assert table.column("planet.temperature").to_pylist() == [210.5, 211.25, None]
    manifest = json.loads((folder / "set.manifest.json").read_text())
    assert manifest["request"]["roles"] == {
        "planet": {"type": "planet", "columns": ["planet_id"]},
        "pilot": {"type": "pilot", "columns": ["pilot"]},
    }
    assert filled("dataset", "verify", "set", "--rebuild", "--json").json["differences"] == []
    plan = filled(*asked, *columns, "--explain", "--json").json
    assert {(*read["roles"], read["group"]) for read in plan["reads"]} == {("pilot", "flying"), ("planet", "weather")}
    assert "roles" in filled(*asked, *columns, "--explain").out
    lacking = filled(*asked, "--role", "pilot=pilot", "-o", "other")
    assert (lacking.code, "'temperature' describes a planet, which no role names" in lacking.err) == (2, True)


MATCHES = """home,away,timestamp
planet_mars,planet_earth,2026-01-02T00:00:00Z
planet_earth,planet_earth,2026-01-03T00:00:00Z
,planet_mars,2026-01-03T00:00:00Z
"""
SERVICE = """feature_services:
  - {name: match, roles: {home: planet, away: planet}, features: [home.temperature, away.temperature]}
"""


def test_a_feature_service_may_name_the_roles_of_label_rows(filled: Featurama, folder: Path) -> None:
    """From YAML; `features show` and an archive keep them, and the set is that of the roles of a request."""
    (folder / "matches.csv").write_text(MATCHES)
    (folder / "match.yaml").write_text(SERVICE)
    for outcome in ("new", "unchanged"):
        ran = filled("apply", "match.yaml", "--yes", "--json")
        assert (ran.code, outcome in ran.out) == (0, True), ran.err
    (shown,) = (each for each in filled("features", "--services", "--json").json if each["name"] == "match")
    assert shown["roles"] == {"home": "planet", "away": "planet"}
    assert shown["features"] == ["home.temperature@1", "away.temperature@1"]
    build = ("dataset", "build", "--labels", "matches.csv")
    assert filled(*build, "-s", "match", "-o", "served").code == 0
    roles = ("--role", "home=planet", "--role", "away=planet")
    assert filled(*build, *roles, "-f", "home.temperature,away.temperature", "-o", "asked").code == 0
    served, asked = (pyarrow.parquet.read_table(folder / each) for each in ("served", "asked"))
    assert served.column_names == ["home", "away", "timestamp", "home.temperature", "away.temperature"]
    assert served.equals(asked)
    assert served.column("home.temperature").to_pylist()[2] is None
    refused = filled("get", "planet_mars", "-s", "match")
    assert (refused.code, "roles home, away" in refused.err) == (2, True), refused.err


FLYING = """entity_types: [{name: pilot}]
feature_groups: [{name: flying, entity_type: pilot}]
features:
  - {name: flights, group: flying, type: int}
  - {name: at, group: flying, type: text, references: planet}
"""
PILOTS_AT = """entity_id,at,timestamp
leela,planet_mars,2026-01-01T00:00:00Z
fry,planet_earth,2026-01-01T00:00:00Z
"""


def test_dots_of_paths_can_be_another_text(filled: Featurama, folder: Path) -> None:
    """In the set and its manifest, which verify builds again; a deletion is still explained along the path."""
    (folder / "pilots.yaml").write_text(FLYING)
    (folder / "at.csv").write_text(PILOTS_AT)
    (folder / "labels.csv").write_text("entity_id,timestamp\nleela,2026-01-02T00:00:00Z\nfry,2026-01-03T00:00:00Z\n")
    assert filled("apply", "pilots.yaml", "--yes").code == 0
    assert filled("write", "at.csv").code == 0
    asked = ("dataset", "build", "--labels", "labels.csv", "-f", "at,at.temperature", "--column-separator", "__")
    assert filled(*asked, "-o", "set").code == 0
    assert pyarrow.parquet.read_table(folder / "set").column_names[2:] == ["at", "at__temperature"]
    assert filled("dataset", "verify", "set", "--rebuild", "--json").json["differences"] == []
    assert filled("delete", "planet_mars", "--yes").code == 0
    (difference,) = filled("dataset", "verify", "set", "--rebuild", "--json").json["differences"]
    assert (difference["column"], difference["cause"]) == ("at__temperature", "deletion")
    ran = filled(*asked[:-1], "", "-o", "other")
    assert (ran.code, "column_separator is empty" in ran.err) == (2, True)


def test_arrow_streams_are_written_and_read(labelled: Featurama, folder: Path) -> None:
    """As values, with their rejected rows, and as sets, which are label rows too."""
    values = pa.table(
        {
            "entity_id": ["planet_mars", ""],
            "feature_name": ["temperature"] * 2,
            "value": [1.5, 2.5],
            "timestamp": pa.array(["2026-01-03T00:00:00Z"] * 2).cast(pa.timestamp("us", "UTC")),
        }
    )
    with pa.OSFile(str(folder / "new.arrows"), "wb") as sink, pa.ipc.new_stream(sink, values.schema) as stream:
        stream.write_table(values)
    ran = labelled("write", "new.arrows", "--json")
    assert ran.code == 1, ran.err
    rejected = pa.ipc.open_stream(folder / "new.rejected.arrows").read_all()
    assert (1, [2.5]) == (rejected.num_rows, rejected.column("value").to_pylist())
    build = ("dataset", "build", "-f", "temperature")
    assert labelled(*build, "--labels", "labels.csv", "-o", "set.arrows").code == 0
    assert pa.ipc.open_stream(folder / "set.arrows").read_all().column("temperature").to_pylist() == [210.5, None, 1.5]
    assert labelled(*build, "--labels", "labels.csv", "-o", "sets", "--format", "arrows").code == 0
    assert ["part-00000.arrows"] == [path.name for path in (folder / "sets").iterdir()]
    assert labelled("dataset", "verify", "sets", "--rebuild", "--json").json["good"]


def test_roles_that_cannot_be_meant_are_refused(labelled: Featurama, folder: Path) -> None:
    asked = ("dataset", "build", "--labels", "labels.csv", "-f", "temperature", "-o", "set")
    short = ("--entity-column", "planet=entity_id")
    assert labelled(*asked, *short).code == 0
    assert "planet.temperature" in pyarrow.parquet.read_table(folder / "set").column_names
    for columns, why in (
        (("entity_id", "label"), "write TYPE=label"),
        (("planet=entity_id", "planet=label"), "names planet twice"),
        (("planet=",), "entity_columns must map"),
    ):
        ran = labelled(*asked, *(each for column in columns for each in ("--entity-column", column)))
        assert (ran.code, why in ran.err) == (2, True), ran.err
    for columns, why in (
        (("planet",), "write planet=TYPE"),
        (("planet=planet", "planet=planet:label"), "names planet twice"),
        (("planet=",), "entity_type '' is not a name"),
        (("planet=planet:",), "map each role"),
        (("planet=planet:entity_id", "star=star:label"), "'star' is not registered"),
        (("planet=pilot:entity_id",), "is not registered"),
    ):
        ran = labelled(*asked, *(each for column in columns for each in ("--role", column)))
        assert (ran.code, why in ran.err) == (2, True), ran.err


def test_a_set_that_is_not_there_is_named(labelled: Featurama) -> None:
    ran = labelled("dataset", "verify", "nowhere")
    assert (ran.code, "nowhere.manifest.json does not exist" in ran.err) == (2, True), ran.err


def test_an_entity_that_is_unknown_is_named(labelled: Featurama) -> None:
    ran = labelled("get", "planet_nowhere")
    assert (ran.code, "'planet_nowhere' is neither registered nor has any value" in ran.err) == (2, True), ran.err


def test_labels_with_whole_numbers_as_ids_need_a_cast(labelled: Featurama, folder: Path) -> None:
    """The error names the option, ready to be given."""
    (folder / "values.csv").write_text("entity_id,timestamp,temperature\n7,2026-01-01T00:00:00Z,1.5\n")
    assert labelled("write", "values.csv").code == 0
    table = pa.table({"Station ID": [7], "timestamp": ["2026-01-02T00:00:00Z"]})
    pyarrow.parquet.write_table(table, folder / "numbers.parquet")
    build = ("dataset", "build", "--labels", "numbers.parquet", "--entity-column", "Station ID", "-f", "temperature")
    ran = labelled(*build, "-o", "set.parquet")
    assert "column Station ID holds int64; it must hold text; declare --cast 'Station ID=text' " in ran.err
    assert labelled(*build, "-o", "set.parquet", "--cast", "Station ID=text").code == 0
    assert pyarrow.parquet.read_table(folder / "set.parquet").to_pylist()[0]["temperature"] == 1.5


KEYED = """
entity_types: [{name: shop, keys: [chain, number]}]
features: [{name: size, entity_type: shop, type: int}]
"""


def test_label_columns_have_other_names(filled: Featurama, folder: Path) -> None:
    """Keys by --rename or by --entity-column TYPE=A,B; any column by --rename, with the texts of its file."""
    (folder / "shops.yaml").write_text(KEYED)
    (folder / "shops.csv").write_text("chain,number,size\naldi,7,40\naldi,8,50\n")
    (folder / "labels.csv").write_text('A,B,at,Ziel µg\naldi,8,2026-02-01T00:00:00Z,"1,5"\n')
    assert filled("apply", "shops.yaml", "--yes").code == 0
    assert filled("write", "shops.csv", "--timestamp", "2026-01-01T00:00:00Z").code == 0
    build = ("dataset", "build", "--labels", "labels.csv", "--time-column", "at")
    target = ("--rename", "Ziel µg=target", "--type", "target=double", "--decimal", ",")
    keys = ("--rename", "A=chain", "--rename", "B=number")
    assert (ran := filled(*build, "-f", "size", *target, *keys, "-o", "renamed.parquet")).code == 0, ran.err
    found = pyarrow.parquet.read_table(folder / "renamed.parquet").to_pylist()
    assert [("aldi", "8", 1.5, 50)] == [(row["chain"], row["number"], row["target"], row["size"]) for row in found]
    again = ("-f", "size", *target, "--entity-column", "shop=A,B", "-o", "columns.parquet")
    assert (ran := filled(*build, *again)).code == 0, ran.err
    found = pyarrow.parquet.read_table(folder / "columns.parquet").to_pylist()
    assert [50] == [row["shop.size"] for row in found]
    refused = filled(*build, "-f", "size", "-o", "none.parquet")
    assert "no column chain" in refused.err or "nor a column chain" in refused.err, refused.err
    assert "a key column of another name is renamed to it" in refused.err
    refused = filled(*build, "-f", "size", *target, *keys, "-o", "renamed.parquet")
    assert "renamed.parquet exists already; choose another name, or give --overwrite" in refused.err
    refused = filled(*build, "-f", "planet.moons", "--entity-column", "planet=A,B", "-o", "none.parquet")
    assert "a planet has no keys; name one, of its ids" in refused.err
