"""The latest cells of entities, and the tombstones among them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from featurama_core.storage.cql.fan_out import collect, for_each
from featurama_core.storage.cql.periods import stable_hash
from featurama_core.storage.cql.statements import Statements
from featurama_core.storage.layouts import tombstone_id
from featurama_core.storage.port import Consistency
from featurama_core.storage.records import Cells, Tombstone
from featurama_core.storage.tombstone_cells import pack_tombstone
from featurama_core.types.errors import StoreUnavailable

# An UPDATE leaves no row behind once its cell is gone.
INTO_LATEST = "UPDATE ks.feature_latest USING TIMESTAMP ? SET packed = ? WHERE entity_id = ? AND layout_id = ?"
_READ = "SELECT layout_id, packed FROM ks.feature_latest WHERE entity_id = ?"
_DROP = "DELETE FROM ks.feature_latest USING TIMESTAMP ? WHERE entity_id = ? AND layout_id = ?"
_FIRST_PAGE = "SELECT DISTINCT entity_id FROM ks.feature_latest LIMIT ?"
_NEXT_PAGE = "SELECT DISTINCT entity_id FROM ks.feature_latest WHERE token(entity_id) > token(?) LIMIT ?"

_TOMBSTONE_BUCKETS = 16
_INTO_DELETIONS = (
    "INSERT INTO ks.deletions (bucket, entity_id, feature_name, deleted_through) VALUES (?, ?, ?, ?) USING TIMESTAMP ?"
)
_TOMBSTONES = "SELECT entity_id, feature_name, deleted_through FROM ks.deletions WHERE bucket = ?"


async def read_cells(statements: Statements, entity_ids: Sequence[str], level: Consistency | None) -> Cells:
    """All cells of these entities, by one query per entity."""
    driver = statements.driver
    try:
        prepared = await statements.get(_READ)
    except StoreUnavailable:
        return all_failed(len(entity_ids))

    async def read(entity_id: str) -> list[Any] | None:
        try:
            return await driver.read(prepared, (entity_id,), level)
        except StoreUnavailable:
            return None

    return _cells(await collect(entity_ids, read, driver.width))


def all_failed(entities: int) -> Cells:
    """The result of a read that failed for all entities."""
    return _cells([None] * entities)


def _cells(found: Sequence[list[Any] | None]) -> Cells:
    rows = [(at, *row) for at, of_entity in enumerate(found) if of_entity for row in of_entity]
    entities, layout_ids, cells = zip(*rows, strict=True) if rows else ((), (), ())
    failed = np.fromiter((of_entity is None for of_entity in found), dtype=np.bool_, count=len(found))
    return Cells(entities, layout_ids, cells, failed)


async def replace_cell(statements: Statements, entity_id: str, layout_id: int, new: bytes, event_time: int) -> None:
    """Write `new` at the same timestamp: of two cells the larger bytes win."""
    await statements.driver.write(await statements.get(INTO_LATEST), (event_time, new, entity_id, layout_id))


async def drop_cells(
    statements: Statements, entity_ids: Sequence[str], layout_ids: Sequence[int], event_times: Sequence[int]
) -> None:
    """Remove cells with the given event time or an older one: a tombstone of that time covers no newer cell."""
    drop, driver = await statements.get(_DROP), statements.driver
    cells = list(zip(event_times, entity_ids, layout_ids, strict=True))
    await for_each(cells, lambda cell: driver.write(drop, cell), driver.width)


async def list_latest_entities(statements: Statements, after: str | None, limit: int) -> tuple[list[str], str | None]:
    """A page of the entities with cells (or tombstones), in the order of their tokens."""
    driver = statements.driver
    if after is None:
        rows = await driver.read(await statements.get(_FIRST_PAGE), (limit,))
    else:
        rows = await driver.read(await statements.get(_NEXT_PAGE), (after, limit))
    page = [entity_id for (entity_id,) in rows]
    return page, page[-1] if len(page) == limit else None


async def put_tombstone(statements: Statements, tombstone: Tombstone) -> None:
    """Set the tombstone in the partition of the entity and in the list for scans, in one batch.

    Its timestamp is D + 1: a higher tombstone wins over a lower one, and the deletion of cells at D does not remove it.
    """
    through = tombstone.deleted_through
    among_cells = (through + 1, pack_tombstone(through), tombstone.entity_id, tombstone_id(tombstone.feature_name))
    bucket = stable_hash(tombstone.entity_id) % _TOMBSTONE_BUCKETS
    in_list = (bucket, tombstone.entity_id, tombstone.feature_name, through, through + 1)
    await statements.driver.write_batch(
        [(await statements.get(INTO_LATEST), among_cells), (await statements.get(_INTO_DELETIONS), in_list)],
        logged=True,
    )


async def list_tombstones(statements: Statements) -> list[Tombstone]:
    """Every tombstone of the namespace, by entity and feature."""
    tombstones, driver = await statements.get(_TOMBSTONES), statements.driver
    found = await collect(
        range(_TOMBSTONE_BUCKETS), lambda bucket: driver.read(tombstones, (bucket,)), _TOMBSTONE_BUCKETS
    )
    return [Tombstone(*row) for row in sorted(row for rows in found for row in rows)]
