"""The plan of applying definitions: they are registered in memory, on top of the registered ones.

The plan therefore follows the rules of the registry, and nothing is changed before it is shown.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, cast

from featurama_core.namespace import Namespace
from featurama_core.settings import StoreSettings
from featurama_core.storage.port import Definitions, NamespaceStorage
from featurama_core.store import EmbeddedStore
from featurama_core.types.errors import FeaturamaError
from featurama_core.types.schema import (
    Definition,
    EntityType,
    FeatureDefinition,
    FeatureGroup,
    FeatureService,
)

if TYPE_CHECKING:
    from featurama_core.api import FeatureStore

Effect = Literal["new", "changed", "unchanged", "conflict"]
Key = tuple[str, str, int]

_KIND = {
    EntityType: "entity type",
    FeatureGroup: "feature group",
    FeatureDefinition: "feature",
    FeatureService: "feature service",
}


@dataclass(frozen=True, slots=True)
class Step:
    """The effect on one definition. definition: complete, with group, type and version."""

    effect: Effect
    definition: Definition
    problem: str = ""

    @property
    def kind(self) -> str:
        """`feature`, `feature group`, and so on."""
        return _KIND[type(self.definition)]

    @property
    def name(self) -> str:
        """The name; of a feature, with its version."""
        each = self.definition
        return each.reference if isinstance(each, FeatureDefinition) else each.name


async def registered(store: FeatureStore) -> list[Definition]:
    """All registered definitions."""
    return [
        *await store.list_entity_types(),
        *await store.list_feature_groups(),
        *await store.list_features(all_versions=True),
        *await store.list_feature_services(),
    ]


async def plan(have: Sequence[Definition], wanted: Sequence[Definition]) -> list[Step]:
    """The effect of registering `wanted`, in that order, where `have` is registered. Changes nothing."""
    there = _Rehearsal(have)
    store = EmbeddedStore(Namespace("rehearsal", cast(NamespaceStorage, there), StoreSettings(), time.time_ns))
    return [await _rehearsed(store, there, definition) for definition in wanted]


async def _rehearsed(store: FeatureStore, there: _Rehearsal, wanted: Definition) -> Step:
    # A group or type that a feature creates implicitly counts as existing.
    before = there.definitions.get(_key(wanted))
    try:
        stored = await store.define(wanted)
    except FeaturamaError as error:
        return Step("conflict", wanted, error.message)
    if before is None:
        return Step("new", stored)
    return Step("unchanged" if stored == before else "changed", stored)


class _Rehearsal:
    """Definitions in memory: the part of a namespace's storage that the registry uses."""

    def __init__(self, definitions: Iterable[Definition]) -> None:
        self.definitions: dict[Key, Definition] = {_key(each): each for each in definitions}

    async def load_definitions(self) -> Definitions:
        all_of = self.definitions.values()
        return Definitions(
            incarnation="rehearsal",
            entity_types=[each for each in all_of if isinstance(each, EntityType)],
            groups=[each for each in all_of if isinstance(each, FeatureGroup)],
            features=[each for each in all_of if isinstance(each, FeatureDefinition)],
            services=[each for each in all_of if isinstance(each, FeatureService)],
        )

    async def put_definition(self, definition: Definition) -> Definition:
        return self.definitions.setdefault(_key(definition), definition)

    async def update_definition(self, definition: Definition) -> None:
        self.definitions[_key(definition)] = replace(definition)


def _key(definition: Definition) -> Key:
    version = definition.version if isinstance(definition, FeatureDefinition) else 0
    return _KIND[type(definition)], definition.name, version
