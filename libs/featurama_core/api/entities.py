"""The store's methods on registered entities."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from featurama_core.api.primitives import MAX_ENTITIES_PER_CALL, Primitives
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.names import DEFAULT_ENTITY_TYPE, check_entity_ids
from featurama_core.types.schema import MAX_DESCRIPTION_BYTES, Entity

MAX_METADATA_BYTES = 8_192


class EntityMethods(Primitives):
    """Entities can be registered and listed; values of others are accepted too."""

    async def register_entity(
        self,
        entity_id: str,
        entity_type: str = DEFAULT_ENTITY_TYPE,
        name: str = "",
        metadata: Mapping[str, Any] | None = None,
    ) -> Entity:
        """Register an entity, or replace its name and metadata.

        Args:
            entity_id: 1 to 256 bytes of UTF-8, unique in the namespace.
            entity_type: a registered type.
            name: for people.
            metadata: a JSON object of at most 8 KiB.

        Raises:
            Conflict: the id is registered with another type.
        """
        try:
            text = json.dumps(dict(metadata or {}), allow_nan=False, sort_keys=True)
        except (TypeError, ValueError) as error:
            raise InvalidInput("metadata must be a JSON object", field="metadata") from error
        return (await self.register_entities([Entity(entity_id, entity_type, name, text)]))[0]

    async def register_entities(self, entities: Sequence[Entity]) -> list[Entity]:
        """Register any number of entities, 1,000 at a time and in order.

        Returns:
            The entities as they are stored, in the order given.

        Raises:
            Conflict: an id is registered with another type; the entities of the thousands before it are registered.
            InvalidInput: an id, a name or metadata is out of its bounds; nothing is registered.
        """
        check_entity_ids([each.entity_id for each in entities])
        for each in entities:
            for field, text, limit in (
                ("name", each.name, MAX_DESCRIPTION_BYTES),
                ("metadata", each.metadata, MAX_METADATA_BYTES),
            ):
                if len(text.encode("utf-8", "replace")) > limit:
                    raise InvalidInput(
                        f"{field} must be at most {limit} bytes", reason=Reason.INVALID_DEFINITION, field=field
                    )
        stored: list[Entity] = []
        for start in range(0, len(entities), MAX_ENTITIES_PER_CALL):
            stored += await self._put_entities(entities[start : start + MAX_ENTITIES_PER_CALL])
        return stored

    async def get_entity(self, entity_id: str) -> Entity:
        """A registered entity; raises Unknown (UNKNOWN_ENTITY) without it."""
        check_entity_ids([entity_id])
        return await self._get_entity(entity_id)

    async def list_entities(self, entity_type: str) -> list[Entity]:
        """All registered entities of a type, in the store's order.

        Raises:
            Unknown: the type is not registered (UNKNOWN_ENTITY_TYPE).
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
        """A page of the entities of a type.

        Args:
            entity_type: a registered type.
            after: the position that the page before it gave; None: the first page.
            limit: how many entities at most; servers give 1,000 or less.

        Returns:
            The entities, and the position of the next page (None: there is none).
        """
        if limit < 1:
            raise InvalidInput("limit must be at least 1", field="limit")
        return await self._page_entities(entity_type, after, limit)
