"""The index of a pandas frame of label rows, times in columns of other names, and columns that an online read has no
use for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from tests.laws.scene import FakeClock
from tests.opened import OpenedStore

from featurama_core.types.errors import InvalidInput

from .keyed import LIBRARIES, make_films
from .standing_clock import Unique

AT = "2026-01-01T00:00:00Z"
LATER = "2026-02-01T00:00:00Z"

Read = Callable[..., Any]


async def in_memory(store: OpenedStore, rows: Any, feature: str, **given: Any) -> pd.DataFrame:
    return (await store.get_historical_features(rows, [feature], **given)).to_pandas()


async def in_set(store: OpenedStore, rows: Any, feature: str, **given: Any) -> pd.DataFrame:
    return await (await store.training_set(rows, [feature], **given)).to_pandas()


@pytest.fixture
async def size(store: OpenedStore, unique: Unique) -> str:
    """A feature with values of the entities a and b."""
    await store.register_feature(name := unique("width"), "int")
    await store.write_features({"entity_id": ["a", "b"], "timestamp": [AT] * 2, name: [1, 2]})
    return name


INDEXES = {
    "default": pd.RangeIndex(3),
    "numbers": pd.Index([9, 9, 4]),
    "named": pd.Index(["x", "y", None], name="row"),
    "mixed": pd.Index([1, "y", (2, 3)]),
    "named like a column": pd.Index(["x", "y", "z"], name="entity_id"),
    "levels": pd.MultiIndex.from_tuples([(1, "x"), (1, "y"), (2, "z")], names=["a", None]),
    "times": pd.date_range("2026-01-01", periods=3, tz="Europe/Rome", name="day"),
}


@pytest.mark.parametrize("index", INDEXES)
@pytest.mark.parametrize("read", [in_memory, in_set])
async def test_the_index_of_label_rows_comes_back(store: OpenedStore, size: str, read: Read, index: str) -> None:
    """In `to_pandas`, whatever it holds; it is no column."""
    times = pd.to_datetime([LATER] * 3)
    rows = pd.DataFrame({"entity_id": ["b", "a", "b"], "timestamp": times}).set_axis(INDEXES[index], axis=0)
    found = await read(store, rows, size)
    pd.testing.assert_index_equal(rows.index, found.index, exact=True)
    assert (["entity_id", "timestamp", size], [2, 1, 2]) == (list(found), found[size].tolist())


@pytest.mark.parametrize("read", [in_memory, in_set])
async def test_other_label_rows_have_a_plain_index(store: OpenedStore, size: str, read: Read) -> None:
    """Also an Arrow table that pandas made: its index is no column of it."""
    rows = pd.DataFrame({"entity_id": ["b", "a"], "timestamp": pd.to_datetime([LATER] * 2)}, index=[7, 8])
    found = await read(store, pa.Table.from_pandas(rows), size)
    assert ([0, 1], [2, 1]) == (found.index.tolist(), found[size].tolist())


@pytest.mark.parametrize("library", ["pandas", "arrow"])
@pytest.mark.parametrize("read", [in_memory, in_set])
async def test_a_key_or_the_time_may_stand_in_the_index(
    store: OpenedStore, size: str, read: Read, library: str
) -> None:
    """A named level is a column where one is missing, as in files and writes; the index comes back beside it."""
    rows = pd.DataFrame({"w": [1, 2], "entity_id": ["b", "a"], "timestamp": pd.to_datetime([LATER] * 2)})
    rows = rows.set_index(["entity_id", "timestamp", "w"], drop=True).assign(v=[5, 6])
    found = await read(store, rows if library == "pandas" else pa.Table.from_pandas(rows), size)
    assert (["entity_id", "timestamp", "v", size], [2, 1]) == (list(found), found[size].tolist())
    assert (["entity_id", "timestamp", "w"] if library == "pandas" else [None]) == list(found.index.names)


async def test_a_level_of_the_index_may_be_renamed_to_a_key(store: OpenedStore, size: str) -> None:
    rows = pd.DataFrame({"timestamp": pd.to_datetime([LATER] * 2)}, index=pd.Index(["b", "a"], name="Who"))
    found = await in_set(store, rows, size, rename={"Who": "entity_id"})
    assert (["entity_id", "timestamp", size], [2, 1]) == (list(found), found[size].tolist())


async def test_an_index_of_several_types_is_no_key(store: OpenedStore, size: str) -> None:
    rows = pd.DataFrame({"timestamp": pd.to_datetime([LATER] * 2)}, index=pd.Index(["a", (1, 2)], name="entity_id"))
    with pytest.raises(
        InvalidInput, match=r"label row 1, column entity_id: .* is tuple, and the rows before it hold str"
    ):
        await in_set(store, rows, size)
    with pytest.raises(InvalidInput, match="label row 1: entity_id is missing or not text"):
        await in_memory(store, rows, size)


@pytest.mark.parametrize("library", LIBRARIES)
async def test_times_in_memory_stand_in_any_column(store: OpenedStore, size: str, library: str) -> None:
    """As those of a set: one column, or dates beside times of day."""
    rows = {"entity_id": ["a", "a"], "at": ["2025-12-31T23:00:00Z", LATER], "day": ["2026-01-01"] * 2}
    given = LIBRARIES[library](rows | {"clock": ["00:00", "02:00"]})
    read = store.get_historical_features
    found = (await read(given, [size], time_column="at")).to_dict()
    assert (rows["at"], [None, 1]) == (found["at"], found[size])
    found = (await read(given, [size], time_column="day", clock_column="clock", timezone="Europe/Rome")).to_dict()
    assert (["entity_id", "at", "day", "clock", size], [None, 1]) == (list(found), found[size])


@pytest.mark.parametrize(
    ("rows", "given", "message"),
    [
        (["a"], {"time_column": "at"}, "time_column names a column of times; a list of ids has no columns"),
        ({"entity_id": ["a"], "at": [AT]}, {"time_column": "at", "timestamp": AT}, "one time for all rows"),
        ({"entity_id": ["a"], "at": [AT]}, {"time_column": "when"}, "the label rows lack the column when"),
    ],
)
async def test_a_time_column_that_cannot_be_is_refused(
    store: OpenedStore, size: str, rows: Any, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInput, match=message):
        await store.get_historical_features(rows, [size], **given)


@pytest.mark.parametrize("library", LIBRARIES)
async def test_an_online_read_refuses_a_column_that_names_no_entity(
    store: OpenedStore, size: str, unique: Unique, library: str
) -> None:
    """As REST and gRPC do; for times it says which calls take them."""
    films = await make_films(store, unique)
    for rows, feature, said in (
        ({"entity_id": ["a"], "weight": [1]}, size, "the rows have the column 'weight', which is that of no role"),
        ({"entity_id": ["a"], "timestamp": [AT]}, size, "get_historical_features and training_set take the times"),
        ({"film_id": [1], "film": [1]}, films.year, f"column 'film' is no key of {films.film}, which has film_id"),
    ):
        with pytest.raises(InvalidInput, match=said):
            await store.get_online_features(LIBRARIES[library](rows), [feature])
    more = LIBRARIES[library]({"film_id": [1, 2], "title": ["a", "b"]})
    assert [f"{films.film}:1", f"{films.film}:2"] == await store.make_entity_ids(films.film, more)


async def test_a_grid_has_the_keys_of_its_type(store: OpenedStore, unique: Unique, clock: FakeClock) -> None:
    """Beside the ids, at each time and for the newest values; of a type without keys it has the ids alone."""
    films = await make_films(store, unique)
    await store.register_entities({"guest_id": [7, -8], "city": ["a|b", "Köln"]}, entity_type=films.stay)
    for grid in ({}, {"start": AT, "end": LATER, "every": "31d"}):
        made = await store.training_set(None, [films.nights], entity_type=films.stay, **grid)
        found = await made.to_arrow()
        times = 2 if grid else 1
        assert ["entity_id", "guest_id", "city", "timestamp", films.nights] == found.column_names
        keys = zip(found.column("guest_id").to_pylist(), found.column("city").to_pylist(), strict=True)
        assert sorted([(7, "a|b"), (-8, "Köln")] * times) == sorted(keys)
        assert await store.make_entity_ids(films.stay, found.select(["guest_id", "city"])) == found[0].to_pylist()
    await store.register_entity(unique("planet"), films.planet)
    made = await store.training_set(None, [films.size], entity_type=films.planet)
    assert ["entity_id", "timestamp", films.size] == (await made.to_arrow()).column_names


async def test_a_bool_of_numpy_is_no_int_key(store: OpenedStore, unique: Unique) -> None:
    """Neither in a write nor in label rows, where it might pass as 1."""
    films = await make_films(store, unique)
    for true in (True, np.True_):
        rows = {"film_id": [2, true], "timestamp": [AT] * 2}
        assert [1] == [each.row for each in (await store.write_features(rows | {films.year: [1, 2]})).verdicts]
        with pytest.raises(InvalidInput):
            await store.training_set(rows, [films.year])
        with pytest.raises(InvalidInput, match="is not a 64-bit int"):
            await store.get_historical_features(rows, [films.year])


async def test_a_deletion_says_whether_anything_was_stored(store: OpenedStore, size: str, unique: Unique) -> None:
    """Values, or the registration of an entity; the mark holds in any case."""
    await store.register_feature(other := unique("other"), "int")
    await store.write_features({"entity_id": [fry := unique("fry")], "timestamp": [AT], size: [1]})
    assert not (await store.delete_feature_values(fry, [other])).found
    assert (await store.delete_feature_values(fry, [size])).found
    assert not (await store.delete_entity(fry)).found
    assert not (await store.delete_entity(unique("nobody"))).found
    await store.register_entity(leela := unique("leela"))
    assert [True, False] == [(await store.delete_entity(leela)).found for _ in range(2)]


async def test_a_known_at_of_no_form_is_answered_with_the_forms(store: OpenedStore, size: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        await store.training_set({"entity_id": ["a"], "timestamp": [AT]}, [size], known_at="labels")
    forms = 'give a time with its zone, or "label" for the time of each row'
    assert f"known_at 'labels' is not an ISO 8601 time; {forms}" == caught.value.message
