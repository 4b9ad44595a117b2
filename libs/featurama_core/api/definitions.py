"""The store's methods on definitions: entity types, feature groups, features and feature services."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, cast

from featurama_core.api.primitives import MAX_DEFINITIONS_PER_CALL, D, Primitives
from featurama_core.frames.entities import id_of_keys
from featurama_core.frames.spine import row_entities
from featurama_core.types.entity_keys import EntityName, key_columns
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.names import (
    DEFAULT_ENTITY_TYPE,
    check_entity_ids,
    check_list,
    check_list_of_texts,
    check_unicode,
    is_name,
)
from featurama_core.types.references import FeatureSelection
from featurama_core.types.roles import NO_ROLE, roles_of
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


class DefinitionMethods(Primitives):
    """Registering, getting, listing and deprecating definitions."""

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
                _checked(each.version, Reason.INVALID_DEFINITION)
        return cast("list[D]", await self._define_all(definitions))

    async def get_definition(self, kind: type[D], name: str, version: int | None = None) -> D:
        """One definition.

        Args:
            kind: EntityType, FeatureGroup, FeatureDefinition or FeatureService.
            name: Name of the definition.
            version: Version of a feature; None for the newest.

        Raises:
            Unknown: No definition has this name (and version).
        """
        _check_kind(kind)
        check_unicode(name=name)
        return await self._get_definition(kind, name, _checked(version))

    async def list_definitions(self, kind: type[D]) -> list[D]:
        """All definitions of a kind, sorted by name. Features are listed with their newest versions.

        Args:
            kind: EntityType, FeatureGroup, FeatureDefinition or FeatureService.
        """
        _check_kind(kind)
        if kind is FeatureDefinition:
            return cast("list[D]", await self.list_features())
        return await self._list_definitions(kind)

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
        _check_kind(kind)
        check_unicode(name=name)
        return await self._uses(kind, name, _checked(version))

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

        Raises:
            Conflict: The group is registered with another field; `update_feature_group` changes it.
        """
        return await self.define(FeatureGroup(name, entity_type, description, ttl, retention, buckets))

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

    async def make_entity_id(self, entity_type: str, keys: Mapping[str, Any]) -> str:
        """The id that keys make.

        Args:
            entity_type: A type with keys.
            keys: A text or an int per key column, such as {"film_id": 1}.

        Raises:
            InvalidInput: The type has other keys, or none, or no id can hold these (INVALID_ENTITY_ID).
            Unknown: The type is not registered.
        """
        return id_of_keys(await self.get_entity_type(entity_type), keys)

    async def make_entity_ids(self, entity_type: str, rows: Any) -> list[str | None]:
        """The ids that rows of keys make.

        Args:
            entity_type: A type with keys.
            rows: A frame or a mapping of columns with the key columns of the type.

        Returns:
            An id per row; None for a row in which a key is null, or that no id can hold.

        Raises:
            InvalidInput: A key column is missing or holds another type.
            Unknown: The type is not registered.
        """
        kind = await self.get_entity_type(entity_type)
        if kind.id_keys is None:
            raise InvalidInput(f"a {entity_type} has no keys; name it by its id", field="entity_id")
        return list(row_entities(rows, (), [kind])[0].of_role[NO_ROLE])

    async def _named(
        self, entity: EntityName, features: Sequence[str] = (), *, entity_type: str | None = None
    ) -> tuple[str, Mapping[str, Any]]:
        """(the id of one entity, its keys if these were given). features: of which it has the type."""
        if not isinstance(entity, Mapping):
            check_entity_ids([entity])
            return entity, {}
        if entity_type is not None:
            return await self.make_entity_id(entity_type, entity), entity
        kinds = await self._types_of(FeatureSelection(tuple(features)))
        if len(kinds) != 1:
            of_features = f"; {', '.join(features)} describe no single type" if features else ", or name the type"
            raise InvalidInput(
                f"the keys {', '.join(map(str, entity))} are of no known type{of_features}", field="entity_id"
            )
        return id_of_keys(kinds[0], entity), entity

    async def get_entity_type(self, name: str) -> EntityType:
        """One entity type. Raises Unknown if it is not registered."""
        return await self.get_definition(EntityType, name)

    async def get_feature_group(self, name: str) -> FeatureGroup:
        """One feature group. Raises Unknown if it is not registered."""
        return await self.get_definition(FeatureGroup, name)

    async def get_feature(self, name: str, version: int | None = None) -> FeatureDefinition:
        """One version of a feature, by default the newest. Raises Unknown if it is not registered."""
        return await self.get_definition(FeatureDefinition, name, version)

    async def get_feature_service(self, name: str) -> FeatureService:
        """One feature service. Raises Unknown if it is not registered."""
        return await self.get_definition(FeatureService, name)

    async def list_entity_types(
        self, *, features: Sequence[str] | None = None, service: str | None = None
    ) -> list[EntityType]:
        """All entity types, sorted by name.

        Args:
            features: Only the types that these features describe, of a path that of its reference, and not `entity`.
                Names that are no features are left out. At most 1,000.
            service: Only the types that the features of this service describe, in the same way.

        Raises:
            Unknown: The service is not registered.
        """
        if features is None and service is None:
            return await self.list_definitions(EntityType)
        selection = FeatureSelection.of(features, service)
        if len(selection.references) > MAX_DEFINITIONS_PER_CALL:
            raise InvalidInput(
                f"features holds {len(selection.references)} names; at most {MAX_DEFINITIONS_PER_CALL} fit one call",
                reason=Reason.LIMIT_EXCEEDED,
                field="features",
            )
        return await self._types_of(selection)

    async def list_feature_groups(self) -> list[FeatureGroup]:
        """All feature groups, sorted by name."""
        return await self.list_definitions(FeatureGroup)

    async def list_feature_services(self) -> list[FeatureService]:
        """All feature services, sorted by name."""
        return await self.list_definitions(FeatureService)

    async def list_features(
        self, *, entity_type: str | None = None, group: str | None = None, all_versions: bool = False
    ) -> list[FeatureDefinition]:
        """Features, sorted by name and version.

        Args:
            entity_type: Only features of this entity type.
            group: Only features of this group.
            all_versions: Whether older versions are listed too.
        """
        features: list[FeatureDefinition] = []
        after: str | None = None
        while True:
            page, after = await self.page_features(
                after, entity_type=entity_type, group=group, all_versions=all_versions
            )
            features += page
            if after is None:
                return features

    async def find_features(self, names: Sequence[str], *, all_versions: bool = False) -> list[FeatureDefinition]:
        """The registered ones among these features, sorted by name and version.

        Args:
            names: Names of features. Unknown ones are left out.
            all_versions: Whether older versions are found too.
        """
        check_list_of_texts(names, "names")
        known = sorted({each for each in names if is_name(each)})
        found = [
            each
            for first in range(0, len(known), MAX_DEFINITIONS_PER_CALL)
            for each in await self._find_features(known[first : first + MAX_DEFINITIONS_PER_CALL])
        ]
        return found if all_versions else list({each.name: each for each in found}.values())

    async def page_features(
        self,
        after: str | None = None,
        limit: int = MAX_DEFINITIONS_PER_CALL,
        *,
        entity_type: str | None = None,
        group: str | None = None,
        all_versions: bool = False,
    ) -> tuple[list[FeatureDefinition], str | None]:
        """One page of features, sorted by name and version.

        Args:
            after: Position returned with the previous page; None for the first page.
            limit: Number of names, about. Servers return at most 1,000 features.
            entity_type: Only features of this entity type.
            group: Only features of this group.
            all_versions: Whether older versions are listed too.

        Returns:
            The features, and the position of the next page or None after the last one.
        """
        if limit < 1:
            raise InvalidInput("limit must be at least 1", field="limit")
        check_unicode(entity_type=entity_type, group=group, after=after)
        return await self._page_features(entity_type, group, after, limit, all_versions=all_versions)

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


def _check_kind(kind: object) -> None:
    if kind not in (EntityType, FeatureGroup, FeatureDefinition, FeatureService):
        kinds = "EntityType, FeatureGroup, FeatureDefinition or FeatureService"
        raise InvalidInput(f"kind is {str(kind)[:80]!r}; give {kinds}", field="kind")


def _named(kind: type[Any], name: str, version: int | None) -> int | None:
    _check_kind(kind)
    check_unicode(name=name)
    if kind is FeatureDefinition and version is None:
        raise InvalidInput("version is required for a feature; give a whole number from 1", field="version")
    return _checked(version)


def _checked(version: int | None, reason: Reason = Reason.INVALID_ARGUMENT) -> int | None:
    # On the wire 0 stands for "not given": a caller's own 0 must not become that.
    if version is None:
        return None
    if type(version) is not int or not 1 <= version < 2**31:
        raise InvalidInput("version must be a whole number from 1", reason=reason, field="version")
    return version
