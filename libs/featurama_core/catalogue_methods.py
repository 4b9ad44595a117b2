"""The FeatureStore's methods on definitions and entities; `store.py` adds those on values."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar

from featurama_core.namespace import Namespace
from featurama_core.registry import Snapshot
from featurama_core.types.errors import Conflict, InvalidInput, Reason, Unknown
from featurama_core.types.names import DEFAULT_ENTITY_TYPE, DEFAULT_GROUP, check_entity_ids
from featurama_core.types.schema import (
    MAX_DESCRIPTION_BYTES,
    Entity,
    EntityType,
    FeatureDefinition,
    FeatureGroup,
    FeatureService,
)
from featurama_core.types.times import parse_duration
from featurama_core.types.values import ValueType, parse_value_type

MAX_METADATA_BYTES = 8_192
MAX_REGISTERED_AT_ONCE = 1_000

D = TypeVar("D", EntityType, FeatureGroup, FeatureDefinition, FeatureService)
Named = TypeVar("Named")


class CatalogueMethods:
    """What can be registered, and how it is listed."""

    def __init__(self, namespace: Namespace) -> None:
        self._namespace = namespace

    # Definitions

    async def define(self, definition: D) -> D:
        """Register a definition: the same again changes nothing, a different one under its key is refused."""
        stored = await self._namespace.registry.define(definition)
        assert isinstance(stored, type(definition))
        return stored

    async def register_entity_type(self, name: str, description: str = "") -> EntityType:
        """Register a kind of entity."""
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
        """Register a group; again with another description, lower retention or more buckets: changed."""
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
        """Register a version of a feature. feature_type: `double`, `int`, `text`, `bool`, `vector[N]`.

        Without entity type and group: type `entity`, group `default`, which take any id. A group says the type; a type
        without a group means the group of its name.
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
        entity_type, group = definition.entity_type, definition.group
        if not group:
            group = DEFAULT_GROUP if entity_type in ("", DEFAULT_ENTITY_TYPE) else entity_type
        if not entity_type:
            entity_type = DEFAULT_ENTITY_TYPE
            if group != DEFAULT_GROUP:
                entity_type = (await self.get_feature_group(group)).entity_type
        return await self.define(replace(definition, entity_type=entity_type, group=group))

    async def register_feature_service(
        self, name: str, features: Sequence[str], description: str = ""
    ) -> FeatureService:
        """Register the features a model consumes; what has no version is pinned to the newest."""
        return await self.define(FeatureService(name, tuple(features), description))

    async def get_entity_type(self, name: str) -> EntityType:
        """One entity type; Unknown without it."""
        return await self._namespace.registry.resolving(lambda snapshot: snapshot.entity_type(name))

    async def get_feature_group(self, name: str) -> FeatureGroup:
        """One feature group; Unknown without it."""
        return await self._namespace.registry.resolving(lambda snapshot: snapshot.group(name))

    async def get_feature(self, name: str, version: int | None = None) -> FeatureDefinition:
        """One version of a feature, or the newest; Unknown without it."""
        return await self._namespace.registry.resolving(lambda snapshot: snapshot.feature(name, version))

    async def get_feature_service(self, name: str) -> FeatureService:
        """One feature service; Unknown without it."""
        return await self._namespace.registry.resolving(lambda snapshot: snapshot.service(name))

    async def list_entity_types(self) -> list[EntityType]:
        """All, by name."""
        return _by_name((await self._snapshot()).entity_types)

    async def list_feature_groups(self) -> list[FeatureGroup]:
        """All, by name."""
        return _by_name((await self._snapshot()).groups)

    async def list_feature_services(self) -> list[FeatureService]:
        """All, by name."""
        return _by_name((await self._snapshot()).services)

    async def list_features(
        self, *, entity_type: str | None = None, group: str | None = None, all_versions: bool = False
    ) -> list[FeatureDefinition]:
        """The newest version of each feature, or all versions, by name and version."""
        features = (await self._snapshot()).features
        listed = [each for name in sorted(features) for each in features[name][0 if all_versions else -1 :]]
        return [
            each
            for each in listed
            if entity_type in (None, each.entity_type) and group in (None, each.group)
        ]  # fmt: skip

    async def deprecate_entity_type(self, name: str) -> EntityType:
        """Mark as not to be used for anything new."""
        return await self._deprecate(await self.get_entity_type(name))

    async def deprecate_feature_group(self, name: str) -> FeatureGroup:
        """Mark as not to be used for anything new."""
        return await self._deprecate(await self.get_feature_group(name))

    async def deprecate_feature(self, name: str, version: int) -> FeatureDefinition:
        """Mark as not to be used for anything new; reading and writing it goes on."""
        return await self._deprecate(await self.get_feature(name, version))

    async def deprecate_feature_service(self, name: str) -> FeatureService:
        """Mark as not to be used for anything new."""
        return await self._deprecate(await self.get_feature_service(name))

    # Entities

    async def register_entity(
        self,
        entity_id: str,
        entity_type: str = DEFAULT_ENTITY_TYPE,
        name: str = "",
        metadata: Mapping[str, Any] | None = None,
    ) -> Entity:
        """Register an entity, or replace its name and metadata (a JSON object of at most 8 KiB)."""
        try:
            text = json.dumps(metadata or {}, allow_nan=False, sort_keys=True)
        except (TypeError, ValueError) as error:
            raise InvalidInput("metadata must be a JSON object", field="metadata") from error
        return (await self.register_entities([Entity(entity_id, entity_type, name, text)]))[0]

    async def register_entities(self, entities: Sequence[Entity]) -> list[Entity]:
        """Register up to 1,000 entities. An id that has another type already refuses the call, naming it."""
        check_entity_ids([each.entity_id for each in entities], limit=MAX_REGISTERED_AT_ONCE)
        for each in entities:
            for field, text, limit in (
                ("name", each.name, MAX_DESCRIPTION_BYTES),
                ("metadata", each.metadata, MAX_METADATA_BYTES),
            ):
                if len(text.encode("utf-8", "replace")) > limit:
                    raise InvalidInput(
                        f"{field} must be at most {limit} bytes", reason=Reason.INVALID_DEFINITION, field=field
                    )
        for entity_type in {each.entity_type for each in entities}:
            if entity_type != DEFAULT_ENTITY_TYPE:
                await self.get_entity_type(entity_type)
        now = self._namespace.now()
        stamped = [replace(each, created_at=now, updated_at=now) for each in entities]
        stored = await self._namespace.storage.put_entities(stamped)
        self._namespace.forget_entities(each.entity_id for each in entities)
        for wanted, have in zip(entities, stored, strict=True):
            if wanted.entity_type != have.entity_type:
                raise Conflict(
                    f"entity {wanted.entity_id!r} is registered as a {have.entity_type}, not a {wanted.entity_type}",
                    reason=Reason.ENTITY_CONFLICT,
                    field="entity_type",
                )
        return stored

    async def get_entity(self, entity_id: str) -> Entity:
        """A registered entity; Unknown (UNKNOWN_ENTITY) without it."""
        check_entity_ids([entity_id])
        found = await self._namespace.storage.get_entities([entity_id])
        if entity_id not in found:
            raise Unknown("this entity is not registered", reason=Reason.UNKNOWN_ENTITY, field="entity_id")
        return found[entity_id]

    async def list_entities(self, entity_type: str) -> list[Entity]:
        """All entities of a type."""
        entities: list[Entity] = []
        after: str | None = None
        while True:
            page, after = await self.page_entities(entity_type, after, MAX_REGISTERED_AT_ONCE)
            entities += page
            if after is None:
                return entities

    async def page_entities(self, entity_type: str, after: str | None, limit: int) -> tuple[list[Entity], str | None]:
        """A page of the entities of a type, and where the next one starts (None: there is none)."""
        if entity_type != DEFAULT_ENTITY_TYPE:
            await self.get_entity_type(entity_type)
        return await self._namespace.storage.list_entities(entity_type, after, limit)

    async def _snapshot(self) -> Snapshot:
        return await self._namespace.registry.snapshot(fresh=True)

    async def _deprecate(self, definition: D) -> D:
        marked = await self._namespace.registry.deprecate(definition)
        assert isinstance(marked, type(definition))
        return marked


def _by_name(named: Mapping[str, Named]) -> list[Named]:
    return [named[name] for name in sorted(named)]
