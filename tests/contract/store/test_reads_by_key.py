"""Reads of rows that are named by the keys of their entity type: at now, at given times, and of a single entity."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from tests.laws.scene import FakeClock
from tests.opened import OpenedStore

from featurama_core.datasets.verify import verify
from featurama_core.store_datasets import rebuilt
from featurama_core.types.errors import InvalidInput, Reason, Unknown
from featurama_core.types.roles import RowEntities

from .keyed import AT, LIBRARIES, Films, make_films
from .standing_clock import Unique

LATER = "2026-06-01T00:00:00Z"


@pytest.fixture
async def films(store: OpenedStore, unique: Unique) -> Films:
    made = await make_films(store, unique)
    await store.write_features({"film_id": [1, 2], made.year: [1999, 2000]}, timestamp=AT)
    await store.write_features({"guest_id": [7, 7], "city": ["a|b", "Köln"], made.nights: [3, 4]}, timestamp=AT)
    return made


async def online(store: OpenedStore, rows: Any, *features: str) -> dict[str, list[Any]]:
    return (await store.get_online_features(rows, list(features))).to_dict()


async def as_of(store: OpenedStore, rows: Any, *features: str) -> dict[str, list[Any]]:
    read = (await store.get_historical_features(rows, list(features), LATER)).to_dict()
    assert read.pop("timestamp")
    return read


async def in_set(store: OpenedStore, rows: Any, *features: str) -> dict[str, list[Any]]:
    return await (await store.training_set(rows, list(features), timestamp=LATER)).to_dict()


READS = [online, as_of, in_set]
Read = Callable[..., Any]


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("read", READS)
async def test_rows_come_back_with_the_keys_that_they_were_given(
    store: OpenedStore, films: Films, read: Read, library: str
) -> None:
    """A null key, in any part, and one that no id can hold name nothing; the other rows have their values."""
    rows = LIBRARIES[library]({"film_id": [2, None, 1, 3]})
    assert {"film_id": [2, None, 1, 3], films.year: [2000, None, 1999, None]} == await read(store, rows, films.year)
    stays = {"city": ["Köln", "a|b", None, "", "x\x00", "y" * 300], "guest_id": [7] * 6}
    found = await read(store, LIBRARIES[library](stays), films.nights)
    assert stays | {films.nights: [4, 3, None, None, None, None]} == found


@pytest.mark.parametrize("read", READS)
async def test_ids_beside_keys_agree_or_the_read_is_refused(store: OpenedStore, films: Films, read: Read) -> None:
    """The first row that disagrees is named; a null id disagrees with keys."""
    good = {"entity_id": [f"{films.film}:1", None], "film_id": [1, None]}
    assert good | {films.year: [1999, None]} == await read(store, good, films.year)
    for bad in (f"{films.film}:2", None, "1"):
        with pytest.raises(InvalidInput, match="row 1: entity_id is not the id of film_id"):
            await read(store, {"entity_id": [f"{films.film}:1", bad], "film_id": [1, 1]}, films.year)


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("columns", [{}, {"guest_id": [1]}, {"city": ["x"], "film_id": [1]}])
async def test_a_missing_key_column_refuses_the_read(
    store: OpenedStore, films: Films, read: Read, columns: dict[str, Any]
) -> None:
    """It is named."""
    with pytest.raises(InvalidInput, match=r"have neither entity_id nor a column (guest_id|city), a key of stay_"):
        await read(store, {**columns, "x": [1]}, films.nights)


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize(("key", "value"), [("film_id", True), ("film_id", [1]), ("city", 1), ("city", 1.5)])
async def test_a_key_of_another_type_refuses_the_read(
    store: OpenedStore, films: Films, read: Read, key: str, value: Any
) -> None:
    """It would silently find nothing."""
    of_film = key == "film_id"
    rows = {"film_id": [1, value]} if of_film else {"guest_id": [7, 7], "city": ["x", value]}
    if read is in_set:
        rows = {name: [column[1], column[1]] for name, column in rows.items()}  # Arrow has no mixed columns
    with pytest.raises(InvalidInput, match=r"is not|holds"):
        await read(store, rows, films.year if of_film else films.nights)


async def test_rows_without_an_entity_are_counted(store: OpenedStore, films: Films, tmp_path: Path) -> None:
    """In results, and in the manifest of a set."""
    rows = {"film_id": [1, None, 2.5], "timestamp": [LATER] * 3}
    read = await store.get_historical_features(rows, [films.year])
    assert 2 == read.unnamed
    assert "2 rows name no entity" in repr(read)
    assert 1 == (await store.get_online_features([{"film_id": 1}, {"film_id": None}], [films.year])).unnamed
    given = RowEntities.of([f"{films.film}:1", None])
    assert 1 == (await store.get_online_features(given, [films.year])).unnamed
    assert 1 == (await store.point_in_time(given, None, features=[films.year])).unnamed
    manifest = await (await store.training_set(rows, [films.year])).write(tmp_path / "set")
    assert 2 == manifest.content["unnamed_rows"]


@pytest.mark.parametrize("ending", ["csv", "parquet", "folder"])
async def test_label_files_have_key_columns(store: OpenedStore, films: Films, tmp_path: Path, ending: str) -> None:
    """A set of them is built again from its own rows, which have the keys too."""
    path = tmp_path / (f"labels.{ending}" if ending != "folder" else "labels")
    table = pa.table({"film_id": [1, 2, None], "timestamp": [LATER] * 3, "y": [5, 6, 7]})
    if ending == "csv":
        path.write_text(f"film_id,timestamp,y\n1,{LATER},5\n2,{LATER},6\n02,{LATER},7\n")
    elif ending == "parquet":
        pyarrow.parquet.write_table(table, path)
    else:
        path.mkdir()
        pyarrow.parquet.write_table(table.slice(0, 1), path / "1.parquet")
        pyarrow.parquet.write_table(table.slice(1).select(["y", "timestamp", "film_id"]), path / "2.parquet")
    labels = await store.training_set(path, [films.year])
    manifest = await labels.write(tmp_path / "set")
    assert [1999, 2000, None] == (await labels.to_dict())[films.year]
    assert (1, ["film_id", "timestamp", "y"]) == (
        manifest.content["unnamed_rows"],
        manifest.request["label_columns"],
    )

    async def again(request: Any, as_of: int | None) -> Any:
        return await rebuilt(store.space, request, as_of)

    assert not (await verify(tmp_path / "set", again)).differences


async def test_a_folder_whose_files_lack_a_key_is_refused(store: OpenedStore, films: Films, tmp_path: Path) -> None:
    """The file is named."""
    for name, column in (("1", "film_id"), ("2", "film")):
        pyarrow.parquet.write_table(pa.table({column: [1], "timestamp": [LATER]}), tmp_path / f"{name}.parquet")
    with pytest.raises(InvalidInput, match=r"2\.parquet: the label rows lack the column film_id"):
        await store.training_set(tmp_path, [films.year])


async def test_a_service_says_whose_keys_name_the_rows(store: OpenedStore, films: Films, unique: Unique) -> None:
    """Features of `entity` are read of the same entity, and paths of the one that it names."""
    await store.register_feature(mood := unique("mood"), "int")
    await store.register_feature_service(view := unique("view"), [films.year, mood, f"{films.sequel}.{films.year}"])
    film = f"{films.film}:1"
    await store.write_features({"entity_id": [film], mood: [3]}, timestamp=AT)
    await store.write_features({"film_id": [1], "next": [2]}, timestamp=AT, references={films.sequel: "next"})
    read = await store.get_online_features({"film_id": [1]}, service=view)
    assert [[1], [1999], [3], [2000]] == list(read.to_dict().values())


async def test_a_declared_column_holds_ids(store: OpenedStore, films: Films) -> None:
    """Also one that is named like a key, and then no key is an id."""
    rows = {"film_id": [f"{films.film}:1", "1"], "timestamp": [LATER] * 2}
    read = await store.training_set(rows, [films.year], entity_column="film_id")
    assert [1999, None] == (await read.to_dict())[films.year]


async def test_one_entity_is_named_by_its_keys(store: OpenedStore, films: Films) -> None:
    """In a history, in all of its features, and in deletions."""
    history = await store.get_feature_history({"film_id": 1.0}, films.year)
    assert (f"{films.film}:1", [1.0], [1999]) == (
        history.entity_id,
        history.to_dict()["film_id"],
        history.to_dict()["value"],
    )
    stay = {"guest_id": 7, "city": "a|b"}
    read = await store.get_all_features(stay, entity_type=films.stay)
    assert {"guest_id": [7], "city": ["a|b"], films.nights: [3]} == read.to_dict()
    assert f"{films.stay}:7|a%7Cb" == await store.make_entity_id(films.stay, stay)
    await store.delete_feature_values({"film_id": "1"}, [films.year])
    await store.delete_entity(stay, entity_type=films.stay)
    assert [None, 2000] == (await online(store, {"film_id": [1, 2]}, films.year))[films.year]
    with pytest.raises(Unknown):
        await store.get_all_features(stay, entity_type=films.stay)


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"film_id": None}, "film_id is missing"),
        ({"film_id": "01"}, "film_id '01' is not a 64-bit int"),
        ({"film_id": 2**63}, "is not a 64-bit int"),
        ({"film": 1}, "has the keys film_id"),
        ({"film_id": 1, "x": 1}, "has the keys film_id"),
        ({}, "has the keys film_id"),
    ],
)
async def test_a_single_entity_without_an_id_is_refused(
    store: OpenedStore, films: Films, keys: dict[str, Any], problem: str
) -> None:
    """One that is asked for alone, unlike one of many rows."""
    calls: list[Callable[[], Any]] = [
        lambda: store.get_feature_history(keys, films.year),
        lambda: store.get_all_features(keys, entity_type=films.film),
        lambda: store.delete_entity(keys, entity_type=films.film),
        lambda: store.delete_feature_values(keys, [films.year]),
        lambda: store.make_entity_id(films.film, keys),
    ]
    for call in calls:
        with pytest.raises(InvalidInput, match=problem) as refused:
            await call()
        assert Reason.INVALID_ENTITY_ID == refused.value.reason


@pytest.mark.parametrize("key", ["01", "1|2", "", "x"])
async def test_a_single_malformed_id_is_refused(store: OpenedStore, films: Films, key: str) -> None:
    """Of a type with keys, whose ids have one form; deleting it is possible, since older values may have it."""
    wrong = f"{films.film}:{key}"
    for call in (lambda: store.get_feature_history(wrong, films.year), lambda: store.get_all_features(wrong)):
        with pytest.raises(InvalidInput, match=r"entity_id '.*'") as refused:
            await call()
        assert Reason.INVALID_ENTITY_ID is refused.value.reason
    with pytest.raises(InvalidInput, match="is no id of") as refused:
        await store.get_feature_history("1", films.year)
    assert Reason.INVALID_ENTITY_ID is refused.value.reason
    for call in (
        lambda: store.delete_entity("1", entity_type=films.film),
        lambda: store.get_all_features(wrong, entity_type=films.film),
        lambda: store.delete_feature_values(wrong, [films.year], entity_type=films.film),
    ):
        with pytest.raises(InvalidInput, match=r"entity_id '.*'") as refused:
            await call()
        assert Reason.INVALID_ENTITY_ID is refused.value.reason
    await store.delete_entity(wrong)


async def test_keys_of_no_known_type_are_refused(store: OpenedStore, films: Films) -> None:
    """Of a type without keys too."""
    with pytest.raises(InvalidInput, match="of no known type, or name the type"):
        await store.delete_entity({"film_id": 1})
    with pytest.raises(InvalidInput, match="has no keys; name it by its id"):
        await store.get_feature_history({"film_id": 1}, films.size)


async def test_many_keys_go_in_and_come_out(store: OpenedStore, clock: FakeClock, films: Films) -> None:
    """20,000 keys of Unicode forms, escapes and extreme ints: written, read at now and at a time, each with its own."""
    draw = np.random.default_rng(11)
    edges = [0, 1, -1, 2**63 - 1, -(2**63), 2**53, 2**53 + 1]
    signs = list("%|:25A3C7 /\\\"'é\u0301e\u0301ﬁfi字😀\u200d\u00a0aA0")
    guests = [*edges, *draw.integers(-(2**63), 2**63, 193, dtype=np.int64).tolist()]
    cities = sorted({"".join(draw.choice(signs, draw.integers(1, 9))) for _ in range(140)})[:100]
    rows = {"guest_id": np.repeat(guests, len(cities)), "city": cities * len(guests)}
    count = len(guests) * len(cities)
    assert 20_000 == count
    frame = rows | {films.nights: np.arange(count)}
    assert count == (await store.write_features(frame, timestamp=AT, batch_size=10_000)).accepted
    order = draw.permutation(count)
    asked = {"guest_id": rows["guest_id"][order], "city": [rows["city"][at] for at in order]}
    for read in READS:
        found = await read(store, asked, films.nights)
        assert order.tolist() == found[films.nights]
        assert asked["city"] == found["city"]
        assert asked["guest_id"].tolist() == found["guest_id"]
