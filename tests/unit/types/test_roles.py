"""Roles and the entities of rows: what may be declared, and how rows of several entities are counted and cut."""

from __future__ import annotations

from typing import Any

import pytest

from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.roles import MAX_ROLES, Role, RowEntities, checked_roles, roles_of

pytestmark = pytest.mark.unit

BOTH = (Role("home", "team"), Role("away", "team"))
ROWS = RowEntities({"home": ["a", None, "b"], "away": ["c", "d", None]})


def refusal(call: Any, *given: Any, **named: Any) -> tuple[Reason, str, str]:
    """(reason, field, message)."""
    with pytest.raises(InvalidInput) as refused:
        call(*given, **named)
    return refused.value.reason, refused.value.metadata["field"], refused.value.message


def test_roles_are_a_mapping_to_entity_types() -> None:
    """In its order, also of one type; None for none."""
    assert BOTH == roles_of({"home": "team", "away": "team"}) == checked_roles(iter(BOTH))
    assert () == roles_of(None) == roles_of({})
    words = 'roles must map roles to entity types; write {"home": "team", "away": "team"}'
    for given in (["home"], "home", {"home": 1}, {1: "team"}):
        assert (InvalidInput.reason, "roles", words) == refusal(roles_of, given)


def test_roles_out_of_bounds_are_refused() -> None:
    """Names that are none, one name twice, or too many; the most that are possible are taken."""
    assert (Reason.INVALID_NAME, "role") == refusal(checked_roles, [Role("Home", "team")])[:2]
    assert (Reason.INVALID_NAME, "entity_type") == refusal(checked_roles, [Role("home", "Team")])[:2]
    twice = InvalidInput.reason, "roles", "roles names a role twice; name it once"
    assert twice == refusal(checked_roles, [*BOTH, Role("home", "city")])
    many = [Role(f"r{number}", "team") for number in range(MAX_ROLES + 1)]
    assert MAX_ROLES == len(checked_roles(many[1:])) == 32
    most = Reason.LIMIT_EXCEEDED, "roles", "roles names 33 roles; at most 32 are possible"
    assert most == refusal(checked_roles, many)


def test_rows_are_counted_and_cut() -> None:
    """Ids of all roles together; a row that lacks several entities is one."""
    assert (3, 6, 2) == (len(ROWS), ROWS.size, ROWS.unnamed)
    assert 1 == RowEntities({"home": ["a", None], "away": ["c", None]}).unnamed
    assert 0 == RowEntities.of(["a", "b"]).unnamed
    assert {"": ["a", "b"]} == RowEntities.of(["a", "b"]).of_role
    assert {"home": [None, "b"], "away": ["d", None]} == ROWS.cut(1, 3).of_role
    assert (0, 0) == (len(RowEntities({})), RowEntities({}).size)


def test_rows_have_one_id_or_none_per_role() -> None:
    """The error names the role, or the list of ids."""
    ROWS.check()
    RowEntities.of(["a", None]).check()
    none = Reason.EMPTY_REQUEST, "entities", "the rows name no entities; give one per row"
    assert none == refusal(RowEntities({}).check)
    assert "away" == refusal(RowEntities({"home": ["a", "b"], "away": "ab"}).check)[1]
    assert "entity_ids" == refusal(RowEntities.of("ab").check)[1]
    uneven = RowEntities({"home": ["a", "b"], "away": ["c"]})
    words = "the role away has 1 ids, another 2; give one per row"
    assert (InvalidInput.reason, "away", words) == refusal(uneven.check)
    bad = RowEntities({"home": ["a"], "away": ["\n"]})
    assert (Reason.INVALID_ENTITY_ID, "away[0]") == refusal(bad.check)[:2]
    assert (Reason.INVALID_ENTITY_ID, "entity_ids[0]") == refusal(RowEntities.of([""]).check)[:2]


def test_a_limit_counts_the_ids_of_all_roles() -> None:
    """And of one list its rows."""
    ROWS.check(limit=6)
    words = "the roles hold 6 ids; at most 5 fit one call, split the rows"
    assert (Reason.LIMIT_EXCEEDED, "entities", words) == refusal(ROWS.check, limit=5)
    RowEntities.of(["a", "b"]).check(limit=2)
    assert (Reason.LIMIT_EXCEEDED, "entity_ids") == refusal(RowEntities.of(["a", "b"]).check, limit=1)[:2]
    alone = RowEntities({"home": ["a", "b"]})
    assert (Reason.LIMIT_EXCEEDED, "home") == refusal(alone.check, limit=1)[:2]
