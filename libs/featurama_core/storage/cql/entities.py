"""Registered entities: id, type, name, metadata; and the ids of each type, in buckets.

`entity_registry` is authoritative. A row of `entity_by_type` is written before it and may be left over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from featurama_core.storage.cql.fan_out import collect
from featurama_core.storage.cql.periods import stable_hash
from featurama_core.storage.cql.statements import Statements
from featurama_core.types.errors import StoreUnavailable
from featurama_core.types.schema import Entity

_BUCKETS = 16
_TURNS = 5
_AT_ONCE = 64
"""Conditional statements take four round trips between replicas."""

_MAKE = (
    "INSERT INTO ks.entity_registry (entity_id, entity_type, name, metadata, created_at, updated_at)"
    " VALUES (?, ?, ?, ?, ?, ?) IF NOT EXISTS"
)
_CHANGE = "UPDATE ks.entity_registry SET name = ?, metadata = ?, updated_at = ? WHERE entity_id = ? IF entity_type = ?"
_REMOVE = "DELETE FROM ks.entity_registry WHERE entity_id = ? IF EXISTS"
_GET = (
    "SELECT entity_id, entity_type, name, metadata, created_at, updated_at FROM ks.entity_registry WHERE entity_id = ?"
)
_INTO_TYPE = "INSERT INTO ks.entity_by_type (entity_type, bucket, entity_id) VALUES (?, ?, ?)"
_OUT_OF_TYPE = "DELETE FROM ks.entity_by_type WHERE entity_type = ? AND bucket = ? AND entity_id = ?"
_PAGE = "SELECT entity_id FROM ks.entity_by_type WHERE entity_type = ? AND bucket = ? AND entity_id > ? LIMIT ?"


async def put_entities(statements: Statements, entities: Sequence[Entity]) -> list[Entity]:
    """Store entities. A registered type and `created_at` never change. -> the stored entities, in order."""
    driver = statements.driver
    into_type, make, change = [await statements.get(text) for text in (_INTO_TYPE, _MAKE, _CHANGE)]
    standing = await get_entities(statements, [entity.entity_id for entity in entities])

    async def put(entity: Entity) -> Entity:
        key = entity.entity_id, entity.entity_type
        stands = standing.get(entity.entity_id)
        for _ in range(_TURNS):
            if stands is not None and stands.entity_type != entity.entity_type:
                return stands
            await driver.write(into_type, _of_type(*key))
            if stands is None:
                row = (*key, entity.name, entity.metadata, entity.created_at, entity.updated_at)
                taken = await driver.decide(make, row)
                if taken is None:
                    return entity
                stands = Entity(**taken)
            else:
                changed = await driver.decide(change, (entity.name, entity.metadata, entity.updated_at, *key))
                if changed is None:
                    return replace(entity, created_at=stands.created_at)
                stands = (await get_entities(statements, [entity.entity_id])).get(entity.entity_id)
        raise StoreUnavailable("the entity is registered and removed at the same time; send the request again")

    async def put_in_turn(same_id: list[Entity]) -> Entity:
        for entity in same_id:
            standing[entity.entity_id] = await put(entity)
        return standing[same_id[0].entity_id]

    by_id: dict[str, list[Entity]] = {}
    for entity in entities:
        by_id.setdefault(entity.entity_id, []).append(entity)
    stored = await collect(list(by_id.values()), put_in_turn, min(_AT_ONCE, driver.width))
    found = dict(zip(by_id, stored, strict=True))
    return [found[entity.entity_id] for entity in entities]


async def get_entities(statements: Statements, entity_ids: Sequence[str]) -> dict[str, Entity]:
    """The registered ones among these ids."""
    get, driver = await statements.get(_GET), statements.driver
    distinct = list(dict.fromkeys(entity_ids))
    found = await collect(distinct, lambda entity_id: driver.read(get, (entity_id,)), driver.width)
    return {row[0]: Entity(*row) for rows in found for row in rows}


async def list_entities(
    statements: Statements, entity_type: str, after: str | None, limit: int
) -> tuple[list[Entity], str | None]:
    """A page of the entities of a type, sorted by UTF-8 bytes. Left-over rows make it shorter than `limit`."""
    page, driver = await statements.get(_PAGE), statements.driver
    # An even share of each bucket, and some more. Ids beyond the end of the shortest share are left for the next page.
    share = limit // (_BUCKETS // 2) + 8

    async def read(bucket: int) -> list[Any]:
        return await driver.read(page, (entity_type, bucket, after or "", share))

    buckets = await collect(range(_BUCKETS), read, _BUCKETS)
    cut = min((rows[-1][0] for rows in buckets if len(rows) == share), default=None)
    ids = sorted(entity_id for rows in buckets for (entity_id,) in rows if cut is None or entity_id <= cut)
    more = cut is not None or len(ids) > limit
    ids = ids[:limit]
    found = await get_entities(statements, ids)
    entities = [found[entity_id] for entity_id in ids if entity_id in found]
    return [entity for entity in entities if entity.entity_type == entity_type], ids[-1] if more else None


async def remove_entity(statements: Statements, entity_id: str) -> None:
    """Remove the registration."""
    driver = statements.driver
    found = await get_entities(statements, [entity_id])
    for entity in found.values():
        await driver.write(await statements.get(_OUT_OF_TYPE), _of_type(entity_id, entity.entity_type))
    await driver.decide(await statements.get(_REMOVE), (entity_id,))


def _of_type(entity_id: str, entity_type: str) -> tuple[str, int, str]:
    return entity_type, stable_hash(entity_id) % _BUCKETS, entity_id
