"""What the columns of a frame mean: names, keys and casts, the same for every library."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from featurama_core.frames.mapping import Mapping
from featurama_core.types.errors import InvalidInput, Reason

pytestmark = pytest.mark.unit

T0 = 1_767_225_600_000_000
AT = "2026-01-01T00:00:00Z"
LIBRARIES = {"columns": dict, "pandas": pd.DataFrame, "polars": pl.DataFrame, "arrow": pa.table}


@pytest.fixture(params=LIBRARIES)
def frame(request: Any) -> Any:
    return LIBRARIES[request.param]


def test_columns_are_renamed_chosen_and_left_out(frame: Any, prepare: Any, unpack: Any) -> None:
    """The other options use the new names; what is left out is not judged."""
    given = frame({"User": ["a"], "When": [AT], "Release Year": [1999], "noise!": [b"x"], "x": [1]})
    keys = {"rename": {"Release Year": "year"}, "entity_column": "User", "time_column": "When"}
    expected = {(0, "a", T0, "year", "int", 1999)}
    assert expected == set(unpack(prepare(given, **keys, only=["year"])))
    assert expected == set(unpack(prepare(given, **keys, ignore_extra=True, features={"year"})))


def test_one_entity_or_one_time_may_be_that_of_all_rows(frame: Any, prepare: Any, unpack: Any) -> None:
    """Without a column for it."""
    values = unpack(prepare(frame({"x": [1, 2]}), entity_id="a", timestamp=AT))
    assert [(0, "a", T0, "x", "int", 1), (1, "a", T0, "x", "int", 2)] == values


@pytest.mark.parametrize(
    ("cast", "values", "taken", "count"),
    [
        ("bool", [0, 1, None], [False, True], 2),
        ("bool", [0.0, 1.0, None], [False, True], 2),
        ("bool", ["0", "true"], [False, True], 2),
        ("int", ["7", "3.0", None], [7, 3], 2),
        ("int", [Decimal(7), Decimal("-3.00")], [7, -3], 2),
        ("double", [Decimal("0.1"), None], [0.1], 1),
        ("double", ["0.1", "1e3"], [0.1, 1e3], 2),
        ("text", [7, 2**53 + 1], ["7", str(2**53 + 1)], 2),
        ("text", [7.0, None], ["7"], 1),
    ],
)
def test_a_named_cast_changes_the_cells_that_it_fits(
    frame: Any, prepare: Any, unpack: Any, cast: str, values: list[Any], taken: list[Any], count: int
) -> None:
    """Nulls stay nulls; the cells are counted."""
    write = prepare(
        frame({"entity_id": list("abc")[: len(values)], "timestamp": [AT] * len(values), "x": values}),
        casts={"x": cast},
    )
    assert taken == [value for *_, kind, value in unpack(write) if kind != "null"]
    assert {f"x to {cast}": count} == write.casts


@pytest.mark.parametrize(
    ("cast", "value", "kind"),
    [
        ("bool", 2, "int"),
        ("bool", "yes", "text"),
        ("int", "3.5", "text"),
        ("int", "0x10", "text"),
        ("double", "1_000", "text"),
        ("text", 1.5, "double"),
        ("text", True, "bool"),
    ],
)
def test_a_cell_that_a_cast_does_not_fit_stays_as_it_is(
    prepare: Any, unpack: Any, cast: str, value: Any, kind: str
) -> None:
    """Its row is judged by the value that was given."""
    write = prepare({"entity_id": ["a"], "timestamp": [AT], "x": [value]}, casts={"x": cast})
    assert [(kind, value)] == [each[-2:] for each in unpack(write)]
    assert {"x to " + cast: 0} == write.casts


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("123456789012345", True),
        ("0.100", True),
        ("NaN", True),
        ("12345678901234567.89", False),
        ("9007199254740993", False),
        ("1e-400", False),
    ],
)
def test_a_decimal_is_cast_to_a_double_only_with_all_its_digits(prepare: Any, text: str, fits: bool) -> None:
    """The row of another one is rejected."""
    write = prepare({"entity_id": ["a"], "timestamp": [AT], "x": [Decimal(text)]}, casts={"x": "double"})
    assert (int(fits), int(not fits)) == (write.casts["x to double"], len(write.local))


def test_whole_numbers_are_ids_only_by_a_cast(frame: Any, prepare: Any, unpack: Any) -> None:
    """The message names it."""
    given = frame({"entity_id": [7, 8], "timestamp": [AT] * 2, "x": [1, 2]})
    assert {"7", "8"} == {entity for _, entity, *_ in unpack(prepare(given, casts={"entity_id": "text"}))}
    if not isinstance(given, dict):
        with pytest.raises(InvalidInput, match="casts="):
            prepare(given)


def test_a_named_level_of_an_index_is_a_key_where_the_frame_has_none(prepare: Any, unpack: Any) -> None:
    """Other levels are no columns, whatever their names, also in Arrow and polars tables that pandas wrote."""
    frame = pd.DataFrame({"entity_id": ["a"], "timestamp": [AT], "x": [1]}, index=[7])
    expected = {(0, "a", T0, "x", "int", 1)}
    for each in (
        frame,
        frame.rename_axis("number"),
        frame.set_index("entity_id"),
        frame.set_index(["entity_id", "timestamp"]),
    ):
        for given in (each, pa.Table.from_pandas(each)):
            assert expected == set(unpack(prepare(given)))
    assert expected == set(unpack(prepare(pl.from_arrow(pa.Table.from_pandas(frame)))))


def test_a_verdict_names_the_column_of_the_callers_frame(prepare: Any) -> None:
    """Its position is that before the columns were renamed and left out."""
    write = prepare({"z": [1], "x": [b"?"], "When": [AT]}, entity_id="a", time_column="When", only=["x"])
    assert [(0, 1, "x")] == [(each.row, each.column, each.field) for each in write.local]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"rename": {"y": "z"}}, "there is no column 'y' to rename; there are entity_id, timestamp, x"),
        ({"rename": {"x": "timestamp"}}, "column 'timestamp' appears twice"),
        ({"rename": ["x"]}, "rename must map"),
        ({"only": ["y"]}, "there is no column 'y'"),
        ({"only": "x"}, "only is the single value 'x'"),
        ({"casts": {"y": "int"}}, "there is no column 'y' to cast"),
        ({"casts": {"x": "number"}}, "one of bool, int, double, text"),
        ({"entity_id": "b"}, "exclude each other"),
        ({"entity_id": ""}, "entity_id is empty"),
        ({"timestamp": AT}, "exclude each other"),
        ({"entity_column": "who"}, "lacks the column who, it has entity_id, timestamp, x"),
        ({"entity_column": "x"}, "column 'entity_id' is not the declared 'x'"),
        ({"time_unit": "h"}, "time_unit 'h' is not one of s, ms, us, ns"),
        ({"time_format": "%H"}, "time_format '%H' reads no times"),
    ],
)
def test_a_mapping_that_does_not_fit_is_refused(prepare: Any, options: dict[str, Any], said: str) -> None:
    """Before anything is sent; the message names what is there."""
    with pytest.raises(InvalidInput, match=said):
        prepare({"entity_id": ["a"], "timestamp": [AT], "x": [1]}, **options)


def test_a_name_that_is_no_feature_says_how_to_rename_it(prepare: Any) -> None:
    """Or how to leave it out."""
    with pytest.raises(InvalidInput, match=r"'Release Year' is not a name.*rename=.*only=") as refused:
        prepare({"entity_id": ["a"], "timestamp": [AT], "Release Year": [1]})
    assert Reason.INVALID_NAME is refused.value.reason


def test_a_decimal_without_a_cast_costs_its_row_only(frame: Any, prepare: Any) -> None:
    """No library's decimals are taken for doubles silently."""
    values = np.array([Decimal("0.1"), Decimal("0.2")], dtype=object)
    write = prepare(frame({"entity_id": ["a", "b"], "timestamp": [AT] * 2, "x": list(values)}))
    assert [Reason.TYPE_MISMATCH] * 2 == [each.reason for each in write.local]


def test_a_mapping_is_a_value() -> None:
    """Equal arguments make equal mappings."""
    assert Mapping.of(rename={"a": "b"}, only=["b"]) == Mapping.of(rename={"a": "b"}, only=["b"])
