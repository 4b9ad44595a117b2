"""The store's methods that register, deprecate and delete definitions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, cast

from featurama_core.api.lookups import LookupMethods, check_kind, checked_version
from featurama_core.api.primitives import D
from featurama_core.types.entity_keys import key_columns
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.names import (
    DEFAULT_ENTITY_TYPE,
    check_list,
    check_list_of_texts,
    check_unicode,
)
from featurama_core.types.roles import roles_of
from featurama_core.types.schema import (
    Definition,
    EntityType,
    FeatureDefinition,
    FeatureGroup,
    FeatureService,
    Use,
    check_fields,
)
from featurama_core.types.values import ValueType, parse_value_type


class DefinitionMethods(LookupMethods):
    """Registering, deprecating and deleting definitions."""

    async def define(self, definition: D) -> D:
        """Register a definition of any kind.

        Args:
            definition: `entity_type` and `group` of a feature may be "". An empty one is derived from the other, or
                takes its default.

        Returns:
            The stored definition.

        Raises:
            Conflict: A different definition is registered under the name (and version). `update_definition` changes
                what may change.
            InvalidInput: A field is out of bounds.
        """
        (stored,) = await self.register([definition])
        return stored

    async def register(self, definitions: Sequence[D]) -> list[D]:
        """Register many definitions of any kind at once: one transaction or, behind servers, one call per 1,000.

        The definitions may name each other and stand in any order.

        Args:
            definitions: As for `define`.

        Returns:
            The stored definitions, in order.

        Raises:
            Conflict: A different definition is registered under the name (and version) of one. Nothing is stored.
                Behind servers, earlier thousands are; registering the same list again is safe.
            InvalidInput: A field of a definition is out of bounds. The message names the definition.
        """
        check_list(definitions, "definitions")
        if not definitions:
            raise InvalidInput(
                "definitions is empty; give at least one", reason=Reason.EMPTY_REQUEST, field="definitions"
            )
        for each in definitions:
            if not isinstance(each, Definition):
                raise InvalidInput(f"definitions holds a {type(each).__name__}; give definitions", field="definitions")
            check_fields(each)
            if isinstance(each, FeatureDefinition):
                checked_version(each.version, Reason.INVALID_DEFINITION)
        return cast("list[D]", await self._define_all(definitions))

    async def deprecate(self, kind: type[D], name: str, version: int | None = None) -> D:
        """Mark a definition as deprecated. New definitions cannot use it; its values can still be read and written.

        Args:
            kind: EntityType, FeatureGroup, FeatureDefinition or FeatureService.
            name: Name of the definition.
            version: Version of a feature, required for features.

        Raises:
            Unknown: No definition has this name (and version).
        """
        return await self._deprecate(kind, name, _named(kind, name, version))

    async def restore(self, kind: type[D], name: str, version: int | None = None) -> D:
        """Take back a deprecation. A definition that is not deprecated stays as it is.

        Args:
            kind: EntityType, FeatureGroup, FeatureDefinition or FeatureService.
            name: Name of the definition.
            version: Version of a feature, required for features.

        Raises:
            Unknown: No definition has this name (and version).
        """
        return await self._restore(kind, name, _named(kind, name, version))

    async def delete_definition(self, kind: type[D], name: str, version: int | None = None) -> D:
        """Delete a definition that nothing uses (`uses`), for ever. Stored values of a feature cannot be read any more.

        The name of a deleted entity type, group or service is never given again, nor is the version of a feature.

        Args:
            kind: EntityType, FeatureGroup, FeatureDefinition or FeatureService.
            name: Name of the definition.
            version: Version of a feature, required for features.

        Raises:
            FailedPrecondition: It is used (DEFINITION_USED). The message names the first uses.
            Unknown: No definition has this name (and version).
        """
        return await self._delete_definition(kind, name, _named(kind, name, version))

    async def uses(self, kind: type[Definition], name: str, version: int | None = None) -> list[Use]:
        """What uses a definition: definitions, models and, of an entity type, registered entities.

        Args:
            kind: EntityType, FeatureGroup, FeatureDefinition or FeatureService.
            name: Name of the definition.
            version: Version of a feature; None for the newest.

        Raises:
            Unknown: No definition has this name (and version).
        """
        check_kind(kind)
        check_unicode(name=name)
        return await self._uses(kind, name, checked_version(version))

    async def register_entity_type(
        self, name: str, description: str = "", *, keys: Sequence[str] | Mapping[str, str] | None = None
    ) -> EntityType:
        """Register an entity type. Registering the same type again changes nothing.

        Args:
            name: Name of the type.
            description: Free text, at most 4,096 bytes.
            keys: Up to eight key columns that make the ids, such as {"user_id": "int", "shop_id": "text"}; a list of
                names means text keys. They cannot be changed. None for ids of any form.

        Raises:
            Conflict: The type is registered with another description or other keys.
        """
        return await self.define(EntityType(name, description, key_columns(keys)))

    async def register_feature_group(
        self,
        name: str,
        entity_type: str = DEFAULT_ENTITY_TYPE,
        description: str = "",
        ttl: str | timedelta | None = None,
        retention: str | timedelta | None = None,
        buckets: int = 1,
        history: str = "rows",
    ) -> FeatureGroup:
        """Register a feature group. Registering the same group again changes nothing.

        Args:
            name: Name of the group.
            entity_type: Entity type that the features of the group describe.
            description: Free text, at most 4,096 bytes.
            ttl: Time after its event time during which a value is valid: a text with a unit ("90 minutes", "36h",
                "7d") or a timedelta. None means no limit.
            retention: Time after its event time during which a value is stored, in the same forms. None means
                forever.
            buckets: Number of partitions per period of history, a power of two.
            history: How a CQL server stores history: "rows", a row per value, or "packed", a cell per written row, for
                groups that are written much. SQLite packs all history.

        Raises:
            Conflict: The group is registered with another field; `update_feature_group` changes it.
        """
        return await self.define(FeatureGroup(name, entity_type, description, ttl, retention, buckets, history))

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

        Without `entity_type` and `group` the feature belongs to the type `entity` and the group `default`, which accept
        any entity id. With `group` alone the entity type is the one of the group; with `entity_type` alone the group
        has the name of the type.

        Args:
            name: Name of the feature, unique in the namespace.
            feature_type: `double`, `int`, `text`, `bool` or `vector[N]`.
            description: Free text, at most 4,096 bytes.
            version: A whole number from 1. Version numbers are never reused: a changed definition needs a higher one.
            tags: At most 32 texts of 1 to 128 bytes.
            entity_type: Entity type that the feature describes.
            group: Feature group: features that are computed and written together.
            references: Entity type whose ids a text feature holds, so that paths can follow it.
            owner: Free text.
            vector_length: Length of the vectors, if `feature_type` is `vector` without a length.

        Raises:
            Conflict: The version is registered with another definition.
            Unknown: The entity type or the group is not registered.
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
                tags=_listed(tags, "tags"),
                owner=owner,
            )
        )

    async def register_feature_service(
        self,
        name: str,
        features: Sequence[str],
        description: str = "",
        *,
        roles: Mapping[str, str] | None = None,
    ) -> FeatureService:
        """Register the features that a model consumes.

        Args:
            name: Name of the service.
            features: References in the order of the model. A reference without a version is pinned to the newest one.
            description: Free text, at most 4,096 bytes.
            roles: {role: entity type}, for rows that name several entities: {"home": "team", "away": "team"} for
                `home.rating` and `away.rating`. They are pinned with the features.

        Raises:
            Conflict: The service is registered with another definition.
            Unknown: A feature is not registered.
        """
        return await self.define(FeatureService(name, _listed(features, "features"), description, roles_of(roles)))

    async def deprecate_entity_type(self, name: str) -> EntityType:
        """Mark an entity type as deprecated; see `deprecate`."""
        return await self.deprecate(EntityType, name)

    async def deprecate_feature_group(self, name: str) -> FeatureGroup:
        """Mark a feature group as deprecated; see `deprecate`."""
        return await self.deprecate(FeatureGroup, name)

    async def deprecate_feature(self, name: str, version: int) -> FeatureDefinition:
        """Mark a version of a feature as deprecated; see `deprecate`."""
        return await self.deprecate(FeatureDefinition, name, version)

    async def deprecate_feature_service(self, name: str) -> FeatureService:
        """Mark a feature service as deprecated; see `deprecate`."""
        return await self.deprecate(FeatureService, name)


def _listed(texts: Sequence[str], field: str) -> tuple[str, ...]:
    check_list_of_texts(texts, field)
    return tuple(texts)


def _named(kind: type[Any], name: str, version: int | None) -> int | None:
    check_kind(kind)
    check_unicode(name=name)
    if kind is FeatureDefinition and version is None:
        raise InvalidInput("version is required for a feature; give a whole number from 1", field="version")
    return checked_version(version)
