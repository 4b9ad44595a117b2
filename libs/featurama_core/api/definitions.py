"""The store's methods on definitions: entity types, feature groups, features and feature services."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from featurama_core.api.primitives import D, Primitives
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.names import DEFAULT_ENTITY_TYPE
from featurama_core.types.schema import EntityType, FeatureDefinition, FeatureGroup, FeatureService
from featurama_core.types.times import parse_duration
from featurama_core.types.values import ValueType, parse_value_type


class DefinitionMethods(Primitives):
    """What can be registered, and how it is listed."""

    async def define(self, definition: D) -> D:
        """Register a definition of any kind.

        Args:
            definition: of a feature, `entity_type` and `group` may be "": then it is the other's, or the default.

        Returns:
            The definition as it is stored.

        Raises:
            Conflict: a different definition is registered under its name (and version).
            InvalidInput: a field is out of its bounds.
        """
        if isinstance(definition, FeatureDefinition):
            _checked(definition.version, Reason.INVALID_DEFINITION)
        return await self._define(definition)

    async def get_definition(self, kind: type[D], name: str, version: int | None = None) -> D:
        """One definition of a kind.

        Args:
            kind: EntityType, FeatureGroup, FeatureDefinition or FeatureService.
            name: its name.
            version: of a feature; None: the newest.

        Raises:
            Unknown: nothing is registered under the name.
        """
        return await self._get_definition(kind, name, _checked(version))

    async def list_definitions(self, kind: type[D]) -> list[D]:
        """All definitions of a kind by name; of features the newest version of each."""
        return await self._list_definitions(kind, entity_type=None, group=None, all_versions=False)

    async def deprecate(self, kind: type[D], name: str, version: int | None = None) -> D:
        """Mark a definition as not to be used for anything new; reading and writing it goes on.

        Args:
            kind: EntityType, FeatureGroup, FeatureDefinition or FeatureService.
            name: its name.
            version: of a feature; it must be given.

        Raises:
            Unknown: nothing is registered under the name.
        """
        if kind is FeatureDefinition and version is None:
            raise InvalidInput("version must say which version is meant, from 1", field="version")
        return await self._deprecate(kind, name, _checked(version))

    async def register_entity_type(self, name: str, description: str = "") -> EntityType:
        """Register a kind of entity; the same again changes nothing."""
        return await self.define(EntityType(name, description))

    async def register_feature_group(
        self,
        name: str,
        entity_type: str = DEFAULT_ENTITY_TYPE,
        description: str = "",
        ttl: str | int | timedelta | None = None,
        retention: str | int | timedelta | None = None,
        buckets: int = 1,
    ) -> FeatureGroup:
        """Register a group; again with another description, lower retention or more buckets: changed.

        Args:
            name: of the group.
            entity_type: what its features describe.
            description: for people.
            ttl: how long a value is valid after its event time: "36h", "7d", a timedelta or microseconds. None: for
                as long as it is stored.
            retention: how long a value is stored after its event time, written as ttl; None: for ever.
            buckets: into how many partitions a period of history is cut, a power of two.

        Raises:
            Conflict: the group is registered with another ttl or entity type.
        """
        return await self.define(
            FeatureGroup(
                name,
                entity_type,
                description,
                parse_duration(ttl, "ttl"),
                parse_duration(retention, "retention"),
                buckets,
            )
        )

    async def register_feature(
        self,
        name: str,
        feature_type: str | ValueType,
        description: str = "",
        version: int = 1,
        tags: Sequence[str] = (),
        *,
        entity_type: str | None = None,
        group: str | None = None,
        references: str | None = None,
        owner: str = "",
        vector_length: int = 0,
    ) -> FeatureDefinition:
        """Register a version of a feature.

        Without entity type and group: type `entity`, group `default`, which take any id. A group says the type; a type
        without a group means the group of its name.

        Args:
            name: of the feature, unique in the namespace.
            feature_type: `double`, `int`, `text`, `bool` or `vector[N]`.
            description: for people.
            version: a whole number from 1; a changed definition needs a higher one.
            tags: for people and searches.
            entity_type: what the feature describes.
            group: the features that are computed and written together with it.
            references: the entity type whose ids a text feature holds, so that paths can follow it.
            owner: for people.
            vector_length: of a vector, where feature_type does not say it.

        Raises:
            Conflict: the version is registered with another definition.
        """
        value_type, length = parse_value_type(feature_type)
        return await self.define(
            FeatureDefinition(
                name=name,
                value_type=value_type,
                version=version,
                entity_type=entity_type or "",
                group=group or "",
                vector_length=length or vector_length,
                references=references,
                description=description,
                tags=tuple(tags),
                owner=owner,
            )
        )

    async def register_feature_service(
        self, name: str, features: Sequence[str], description: str = ""
    ) -> FeatureService:
        """Register the features a model consumes, in order; what has no version is pinned to the newest."""
        if isinstance(features, str):
            raise InvalidInput(f"features must be a list of references; write [{features!r}]", field="features")
        return await self.define(FeatureService(name, tuple(features), description))

    async def get_entity_type(self, name: str) -> EntityType:
        """One entity type; raises Unknown without it."""
        return await self.get_definition(EntityType, name)

    async def get_feature_group(self, name: str) -> FeatureGroup:
        """One feature group; raises Unknown without it."""
        return await self.get_definition(FeatureGroup, name)

    async def get_feature(self, name: str, version: int | None = None) -> FeatureDefinition:
        """One version of a feature, or the newest; raises Unknown without it."""
        return await self.get_definition(FeatureDefinition, name, version)

    async def get_feature_service(self, name: str) -> FeatureService:
        """One feature service; raises Unknown without it."""
        return await self.get_definition(FeatureService, name)

    async def list_entity_types(self) -> list[EntityType]:
        """All, by name."""
        return await self.list_definitions(EntityType)

    async def list_feature_groups(self) -> list[FeatureGroup]:
        """All, by name."""
        return await self.list_definitions(FeatureGroup)

    async def list_feature_services(self) -> list[FeatureService]:
        """All, by name."""
        return await self.list_definitions(FeatureService)

    async def list_features(
        self, *, entity_type: str | None = None, group: str | None = None, all_versions: bool = False
    ) -> list[FeatureDefinition]:
        """The newest version of each feature, or all versions, by name and version.

        Args:
            entity_type: only the features of this type.
            group: only the features of this group.
            all_versions: whether older versions are listed too.
        """
        return await self._list_definitions(
            FeatureDefinition, entity_type=entity_type, group=group, all_versions=all_versions
        )

    async def deprecate_entity_type(self, name: str) -> EntityType:
        """Mark as not to be used for anything new."""
        return await self.deprecate(EntityType, name)

    async def deprecate_feature_group(self, name: str) -> FeatureGroup:
        """Mark as not to be used for anything new."""
        return await self.deprecate(FeatureGroup, name)

    async def deprecate_feature(self, name: str, version: int) -> FeatureDefinition:
        """Mark as not to be used for anything new; reading and writing it goes on."""
        return await self.deprecate(FeatureDefinition, name, version)

    async def deprecate_feature_service(self, name: str) -> FeatureService:
        """Mark as not to be used for anything new."""
        return await self.deprecate(FeatureService, name)


def _checked(version: int | None, reason: Reason = Reason.INVALID_ARGUMENT) -> int | None:
    # On the wire 0 stands for "not given": a caller's own 0 must not become that.
    if version is not None and (isinstance(version, bool) or not 1 <= version < 2**31):
        raise InvalidInput("version must be a whole number from 1", reason=reason, field="version")
    return version
