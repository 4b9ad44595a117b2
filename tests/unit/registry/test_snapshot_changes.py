"""A snapshot after another: what changed since is added, what was deleted is known, what is remembered is bounded."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.registry.drafts import BOTH, CITY, HOME_CITY, NOTE, POPULATION, RATING, SHOP, TEAM, refusal, snapshot

from featurama_core.registry import NotHeld, Snapshot
from featurama_core.storage.records import Definitions
from featurama_core.types.errors import InvalidInput, Unknown
from featurama_core.types.references import FeatureRef, ResolvedFeature
from featurama_core.types.revisions import revised
from featurama_core.types.roles import Role
from featurama_core.types.schema import Definition, EntityType, FeatureDefinition, FeatureGroup, FeatureService

pytestmark = pytest.mark.unit

NONE_CHANGED: frozenset[str] = frozenset()


def later(before: Snapshot, *changed: Definition, features: frozenset[str] | None = NONE_CHANGED) -> Snapshot:
    kinds, groups, services = (
        [each for each in changed if isinstance(each, kind)] for kind in (EntityType, FeatureGroup, FeatureService)
    )
    return Snapshot(Definitions("two", kinds, groups, services, changed_features=features), before)  # type: ignore[arg-type]


def test_what_changed_replaces_what_was_and_the_rest_stays() -> None:
    """Of all kinds; a deleted one is gone."""
    before = snapshot(FeatureService("s", ("note@1",)), FeatureService("t", ("note@1",)))
    after = later(
        before,
        replace(TEAM, description="new"),
        FeatureGroup("weekly", "team", deleted=True),
        FeatureService("s", ("rating@1",)),
    )
    assert ("one", "two") == (before.incarnation, after.incarnation)
    assert "new" == after.entity_type("team").description
    assert CITY is after.entity_type("city")
    assert {"weekly"} == before.groups.keys() - after.groups.keys()
    assert [("rating@1",), ("note@1",)] == [after.service(each).features for each in ("s", "t")]
    assert [("note@1",), ("note@1",)] == [before.service(each).features for each in ("s", "t")]
    assert ["shop"] == list(after.id_rules.of) == list(before.id_rules.of)
    assert SHOP.id_keys == after.id_rules.of["shop"]


@pytest.mark.parametrize("changed", [TEAM, FeatureGroup(), FeatureService("s", ("note@1",))])
def test_a_change_of_any_kind_outdates_a_snapshot(changed: Definition) -> None:
    kinds, groups, services = (
        [changed] if isinstance(changed, kind) else [] for kind in (EntityType, FeatureGroup, FeatureService)
    )
    found = Definitions("two", kinds, groups, services, changed_features=NONE_CHANGED)  # type: ignore[arg-type]
    assert snapshot().is_outdated(found)
    assert not snapshot().is_outdated(Definitions("two", [], [], [], changed_features=NONE_CHANGED))


def test_deleted_definitions_are_known_as_long_as_their_mark_stands() -> None:
    """A group keeps its values; of features those that are held are known."""
    weekly = FeatureGroup("weekly", "team", deleted=True)
    gone = [replace(NOTE, version=version, deleted=True) for version in (2, 4)]
    before = snapshot(weekly, replace(TEAM, deleted=True), *gone)
    assert "weekly" not in before.groups
    assert weekly is before.all_groups()["weekly"]
    assert [*before.groups, "weekly"] == list(before.all_groups())
    assert before.is_deleted(FeatureGroup, "weekly")
    assert before.is_deleted(EntityType, "team")
    assert not before.is_deleted(EntityType, "weekly")
    assert not before.is_deleted(EntityType, "city")
    assert [False, False, True, False, True] == [before.is_deleted(FeatureDefinition, "note", at) for at in range(5)]
    kept = later(before)
    assert [True, True] == [kept.is_deleted(FeatureGroup, "weekly"), kept.is_deleted(FeatureDefinition, "note", 4)]
    changed = later(before, features=frozenset({"note"}))
    assert changed.is_deleted(FeatureGroup, "weekly")
    assert not changed.is_deleted(FeatureDefinition, "note", 4)
    restored = later(before, replace(weekly, deleted=False))
    assert "weekly" in restored.groups
    assert not restored.is_deleted(FeatureGroup, "weekly")
    assert restored.is_deleted(EntityType, "team")
    assert before.is_deleted(FeatureGroup, "weekly")
    before.hold((), [replace(NOTE, version=2)])
    assert [False, False, True] == [before.is_deleted(FeatureDefinition, "note", at) for at in (0, 2, 4)]


def test_the_first_version_is_that_of_all_time_unless_one_before_it_was_deleted() -> None:
    """Deleted later ones do not matter, nor another mark of its own number."""
    made = snapshot(replace(NOTE, created_at=50), replace(NOTE, version=2, deleted=True))
    assert 1 == made.feature("note", None, 10).version
    assert 1 == made.feature("note").version


def test_what_was_found_about_unknown_names_is_kept_with_the_features() -> None:
    """A snapshot that begins with none begins without them."""
    before = snapshot()
    before.hold(["mod"], (), {"mod": "did you mean 'mood'?"})
    words = "feature 'mod' is not registered; did you mean 'mood'?"
    assert words == refusal(Unknown, later(before).feature, "mod")[2]
    assert {} == later(before, features=None).fixes
    assert {"mod": "did you mean 'mood'?"} == before.fixes


def test_the_newest_version_is_found_by_name() -> None:
    """None for a name of no feature; whether one that is not held is registered is not known."""
    made = snapshot(replace(RATING, version=2), replace(RATING, version=3))
    assert [3, 1] == [each.version for each in map(made.newest, ("rating", "note")) if each]
    assert made.newest("mood") is None
    with pytest.raises(NotHeld, match="weight") as unknown:
        made.newest("weight")
    assert ["weight"] == list(unknown.value.names)


def test_the_types_that_features_describe_are_found_by_their_references() -> None:
    """In order, of the row's own entity; names of no feature, and what is no reference, are left out."""
    made = snapshot(replace(RATING, version=2))
    references = ["rating@2", "home_city.population", "note", "mood", "No!"]
    assert [TEAM] == made.types_of(references)
    assert [CITY, TEAM] == made.types_of([*references, "population"])
    assert [] == made.types_of(["note"])


def test_a_type_has_the_codec_of_its_ids() -> None:
    """`entity` has none, also where it is not registered."""
    made = snapshot()
    assert [SHOP.id_keys, None] == [made.keys_of("shop"), made.keys_of("team")]
    assert Snapshot(Definitions("one", [], [], [])).keys_of("entity") is None
    refusal(Unknown, made.keys_of, "moon")


def test_both_ends_of_a_path_are_of_the_known_moment() -> None:
    newer = [replace(each, version=2, created_at=50) for each in (HOME_CITY, POPULATION)]
    made = snapshot(*newer)
    path = FeatureRef.parse("home_city.population")
    assert ["home_city@1.population@1", "home_city@2.population@2"] == [
        made.resolve(path, known_at).reference for known_at in (49, 50)
    ]


def test_a_list_in_roles_is_bound_and_remembered_for_its_roles() -> None:
    """Each feature in its role; other roles, or none, are another list."""
    made = snapshot()
    both = made.resolve_all(["home.rating", "away.home_city.population@1"], None, BOTH)
    assert ["home.rating@1", "away.home_city@1.population@1"] == [each.reference for each in both]
    assert list(BOTH) == [each.role for each in both]
    assert both is made.resolve_all(["home.rating", "away.home_city.population@1"], None, BOTH)
    alone = made.resolve_all(["rating"], None, (Role("home", "team"),))
    assert ["home.rating@1"] == [each.reference for each in alone]
    assert ["rating@1"] == [each.reference for each in made.resolve_all(["rating"])]


def test_roles_are_compared_with_features_unless_every_reference_is_pinned() -> None:
    """Pinned ones can only be read in one way, so they need no look at what is registered later."""
    made = snapshot()
    other = (Role("guest", "team"),)
    with pytest.raises(NotHeld) as unknown:
        made.resolve_all(["guest.rating"], None, other)
    assert {"guest"} == set(unknown.value.names)
    assert ["guest.rating@1"] == [each.reference for each in made.resolve_all(["guest.rating@1"], None, other)]
    made.hold(["guest"], [replace(RATING, name="guest")])
    words = "the role 'guest' is named like a feature of team; choose another name"
    assert words == refusal(InvalidInput, made.resolve_all, ["guest.rating"], None, other)[2]
    assert ["guest.rating@1"] == [each.reference for each in made.resolve_all(["guest.rating@1"], None, other)]


def test_what_is_compiled_has_the_roles_and_the_pinned_ttls() -> None:
    """Each in an entry of its own."""
    team = revised(FeatureGroup("team", "team", ttl="1d"), {"ttl": None}, 5)
    made = snapshot(team)

    def first(features: tuple[ResolvedFeature, ...]) -> tuple[str, object]:
        return features[0].reference, features[0].group.ttl

    day = FeatureGroup(ttl="1d").ttl
    assert ("rating@1", None) == made.compiled(("rating",), None, first)
    assert ("rating@1", day) == made.compiled(("rating",), None, first, (("team", 1),))
    assert ("rating@1", None) == made.compiled(("rating",), None, first, (("team", 2),))
    assert ("home.rating@1", None) == made.compiled(("home.rating",), None, first, (), BOTH[:1])


def test_guesses_are_made_for_the_names_of_one_snapshot() -> None:
    """Those of the one before do not count."""
    before = snapshot()
    for number in range(40):
        refusal(Unknown, before.entity_type, f"teem{number}")
    assert "entity type 'teem' is not registered; register it first" == refusal(Unknown, before.entity_type, "teem")[2]
    assert "did you mean 'team'?" in refusal(Unknown, later(before).entity_type, "teem")[2]
