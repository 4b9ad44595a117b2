"""What a feature service pins, and which features one service may read."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.registry.drafts import (
    BOTH,
    HOME_CITY,
    POPULATION,
    RATING,
    draft,
    refusal,
)

from featurama_core.types.errors import Conflict, FailedPrecondition, InvalidInput, Reason
from featurama_core.types.roles import Role
from featurama_core.types.schema import FeatureService

pytestmark = pytest.mark.unit

INVALID = Reason.INVALID_DEFINITION


def test_a_service_pins_its_features_and_keeps_them() -> None:
    """Registered again without versions, or with those that it pinned; with others it is another one."""
    wanted = FeatureService("s", ("home_city", "home_city.population", "note"), "words")
    pinned = ("home_city@1", "home_city@1.population@1", "note@1")
    made = draft()
    stored = made.define(wanted)
    assert replace(wanted, features=pinned) == stored
    newer = [replace(each, version=2) for each in (HOME_CITY, POPULATION)]
    later = draft(stored, *newer)
    for again in (wanted.features, pinned, ("home_city@1", "home_city.population@1", "note")):
        assert stored is later.define(replace(wanted, features=again))
    for other in (
        ("home_city@2", *wanted.features[1:]),
        ("home_city", "home_city@2.population", "note"),
        ("home_city", "home_city.population@2", "note"),
        ("home_city", "population", "note"),
        ("home_city", "home_city.note", "note"),
        ("home_city.note", "home_city", "note"),
        wanted.features[:2],
    ):
        if "population" in other:
            refusal(InvalidInput, later.define, replace(wanted, features=other))
            continue
        assert (Conflict.reason, "features") == refusal(Conflict, later.define, replace(wanted, features=other))[:2]
    assert [] == later.new
    assert ("home_city@2", "home_city@2.population@2", "note@1") == later.define(replace(wanted, name="t")).features  # type: ignore[union-attr]


def test_a_service_without_roles_reads_one_type() -> None:
    """And features of `entity`, and paths from it."""
    message = "features describe city, team; one service reads one entity type, and paths from it, or declares roles"
    wanted = FeatureService("s", ("rating", "population", "note"))
    assert (INVALID, "features", message) == refusal(InvalidInput, draft().define, wanted)
    roles = (Role("team", "team"), Role("city", "city"), Role("home", "team"))
    wanted = FeatureService("s", ("home.rating", "population", "team.note"), roles=roles)
    made = draft().define(wanted)
    assert ("home.rating@1", "city.population@1", "team.note@1") == made.features  # type: ignore[union-attr]


def test_a_service_with_roles_keeps_its_pinned_features_and_its_roles() -> None:
    """Though a feature is named like a role since; another role of a reference, or other roles, are another service."""
    wanted = FeatureService("s", ("home.rating", "away.home_city.population"), roles=BOTH)
    stored = draft().define(wanted)
    assert ("home.rating@1", "away.home_city@1.population@1") == stored.features  # type: ignore[union-attr]
    named = replace(RATING, name="home")
    later = draft(stored, replace(RATING, version=2), named)
    assert stored is later.define(wanted)
    message = "the role 'home' is named like a feature of team; choose another name"
    for features in (wanted.features, stored.features):  # type: ignore[union-attr]
        other = replace(wanted, name="t", features=features)
        assert (InvalidInput.reason, "roles", message) == refusal(InvalidInput, later.define, other)
    later = draft(stored)
    for other, field in (
        (replace(wanted, features=("away.rating", "home.home_city.population")), "features"),
        (replace(wanted, roles=BOTH[::-1]), "roles"),
    ):
        assert (Conflict.reason, field) == refusal(Conflict, later.define, other)[:2]


def test_a_new_service_takes_no_deprecated_feature() -> None:
    """At neither end of a path; one that is there goes on."""
    stored = draft().define(FeatureService("s", ("home_city.population",)))
    for there, reference in ((HOME_CITY, "home_city@1"), (POPULATION, "population@1")):
        made = draft(stored, replace(there, deprecated=True))
        message = f"feature {reference!r} is deprecated; use a newer version"
        wanted = FeatureService("t", ("note", "home_city.population"))
        assert (Reason.DEPRECATED, there.name, message) == refusal(FailedPrecondition, made.define, wanted)
        assert stored is made.define(FeatureService("s", ("home_city.population",)))


def test_a_service_is_checked_as_it_is_pinned() -> None:
    """Too long once its versions are written, or one feature twice."""
    twice = (InvalidInput.reason, "features", "features names a feature twice; name it once")
    assert twice == refusal(InvalidInput, draft().define, FeatureService("s", ("note", "note@1")))
    assert (INVALID, "features") == refusal(InvalidInput, draft().define, FeatureService("s", ()))[:2]
