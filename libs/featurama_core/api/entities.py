"""The store's methods on registered entities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from featurama_core.api.lookups import LookupMethods
from featurama_core.api.primitives import MAX_ENTITIES_PER_CALL
from featurama_core.frames.cells import frame_kind, open_frame
from featurama_core.frames.registrations import entities_of_rows
from featurama_core.off_loop import off_loop
from featurama_core.types.entity_keys import EntityName
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.json_texts import json_object, read_json
from featurama_core.types.names import DEFAULT_ENTITY_TYPE, check_entity_ids, check_list, check_unicode
from featurama_core.types.schema import MAX_DESCRIPTION_BYTES, Entity, EntityType, check_fields

MAX_METADATA_BYTES = 8_192
_MUCH_METADATA = 16 * 1024
"""Characters that are read as JSON off the event loop."""


class EntityMethods(LookupMethods):
    """Registering, getting and listing entities. Registration is optional: any entity id can have values."""

    async def register_entity(
        self,
        entity_id: EntityName,
        entity_type: str = DEFAULT_ENTITY_TYPE,
        name: str = "",
        metadata: Mapping[str, Any] | None = None,
    ) -> Entity:
        """Register an entity, or replace its name and metadata.

        Args:
            entity_id: 1 to 256 bytes of UTF-8, unique in the namespace; or the keys of the type: {"film_id": 1}.
            entity_type: A registered type.
            name: Free text, at most 4,096 bytes.
            metadata: A JSON object of at most 8 KiB.

        Returns:
            The stored entity.

        Raises:
            Conflict: The id is registered with another type (ENTITY_CONFLICT).
        """
        text = json_object(metadata or {}, "metadata")
        if isinstance(entity_id, Mapping):
            entity_id, _ = await self._named(entity_id, entity_type=entity_type)
        return (await self.register_entities([Entity(entity_id, entity_type, name, text)]))[0]

    async def register_entities(self, entities: Any, entity_type: str = DEFAULT_ENTITY_TYPE) -> list[Entity]:
        """Register any number of entities, in order, 1,000 per call to the store.

        Args:
            entities: A list of `Entity`, whose times are set by the store. Or a frame, a mapping of columns or a list
                of mappings with entity_id or the key columns of the type, and optionally entity_type, name and metadata
                (JSON objects, as texts or mappings).
            entity_type: Type of rows of a frame that name none.

        Returns:
            The stored entities, in the given order.

        Raises:
            Conflict: An id is registered with another type (ENTITY_CONFLICT). Earlier runs of 1,000 are registered.
            InvalidInput: An id, a name or metadata is out of bounds, or a row of a frame has a null or malformed key.
                Nothing is registered.
        """
        if frame_kind(entities) is not None:
            check_unicode(entity_type=entity_type)
            kinds = {each.name: each for each in await self.list_definitions(EntityType)}
            entities = entities_of_rows(open_frame(entities), kinds, entity_type)
        check_list(entities, "entities")
        for each in entities:
            if not isinstance(each, Entity):
                raise InvalidInput(f"entities holds {each!r:.40}; give objects Entity", field="entities")
        check_entity_ids([each.entity_id for each in entities])
        await off_loop(sum(len(each.metadata) for each in entities) > _MUCH_METADATA, _check_texts, entities)
        stored: list[Entity] = []
        for start in range(0, len(entities), MAX_ENTITIES_PER_CALL):
            stored += await self._put_entities(entities[start : start + MAX_ENTITIES_PER_CALL])
        return stored

    async def get_entity(self, entity_id: EntityName, *, entity_type: str | None = None) -> Entity:
        """One registered entity, by its id, or by its keys and the type. Raises Unknown (UNKNOWN_ENTITY) if it is not
        registered.
        """
        return await self._get_entity((await self._named(entity_id, entity_type=entity_type))[0])

    async def list_entities(self, entity_type: str) -> list[Entity]:
        """All entities of a type, in the store's order: the registered ones, then those that only have values.

        Of type `entity`, whose features take any id, only the registered ones.

        Raises:
            Unknown: The type is not registered (UNKNOWN_ENTITY_TYPE).
        """
        entities: list[Entity] = []
        after: str | None = None
        while True:
            page, after = await self.page_entities(entity_type, after, MAX_ENTITIES_PER_CALL)
            entities += page
            if after is None:
                return entities

    async def page_entities(
        self, entity_type: str, after: str | None = None, limit: int = MAX_ENTITIES_PER_CALL
    ) -> tuple[list[Entity], str | None]:
        """One page of the entities of a type: the registered ones, then those with values of its features that are
        registered as nothing; these have no name and no times.

        Args:
            entity_type: A registered type.
            after: Position returned with the previous page; None for the first page.
            limit: Maximum number of entities. Servers return at most 1,000.

        Returns:
            The entities, and the position of the next page or None after the last one.
        """
        if limit < 1:
            raise InvalidInput("limit must be at least 1", field="limit")
        check_unicode(entity_type=entity_type)
        return await self._page_entities(entity_type, after, limit)


def _check_texts(entities: Sequence[Entity]) -> None:
    for each in entities:
        check_fields(each)
        _check_metadata(each)
        for field, text, limit in (
            ("name", each.name, MAX_DESCRIPTION_BYTES),
            ("metadata", each.metadata, MAX_METADATA_BYTES),
        ):
            if len(text.encode("utf-8", "replace")) > limit:
                raise InvalidInput(
                    f"{field} must be at most {limit} bytes", reason=Reason.INVALID_DEFINITION, field=field
                )


def _check_metadata(entity: Entity) -> None:
    if entity.metadata in ("", "{}"):
        return
    whose = f"metadata of {entity.entity_id!r}"
    try:
        found = read_json(entity.metadata, whose, "metadata")
    except ValueError as error:
        raise InvalidInput(f"{whose} is not JSON", reason=Reason.INVALID_DEFINITION, field="metadata") from error
    if not isinstance(found, dict):
        raise InvalidInput(f"{whose} is not a JSON object", reason=Reason.INVALID_DEFINITION, field="metadata")
