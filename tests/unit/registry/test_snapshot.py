"""All definitions at one moment: what a name, a version and a path mean, and how each that means nothing is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from featurama_core.registry import MAX_FEATURES_PER_READ, NotHeld, Snapshot
from featurama_core.storage.records import Definitions
from featurama_core.types.errors import FeaturamaError, InvalidInput, Reason, Unknown
from featurama_core.types.references import FeatureRef, ResolvedFeature
from featurama_core.types.schema import EntityType, FeatureDefinition, FeatureGroup, FeatureService
from featurama_core.types.values import ValueType


def feature(
    name: str, version: int = 1, *, kind: str = "entity", group: str = "default", at: int = 0, to: str | None = None
) -> FeatureDefinition:
    value_type = ValueType.INT if to is None else ValueType.TEXT
    return FeatureDefinition(name, value_type, version, kind, group, references=to, created_at=at)


SPEED = {version: feature("speed", version, at=version * 100) for version in (1, 2, 10)}
HOME = feature("home", kind="ship", group="ship", to="planet")
SIZE = feature("size", kind="planet", group="planet")
CREW = feature("crew", kind="ship", group="ship")
DEFINITIONS = Definitions(
    "one",
    [EntityType("ship"), EntityType("planet")],
    [FeatureGroup("default"), FeatureGroup("ship", "ship"), FeatureGroup("planet", "planet")],
    [FeatureService("pilot", ("speed@1",))],
)
FEATURES = [SPEED[10], HOME, SPEED[2], SIZE, SPEED[1], CREW]


def snapshot(found: Definitions = DEFINITIONS, features: Sequence[FeatureDefinition] = FEATURES) -> Snapshot:
    """That holds these features, and that `mass` and `sped` are not registered."""
    made = Snapshot(found)
    known = {each.name for each in features}
    made.hold([*known, "mass", "sped"], features, {"sped": "did you mean 'speed'?"})
    return made


SNAPSHOT = snapshot()


@pytest.mark.parametrize(
    ("version", "known_at", "expected"),
    [
        (None, None, 10),
        (None, 1_000, 10),
        (None, 999, 2),
        (None, 200, 2),
        (None, 199, 1),
        (None, 100, 1),
        # The first version counts as registered since for ever.
        (None, 99, 1),
        (1, None, 1),
        (2, 0, 2),
        (10, 0, 10),
    ],
)
def test_the_newest_version_that_was_known_is_meant_unless_one_is_named(
    version: int | None, known_at: int | None, expected: int
) -> None:
    """By their numbers, whatever the order of the catalogue; the moment of the registration is included."""
    assert SPEED[expected] is SNAPSHOT.feature("speed", version, known_at)


def refusal(kind: type[FeaturamaError], *call: object) -> tuple[Reason, str, str]:
    """(reason, field, message) of a look-up that fails."""
    look_up, *arguments = call
    with pytest.raises(kind) as error:
        look_up(*arguments)  # type: ignore[operator]
    return error.value.reason, error.value.metadata["field"], error.value.message


def test_what_is_not_registered_is_named() -> None:
    """With the versions that there are."""
    unknown = Reason.UNKNOWN_FEATURE
    assert (unknown, "mass", "feature 'mass' is not registered; check its name or register it") == refusal(
        Unknown, SNAPSHOT.feature, "mass"
    )
    other = Reason.UNKNOWN_FEATURE_VERSION
    assert (other, "speed", "feature 'speed' has no version 3; it has 1, 2, 10") == refusal(
        Unknown, SNAPSHOT.feature, "speed", 3
    )
    # A deleted version is not replaced by a later one.
    gone = [replace(SPEED[1], deleted=True), SPEED[2]]
    late = snapshot(features=gone)
    early = (
        "feature 'speed' had a version that is deleted at known_at, the next is of 1970-01-01T00:00:00.000200Z;"
        " name 'speed@2'"
    )
    assert (other, "speed", early) == refusal(Unknown, late.feature, "speed", None, 199)
    assert SPEED[2] is late.feature("speed", None, 200)
    for reason, look_up, kind, fix in (
        (Reason.UNKNOWN_FEATURE_SERVICE, SNAPSHOT.service, "feature service", "register it first"),
        (Reason.UNKNOWN_ENTITY_TYPE, SNAPSHOT.entity_type, "entity type", "register it first"),
        (Reason.UNKNOWN_FEATURE_GROUP, SNAPSHOT.group, "feature group", "register it first"),
    ):
        message = f"{kind} 'x' is not registered; {fix}"
        assert (reason, kind.replace(" ", "_"), message) == refusal(Unknown, look_up, "x")


def test_names_that_are_alike_are_proposed() -> None:
    """For features, types, groups and services; not for every name of many."""
    assert "feature 'sped' is not registered; did you mean 'speed'?" == refusal(Unknown, SNAPSHOT.feature, "sped")[2]
    assert "did you mean 'pilot'?" in refusal(Unknown, SNAPSHOT.service, "pilots")[2]
    assert "did you mean 'ship'?" in refusal(Unknown, SNAPSHOT.entity_type, "shpi")[2]
    assert "did you mean 'planet'?" in refusal(Unknown, SNAPSHOT.group, "planets")[2]
    fresh = snapshot()
    texts = [refusal(Unknown, fresh.group, f"plane{number}")[2] for number in range(100)]
    assert [True] * 32 + [False] * 68 == ["'planet'?" in each for each in texts]


def test_what_is_registered_is_found_by_its_name() -> None:
    """One of each kind."""
    assert "pilot" == SNAPSHOT.service("pilot").name
    assert "ship" == SNAPSHOT.entity_type("ship").name
    assert "planet" == SNAPSHOT.group("planet").name


def test_what_is_not_held_is_named_at_once() -> None:
    """All features of a list, of paths too; whether they are registered is not known."""
    empty = Snapshot(DEFINITIONS)
    with pytest.raises(NotHeld) as missing:
        empty.resolve_all(["home.size", "speed@2", "speed@1"])
    assert {"home", "size", "speed"} == set(missing.value.names)
    with pytest.raises(NotHeld):
        empty.feature("speed")
    empty.hold(["home", "size", "speed"], FEATURES)
    assert ["home@1.size@1", "speed@2"] == [each.reference for each in empty.resolve_all(["home.size", "speed@2"])]
    assert [] == empty.missing(["speed", "SPEED", "no name"])


def test_features_that_changed_are_not_held_by_the_next_snapshot() -> None:
    """The others are, and the one before stays as it was; too many to be named are all."""
    changed = Definitions("one", [], [], [], changed_features=frozenset({"speed"}))
    assert SNAPSHOT.is_outdated(changed)
    assert not SNAPSHOT.is_outdated(Definitions("one", [], [], [], changed_features=frozenset({"weight"})))
    after = Snapshot(changed, SNAPSHOT)
    assert ["speed"] == after.missing(["speed", "size", "mass"])
    assert [] == SNAPSHOT.missing(["speed", "size", "mass"])
    many = Definitions("one", [], [], [], changed_features=None)
    assert SNAPSHOT.is_outdated(many)
    assert not Snapshot(many, SNAPSHOT).features


def test_a_feature_whose_group_is_not_there_yet_is_not_there_either() -> None:
    """A cluster announces both later."""
    early = Snapshot(DEFINITIONS)
    early.hold(["weight"], [feature("weight", group="body")])
    with pytest.raises(Unknown):
        early.feature("weight")


def resolve(text: str, known_at: int | None = None) -> str:
    return SNAPSHOT.resolve(FeatureRef.parse(text), known_at).reference


def test_a_path_binds_both_its_steps() -> None:
    """Each to the version that was known; the last to a feature of the named type, or to one of any entity."""
    assert "home@1.size@1" == resolve("home.size")
    assert "home@1.speed@2" == resolve("home.speed", 200)
    assert "home@1.speed@10" == resolve("ship:home@1.default:speed")
    resolved = SNAPSHOT.resolve(FeatureRef.parse("home.size"))
    assert (SNAPSHOT.groups["planet"], SNAPSHOT.groups["ship"]) == (resolved.group, resolved.via and resolved.via.group)
    assert "home@1.speed@1" == resolve("home.speed", 99)
    home = feature("home", group="ship", at=50, to="planet")
    late = snapshot(Definitions("one", [], [FeatureGroup("ship", "ship")], []), [home, SIZE])
    assert "size" == refusal(Unknown, late.resolve, FeatureRef.parse("home.size"), 49)[1]


def test_a_path_that_leads_nowhere_is_refused() -> None:
    """Through no reference, or to a feature of another type; a group that is named must be the feature's."""
    assert (
        Reason.INVALID_REFERENCE,
        "crew",
        "'crew' refers to no entity type, so the path cannot follow it; register it with references=<entity type>",
    ) == refusal(InvalidInput, resolve, "crew.size")
    assert (
        Reason.INVALID_REFERENCE,
        "crew",
        "'home' refers to a planet, but 'crew' describes a ship",
    ) == refusal(InvalidInput, resolve, "home.crew")
    assert (Unknown.reason, "speed", "feature 'speed' belongs to group 'default', not 'ship'") == refusal(
        Unknown, resolve, "ship:speed"
    )


def test_a_list_is_bound_once_and_remembered() -> None:
    """In its order, for each `known_at` of its own."""
    first = SNAPSHOT.resolve_all(["size", "speed"])
    assert ["size@1", "speed@10"] == [each.reference for each in first]
    assert first is SNAPSHOT.resolve_all(("size", "speed"))
    assert ["size@1", "speed@2"] == [each.reference for each in SNAPSHOT.resolve_all(["size", "speed"], 200)]
    assert first is SNAPSHOT.resolve_all(["size", "speed"])


def test_only_so_many_lists_are_remembered() -> None:
    """Or a caller could fill the memory: one list too many forgets them all."""
    fresh = snapshot()
    first = fresh.resolve_all(["speed"], 100)
    for known_at in range(101, 100 + 1_024):
        fresh.resolve_all(["speed"], known_at)
    assert first is fresh.resolve_all(["speed"], 100)
    fresh.resolve_all(["speed"], 100 + 1_024)
    again = fresh.resolve_all(["speed"], 100)
    assert again is not first
    assert again == first


def test_a_list_that_is_empty_too_long_or_names_a_feature_twice_is_refused() -> None:
    """Twice also in two ways of writing; a list of the largest size is taken."""
    assert (Reason.EMPTY_REQUEST, "features") == refusal(InvalidInput, SNAPSHOT.resolve_all, [])[:2]
    twice = "features names a feature twice; name it once"
    assert (InvalidInput.reason, "features", twice) == refusal(
        InvalidInput, SNAPSHOT.resolve_all, ["speed", "speed@10"]
    )
    assert 2 == len(SNAPSHOT.resolve_all(["speed@1", "speed@2"]))
    many = [feature(f"f{at}") for at in range(MAX_FEATURES_PER_READ + 1)]
    wide = snapshot(Definitions("one", [], [FeatureGroup("default")], []), many)
    names = [each.name for each in many]
    assert MAX_FEATURES_PER_READ == len(wide.resolve_all(names[1:]))
    assert (
        Reason.LIMIT_EXCEEDED,
        "features",
        "features names 1001 features; at most 1000 fit one call",
    ) == refusal(InvalidInput, wide.resolve_all, names)


def test_what_is_made_of_a_list_is_remembered_for_its_maker_list_and_moment() -> None:
    """And so many of them, as of lists."""
    fresh = snapshot()
    made: list[str] = []

    def names(features: tuple[ResolvedFeature, ...]) -> list[str]:
        made.append("names")
        return [each.reference for each in features]

    def count(features: tuple[ResolvedFeature, ...]) -> int:
        return len(features)

    first = fresh.compiled(("speed",), None, names)
    assert (["speed@10"], 1) == (first, fresh.compiled(("speed",), None, count))
    assert ["size@1"] == fresh.compiled(("size",), None, names)
    assert ["speed@2"] == fresh.compiled(("speed",), 200, names)
    assert first is fresh.compiled(("speed",), None, names)
    assert 3 == len(made)
    for known_at in range(1_000, 1_000 + 1_020):
        fresh.compiled(("speed",), known_at, names)
    assert first is fresh.compiled(("speed",), None, names)
    fresh.compiled(("speed",), 5_000, names)
    assert first is not fresh.compiled(("speed",), None, names)


def test_a_feature_keeps_its_group_while_the_groups_deletion_is_decided() -> None:
    """A deletion that meets a new feature withdraws its mark: until then the feature is read and written."""
    gone = replace(DEFINITIONS.groups[1], deleted=True)
    marked = Snapshot(Definitions("one", (), [gone], (), revision=7, changed_features=frozenset()), snapshot())
    assert 7 == marked.revision
    assert gone == marked.group_of(CREW)
    assert "planet" == marked.group_of(SIZE).name
    with pytest.raises(Unknown, match="feature group 'nowhere' is not registered"):
        marked.group_of(feature("x", group="nowhere"))
