"""The client's methods on definitions and entities: registering goes to ingest, reading to online."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, TypeVar

from featurama import wire
from featurama.client.stubs import Calling
from featurama.v1 import registry_service_pb2 as pb
from featurama_core.types.errors import InvalidInput
from featurama_core.types.names import DEFAULT_ENTITY_TYPE, check_entity_ids
from featurama_core.types.schema import (
    Entity,
    EntityType,
    FeatureDefinition,
    FeatureGroup,
    FeatureService,
)
from featurama_core.types.times import parse_duration
from featurama_core.types.values import ValueType, parse_value_type

_PAGE = 1_000
_ENTITIES_A_CALL = 1_000

D = TypeVar("D", EntityType, FeatureGroup, FeatureDefinition, FeatureService)
Item = TypeVar("Item")
Message = TypeVar("Message")


class RegistryMethods(Calling):
    """What can be registered, and how it is listed."""

    async def define(self, definition: D) -> D:
        """Register a definition: the same again changes nothing, a different one under its key is refused."""
        stored: EntityType | FeatureGroup | FeatureDefinition | FeatureService
        if isinstance(definition, EntityType):
            stored = await self._define_entity_type(definition)
        elif isinstance(definition, FeatureGroup):
            stored = await self._define_feature_group(definition)
        elif isinstance(definition, FeatureDefinition):
            stored = await self.define_feature(definition)
        else:
            stored = await self._define_feature_service(definition)
        assert isinstance(stored, type(definition))
        return stored

    async def register_entity_type(self, name: str, description: str = "") -> EntityType:
        """Register a kind of entity."""
        return await self._define_entity_type(EntityType(name, description))

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

        ttl and retention: `"36h"`, `"7d"`, a timedelta or microseconds; None: for ever.
        """
        return await self._define_feature_group(
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
        """Register a version of a feature. feature_type: `double`, `int`, `text`, `bool`, `vector[N]`.

        Without entity type and group: type `entity`, group `default`, which take any id. A group says the type;
        a type without a group means the group of its name.
        """
        value_type, length = parse_value_type(feature_type)
        return await self.define_feature(
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

    async def define_feature(self, definition: FeatureDefinition) -> FeatureDefinition:
        """Register a feature whose entity type or group may be empty: then it is the other's, or the default."""
        _version(definition.version)
        request = pb.RegisterFeatureRequest(namespace=self._namespace, feature=wire.feature_to_proto(definition))
        answer = await self._open.ingest.call(self._open.registry.RegisterFeature, request, writes=True)
        return wire.feature_from_proto(answer.feature)

    async def register_feature_service(
        self, name: str, features: Sequence[str], description: str = ""
    ) -> FeatureService:
        """Register the features a model consumes; what has no version is pinned to the newest."""
        return await self._define_feature_service(FeatureService(name, tuple(features), description))

    async def get_entity_type(self, name: str) -> EntityType:
        """One entity type; Unknown without it."""
        request = pb.GetEntityTypeRequest(namespace=self._namespace, name=name)
        answer = await self._open.online.call(self._open.definitions.GetEntityType, request)
        return wire.entity_type_from_proto(answer.entity_type)

    async def get_feature_group(self, name: str) -> FeatureGroup:
        """One feature group; Unknown without it."""
        request = pb.GetFeatureGroupRequest(namespace=self._namespace, name=name)
        answer = await self._open.online.call(self._open.definitions.GetFeatureGroup, request)
        return wire.feature_group_from_proto(answer.feature_group)

    async def get_feature(self, name: str, version: int | None = None) -> FeatureDefinition:
        """One version of a feature, or the newest; Unknown without it."""
        request = pb.GetFeatureRequest(namespace=self._namespace, name=name, version=_version(version))
        answer = await self._open.online.call(self._open.definitions.GetFeature, request)
        return wire.feature_from_proto(answer.feature)

    async def get_feature_service(self, name: str) -> FeatureService:
        """One feature service; Unknown without it."""
        request = pb.GetFeatureServiceRequest(namespace=self._namespace, name=name)
        answer = await self._open.online.call(self._open.definitions.GetFeatureService, request)
        return wire.feature_service_from_proto(answer.feature_service)

    async def list_entity_types(self) -> list[EntityType]:
        """All, by name."""

        async def page(token: str) -> tuple[Iterable[Any], str]:
            request = pb.ListEntityTypesRequest(namespace=self._namespace, page_size=_PAGE, page_token=token)
            answer = await self._open.online.call(self._open.definitions.ListEntityTypes, request)
            return answer.entity_types, answer.next_page_token

        return await _all(page, wire.entity_type_from_proto)

    async def list_feature_groups(self) -> list[FeatureGroup]:
        """All, by name."""

        async def page(token: str) -> tuple[Iterable[Any], str]:
            request = pb.ListFeatureGroupsRequest(namespace=self._namespace, page_size=_PAGE, page_token=token)
            answer = await self._open.online.call(self._open.definitions.ListFeatureGroups, request)
            return answer.feature_groups, answer.next_page_token

        return await _all(page, wire.feature_group_from_proto)

    async def list_feature_services(self) -> list[FeatureService]:
        """All, by name."""

        async def page(token: str) -> tuple[Iterable[Any], str]:
            request = pb.ListFeatureServicesRequest(namespace=self._namespace, page_size=_PAGE, page_token=token)
            answer = await self._open.online.call(self._open.definitions.ListFeatureServices, request)
            return answer.feature_services, answer.next_page_token

        return await _all(page, wire.feature_service_from_proto)

    async def list_features(
        self, *, entity_type: str | None = None, group: str | None = None, all_versions: bool = False
    ) -> list[FeatureDefinition]:
        """The newest version of each feature, or all versions, by name and version."""

        async def page(token: str) -> tuple[Iterable[Any], str]:
            request = pb.ListFeaturesRequest(
                namespace=self._namespace,
                page_size=_PAGE,
                page_token=token,
                entity_type=entity_type or "",
                group=group or "",
                all_versions=all_versions,
            )
            answer = await self._open.online.call(self._open.definitions.ListFeatures, request)
            return answer.features, answer.next_page_token

        return await _all(page, wire.feature_from_proto)

    async def deprecate_entity_type(self, name: str) -> EntityType:
        """Mark as not to be used for anything new."""
        request = pb.DeprecateEntityTypeRequest(namespace=self._namespace, name=name)
        answer = await self._open.ingest.call(self._open.registry.DeprecateEntityType, request, writes=True)
        return wire.entity_type_from_proto(answer.entity_type)

    async def deprecate_feature_group(self, name: str) -> FeatureGroup:
        """Mark as not to be used for anything new."""
        request = pb.DeprecateFeatureGroupRequest(namespace=self._namespace, name=name)
        answer = await self._open.ingest.call(self._open.registry.DeprecateFeatureGroup, request, writes=True)
        return wire.feature_group_from_proto(answer.feature_group)

    async def deprecate_feature(self, name: str, version: int) -> FeatureDefinition:
        """Mark as not to be used for anything new; reading and writing it goes on."""
        request = pb.DeprecateFeatureRequest(namespace=self._namespace, name=name, version=_version(version))
        answer = await self._open.ingest.call(self._open.registry.DeprecateFeature, request, writes=True)
        return wire.feature_from_proto(answer.feature)

    async def deprecate_feature_service(self, name: str) -> FeatureService:
        """Mark as not to be used for anything new."""
        request = pb.DeprecateFeatureServiceRequest(namespace=self._namespace, name=name)
        answer = await self._open.ingest.call(self._open.registry.DeprecateFeatureService, request, writes=True)
        return wire.feature_service_from_proto(answer.feature_service)

    async def register_entity(
        self,
        entity_id: str,
        entity_type: str = DEFAULT_ENTITY_TYPE,
        name: str = "",
        metadata: Mapping[str, Any] | None = None,
    ) -> Entity:
        """Register an entity, or replace its name and metadata (a JSON object of at most 8 KiB)."""
        try:
            text = json.dumps(dict(metadata or {}), allow_nan=False, sort_keys=True)
        except (TypeError, ValueError) as error:
            raise InvalidInput("metadata must be a JSON object", field="metadata") from error
        return (await self.register_entities([Entity(entity_id, entity_type, name, text)]))[0]

    async def register_entities(self, entities: Sequence[Entity]) -> list[Entity]:
        """Register entities, 1,000 a call, in order. An id that has another type already refuses its call."""
        check_entity_ids([each.entity_id for each in entities])
        stored: list[Entity] = []
        for start in range(0, len(entities), _ENTITIES_A_CALL):
            request = pb.RegisterEntitiesRequest(
                namespace=self._namespace,
                entities=[wire.entity_to_proto(each) for each in entities[start : start + _ENTITIES_A_CALL]],
            )
            answer = await self._open.ingest.call(self._open.registry.RegisterEntities, request, writes=True)
            stored += [wire.entity_from_proto(each) for each in answer.entities]
        return stored

    async def get_entity(self, entity_id: str) -> Entity:
        """A registered entity; Unknown (UNKNOWN_ENTITY) without it."""
        check_entity_ids([entity_id])
        request = pb.GetEntityRequest(namespace=self._namespace, entity_id=entity_id)
        answer = await self._open.online.call(self._open.definitions.GetEntity, request)
        return wire.entity_from_proto(answer.entity)

    async def list_entities(self, entity_type: str) -> list[Entity]:
        """All entities of a type."""

        async def page(token: str) -> tuple[Iterable[Any], str]:
            request = pb.ListEntitiesRequest(
                namespace=self._namespace, page_size=_PAGE, page_token=token, entity_type=entity_type
            )
            answer = await self._open.online.call(self._open.definitions.ListEntities, request)
            return answer.entities, answer.next_page_token

        return await _all(page, wire.entity_from_proto)

    async def _define_entity_type(self, definition: EntityType) -> EntityType:
        request = pb.RegisterEntityTypeRequest(
            namespace=self._namespace, entity_type=wire.entity_type_to_proto(definition)
        )
        answer = await self._open.ingest.call(self._open.registry.RegisterEntityType, request, writes=True)
        return wire.entity_type_from_proto(answer.entity_type)

    async def _define_feature_group(self, definition: FeatureGroup) -> FeatureGroup:
        request = pb.RegisterFeatureGroupRequest(
            namespace=self._namespace, feature_group=wire.feature_group_to_proto(definition)
        )
        answer = await self._open.ingest.call(self._open.registry.RegisterFeatureGroup, request, writes=True)
        return wire.feature_group_from_proto(answer.feature_group)

    async def _define_feature_service(self, definition: FeatureService) -> FeatureService:
        request = pb.RegisterFeatureServiceRequest(
            namespace=self._namespace, feature_service=wire.feature_service_to_proto(definition)
        )
        answer = await self._open.ingest.call(self._open.registry.RegisterFeatureService, request, writes=True)
        return wire.feature_service_from_proto(answer.feature_service)


def _version(version: int | None) -> int:
    # On the wire 0 says "the newest" (or the first, in a registration): a caller's own 0 must not become that.
    if version is None:
        return 0
    if isinstance(version, bool) or not 1 <= version < 2**31:
        raise InvalidInput("version must be a whole number from 1", field="version")
    return version


async def _all(
    page: Callable[[str], Awaitable[tuple[Iterable[Message], str]]], read: Callable[[Message], Item]
) -> list[Item]:
    items: list[Item] = []
    token = ""
    while True:
        messages, token = await page(token)
        items.extend(map(read, messages))
        if not token:
            return items
