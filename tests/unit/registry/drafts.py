"""A small world of definitions, and drafts over it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from featurama_core.registry import Draft, Snapshot
from featurama_core.storage.records import Definitions
from featurama_core.types.entity_keys import KeyColumn
from featurama_core.types.errors import FeaturamaError, Reason
from featurama_core.types.roles import Role
from featurama_core.types.schema import Definition, EntityType, FeatureDefinition, FeatureGroup, FeatureService
from featurama_core.types.values import ValueType

NOW = 1_000
TEAM = EntityType("team")
CITY = EntityType("city")
SHOP = EntityType("shop", keys=(KeyColumn("shop_id"),))
RATING = FeatureDefinition("rating", ValueType.INT, 1, "team", "team")
HOME_CITY = FeatureDefinition("home_city", ValueType.TEXT, 1, "team", "team", references="city")
POPULATION = FeatureDefinition("population", ValueType.INT, 1, "city", "city")
NOTE = FeatureDefinition("note", ValueType.INT)
BOTH = (Role("home", "team"), Role("away", "team"))
_KINDS = [EntityType("entity"), TEAM, CITY, SHOP]
_GROUPS = [FeatureGroup(), *(FeatureGroup(each.name, each.name) for each in _KINDS[1:]), FeatureGroup("weekly", "team")]
_FEATURES = [RATING, HOME_CITY, POPULATION, NOTE]
_NO_FEATURES = "home", "away", "left", "mood", "city"


def features_of(*changed: Definition) -> list[FeatureDefinition]:
    """The features of the world, and those that are among these definitions."""
    return [*_FEATURES, *(each for each in changed if isinstance(each, FeatureDefinition))]


def snapshot(*changed: Definition) -> Snapshot:
    """The world, with these definitions instead of those of the same name."""
    kinds = [*_KINDS, *(each for each in changed if isinstance(each, EntityType))]
    groups = [*_GROUPS, *(each for each in changed if isinstance(each, FeatureGroup))]
    made = Snapshot(Definitions("one", kinds, groups, [each for each in changed if isinstance(each, FeatureService)]))
    features = features_of(*changed)
    made.hold([*{each.name for each in features}, *_NO_FEATURES], features)
    return made


def draft(*changed: Definition) -> Draft:
    """A draft over that world, at NOW."""
    return Draft(snapshot(*changed), features_of(*changed), NOW)


def refusal(kind: type[FeaturamaError], call: Callable[..., object], *given: object) -> tuple[Reason, object, str]:
    """(reason, field, message) of a call that fails."""
    with pytest.raises(kind) as error:
        call(*given)
    return error.value.reason, error.value.metadata.get("field"), error.value.message
