"""What may be registered over what there is, without a store: completed, pinned, or refused by field and reason."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.registry.drafts import (
    BOTH,
    CITY,
    HOME_CITY,
    NOTE,
    NOW,
    RATING,
    SHOP,
    TEAM,
    draft,
    refusal,
    snapshot,
)

from featurama_core.registry import Draft, Snapshot, names_in
from featurama_core.registry.rules import named_by
from featurama_core.storage.records import Definitions
from featurama_core.types.entity_keys import KeyColumn
from featurama_core.types.errors import Conflict, FailedPrecondition, InvalidInput, Reason, Unknown
from featurama_core.types.roles import Role
from featurama_core.types.schema import Definition, EntityType, FeatureDefinition, FeatureGroup, FeatureService
from featurama_core.types.times import MIN_TIME
from featurama_core.types.values import ValueType

pytestmark = pytest.mark.unit

INVALID = Reason.INVALID_DEFINITION
EMPTY_SNAPSHOT = Snapshot(Definitions("one", [], [], []))


def stamps(definition: Any) -> tuple[Any, ...]:
    """The fields that the registry sets."""
    revised = definition.revision, definition.start, definition.earlier
    return definition.created_at, definition.deprecated, definition.deleted, *revised


@pytest.mark.parametrize(
    "wanted",
    [
        EntityType("league"),
        FeatureGroup("stats", "team"),
        replace(RATING, version=2),
        FeatureService("s", ("rating@1",)),
    ],
)
def test_the_registry_stamps_what_is_new(wanted: Definition) -> None:
    """A caller says neither the time nor the flags nor the revision; everything else stays."""
    given = replace(wanted, created_at=7, deprecated=True, deleted=True, revision=3, start=9, earlier=(wanted,))
    made = draft()
    assert wanted == made.define(given)
    assert [wanted] == made.new
    assert (NOW, False, False, 1, MIN_TIME, ()) == stamps(made.new[0])


def test_the_same_again_is_what_is_stored() -> None:
    """As it is, with its time and its flags; nothing is stored again."""
    kept = [replace(each, created_at=5, deprecated=True) for each in (TEAM, FeatureGroup("team", "team"), RATING)]
    made = draft(*kept)
    for each in kept:
        assert each is made.define(replace(each, created_at=0, deprecated=False))
    assert [] == made.new


def test_a_draft_changes_nothing_before_it() -> None:
    """Nor is a list remembered from before a definition came. Features are those that are stored, and no others."""
    before = snapshot()
    made = Draft(before, [RATING, NOTE], NOW)
    assert before.incarnation == made.incarnation
    assert [RATING, None] == [made.newest("rating"), made.newest("population")]
    assert "rating@1" == made.resolve_all(["rating"])[0].reference
    made.define(replace(RATING, version=2))
    assert "rating@2" == made.resolve_all(["rating"])[0].reference
    assert "rating@1" == before.resolve_all(["rating"])[0].reference
    assert [] == made.missing(["never_seen"])
    made.define(EntityType("league", keys=(KeyColumn("league_id"),)))
    assert ["shop"] == list(before.id_rules.of)
    assert ["shop", "league"] == list(made.id_rules.of)


def test_the_type_of_the_id_rules_is_known_at_once() -> None:
    """Rules that were looked at before a type with keys came are not kept."""
    made = draft()
    assert ["shop"] == list(made.id_rules.of)
    made.define(EntityType("league", keys=(KeyColumn("league_id"),)))
    made.define(replace(NOTE, version=2))
    assert ["shop", "league"] == list(made.id_rules.of)


def test_definitions_are_made_in_their_order_and_answered_in_the_callers() -> None:
    wanted = [
        FeatureService("s", ("heat",)),
        FeatureDefinition("heat", ValueType.INT, 2, "", "weather"),
        FeatureDefinition("heat", ValueType.INT, 1, "", "weather"),
        FeatureGroup("weather", "planet"),
        EntityType("planet"),
    ]
    made = draft()
    answered = made.define_all(wanted)
    assert ["heat@2"] == list(answered[0].features)  # type: ignore[union-attr]
    assert [wanted[4], wanted[3], answered[2], answered[1], answered[0]] == made.new
    assert [2, 1] == [each.version for each in answered[1:3]]  # type: ignore[union-attr]


def test_an_error_names_the_definition_if_there_are_several() -> None:
    """With the reason and the field of the error."""
    bad = replace(RATING, version=2, group="nowhere")
    alone = (Reason.UNKNOWN_FEATURE_GROUP, "feature_group", "feature group 'nowhere' is not registered; ")
    for wanted, named in (([bad], ""), ([TEAM, bad], "rating@2: ")):
        reason, field, message = refusal(Unknown, draft().define_all, wanted)
        assert (reason, field) == alone[:2]
        assert message.startswith(named + alone[2])


@pytest.mark.parametrize(
    ("entity_type", "group", "expected"),
    [
        ("", "", ("entity", "default")),
        ("entity", "", ("entity", "default")),
        ("team", "", ("team", "team")),
        ("", "weekly", ("team", "weekly")),
        ("", "default", ("entity", "default")),
        ("team", "weekly", ("team", "weekly")),
    ],
)
def test_the_type_gives_the_group_and_the_group_the_type(
    entity_type: str, group: str, expected: tuple[str, str]
) -> None:
    made = draft().define(FeatureDefinition("mood", ValueType.INT, 1, entity_type, group))
    assert expected == (made.entity_type, made.group)  # type: ignore[union-attr]


def test_defaults_come_with_the_first_definition_that_needs_them() -> None:
    """The type `entity` with its group, or the group of a type; stamped, and once."""
    nothing = Draft(EMPTY_SNAPSHOT, (), NOW)
    nothing.define_all([NOTE, replace(NOTE, name="mood"), EntityType("league"), league("points"), league("goals")])
    names = [(type(each), each.name) for each in nothing.new]
    assert [
        (EntityType, "league"),
        (EntityType, "entity"),
        (FeatureGroup, "default"),
        (FeatureDefinition, "note"),
        (FeatureDefinition, "mood"),
        (FeatureGroup, "league"),
        (FeatureDefinition, "points"),
        (FeatureDefinition, "goals"),
    ] == names
    assert {NOW} == {each.created_at for each in nothing.new}
    assert [EntityType("entity", "Anything: its features take any id")] == nothing.new[1:2]
    assert ["entity", "league"] == [each.entity_type for each in nothing.new if isinstance(each, FeatureGroup)]
    named = Draft(EMPTY_SNAPSHOT, (), NOW).define(FeatureDefinition("mood", ValueType.INT, 1, "", "default"))
    assert "entity" == named.entity_type  # type: ignore[union-attr]


def league(name: str) -> FeatureDefinition:
    return FeatureDefinition(name, ValueType.INT, 1, "league", "")


def test_a_group_of_entity_brings_the_type() -> None:
    """A group of another type does not, and its type must be there."""
    nothing = Draft(EMPTY_SNAPSHOT, (), NOW)
    nothing.define(FeatureGroup("things"))
    assert ["entity", "things"] == [each.name for each in nothing.new]
    assert (Reason.UNKNOWN_ENTITY_TYPE, "entity_type") == refusal(Unknown, nothing.define, FeatureGroup("g", "x"))[:2]
    assert (Reason.UNKNOWN_ENTITY_TYPE, "entity_type") == refusal(Unknown, nothing.define, league("points"))[:2]
    assert ["entity", "things"] == [each.name for each in nothing.new]


@pytest.mark.parametrize("name", ["default", "league"])
def test_a_group_that_would_come_by_itself_is_not_brought_once_it_was_deleted(name: str) -> None:
    kind = "entity" if name == "default" else "league"
    made = draft(EntityType("league"), FeatureGroup(name, kind, deleted=True))
    message = f"feature group {name!r} was deleted; choose another name"
    wanted = FeatureDefinition("points", ValueType.INT, 1, kind, name)
    assert (Conflict.reason, "name", message) == refusal(Conflict, made.define, wanted)


def test_names_that_are_out_of_bounds_are_refused_in_every_kind() -> None:
    for wanted in (
        EntityType("No"),
        FeatureGroup("No"),
        FeatureGroup("g", "team", buckets=3),
        FeatureDefinition("No", ValueType.INT),
        FeatureService("No", ("rating",)),
    ):
        made = draft()
        refusal(InvalidInput, made.define, wanted)
        assert [] == made.new


def test_a_group_that_comes_by_itself_is_checked() -> None:
    """A type may have a name that no group can have."""
    kind = EntityType("x" * 63)
    assert [FeatureGroup(kind.name, kind.name)] == [
        each for each in with_feature_of(kind).new if isinstance(each, FeatureGroup)
    ]


def with_feature_of(kind: EntityType) -> Draft:
    made = draft(kind)
    made.define(FeatureDefinition("points", ValueType.INT, 1, kind.name, ""))
    return made


def test_the_name_of_what_was_deleted_is_not_given_again() -> None:
    """Of a feature, its versions are not, nor another type, group or target."""
    made = draft(replace(TEAM, name="club", deleted=True))
    message = "entity type 'club' was deleted; choose another name"
    assert (Conflict.reason, "name", message) == refusal(Conflict, made.define, EntityType("club"))
    gone = [replace(RATING, name="goals", version=version, deleted=True) for version in (1, 3)]
    made = draft(*gone)
    message = "feature 'goals' was deleted up to version 3; register a higher version"
    for version in (1, 2, 3):
        wanted = replace(RATING, name="goals", version=version)
        assert (Conflict.reason, "name", message) == refusal(Conflict, made.define, wanted)
    other = replace(RATING, name="goals", version=4, group="weekly")
    message = "group of 'goals' is 'team' in all versions; register another feature"
    assert (Conflict.reason, "group", message) == refusal(Conflict, made.define, other)
    assert 4 == made.define(replace(other, group="team")).version  # type: ignore[union-attr]


def test_a_new_version_is_higher_than_all() -> None:
    """One between two that are there is refused, and each that is there stays."""
    made = draft(replace(RATING, version=3))
    assert RATING == made.define(RATING)
    assert 3 == made.define(replace(RATING, version=3)).version  # type: ignore[union-attr]
    message = "feature 'rating' is at version 3; a new version must be higher"
    assert (Conflict.reason, "version", message) == refusal(Conflict, made.define, replace(RATING, version=2))
    assert 4 == made.define(replace(RATING, version=4)).version  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("field", "changed"),
    [
        ("entity_type", {"entity_type": "entity", "group": "default"}),
        ("group", {"group": "weekly"}),
        ("references", {"references": "team"}),
        ("references", {"references": None}),
    ],
)
def test_type_group_and_target_are_those_of_all_versions(field: str, changed: dict[str, Any]) -> None:
    wanted = replace(HOME_CITY, version=2, **changed)
    message = f"{field} of 'home_city' is {getattr(HOME_CITY, field)!r} in all versions; register another feature"
    assert (Conflict.reason, field, message) == refusal(Conflict, draft().define, wanted)


def test_a_feature_is_of_the_type_of_its_group_and_refers_to_a_type_that_is_there() -> None:
    message = "group 'team' is of entity type 'team', the feature of 'city'"
    wanted = FeatureDefinition("mood", ValueType.INT, 1, "city", "team")
    assert (INVALID, "entity_type", message) == refusal(InvalidInput, draft().define, wanted)
    wanted = FeatureDefinition("mood", ValueType.TEXT, 1, "city", "city", references="moon")
    assert (Reason.UNKNOWN_ENTITY_TYPE, "entity_type") == refusal(Unknown, draft().define, wanted)[:2]


def test_no_feature_of_a_row_is_named_like_a_key_column() -> None:
    """Of its own type, or of `entity`; whichever comes first. Features of other types may."""
    message = "feature 'shop_id' is named like a key column of 'shop'; choose another name"
    for kind in ("shop", "entity"):
        wanted = FeatureDefinition("shop_id", ValueType.INT, 1, kind, "")
        assert (INVALID, "name", message) == refusal(InvalidInput, draft().define, wanted)
    assert "team" == draft().define(FeatureDefinition("shop_id", ValueType.INT, 1, "team", "")).entity_type  # type: ignore[union-attr]
    keyed = EntityType("league", keys=(KeyColumn("rating"), KeyColumn("note")))
    message = "feature 'note' is named like a key column of 'league'; choose another name"
    assert (INVALID, "keys", message) == refusal(InvalidInput, draft().define, keyed)
    made = draft()
    assert keyed.keys[:1] == made.define(replace(keyed, keys=keyed.keys[:1])).keys  # type: ignore[union-attr]


DEPRECATED_TEAM = replace(TEAM, deprecated=True)


@pytest.mark.parametrize(
    ("there", "wanted", "field", "name"),
    [
        (DEPRECATED_TEAM, FeatureGroup("stats", "team"), "entity_type", "team"),
        (DEPRECATED_TEAM, replace(RATING, version=2), "entity_type", "team"),
        (FeatureGroup("team", "team", deprecated=True), replace(RATING, version=2), "group", "team"),
        (replace(CITY, deprecated=True), replace(HOME_CITY, version=2), "references", "city"),
    ],
)
def test_nothing_new_uses_what_is_deprecated(there: Definition, wanted: Definition, field: str, name: str) -> None:
    message = f"{field} {name!r} is deprecated; use another one"
    assert (Reason.DEPRECATED, field, message) == refusal(FailedPrecondition, draft(there).define, wanted)


def test_what_is_there_goes_on_with_what_is_deprecated() -> None:
    gone = [DEPRECATED_TEAM, FeatureGroup("team", "team", deprecated=True), replace(CITY, deprecated=True)]
    made = draft(*gone, replace(RATING, version=2), replace(HOME_CITY, version=2))
    for each in (RATING, HOME_CITY, FeatureGroup("weekly", "team"), replace(RATING, version=2)):
        assert each == made.define(each)
    assert [] == made.new


@pytest.mark.parametrize(
    ("there", "wanted", "field", "message"),
    [
        (
            replace(RATING, description="how good"),
            replace(RATING, description="how bad"),
            "description",
            "'rating@1' is registered with another description; change it with update_feature",
        ),
        (
            RATING,
            replace(RATING, value_type=ValueType.DOUBLE, owner="us", tags=("a",)),
            "value_type",
            "'rating@1' is registered with another value_type; register a new version",
        ),
        (
            replace(NOTE, value_type=ValueType.VECTOR, vector_length=2),
            replace(NOTE, value_type=ValueType.VECTOR, vector_length=3),
            "vector_length",
            "'note@1' is registered with another vector_length; register a new version",
        ),
        (
            FeatureGroup("weekly", "team", ttl="7d"),
            FeatureGroup("weekly", "team", buckets=2),
            "ttl",
            "'weekly' is registered with another ttl, buckets; change it with update_feature_group",
        ),
        (
            FeatureGroup("weekly", "team"),
            FeatureGroup("weekly", "city"),
            "entity_type",
            "'weekly' is registered with another entity_type; choose another name",
        ),
        (
            SHOP,
            EntityType("shop"),
            "keys",
            "'shop' is registered with another keys; choose another name",
        ),
    ],
)
def test_what_differs_is_named_with_what_to_do(there: Definition, wanted: Definition, field: str, message: str) -> None:
    assert (Conflict.reason, field, message) == refusal(Conflict, draft(there).define, wanted)


def test_the_features_that_a_definition_may_mean_are_read_before() -> None:
    """Its own name, the steps of its references, its roles and its keys: as far as they are names."""
    service = FeatureService("s", ("home.rating", "a.b@2", "team:c"), roles=(*BOTH, Role("Bad", "team")))
    assert {"home", "away", "rating", "a", "b", "c"} == names_in([service])
    unread = FeatureService("s", ("no such.x.y.z",), roles=BOTH)
    assert {"home", "away", "rating"} == names_in([unread, RATING])
    keyed = EntityType("league", keys=(KeyColumn("one"), KeyColumn("Two")))
    assert {"one"} == names_in([keyed, FeatureDefinition("Bad", ValueType.INT), FeatureGroup("group", "team")])


def test_a_definition_names_others() -> None:
    """With the version of a feature, 0 where there is none."""
    assert [(FeatureGroup, "team", 0), (EntityType, "team", 0)] == named_by(RATING)
    named = [(FeatureGroup, "team", 0), (EntityType, "team", 0), (EntityType, "city", 0)]
    assert named == named_by(HOME_CITY)
    assert [(EntityType, "team", 0)] == named_by(FeatureGroup("weekly", "team"))
    assert [] == named_by(TEAM)
    service = FeatureService("s", ("home.home_city@1.population@2", "away.rating"), roles=(*BOTH, Role("x", "city")))
    features = [(FeatureDefinition, "home_city", 1), (FeatureDefinition, "population", 2)]
    features.append((FeatureDefinition, "rating", 0))
    assert [*features, *((EntityType, each, 0) for each in ("team", "team", "city"))] == named_by(service)
