"""What RegistryService needs of a store: FeatureStore's methods on definitions and entities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from featurama_core.types.schema import (
    Entity,
    EntityType,
    FeatureDefinition,
    FeatureGroup,
    FeatureService,
)

D = TypeVar("D", EntityType, FeatureGroup, FeatureDefinition, FeatureService)


class Catalogue(Protocol):
    """Definitions and entities of one namespace."""

    async def define(self, definition: D) -> D:
        """Register a definition."""

    async def define_feature(self, definition: FeatureDefinition) -> FeatureDefinition:
        """Register a feature whose entity type or group may be empty."""

    async def get_entity_type(self, name: str) -> EntityType:
        """One entity type."""

    async def get_feature_group(self, name: str) -> FeatureGroup:
        """One feature group."""

    async def get_feature(self, name: str, version: int | None = None) -> FeatureDefinition:
        """One version of a feature, or the newest."""

    async def get_feature_service(self, name: str) -> FeatureService:
        """One feature service."""

    async def list_entity_types(self) -> list[EntityType]:
        """All, by name."""

    async def list_feature_groups(self) -> list[FeatureGroup]:
        """All, by name."""

    async def list_features(
        self, *, entity_type: str | None = None, group: str | None = None, all_versions: bool = False
    ) -> list[FeatureDefinition]:
        """By name and version."""

    async def list_feature_services(self) -> list[FeatureService]:
        """All, by name."""

    async def deprecate_entity_type(self, name: str) -> EntityType:
        """Mark it."""

    async def deprecate_feature_group(self, name: str) -> FeatureGroup:
        """Mark it."""

    async def deprecate_feature(self, name: str, version: int) -> FeatureDefinition:
        """Mark it."""

    async def deprecate_feature_service(self, name: str) -> FeatureService:
        """Mark it."""

    async def register_entities(self, entities: Sequence[Entity]) -> list[Entity]:
        """Register up to 1,000 entities."""

    async def get_entity(self, entity_id: str) -> Entity:
        """A registered entity."""

    async def page_entities(self, entity_type: str, after: str | None, limit: int) -> tuple[list[Entity], str | None]:
        """A page of the entities of a type, and where the next one starts."""


class Catalogues(Protocol):
    """Opens the catalogue of a namespace; `featurama_core.store.Stores` is one."""

    async def get(self, namespace: str) -> Catalogue:
        """UNKNOWN_NAMESPACE without it; "" means the default one."""
