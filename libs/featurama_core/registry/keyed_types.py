"""Ids begin with the name of one entity type with keys, or of none: checked when such a type is created."""

from __future__ import annotations

from collections.abc import Iterable

from featurama_core.registry.rules import Draft
from featurama_core.storage.port import NamespaceStorage
from featurama_core.types.errors import Conflict, Reason
from featurama_core.types.schema import Entity, EntityType

_PAGE = 100


async def refuse_ids_in_use(storage: NamespaceStorage, draft: Draft) -> None:
    """Raise Conflict if a new type with keys would own the registered id of an entity of another type."""
    for new in draft.new:
        if not isinstance(new, EntityType) or new.id_keys is None:
            continue
        found = await _first_registered(storage, draft.entity_types, new.id_keys.prefix)
        if found is not None:
            raise Conflict(
                f"entity {found.entity_id!r} is registered as a {found.entity_type}, and ids that begin with"
                f" {new.id_keys.prefix!r} would belong to {new.name!r}; choose another name for the type",
                reason=Reason.ENTITY_CONFLICT,
                field="name",
            )


async def _first_registered(storage: NamespaceStorage, entity_types: Iterable[str], prefix: str) -> Entity | None:
    """A registered entity whose id begins with a prefix."""
    alone = (await storage.get_entities([prefix])).get(prefix)
    if alone is not None:
        return alone
    for entity_type in entity_types:
        after: str | None = prefix
        while after is not None and after.startswith(prefix):
            page, after = await storage.list_entities(entity_type, after, _PAGE)
            if page and page[0].entity_id.startswith(prefix):
                return page[0]
    return None
