"""The plan of applying definitions: the rules of the registry, on a copy of the registered definitions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from featurama_core.registry import Draft, Snapshot, changes_to, checked_changes, names_in
from featurama_core.storage.records import Definitions
from featurama_core.types.errors import FeaturamaError
from featurama_core.types.schema import (
    Definition,
    EntityType,
    FeatureDefinition,
    FeatureGroup,
    FeatureService,
    shown,
)

if TYPE_CHECKING:
    from featurama_core.api import FeatureStore

Effect = Literal["new", "changed", "unchanged", "conflict"]

_KIND = {
    EntityType: "entity type",
    FeatureGroup: "feature group",
    FeatureDefinition: "feature",
    FeatureService: "feature service",
}


@dataclass(frozen=True, slots=True)
class Step:
    """The effect on one definition. definition: complete, with group, type and version; for a change, as it is
    registered. changes: field -> new value.
    """

    effect: Effect
    definition: Definition
    problem: str = ""
    changes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """`feature`, `feature group`, and so on."""
        return _KIND[type(self.definition)]

    @property
    def name(self) -> str:
        """The name; of a feature, with its version."""
        return shown(self.definition)

    @property
    def keys(self) -> str:
        """The key columns of an entity type, and the bytes that an id has for them; "" without keys."""
        return keys_text(self.definition) if isinstance(self.definition, EntityType) else ""


def keys_text(kind: EntityType) -> str:
    """`user_id int, shop text (244 bytes)`; "" without keys."""
    keys = ", ".join(f"{each.name} {each.value_type.label}" for each in kind.keys)
    return f"{keys} ({kind.key_bytes} bytes)" if keys else ""


async def registered(store: FeatureStore, wanted: Sequence[Definition]) -> list[Definition]:
    """The registered definitions that those in `wanted` are judged by."""
    return [
        *await store.list_entity_types(),
        *await store.list_feature_groups(),
        *await store.find_features(sorted(names_in(wanted)), all_versions=True),
        *await store.list_feature_services(),
    ]


def plan(have: Sequence[Definition], wanted: Sequence[Definition]) -> list[Step]:
    """The effect of registering `wanted`, in that order, where `have` is registered. Changes nothing."""
    all_of: dict[type[Definition], list[Any]] = {kind: [] for kind in _KIND}
    for each in have:
        all_of[type(each)].append(each)
    features = all_of.pop(FeatureDefinition)
    draft = Draft(Snapshot(Definitions("plan", *all_of.values())), features, 0)
    return [_step(draft, definition) for definition in wanted]


def _step(draft: Draft, wanted: Definition) -> Step:
    # A group or type that a feature creates implicitly counts as existing.
    before = draft.registered(wanted)
    try:
        if before is not None and (changes := changes_to(before, draft.completed(wanted))):
            return Step("changed", before, changes=checked_changes(before, changes))
        stored = draft.define(wanted)
    except FeaturamaError as error:
        return Step("conflict", wanted, error.message)
    return Step("new" if before is None else "unchanged", stored)
