"""Which role each feature of a request has, and the roles that no request may declare."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from tests.unit.registry.drafts import BOTH, refusal, snapshot

from featurama_core.registry import Snapshot
from featurama_core.registry.roles import check_declared, check_one_type, in_roles
from featurama_core.storage.records import Definitions
from featurama_core.types.errors import InvalidInput, Reason, Unknown
from featurama_core.types.references import FeatureRef, ResolvedFeature
from featurama_core.types.roles import Role

pytestmark = pytest.mark.unit

WORLD = snapshot()
CITY = Role("city", "city")
ANY = Role("left", "entity")
INVALID = Reason.INVALID_REFERENCE


def resolved(*texts: str) -> list[ResolvedFeature]:
    return [WORLD.resolve(FeatureRef.parse(text)) for text in texts]


def bound(roles: Sequence[Role], *texts: str) -> list[str]:
    """Pinned references of these features in these roles."""
    references = [FeatureRef.parse(text, [each.name for each in roles]) for text in texts]
    return [each.reference for each in in_roles(references, [WORLD.resolve(each) for each in references], roles)]


def refused(roles: Sequence[Role], *texts: str) -> tuple[Reason, object, str]:
    return refusal(InvalidInput, bound, roles, *texts)


def test_a_role_that_is_written_is_taken_and_another_follows_from_the_type() -> None:
    """Where one role alone is of it. Features of `entity` name their role, whatever its type."""
    assert ["home.rating@1", "city.population@1"] == bound([*BOTH[:1], CITY], "rating", "population")
    assert ["away.rating@1", "home.home_city@1.population@1", "city.population@1", "city.note@1"] == bound(
        [*BOTH, CITY], "away.rating", "home.home_city.population", "population", "city.note"
    )
    assert ["left.note@1"] == bound([ANY], "left.note")
    assert ["rating@1", "note@1"] == bound([], "rating", "note")


def test_a_feature_whose_role_is_open_names_the_roles_that_it_may_mean() -> None:
    """The first three of them."""
    several = [*BOTH, Role("guest", "team"), Role("host", "team")]
    words = "'rating' needs its role: write home.rating or away.rating or guest.rating"
    assert (INVALID, "rating", words) == refused(several, "rating")
    words = "'home_city.population' needs its role: write home.home_city.population or away.home_city.population"
    assert (INVALID, "home_city.population", words) == refused(BOTH, "home_city.population")
    assert (INVALID, "note", "'note' needs its role: write city.note") == refused([CITY], "note")
    words = "'population' describes a city, which no role names; the roles are home (team), away (team)"
    assert (INVALID, "population", words) == refused(BOTH, "population")


def test_a_role_takes_features_of_its_type() -> None:
    words = "the role 'city' is a city, but 'rating' describes a team"
    assert (INVALID, "city.rating", words) == refused([CITY], "city.rating")
    words = "the role 'left' is a entity, but 'rating' describes a team"
    assert (INVALID, "left.rating", words) == refused([ANY], "left.rating")


def test_each_role_has_a_feature() -> None:
    words = "no requested feature is of the role 'away'; name one, or leave the role out"
    assert (InvalidInput.reason, "roles", words) == refused(BOTH, "home.rating")


def test_without_roles_the_features_describe_one_type() -> None:
    """And `entity`; the error proposes a role for each type."""
    check_one_type(resolved("rating", "note", "home_city.population"))
    check_one_type(resolved("note"))
    words = (
        "the features describe city, team; declare a role for the entity of each:"
        " roles={'city': 'city', 'team': 'team'}"
    )
    assert (INVALID, "features", words) == refusal(InvalidInput, check_one_type, resolved("rating", "population"))
    assert (INVALID, "features", words) == refused([], "rating", "population", "note")


def test_rows_of_a_type_have_features_of_this_type() -> None:
    """Rows of `entity` have those of any, and features of `entity` fit all rows."""
    check_one_type(resolved("rating", "note"), "team")
    check_one_type(resolved("note"), "city")
    check_one_type(resolved("rating"), "entity")
    words = "the features describe team, the rows city; name features of city"
    assert (INVALID, "features", words) == refusal(InvalidInput, check_one_type, resolved("rating", "note"), "city")
    reason, field, message = refusal(InvalidInput, check_one_type, resolved("rating", "population"), "team")
    assert (INVALID, "features") == (reason, field)
    assert message.startswith("the features describe city, team; declare a role")


@pytest.mark.parametrize(
    ("roles", "words"),
    [
        ([Role("city", "team")], "the role 'city' is named like an entity type, so it must be of this type"),
        ([Role("rating", "team")], "the role 'rating' is named like a feature of team; choose another name"),
        ([Role("note", "city")], "the role 'note' is named like a feature of entity; choose another name"),
        ([*BOTH, Role("rating", "city")], "the role 'rating' is named like a feature of team; choose another name"),
    ],
)
def test_a_role_that_could_be_read_as_something_else_is_refused(roles: list[Role], words: str) -> None:
    assert (InvalidInput.reason, "roles", words) == refusal(InvalidInput, check_declared, roles, WORLD)


def test_other_names_may_be_roles() -> None:
    """That of their type, or of a feature of a type that no role has. `entity` need not be registered."""
    check_declared([*BOTH, CITY, ANY], WORLD)
    check_declared([Role("rating", "city")], WORLD)
    empty = Snapshot(Definitions("one", [], [], []))
    empty.hold(["left", "home"], [])
    check_declared([ANY], empty)
    assert (Reason.UNKNOWN_ENTITY_TYPE, "entity_type") == refusal(Unknown, check_declared, BOTH[:1], empty)[:2]
    twice = [BOTH[0], BOTH[0]]
    assert (InvalidInput.reason, "roles") == refusal(InvalidInput, check_declared, twice, WORLD)[:2]
