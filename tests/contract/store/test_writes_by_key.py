"""Frames with the key columns of their entity type instead of entity ids, and with both."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.laws.scene import FakeClock
from tests.opened import OpenedStore

from featurama_core.ingest.write import write
from featurama_core.types.column import column_of
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.values import ValueType
from featurama_core.types.writes import WriteMode, WriteReport, WriteRequest, WriteUnit

from .keyed import AT, LIBRARIES, Films, make_films
from .standing_clock import SETTLING, Unique


@pytest.fixture
async def films(store: OpenedStore, unique: Unique) -> Films:
    return await make_films(store, unique)


async def newest(store: OpenedStore, entity_ids: list[str], feature: str) -> list[Any]:
    return (await store.get_online_features(entity_ids, [feature])).columns[0].to_list()


def problems(report: WriteReport) -> list[tuple[int, Reason, str]]:
    return [(each.row, each.reason, each.field) for each in report.verdicts]


@pytest.mark.parametrize("library", LIBRARIES)
async def test_key_columns_stand_for_ids(store: OpenedStore, films: Films, library: str) -> None:
    """In a frame of any library, with several keys too; a null key rejects its row and names the column."""
    frame = LIBRARIES[library]({"film_id": [1, -2, None], films.year: [1999, 2000, 2001]})
    report = await store.write_features(frame, timestamp=AT)
    assert (2, [(2, Reason.INVALID_ENTITY_ID, "film_id")]) == (report.accepted, problems(report))
    assert [1999, 2000] == await newest(store, [f"{films.film}:1", f"{films.film}:-2"], films.year)
    stays = LIBRARIES[library]({"city": ["a|b", "Köln", ""], films.nights: [1, 2, 3], "guest_id": [7, 8, 9]})
    report = await store.write_features(stays, timestamp=AT)
    assert (2, [(2, Reason.INVALID_ENTITY_ID, "city")]) == (report.accepted, problems(report))
    assert [1, 2] == await newest(store, [f"{films.stay}:7|a%7Cb", f"{films.stay}:8|Köln"], films.nights)


async def test_key_columns_of_a_long_frame(store: OpenedStore, films: Films) -> None:
    """The features are those that its rows name."""
    frame = {"film_id": [1, 1, 2], "feature_name": [films.year, films.sequel, films.year], "value": [1, None, 2]}
    report = await store.write_features(frame, timestamp=AT)
    assert 3 == report.accepted
    assert [1, 2] == await newest(store, [f"{films.film}:1", f"{films.film}:2"], films.year)


async def test_a_level_of_an_index_is_a_key(store: OpenedStore, films: Films) -> None:
    """As entity_id is one."""
    frame = pd.DataFrame({films.year: [7]}, index=pd.Index([3], name="film_id"))
    assert 1 == (await store.write_features(frame, timestamp=AT)).accepted
    assert [7] == await newest(store, [f"{films.film}:3"], films.year)


async def test_columns_are_renamed_and_cast_before_they_are_keys(store: OpenedStore, films: Films) -> None:
    """An int column of a text key is cast by name; columns that are left out leave the keys."""
    frame = {"Guest": [7.0], "City": np.array([50667]), films.nights: [1], "noise": [0]}
    rename = {"Guest": "guest_id", "City": "city"}
    with pytest.raises(InvalidInput, match=r"city holds int64; its keys are text; declare casts=\{'city': 'text'\}"):
        await store.write_features(frame, timestamp=AT, rename=rename, only=[films.nights])
    for left_out in ({"only": [films.nights]}, {"ignore_extra": True}):
        report = await store.write_features(
            frame,
            timestamp=AT,
            rename=rename,
            casts={"city": "text"},
            **left_out,  # type: ignore[arg-type]
        )
        assert 1 == report.accepted
    assert [1] == await newest(store, [f"{films.stay}:7|50667"], films.nights)


@pytest.mark.parametrize("left_out", [{}, {"ignore_extra": True}, {"only": True}])
async def test_ids_beside_keys_agree_or_the_row_is_rejected(
    store: OpenedStore, films: Films, left_out: dict[str, Any]
) -> None:
    """A null in either agrees with nothing."""
    film = films.film
    frame = {
        "entity_id": [f"{film}:1", f"{film}:1", f"{film}:3", None, f"{film}:5", "5"],
        "film_id": [1, 2, None, 4, 5.5, 5],
        films.year: range(6),
    }
    chosen = {"only": [films.year]} if "only" in left_out else left_out
    report = await store.write_features(frame, timestamp=AT, **chosen)
    assert (1, [1, 2, 3, 4, 5]) == (report.accepted, [each.row for each in report.verdicts])
    assert {Reason.INVALID_ENTITY_ID} == {each.reason for each in report.verdicts}
    assert "entity_id is not the id of film_id; give one of the two" == report.verdicts[0].message
    assert [0] == await newest(store, [f"{film}:1"], films.year)


async def test_a_declared_column_holds_ids(store: OpenedStore, films: Films) -> None:
    """Also one that is named like a key; a key is then no id."""
    frame = {"film_id": [f"{films.film}:1", "1"], films.year: [1, 2]}
    report = await store.write_features(frame, timestamp=AT, entity_column="film_id")
    assert (1, [(1, Reason.INVALID_ENTITY_ID, "entity_id")]) == (report.accepted, problems(report))


@pytest.mark.parametrize(
    ("columns", "named"),
    [
        ({}, "neither entity_id nor the column guest_id"),
        ({"guest_id": [1]}, "neither entity_id nor the column city"),
        ({"city": ["x"], "film_id": [1]}, "neither entity_id nor the column guest_id"),
        ({"city": ["x"], "entity_id": ["x"]}, "the column guest_id, a key of stay_.*, is missing"),
    ],
)
async def test_a_missing_key_column_is_named(
    store: OpenedStore, films: Films, columns: dict[str, Any], named: str
) -> None:
    """Nothing is written then, not even beside an id that some keys cannot confirm."""
    with pytest.raises(InvalidInput, match=named):
        await store.write_features({**columns, films.nights: [1]}, timestamp=AT)


async def test_features_of_two_types_are_not_one_row(store: OpenedStore, films: Films) -> None:
    """A row has one entity."""
    frame = {"film_id": [1], "guest_id": [1], "city": ["x"], films.year: [1], films.nights: [1]}
    with pytest.raises(InvalidInput, match="the frame lacks the column entity_id"):
        await store.write_features(frame, timestamp=AT)
    report = await store.write_features(
        {"entity_id": [f"{films.film}:1"], films.year: [1], films.nights: [1]}, timestamp=AT
    )
    assert (0, 1) == (report.accepted, report.rejected)


@pytest.mark.parametrize("form", ["wide", "long", "some columns"])
async def test_a_key_is_one_whatever_another_type_calls_a_feature(
    store: OpenedStore, films: Films, unique: Unique, form: str
) -> None:
    """The other columns say whose key it is."""
    key, kind, size = unique("key"), unique("kind"), unique("mass")
    await store.register_entity_type(kind, keys={key: "int"})
    await store.register_feature(size, "int", entity_type=kind)
    await store.register_feature(key, "int", entity_type=films.planet)
    frame: dict[str, Any] = {key: [1], size: [3]}
    if form == "long":
        frame = {key: [1], "feature_name": [size], "value": [3]}
    report = await store.write_features(frame, timestamp=AT, only=[size] if form == "some columns" else None)
    assert 1 == report.accepted
    assert [3] == (await store.get_online_features([f"{kind}:1"], [size])).to_dict()[size]
    report = await store.write_features({"entity_id": ["mars"], key: [7], films.size: [1]}, timestamp=AT)
    assert 1 == report.accepted
    assert [7] == (await store.get_online_features(["mars"], [key])).to_dict()[key]


async def test_a_row_is_judged_by_the_entity_that_its_keys_name(store: OpenedStore, films: Films) -> None:
    """17, 17.0 and "17" are one entity: rows that contradict each other are rejected, equal ones are one value."""
    frame = {"film_id": [17, 17.0, "17", 18, "18"], films.year: [1, 1, 2, 5, 5]}
    report = await store.write_features(frame, timestamp=AT)
    assert (2, [0, 1, 2]) == (report.accepted, [each.row for each in report.verdicts])
    assert {Reason.CONFLICTING_DUPLICATE} == {each.reason for each in report.verdicts}


async def test_old_history_is_imported_by_key(store: OpenedStore, clock: FakeClock, films: Films) -> None:
    """An import knows its rows by their keys too."""
    old = clock.now - SETTLING - 1_000
    frame = {"film_id": [1, 2], films.year: [1, 2], "ingested_at": [old, old], "timestamp": [old, old]}
    report = await store.write_features(frame, mode=WriteMode.BULK, time_unit="us", ingested_at_unit="us")
    assert 2 == report.accepted


async def test_references_are_built_from_keys(store: OpenedStore, films: Films) -> None:
    """A null key is a null reference; a malformed one rejects its row."""
    frame = {"film_id": [1, 2, 3], "next": [2, None, "x"], films.year: [1, 2, 3]}
    report = await store.write_features(frame, timestamp=AT, references={films.sequel: "next"})
    assert (2, [(2, Reason.INVALID_ENTITY_ID, films.sequel)]) == (report.accepted, problems(report))
    ids = [f"{films.film}:1", f"{films.film}:2"]
    assert [f"{films.film}:2", None] == await newest(store, ids, films.sequel)
    assert [2, None] == await newest(store, ids, f"{films.sequel}.{films.year}")
    own = {"film_id": [4], films.sequel: ["9"]}
    assert 1 == (await store.write_features(own, timestamp=AT, references={films.sequel: films.sequel})).accepted
    assert [f"{films.film}:9"] == await newest(store, [f"{films.film}:4"], films.sequel)


@pytest.mark.parametrize(
    ("references", "problem"),
    [
        ({"sequel": ["next", "film_id"]}, "it has the keys film_id"),
        ({"sequel": "nowhere"}, "there is no column 'nowhere'"),
        ({"year": "next"}, "year.* refers to no entity type"),
        ({"sequel": []}, "references must map features"),
        ("next", "references must map features"),
    ],
)
async def test_impossible_references_are_refused(
    store: OpenedStore, films: Films, references: Any, problem: str
) -> None:
    """Before anything is written."""
    named = {getattr(films, name): each for name, each in references.items()} if references != "next" else references
    with pytest.raises(InvalidInput, match=problem):
        await store.write_features({"film_id": [1], "next": [2]}, timestamp=AT, references=named)


@pytest.mark.parametrize("unit", WriteUnit)
async def test_a_request_in_columns_names_its_rows_by_key(
    store: OpenedStore, clock: FakeClock, films: Films, unit: WriteUnit
) -> None:
    """The key columns are no values: verdicts name positions among all columns, and the counts are those of values."""
    columns = [
        column_of("film_id", ValueType.DOUBLE, np.array([1.0, 2.5, 3.0])),
        column_of(films.year, ValueType.INT, np.array([1, 2, 3])),
        column_of(films.size, ValueType.INT, np.array([1, 2, 3])),
    ]
    report = await write(store.space, WriteRequest((), np.full(3, clock.now), columns[:2], unit=unit))
    assert (2, 1) == (report.accepted, report.rejected)
    assert [(1, "film_id")] == [(each.row, each.field) for each in report.verdicts]
    report = await write(store.space, WriteRequest((), np.full(3, clock.now), columns, unit=unit))
    foreign = [each for each in report.verdicts if each.reason is Reason.ENTITY_TYPE_MISMATCH]
    assert [0, 2] == [each.row for each in foreign]
    assert 3 * (1 if unit is WriteUnit.ROW else 2) == report.sent


@pytest.mark.parametrize("given", [["year"], ["film_id"], ["film_id", "size"], ["guest_id", "nights"]])
async def test_a_request_without_all_keys_is_refused(
    store: OpenedStore, clock: FakeClock, films: Films, given: list[str]
) -> None:
    """It names no entities."""
    columns = [column_of(getattr(films, name, name), ValueType.INT, np.array([1])) for name in given]
    with pytest.raises(InvalidInput) as refused:
        await write(store.space, WriteRequest((), np.array([clock.now]), columns))
    assert refused.value.metadata["field"] in ("entity_ids", "city")
