"""Texts that mean a value by a declaration alone: a decimal comma, words for true and false, and types of columns."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet
import pytest
from tests.opened import OpenedStore

from featurama_core.datasets.verify import verify
from featurama_core.store_datasets import rebuilt
from featurama_core.types.errors import InvalidInput

from .standing_clock import Unique

AT = "2026-01-01T00:00:00Z"
LIBRARIES: dict[str, Callable[[Any], Any]] = {
    "columns": dict,
    "pandas": pd.DataFrame,
    "polars": pl.DataFrame,
    "arrow": pa.table,
}
WORDS: dict[str, Any] = {"true_values": ["yes", "Oui"], "false_values": ["no"]}
COMMA: dict[str, Any] = {"decimal": ",", **WORDS}


async def newest(store: OpenedStore, entity: str, *features: str) -> list[Any]:
    return [each[0] for each in (await store.get_online_features([entity], features)).to_dict().values()][1:]


@pytest.mark.parametrize("library", LIBRARIES)
async def test_a_cast_reads_texts_as_they_are_declared(store: OpenedStore, unique: Unique, library: str) -> None:
    """With a decimal comma a text with a point is no number; words mean true and false in any case of letters."""
    await store.register_feature(wind := unique("wind"), "double")
    await store.register_feature(storm := unique("storm"), "bool")
    ids = [unique(f"e{row}") for row in range(4)]
    rows = {"entity_id": ids, wind: ["1,5", "-7", "2.5", "1.234,5"], storm: ["YES", "no", "oui", "1"]}
    casts = {wind: "double", storm: "bool"}
    report = await store.write_features(LIBRARIES[library](rows), timestamp=AT, casts=casts, **COMMA)
    assert (2, {f"{wind} to double": 2, f"{storm} to bool": 4}) == (report.accepted, report.casts)
    assert [[1.5, True], [-7.0, False]] == [await newest(store, each, wind, storm) for each in ids[:2]]
    assert {2, 3} == {each.row for each in report.verdicts}


async def test_without_a_declaration_nothing_is_guessed(store: OpenedStore, unique: Unique) -> None:
    """The message of the row says what would be declared, also where the cast alone is missing."""
    await store.register_feature(wind := unique("wind"), "double")
    await store.register_feature(storm := unique("storm"), "bool")
    said = {}
    for name, texts in ((wind, ["1,5", "1.5", "n/a"]), (storm, ["yes", "true", "perhaps"])):
        rows = {"entity_id": [unique("e")] * 3, "timestamp": [f"2026-01-0{day}T00:00:00Z" for day in (1, 2, 3)]}
        report = await store.write_features(rows | {name: texts})
        said[name] = [each.message.removeprefix(f"{name} ") for each in report.verdicts]
    assert said[wind] == [
        f"'1,5' is not a double; declare casts={{{wind!r}: 'double'}} and decimal=',' if it is a number",
        f"'1.5' is not a double; declare casts={{{wind!r}: 'double'}}",
        "'n/a' is not a double",
    ]
    bool_cast = f"is not a bool, true or false; declare casts={{{storm!r}: 'bool'}}"
    assert said[storm] == [
        f"'yes' {bool_cast} and true_values= and false_values= for such texts",
        f"'true' {bool_cast}",
        "'perhaps' is not a bool, true or false",
    ]


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"decimal": ";"}, "decimal ';' is neither '.' nor ','"),
        ({"true_values": "yes"}, "true_values is the single value 'yes'"),
        ({"true_values": ["J"], "false_values": ["j "]}, "'J' stands in true_values and in false_values"),
    ],
)
async def test_impossible_declarations_are_refused(
    store: OpenedStore, unique: Unique, declared: dict[str, Any], message: str
) -> None:
    await store.register_feature(wind := unique("wind"), "double")
    rows = {"entity_id": ["a"], "timestamp": [AT]}
    with pytest.raises(InvalidInput, match=message):
        await store.write_features(rows | {wind: ["1,5"]}, **declared)
    with pytest.raises(InvalidInput, match=message):
        await store.training_set(rows, [wind], **declared)


@pytest.fixture
async def wind(store: OpenedStore, unique: Unique) -> str:
    """A feature with a value of the entity a."""
    await store.register_feature(name := unique("wind"), "double")
    await store.write_features({"entity_id": ["a"], "timestamp": [AT], name: [7.5]})
    return name


def as_file(ending: str, columns: dict[str, list[Any]], folder: Path) -> Path:
    path = folder / f"labels.{ending}"
    pd.DataFrame(columns).to_csv(path, index=False) if ending == "csv" else pa.parquet.write_table(
        pa.table(columns), path
    )
    return path


@pytest.mark.parametrize("kind", ["csv", "parquet", *LIBRARIES])
async def test_label_columns_have_their_declared_types_and_names(
    store: OpenedStore, wind: str, tmp_path: Path, kind: str
) -> None:
    """Whatever they came in; a set of them is verified and built again."""
    columns: dict[str, list[Any]] = {"Wer": ["a", "a"], "Ziel µg": ["1,5", None], "storm": ["yes", "no"]}
    given = LIBRARIES[kind](columns) if kind in LIBRARIES else as_file(kind, columns, tmp_path)
    made = await store.training_set(
        given,
        [wind],
        timestamp="2026-02-01T00:00:00Z",
        rename={"Ziel µg": "target", "Wer": "entity_id"},
        types={"target": "double", "storm": "bool"},
        **COMMA,
    )
    table = await made.to_arrow()
    assert ["entity_id", "target", "storm", wind] == table.column_names
    assert (pa.float64(), pa.bool_()) == (table.schema.field("target").type, table.schema.field("storm").type)
    assert [(1.5, True), (None, False)] == list(zip(*(table.column(at).to_pylist() for at in (1, 2)), strict=True))
    assert ["Float64", "boolean"] == [str(each) for each in (await made.to_pandas()).dtypes.iloc[1:3]] or kind
    manifest = await made.write(tmp_path / "set")
    assert ["entity_id", "target", "storm"] == manifest.request["label_columns"]

    async def again(request: Any, as_of: int | None) -> Any:
        return await rebuilt(store.space, request, as_of)

    assert not (await verify(tmp_path / "set", again)).differences


@pytest.mark.parametrize(
    ("value_type", "values", "expected"),
    [
        ("int", [1.0, None], [1, None]),
        ("double", [1, 2**53 - 1], [1.0, 2.0**53 - 1]),
        ("double", [Decimal("1.25"), None], [1.25, None]),
        ("text", [7, None], ["7", None]),
        ("text", [7.0, None], ["7", None]),
        ("bool", [0, 1], [False, True]),
        ("int", ["7", "8.0"], [7, 8]),
    ],
)
@pytest.mark.parametrize("door", ["frame", "parquet"])
async def test_a_type_of_a_typed_column_casts_it_without_loss(
    store: OpenedStore, wind: str, tmp_path: Path, door: str, value_type: str, values: list[Any], expected: list[Any]
) -> None:
    columns = {"entity_id": ["a", "a"], "x": values}
    given = pa.table(columns) if door == "frame" else as_file("parquet", columns, tmp_path)
    made = await store.training_set(given, [wind], timestamp=AT, types={"x": value_type})
    found = (await made.to_arrow()).column("x").to_pylist()
    assert (expected, list(map(type, expected))) == (found, list(map(type, found)))


@pytest.mark.parametrize(
    ("value_type", "values", "said"),
    [
        ("int", [1, 1.5], "1.5 is not int"),
        ("double", [1, 2**53 + 1], "9007199254740993 is not double"),
        ("text", [1.0, 2.5], "2.5 is not text"),
        ("bool", [1, 2], "2 is not bool"),
        ("int", [True, False], "True is not int"),
        ("double", ["1", "1,5"], "'1,5' is not double; declare decimal=',' if it is a number"),
        ("bool", ["true", "ja"], "'ja' is not bool; declare true_values= and false_values= for such texts"),
    ],
)
@pytest.mark.parametrize("door", ["frame", "parquet"])
async def test_a_type_that_would_lose_something_is_refused_by_row(
    store: OpenedStore, wind: str, tmp_path: Path, door: str, value_type: str, values: list[Any], said: str
) -> None:
    columns = {"entity_id": ["a", "a"], "x": values}
    given = pa.table(columns) if door == "frame" else as_file("parquet", columns, tmp_path)
    with pytest.raises(InvalidInput) as caught:
        await (await store.training_set(given, [wind], timestamp=AT, types={"x": value_type})).to_arrow()
    row = 0 if values[0] is True else 1
    where = f"label row {row}" if door == "frame" else f"labels.parquet, row {row}"
    assert f"{where}, column x: {said}" == caught.value.message


async def test_a_column_that_is_to_be_renamed_must_be_there(store: OpenedStore, wind: str, tmp_path: Path) -> None:
    """In a frame, a file and a directory; two columns of one name are refused."""
    columns = {"entity_id": ["a"], "x": [1], "y": [2]}
    for given in (columns, as_file("csv", columns, tmp_path), tmp_path):
        for rename, message in (({"z": "t"}, "there is no column 'z' to rename"), ({"x": "y"}, "'y' appears twice")):
            with pytest.raises(InvalidInput, match=message):
                await store.training_set(given, [wind], timestamp=AT, rename=rename)


@pytest.mark.parametrize("door", ["csv", "parquet", "pandas"])
async def test_ids_that_pandas_made_doubles_are_one_id_by_the_text_cast(
    store: OpenedStore, unique: Unique, tmp_path: Path, door: str
) -> None:
    """1.0 of Parquet is the text `1.0` of a CSV; a text with a zero in front keeps it."""
    await store.register_feature(size := unique("size"), "int")
    await store.write_features({"entity_id": ["1", "2"], "timestamp": [AT] * 2, size: [10, 20]})
    columns: dict[str, list[Any]] = {"entity_id": [2.0, 1.0]}
    given = pd.DataFrame(columns) if door == "pandas" else as_file(door, columns, tmp_path)
    made = await store.training_set(given, [size], timestamp=AT, casts={"entity_id": "text"})
    assert [20, 10] == (await made.to_arrow()).column(size).to_pylist()
    ids = ["01.0", "1.50", "1.0x", "1."]
    await store.write_features(
        {"entity_id": ids, "timestamp": [AT] * 4, size: [1, 2, 3, 4]}, casts={"entity_id": "text"}
    )
    assert [1, 2, 3, 4] == (await store.get_online_features(ids, [size])).to_dict()[size]


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ([1, None, "a"], "row 2, column x: 'a' is str, and the rows before it hold int; give the column one type"),
        ([1, np.True_], "row 1, column x: np.True_ is bool, and the rows before it hold int; give the column one type"),
        ([1, object()], "which no column holds; convert the column"),
        ([1, 2**70], f"row 1, column x: {2**70} is an integer beyond 64 bits; give the column as texts"),
    ],
)
@pytest.mark.parametrize("library", ["columns", "pandas"])
async def test_a_label_column_of_several_types_is_named_with_its_row(
    store: OpenedStore, wind: str, library: str, column: list[Any], said: str
) -> None:
    rows = LIBRARIES[library]({"entity_id": ["a"] * len(column), "x": column})
    with pytest.raises(InvalidInput) as caught:
        await store.training_set(rows, [wind], timestamp=AT)
    assert said in caught.value.message
