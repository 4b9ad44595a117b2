"""Entities whose ids belong to another entity type than their values, or are no ids of their type.

No write stores such values, but those of an id may be older than the type with keys that owns it now.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from featurama_core.namespace import Namespace

_ENTITIES_PER_PAGE = 1_000


@dataclass(frozen=True, slots=True)
class ForeignId:
    """An id that cannot be that of an entity of the type that its values, or its registration, have."""

    entity_id: str
    entity_type: str
    problem: str


async def foreign_ids(namespace: Namespace) -> AsyncIterator[ForeignId]:
    """All such ids, of entities with values or a registration. Reads the ids of all entities with values."""
    snapshot = await namespace.registry.snapshot(fresh=True)
    rules = snapshot.id_rules
    type_of: dict[str, str] = {}
    after: str | None = None
    while rules.of:
        ids, after = await namespace.storage.list_latest_entities(after, _ENTITIES_PER_PAGE)
        owned = {each for each in ids if rules.owner(each) is not None}
        registered = await namespace.storage.get_entities(ids) if ids else {}
        found = {(each, entity.entity_type) for each, entity in registered.items()}
        cells, layouts = await namespace.read_cells(ids)
        held = {field.name for at in cells.layouts if (layout := layouts.get(at)) for field in layout.fields}
        unknown = sorted(held - type_of.keys())
        type_of |= {each.name: each.entity_type for each in await namespace.storage.read_features(unknown)}
        for entity, layout_id in zip(cells.entities, cells.layout_ids, strict=True):
            fields = layouts[layout_id].fields if layout_id in layouts else ()
            found |= {(ids[entity], type_of[each.name]) for each in fields if each.name in type_of}
        for entity_id, entity_type in sorted(found):
            if entity_id in owned or entity_type in rules.of:
                problem = rules.problem(entity_id, entity_type)
                if problem is not None:
                    yield ForeignId(entity_id, entity_type, problem[1])
        if after is None:
            return
