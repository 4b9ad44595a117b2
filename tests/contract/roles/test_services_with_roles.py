"""A feature service declares the roles of its rows and pins them; what is registered later changes no read of it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Awaitable
from typing import Any

import pyarrow as pa
import pytest
from tests.opened import OpenedStore

from featurama_cli.archive.layout import definitions_from_json, definitions_to_json
from featurama_core.types.errors import Conflict, FailedPrecondition, FeaturamaError, InvalidInput, Unknown
from featurama_core.types.roles import Role, RowEntities
from featurama_core.types.schema import EntityType

from .league import ROLES, START, told

MATCH = ["home.rating", "away.city.population", "referee.cards", "home.note"]


def unique(name: str) -> str:
    return f"{name}_{uuid.uuid4().hex[:8]}"


async def refused(call: Awaitable[Any], match: str, kind: type[FeaturamaError] = InvalidInput) -> None:
    with pytest.raises(kind, match=match):
        await call


async def test_a_service_pins_its_roles(store: OpenedStore) -> None:
    """Each reference with its role, also one that leaves it out; the same registration again changes nothing."""
    name = unique("match")
    wanted = ["home.rating", "away.city.population", "cards", "home.note"]
    made = await store.register_feature_service(name, wanted, roles=ROLES)
    assert ("home.rating@1", "away.city@1.population@1", "referee.cards@1", "home.note@1") == made.features
    assert (Role("home", "team"), Role("away", "team"), Role("referee", "person")) == made.roles
    assert made == await store.register_feature_service(name, wanted, roles=ROLES)
    assert made == await store.register_feature_service(name, list(made.features), roles=ROLES)
    assert made == await store.get_feature_service(name)
    other = dict(reversed(ROLES.items()))
    await refused(store.register_feature_service(name, wanted, roles=other), "another", Conflict)
    await refused(
        store.register_feature_service(unique("one"), wanted), "cannot be read|not registered", FeaturamaError
    )


async def test_a_service_is_read_in_its_roles(store: OpenedStore) -> None:
    """Online, in the past and as a set: as the same roles in a request."""
    name = unique("match")
    await store.register_feature_service(name, MATCH, roles=ROLES)
    times = pa.array([START + 10**12] * 2).cast(pa.timestamp("us", "UTC"))
    rows = {"home": ["team_1", None], "away": ["team_2", "team_1"], "referee": ["person_1", "person_2"]}
    table = pa.table(rows | {"timestamp": times})
    online = await store.get_online_features(rows, service=name)
    asked = await store.get_online_features(rows, MATCH, roles=ROLES)
    assert told(asked.to_arrow(statuses=True), MATCH) == told(online.to_arrow(statuses=True), MATCH)
    past = await store.get_historical_features(table, service=name)
    built = await store.training_set(table, service=name)
    expected = await (await store.training_set(table, MATCH, roles=ROLES)).to_arrow()
    assert told(expected, MATCH) == told(await built.to_arrow(), MATCH) == told(past.to_arrow(), MATCH)
    renamed = table.rename_columns(["host", "away", "referee", "timestamp"])
    of_host = {"home": {"type": "team", "columns": "host"}}
    built = await store.training_set(renamed, service=name, roles=of_host)
    assert told(expected, MATCH) == told(await built.to_arrow(), MATCH)
    with pytest.raises(InvalidInput, match=r"declares the role guest .team., but feature service"):
        await store.training_set(table, service=name, roles={"guest": "team"})


async def test_one_entity_a_row_cannot_serve_several_roles(store: OpenedStore) -> None:
    """The roles are named, by ids, by rows of ids, and by a grid."""
    name = unique("match")
    await store.register_feature_service(name, MATCH, roles=ROLES)
    named = "roles home, away, referee"
    await refused(store.get_online_features(["team_1"], service=name), named)
    await refused(store.get_historical_features(["team_1"], service=name), named)
    await refused(store.get_historical_features(["team_1"], service=name, timestamp=START), named)
    await refused(store.training_set(service=name, entity_type="team"), named)
    rows = {"entity_id": ["team_1"], "timestamp": pa.array([START]).cast(pa.timestamp("us", "UTC"))}
    await refused(store.training_set(pa.table(rows), service=name), "lack the column home of the role home")
    roles = {"home": ["team_1"], "away": ["team_2"]}
    await refused(store.get_online_features(roles, service=name), "lack the column referee of the role referee")
    with_ids = roles | {"referee": ["x"], "entity_id": ["y"]}
    await refused(store.get_online_features(with_ids, service=name), "entity_id, which no role names")
    unequal = {"home": ["team_1"], "away": ["team_2"], "referee": []}
    await refused(store.get_online_features(unequal, service=name), "referee")


async def test_what_is_registered_later_changes_no_read_of_a_service(store: OpenedStore) -> None:
    """A feature, or an entity type, that is named like a role; a new declaration of the role is refused."""
    role, name, kind = unique("side"), unique("match"), unique("kind")
    roles, points = {role: "team", "away": "team", kind: "person"}, unique("points")
    await store.register_feature(points, "int", entity_type="team")
    wanted = [f"{role}.{points}", f"{role}.city.population", "away.rating", f"{kind}.cards"]
    await store.register_feature_service(name, wanted, roles=roles)
    rows = {role: ["team_1"], "away": ["team_2"], kind: ["person_1"]}
    before = (await store.get_online_features(rows, service=name)).to_dict()
    assert before == (await store.get_online_features(rows, wanted, roles=roles)).to_dict()
    await store.register_feature(role, "text", entity_type="team", references="team")
    await store.register_entity_type(kind)
    await store.register_feature(points, "double", version=2, entity_type="team")
    assert before == (await store.get_online_features(rows, service=name)).to_dict()
    await refused(store.get_online_features(rows, wanted, roles=roles), f"{role}' is named like a feature of team")
    again = {kind: "person", "away": "team"}
    await refused(store.register_feature_service(unique("m"), ["cards"], roles=again), "named like an entity type")
    stored = await store.get_feature_service(name)
    assert stored == await store.register_feature_service(name, wanted, roles=roles)
    # Pinned references are read in one way: a role has no version.
    pinned = (await store.get_online_features(rows, stored.features, roles=roles)).to_dict()
    assert before == pinned
    await refused(store.register_feature_service(unique("m"), stored.features, roles=roles), "named like")


async def test_a_type_that_a_role_names_is_used(store: OpenedStore) -> None:
    """It is not deleted, nor is a feature that a service reads in a role."""
    kind, name = unique("pitch"), unique("match")
    await store.register_entity_type(kind)
    await store.register_feature_service(name, ["ground.note", "home.rating"], roles={"ground": kind, "home": "team"})
    uses = await store.uses(EntityType, kind)
    assert [("feature service", name)] == [(each.kind, each.name) for each in uses]
    await refused(store.delete_definition(EntityType, kind), f"used by feature service {name}", FailedPrecondition)


async def test_roles_that_a_request_cannot_mean_are_refused_and_named(store: OpenedStore) -> None:
    both = {"home": "team", "away": "team"}

    async def read(
        match: str,
        features: list[str],
        roles: dict[str, str] | None = both,
        kind: type[FeaturamaError] = InvalidInput,
    ) -> None:
        rows: Any = {each: ["team_1"] for each in roles} if roles else ["team_1"]
        await refused(store.get_online_features(rows, features, roles=roles), match, kind)

    await read("'rating' needs its role: write home.rating or away.rating", ["rating"])
    await read("'city.population' needs its role: write home.city.population", ["city.population"])
    await read("'note' needs its role", ["note"], roles={"home": "team"})
    await read("'cards' describes a person, which no role names; the roles are home .team., away", ["cards"])
    await read("the role 'home' is a team, but 'cards' describes a person", ["home.cards", "away.rating"])
    await read("features names a feature twice", ["home.rating", "away.rating", "home.rating@1"])
    await read("features names a feature twice", ["home.rating", "rating"], roles={"home": "team"})
    await read("no requested feature is of the role 'away'", ["home.rating"])
    await read("feature 'guest' is not registered", ["guest.rating", "home.rating", "away.rating"], kind=Unknown)
    await read("cannot be read; .* after a role", ["guest.city.population"])
    await read("cannot be read", ["home@1.city.population"])
    await read("cannot be read", ["form:home.city.population"])
    await read("is not registered", ["home.rating"], roles={"home": "tram"}, kind=Unknown)
    await read("so it must be of this type", ["team.rating"], roles={"team": "city"})
    await read("named like a feature of team", ["rating.rating"], roles={"rating": "team"})
    await read("named like a feature of entity", ["note.rating"], roles={"note": "team"})
    await read("the features describe person, team; declare a role", ["rating", "cards"], roles=None)
    lacking = store.get_online_features({"home": ["team_1"]}, ["cards"], roles={"referee": "person"})
    await refused(lacking, "lack the column referee")
    await read("at most 32", ["home.rating"], roles={f"r{each}": "team" for each in range(33)})


async def test_a_role_may_be_named_like_a_feature_of_another_type(store: OpenedStore) -> None:
    """No reference of the request could mean it."""
    rows = {"cards": ["team_1"]}
    read = await store.get_online_features(rows, ["cards.rating"], roles={"cards": "team"})
    assert (await store.get_online_features(["team_1"], ["rating"])).to_dict()["rating"] == read.to_dict()[
        "cards.rating"
    ]


async def test_roles_of_the_type_entity_take_any_id(store: OpenedStore) -> None:
    """They read features of `entity` only, which name their role."""
    roles = {"left": "entity", "right": "entity"}
    rows = {"left": ["team_1", None], "right": ["team_0", "team_1"]}
    read = (await store.get_online_features(rows, ["left.note", "right.note"], roles=roles)).to_dict()
    alone = (await store.get_online_features(["team_0", "team_1"], ["note"])).to_dict()["note"]
    assert [alone[1], None] == read["left.note"]
    assert alone == read["right.note"]
    await refused(
        store.get_online_features(rows, ["left.rating", "right.note"], roles=roles), "but 'rating' describes a team"
    )


async def test_an_archive_keeps_the_roles_of_a_service(store: OpenedStore) -> None:
    """As JSON, from which they are registered again."""
    made = await store.register_feature_service(unique("match"), MATCH, roles=ROLES)
    stored = await store.space.storage.load_definitions()
    again = definitions_from_json(json.loads(json.dumps(definitions_to_json(stored, []))))
    assert made in again


async def test_entities_without_roles_or_rows_are_refused(store: OpenedStore) -> None:
    for entities in (RowEntities({}), RowEntities({"home": [], "away": []})):
        await refused(store.get_online_features(entities, ["home.rating"], roles={"home": "team"}), "give one|empty")
