"""Registration of entities by rows: frames and mappings with ids or the keys of a type."""

from __future__ import annotations

from typing import Any

import pytest
from tests.opened import OpenedStore

from featurama_core.types.errors import InvalidInput, Unknown

from .keyed import LIBRARIES, Films, make_films
from .standing_clock import Unique


@pytest.fixture
async def films(store: OpenedStore, unique: Unique) -> Films:
    return await make_films(store, unique)


@pytest.mark.parametrize("library", LIBRARIES)
async def test_entities_are_registered_by_the_keys_of_their_type(
    store: OpenedStore, films: Films, library: str
) -> None:
    """From any frame; names and metadata come along, and what a row lacks is empty."""
    rows = LIBRARIES[library]({"film_id": [1, -2], "name": ["Alien", None], "metadata": [None, '{"a": 1}']})
    stored = await store.register_entities(rows, films.film)
    assert [(f"{films.film}:1", "Alien", "{}"), (f"{films.film}:-2", "", '{"a": 1}')] == [
        (each.entity_id, each.name, each.metadata) for each in stored
    ]
    stays = LIBRARIES[library]({"city": ["a|b", "Köln"], "guest_id": [7, 8]})
    assert [f"{films.stay}:7|a%7Cb", f"{films.stay}:8|Köln"] == [
        each.entity_id for each in await store.register_entities(stays, films.stay)
    ]


async def test_one_entity_is_registered_and_found_by_its_keys(store: OpenedStore, films: Films) -> None:
    """A key of another name is refused."""
    keys = {"guest_id": 7, "city": "x"}
    stored = await store.register_entity(keys, films.stay, "Fry", {"a": 1})
    assert (f"{films.stay}:7|x", "Fry") == (stored.entity_id, stored.name)
    assert stored == await store.get_entity(keys, entity_type=films.stay)
    with pytest.raises(InvalidInput, match="the keys guest are given"):
        await store.register_entity({"guest": 7}, films.stay)
    with pytest.raises(Unknown):
        await store.get_entity({"guest_id": 8, "city": "x"}, entity_type=films.stay)


async def test_rows_of_several_types_have_the_columns_of_each(store: OpenedStore, films: Films, unique: Unique) -> None:
    """Those of the others are empty in a row. metadata may be a mapping."""
    mars = unique("mars")
    rows: list[dict[str, Any]] = [
        {"entity_type": films.film, "film_id": 1},
        {"entity_id": mars, "metadata": {"moons": 2}},
        {"entity_type": films.film, "film_id": 2, "name": "Heat"},
        {"entity_type": films.stay, "guest_id": 7, "city": "x"},
    ]
    stored = await store.register_entities(rows, films.planet)
    assert [f"{films.film}:1", mars, f"{films.film}:2", f"{films.stay}:7|x"] == [each.entity_id for each in stored]
    assert [films.film, films.planet, films.film, films.stay] == [each.entity_type for each in stored]
    assert ["{}", '{"moons": 2}', "{}", "{}"] == [each.metadata for each in stored]
    assert ["", "", "Heat", ""] == [each.name for each in stored]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"film_id": [1, None]}, "row 1: film_id is missing"),
        ({"film_id": [1, 2.5]}, "row 1: film_id '2.5' is not a 64-bit int"),
        ({"name": ["x"]}, "neither entity_id nor a column film_id"),
        ({"film_ids": [1]}, "column 'film_ids' is not known; did you mean 'film_id'"),
        ({"film_id": [1], "name": [3]}, "row 0: name 3 is not text"),
        ({"film_id": [1], "metadata": ["["]}, "metadata of .* is not JSON"),
        ({"film_id": [1], "entity_id": ["x"]}, "row 0: entity_id is not the id of film_id"),
        ({"entity_id": ["x"]}, "is no id of"),
    ],
)
async def test_a_bad_row_registers_nothing(
    store: OpenedStore, films: Films, columns: dict[str, list[Any]], message: str
) -> None:
    """The row and the column are named."""
    with pytest.raises(InvalidInput, match=message):
        await store.register_entities(columns, films.film)
    assert [] == await store.list_entities(films.film)
