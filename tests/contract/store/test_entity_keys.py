"""Entity types with keys: what they are given, which ids are theirs, and who may use these."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.laws.scene import FakeClock
from tests.opened import OpenedStore

from featurama_core.ingest.foreign_ids import foreign_ids
from featurama_core.ingest.write import restore
from featurama_core.storage.port import NamespaceStorage
from featurama_core.types.column import column_of
from featurama_core.types.entity_keys import KeyColumn, key_columns
from featurama_core.types.errors import Conflict, FeaturamaError, InvalidInput, Reason, Unknown
from featurama_core.types.schema import Entity, EntityType, FeatureDefinition
from featurama_core.types.values import ValueType
from featurama_core.types.writes import WriteReport, WriteRequest

from .keyed import Films, make_films
from .standing_clock import SETTLING, Unique, store_over


@pytest.fixture
async def films(store: OpenedStore, unique: Unique) -> Films:
    return await make_films(store, unique)


async def write(store: OpenedStore, clock: FakeClock, entity_id: str, **values: Any) -> WriteReport:
    """One row at now."""
    return await store.write_features(
        {"entity_id": [entity_id], "timestamp": [clock.now]} | {name: [value] for name, value in values.items()},
        time_unit="us",
    )


def one(value: int) -> Any:
    return np.array([value], dtype=np.int64)


async def test_a_type_keeps_the_keys_that_it_was_created_with(store: OpenedStore, films: Films) -> None:
    """The same keys again change nothing; others, fewer, none or another order are refused."""
    rating = f"{films.film}_rating"
    kind = await store.register_entity_type(rating, keys=(keys := {"user_id": "int", "film_id": "text"}))
    assert kind == await store.register_entity_type(rating, keys=keys)
    assert kind.keys == (await store.get_entity_type(rating)).keys == key_columns(keys)
    for other in (None, ["user_id", "film_id"], {"film_id": "text", "user_id": "int"}, {"user_id": "int"}):
        with pytest.raises(Conflict, match=f"'{rating}' is registered with another keys") as refused:
            await store.register_entity_type(rating, keys=other)
        assert Reason.DEFINITION_CONFLICT == refused.value.reason


async def test_the_type_entity_has_no_keys(store: OpenedStore) -> None:
    """Its features take any id."""
    with pytest.raises(InvalidInput, match="keys are not possible for 'entity'"):
        await store.register_entity_type("entity", keys=["id"])


async def test_a_type_says_how_many_bytes_its_keys_have(store: OpenedStore, unique: Unique) -> None:
    """256 bytes without the name, the colon and the separators; an id of that size is accepted, a longer one not."""
    name, feature = unique("stay"), unique("nights")
    kind = await store.register_entity_type(name, keys=["guest", "city"])
    assert 256 - len(name) - 2 == kind.key_bytes
    await store.register_feature(feature, "int", entity_type=name)
    city = "x" * (kind.key_bytes - 1)
    assert kind.id_keys is not None
    assert 256 == len(kind.id_keys.encode(["a", city]))
    with pytest.raises(InvalidInput, match="entity_id has 257 bytes"):
        kind.id_keys.encode(["a", city + "x"])


async def test_no_feature_of_a_type_is_named_like_one_of_its_keys(store: OpenedStore, films: Films) -> None:
    """A column of that name could be either."""
    with pytest.raises(
        InvalidInput, match=f"feature 'film_id' is named like a key column of '{films.film}'"
    ) as refused:
        await store.register_feature("film_id", "int", entity_type=films.film)
    assert Reason.INVALID_DEFINITION == refused.value.reason


async def test_no_feature_of_entity_is_named_like_a_key(store: OpenedStore, unique: Unique) -> None:
    """Rows of a type with keys may have it, and its column would be taken for the key. Other types may name one so."""
    guest, stay, town = unique("guest"), unique("stay"), unique("town")
    await store.register_entity_type(stay, keys=[guest])
    await store.register_entity_type(town)
    await store.register_feature(guest, "int", entity_type=town)
    night = unique("night")
    await store.register_entity_type(unique("bed"), keys=[night])
    with pytest.raises(InvalidInput, match=f"{night}' is named like a key column of '{unique('bed')}'"):
        await store.register_feature(night, "int")
    await store.register_feature(town, "int")
    with pytest.raises(InvalidInput, match=f"feature '{town}' is named like a key column of '{unique('road')}'"):
        await store.register_entity_type(unique("road"), keys=[town])
    with pytest.raises(InvalidInput, match="is named like a key column"):
        await store.register([FeatureDefinition(unique("a"), ValueType.INT), EntityType("x", keys=(KeyColumn(town),))])


@pytest.mark.parametrize("key", ["", "1", "x", "1|2"])
@pytest.mark.parametrize("kind", ["planet", "entity"])
async def test_a_type_with_keys_is_not_created_over_registered_ids(
    store: OpenedStore, films: Films, kind: str, key: str
) -> None:
    """Entities whose ids it would own keep it away, of the type `entity` too; ids that only look alike do not."""
    ship = f"{films.film}_ship"
    other = films.planet if kind == "planet" else "entity"
    if kind == "entity":
        await store.register_feature(f"{ship}_any", "int")
    await store.register_entities([Entity(each, other) for each in (ship, f"{ship}9", f"{ship};x", f"x{ship}:1")])
    await store.register_entity_type(f"{ship}_free", keys=["id"])
    taken = f"{ship}:{key}"
    await store.register_entity(taken, other)
    with pytest.raises(Conflict, match=f"is registered as a {other}") as refused:
        await store.register_entity_type(ship, keys=["id"])
    assert (Reason.ENTITY_CONFLICT, "name") == (refused.value.reason, refused.value.metadata["field"])
    with pytest.raises(Conflict, match=f"is registered as a {other}"):
        await store.register([EntityType(f"{ship}_plain"), EntityType(ship, keys=(KeyColumn("id"),))])
    assert not {ship, f"{ship}_plain"} & {each.name for each in await store.list_entity_types()}
    await store.register_entity_type(ship)


class Overtaken:
    """A storage in which something happens just before a call of one kind is made for the first time."""

    def __init__(self, inner: NamespaceStorage, call: str, happens: Callable[[], Awaitable[object]]) -> None:
        self._inner = inner
        self._call = call
        self._happens = [happens]

    def __getattr__(self, name: str) -> Any:
        made = getattr(self._inner, name)
        if name != self._call or not self._happens:
            return made
        happens = self._happens.pop()

        async def after(*given: Any) -> Any:
            await happens()
            return await made(*given)

        return after


@pytest.mark.parametrize("call", ["put_entities", "put_definitions"])
async def test_a_type_and_an_id_that_it_would_own_are_not_both_registered(
    store: OpenedStore, namespace: NamespaceStorage, clock: FakeClock, films: Films, call: str
) -> None:
    """At the same moment: the later one is withdrawn."""
    ship, taken = f"{films.film}_ship", f"{films.film}_ship:1"
    if call == "put_entities":
        other = store_over(Overtaken(namespace, call, lambda: store.register_entity_type(ship, keys=["id"])), clock)  # type: ignore[arg-type]
        with pytest.raises(InvalidInput, match=f"is of a {ship}; register it as one"):
            await other.register_entity(taken, films.planet)
    else:
        other = store_over(Overtaken(namespace, call, lambda: store.register_entity(taken, films.planet)), clock)  # type: ignore[arg-type]
        heat, kind = f"{ship}_heat", EntityType(ship, keys=(KeyColumn("id"),))
        with pytest.raises(Conflict, match=f"is registered as a {films.planet}"):
            await other.register([kind, FeatureDefinition(heat, ValueType.INT, entity_type=ship, group="")])
        assert [] == await store.find_features([heat])
    types = {each.name for each in await store.list_entity_types()}
    entities = await namespace.get_entities([taken])
    assert [call == "put_entities", call != "put_entities"] == [ship in types, taken in entities]


async def test_an_entity_of_a_type_that_is_deleted_meanwhile_is_not_registered(
    store: OpenedStore, namespace: NamespaceStorage, clock: FakeClock, unique: Unique
) -> None:
    """Also by a server that still knows the type."""
    kind, fry = unique("kind"), unique("fry")
    await store.register_entity_type(kind)
    other = store_over(namespace, clock, staleness=3_600.0)
    await other.get_entity_type(kind)
    await store.delete_definition(EntityType, kind)
    with pytest.raises(Unknown, match=f"{kind}' is not registered"):
        await other.register_entity(fry, kind)
    assert {} == await namespace.get_entities([fry])


async def test_many_registered_ids_before_do_not_hideone(store: OpenedStore, films: Films) -> None:
    """The ids of a type are read in pages."""
    ship = f"{films.film}_ship"
    await store.register_entities([Entity(f"{ship}{at:05}", films.planet) for at in range(250)])
    await store.register_entity(f"{ship}:x", films.planet)
    with pytest.raises(Conflict):
        await store.register_entity_type(ship, keys=["id"])


@pytest.mark.parametrize(
    ("key", "kind", "reason"),
    [
        ("1", "film", None),
        ("01", "film", Reason.INVALID_ENTITY_ID),
        ("", "film", Reason.INVALID_ENTITY_ID),
        ("1", "planet", Reason.ENTITY_TYPE_MISMATCH),
        ("1", "entity", Reason.ENTITY_TYPE_MISMATCH),
        ("01", "planet", Reason.INVALID_ENTITY_ID),
        (None, "film", Reason.INVALID_ENTITY_ID),
        (None, "planet", None),
    ],
)
async def test_registered_entities_have_ids_of_their_types(
    store: OpenedStore, films: Films, key: str | None, kind: str, reason: Reason | None
) -> None:
    """An id that begins with the name of a type with keys is registered as one of that type."""
    entity_id = f"x{films.film}" if key is None else f"{films.film}:{key}"
    entity = Entity(entity_id, {"film": films.film, "planet": films.planet}.get(kind, "entity"))
    if reason is None:
        assert [entity] == await store.register_entities([entity])
        return
    with pytest.raises(FeaturamaError) as refused:
        await store.register_entities([Entity(f"x{entity_id}", films.planet), entity])
    assert (reason, "entity_id") == (refused.value.reason, refused.value.metadata["field"])
    with pytest.raises(FeaturamaError, match="not registered"):
        await store.get_entity(f"x{entity_id}")


@pytest.mark.parametrize("key", ["1", "0", "-1", "9223372036854775807", "-9223372036854775808"])
async def test_features_of_a_type_with_keys_take_its_ids(
    store: OpenedStore, clock: FakeClock, films: Films, key: str
) -> None:
    """An id in its canonical form, whether it is registered or not."""
    assert 1 == (await write(store, clock, f"{films.film}:{key}", **{films.year: 1999})).accepted


@pytest.mark.parametrize("key", ["", "01", "+1", "-0", "1.0", " 1", "1|2", "9223372036854775808", "%31", "x"])
async def test_features_of_a_type_with_keys_refuse_other_forms(
    store: OpenedStore, clock: FakeClock, films: Films, key: str
) -> None:
    """Each entity has one id: a second form would be another entity to every read."""
    report = await write(store, clock, f"{films.film}:{key}", **{films.year: 1999})
    (verdict,) = report.verdicts
    assert (0, Reason.INVALID_ENTITY_ID) == (report.accepted, verdict.reason)
    assert f"{films.film}:{key}" in verdict.message


async def test_features_of_a_type_with_keys_refuse_ids_of_no_type(
    store: OpenedStore, clock: FakeClock, films: Films
) -> None:
    """The message says how ids are made."""
    (verdict,) = (await write(store, clock, "1", **{films.year: 1999})).verdicts
    assert Reason.INVALID_ENTITY_ID == verdict.reason
    assert f"such ids begin with '{films.film}:' and are made of film_id" in verdict.message


async def test_other_features_refuse_ids_of_a_type_with_keys(
    store: OpenedStore, clock: FakeClock, films: Films
) -> None:
    """Canonical or not; those of `entity` take any id, and ids that begin otherwise belong to no type."""
    mood = f"{films.film}_mood"
    await store.register_feature(mood, "int")
    for key in ("1", "01", ""):
        report = await write(store, clock, f"{films.film}:{key}", **{films.size: 1})
        assert (0, Reason.ENTITY_TYPE_MISMATCH) == (report.accepted, report.verdicts[0].reason)
        assert 1 == (await write(store, clock, f"{films.film}:{key}", **{mood: 1})).accepted
    for other in (films.film, f"x{films.film}:1", f"{films.film.upper()}:1", f"{films.planet}:1", ":1"):
        assert 1 == (await write(store, clock, other, **{films.size: 1})).accepted


async def test_a_row_of_two_types_is_refused(store: OpenedStore, clock: FakeClock, films: Films) -> None:
    """No id can be of both."""
    report = await write(store, clock, f"{films.film}:1", **{films.year: 1999, films.size: 1})
    assert (0, 1) == (report.accepted, report.rejected)


async def test_values_of_an_id_from_before_the_type_stay_readable_and_can_be_restored(
    store: OpenedStore, namespace: NamespaceStorage, clock: FakeClock, films: Films
) -> None:
    """From the creation on they are not written any more, but restored, also with a feature that is new to a server."""
    ship = f"{films.film}_ship"
    assert 1 == (await write(store, clock, f"{ship}:1", **{films.size: 7})).accepted
    await store.register_entity_type(ship, keys=["id"])
    assert 1 == (await write(store, clock, f"{ship}:1", **{films.size: 8})).rejected
    read = await store.get_online_features([f"{ship}:1"], [films.size])
    assert [7] == read.columns[0].to_list()
    old = clock.now - SETTLING - 1
    found = [each async for each in foreign_ids(store.space) if ship in each.entity_id]
    assert [(f"{ship}:1", films.planet)] == [(each.entity_id, each.entity_type) for each in found]
    request = WriteRequest(
        [f"{ship}:1"], one(old), [column_of(films.size, ValueType.INT, one(9))], ingested_at=one(old * 1_000)
    )
    assert 1 == (await restore(store.space, request)).accepted
    server, late = store_over(namespace, clock, staleness=1e9).space, f"{films.size}_late"
    request = replace(request, columns=[column_of(late, ValueType.INT, one(9))])
    assert 1 == (await restore(server, request)).rejected
    await store.register_feature(late, "int", entity_type=films.planet)
    assert 1 == (await restore(server, request)).accepted


async def test_a_reference_to_a_type_with_keys_holds_its_ids(
    store: OpenedStore, clock: FakeClock, films: Films
) -> None:
    """Another text would name nothing, for ever; a null names nothing on purpose."""
    seen, size = f"{films.film}_seen", films.size
    await store.register_feature(seen, "text", entity_type=films.planet, references=films.film)
    for value in (f"{films.film}:1", None):
        assert 1 == (await write(store, clock, "mars", **{seen: value})).accepted
    for value in ("1", f"{films.film}:01", f"{films.planet}:1", ""):
        report = await write(store, clock, "mars", **{seen: value, size: 1})
        (verdict,) = report.verdicts
        assert (0, Reason.INVALID_VALUE, seen) == (report.accepted, verdict.reason, verdict.field)


async def test_the_keys_of_a_deleted_type_are_never_given_again(store: OpenedStore, films: Films) -> None:
    """Neither is its name."""
    name = f"{films.film}_ship"
    await store.register_entity_type(name, keys=["id"])
    await store.delete_definition(EntityType, name)
    for keys in (None, ["id"], ["other"]):
        with pytest.raises(Conflict, match="was deleted"):
            await store.register_entity_type(name, keys=keys)
