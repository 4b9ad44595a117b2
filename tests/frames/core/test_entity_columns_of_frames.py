"""Entities from the key columns of a frame: one id per row, or a problem that names the column."""

from __future__ import annotations

import random

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from featurama_core.frames.cells import objects, read_cells
from featurama_core.frames.entities import CodedEntities, EntityColumns, coded_entities, disagreeing
from featurama_core.frames.keys import CodedTexts
from featurama_core.types.entity_keys import EntityKeys, key_columns
from featurama_core.types.errors import InvalidInput, Reason

pytestmark = pytest.mark.unit

USER = EntityColumns(("user",), EntityKeys("user", key_columns({"user_id": "int"})))
CITY = EntityColumns(("name",), EntityKeys("city", key_columns(["name"])))
STAY = EntityColumns(("who", "city"), EntityKeys("stay", key_columns({"user_id": "int", "city": "text"})))


def coded(entities: EntityColumns, *columns: object) -> CodedEntities:
    cells = [read_cells(objects(each) if isinstance(each, list) else each) for each in columns]
    return coded_entities(cells, entities)


def ids(entities: EntityColumns, *columns: object) -> list[str]:
    return list(coded(entities, *columns).ids.rows())


@pytest.mark.parametrize(
    "column",
    [
        [17, -1, 17],
        ["17", "-1", 17],
        [17.0, np.int8(-1), np.float32(17)],
        np.array([17, -1, 17], dtype=np.int32),
        np.array([17.0, -1.0, 17.0]),
        pd.Series([17, -1, 17], dtype="Int64"),
        pl.Series([17, -1, 17]),
        pa.array([17, -1, 17]),
        pa.array(["17", "-1", "17"]),
    ],
)
def test_an_int_key_is_a_whole_number_in_any_form(column: object) -> None:
    """Ints, whole floats and their decimal texts name the same entity."""
    assert ["user:17", "user:-1", "user:17"] == ids(USER, column)


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        (None, Reason.INVALID_ENTITY_ID),
        (pd.NA, Reason.INVALID_ENTITY_ID),
        (float("nan"), Reason.INVALID_ENTITY_ID),
        ("", Reason.INVALID_ENTITY_ID),
        ("017", Reason.INVALID_ENTITY_ID),
        ("17.0", Reason.INVALID_ENTITY_ID),
        (" 17", Reason.INVALID_ENTITY_ID),
        (17.5, Reason.INVALID_ENTITY_ID),
        (float("inf"), Reason.INVALID_ENTITY_ID),
        (2.0**53, Reason.INVALID_ENTITY_ID),
        (2**63, Reason.INVALID_ENTITY_ID),
        (True, Reason.TYPE_MISMATCH),
        ([17], Reason.TYPE_MISMATCH),
        (b"17", Reason.TYPE_MISMATCH),
        (np.timedelta64(17, "s"), Reason.TYPE_MISMATCH),
    ],
)
def test_what_is_no_int_key_is_a_problem_of_its_row(key: object, reason: Reason) -> None:
    """The other rows have their ids, 1 beside True too."""
    found = coded(USER, [1, key, 2])
    assert ["user:1", "", "user:2"] == list(found.ids.rows())
    assert [(1, "user", reason)] == [(row, each.column, each.reason) for row, each in found.problems.items()]


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        (None, Reason.INVALID_ENTITY_ID),
        ("", Reason.INVALID_ENTITY_ID),
        ("a\x00b", Reason.INVALID_ENTITY_ID),
        ("\ud800", Reason.INVALID_ENTITY_ID),
        ("%" * 84, Reason.INVALID_ENTITY_ID),
        (17, Reason.TYPE_MISMATCH),
        (1.0, Reason.TYPE_MISMATCH),
        (False, Reason.TYPE_MISMATCH),
    ],
)
def test_what_is_no_text_key_is_a_problem_of_its_row(key: object, reason: Reason) -> None:
    """The limit of 256 bytes holds for the encoded id."""
    found = coded(CITY, ["x", key, "%" * 83])
    assert ["city:x", "", "city:" + "%25" * 83] == list(found.ids.rows())
    assert [(1, "name", reason)] == [(row, each.column, each.reason) for row, each in found.problems.items()]


@pytest.mark.parametrize("column", [np.array([1, 2]), pd.Series([1, 2]), pl.Series([1, 2]), np.array([True, False])])
def test_a_column_of_numbers_is_no_column_of_text_keys(column: object) -> None:
    """1 and "1" are not the same text, so the caller casts."""
    with pytest.raises(InvalidInput, match=r"column name holds .*; its keys are text"):
        coded(CITY, column)


def test_several_keys_make_one_id() -> None:
    """A null in any part names no entity, and the first such column is named."""
    found = coded(STAY, [1, None, 3, 1, None], ["a|b", "x", None, "a|b", None])
    assert ["stay:1|a%7Cb", "", "", "stay:1|a%7Cb", ""] == list(found.ids.rows())
    assert {1: "who is missing", 2: "city is missing", 4: "who is missing"} == {
        row: each.message for row, each in found.problems.items()
    }


@pytest.mark.parametrize("column", [[], [None, None], np.array([]), pd.Series([None, None]), pa.nulls(2)])
def test_columns_without_keys_name_nothing(column: object) -> None:
    """Of a column of nulls no library knows the type."""
    assert set(ids(CITY, column)) <= {""}
    assert set(ids(USER, column)) <= {""}


def test_every_row_has_the_id_of_its_own_keys() -> None:
    """20,000 rows of two keys, encoded one by one and at once."""
    draw = random.Random(5)
    texts = ["".join(draw.choices("a%|:257C3A é字😀\u0301", k=draw.randint(1, 6))) for _ in range(300)]
    numbers = [draw.choice([0, 1, -1, 2**63 - 1, -(2**63), draw.randint(-(2**40), 2**40)]) for _ in range(200)]
    users, cities = draw.choices(numbers, k=20_000), draw.choices(texts, k=20_000)
    assert STAY.keys is not None
    expected = [STAY.keys.encode(pair) for pair in zip(users, cities, strict=True)]
    assert expected == ids(STAY, users, cities)
    assert expected == ids(STAY, np.array(users), pl.Series(cities))


def test_ids_and_keys_are_compared_by_row() -> None:
    """A null is no id, and two nulls name the same: nothing."""
    left = CodedTexts(["a", "b"], np.array([0, 1, 0, -1, -1, 0]))
    right = CodedTexts(["b", "a", "c"], np.array([1, 0, 2, -1, 0, -1]))
    assert [2, 4, 5] == disagreeing(left, right).tolist()
