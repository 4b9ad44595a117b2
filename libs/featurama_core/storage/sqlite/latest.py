"""The latest cells of entities, and the tombstones among them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from featurama_core.storage.layouts import tombstone_id
from featurama_core.storage.records import Cells, Tombstone
from featurama_core.storage.sqlite.connections import Transaction
from featurama_core.storage.sqlite.failures import translated
from featurama_core.storage.sqlite.interning import as_json, entity_key, intern_entities
from featurama_core.storage.sqlite.values import INTO_LATEST
from featurama_core.storage.tombstone_cells import pack_tombstone
from featurama_core.types.values import all_false

_READ = """
SELECT wanted.key, latest.layout, latest.cell FROM json_each(?) AS wanted
CROSS JOIN entities ON entities.entity_id = wanted.value
CROSS JOIN feature_latest AS latest ON latest.entity = entities.id
"""
_READ_ONE = """
SELECT 0, latest.layout, latest.cell FROM entities
CROSS JOIN feature_latest AS latest ON latest.entity = entities.id
WHERE entities.entity_id = ?
"""
_PAGE = """
SELECT entity_id FROM entities
WHERE entity_id > ? AND EXISTS (SELECT 1 FROM feature_latest WHERE entity = entities.id)
ORDER BY entity_id LIMIT ?
"""


def read_cells(connection: sqlite3.Connection, entity_ids: Sequence[str]) -> Cells:
    """All cells of these entities. After a failed read each entity is read alone, so that a damaged page fails only the
    entities stored in it.
    """
    failed = all_false(len(entity_ids))
    try:
        # The most frequent read is of one entity; a list of ids takes twice its time.
        read, given = (_READ_ONE, entity_ids[0]) if len(entity_ids) == 1 else (_READ, as_json(list(entity_ids)))
        rows = connection.execute(read, (given,)).fetchall()
    except sqlite3.Error as error:
        rows, failed = [], failed.copy()
        for position, entity_id in enumerate(entity_ids):
            try:
                found = connection.execute(_READ, (as_json([entity_id]),)).fetchall()
            except sqlite3.Error:
                failed[position] = True
            else:
                rows += [(position, layout, cell) for _, layout, cell in found]
        if failed.all():
            raise translated(error) from error
    entities, layout_ids, cells = zip(*rows, strict=True) if rows else ((), (), ())
    return Cells(entities, layout_ids, cells, failed)


def replace_cell(transaction: Transaction, entity_id: str, layout_id: int, new: bytes, event_time: int) -> None:
    """Write `new` if the cell still has this event time and smaller bytes."""
    key = entity_key(transaction, entity_id)
    transaction.execute(
        "UPDATE feature_latest SET cell = ? WHERE entity = ? AND layout = ? AND timestamp = ? AND cell < ?",
        (new, key, layout_id, event_time, new),
    )


def drop_cells(
    transaction: Transaction, entity_ids: Sequence[str], layout_ids: Sequence[int], event_times: Sequence[int]
) -> None:
    """Remove cells with the given event time or an older one."""
    transaction.executemany(
        "DELETE FROM feature_latest WHERE entity = (SELECT id FROM entities WHERE entity_id = ?)"
        " AND layout = ? AND timestamp <= ?",
        zip(entity_ids, layout_ids, event_times, strict=True),
    )


def list_latest_entities(connection: sqlite3.Connection, after: str | None, limit: int) -> tuple[list[str], str | None]:
    """A page of the entities with cells (or tombstones), sorted by UTF-8 bytes."""
    page = [entity_id for (entity_id,) in connection.execute(_PAGE, (after or "", limit))]
    return page, page[-1] if len(page) == limit else None


def put_tombstone(transaction: Transaction, tombstone: Tombstone) -> None:
    """Set the tombstone in the partition of the entity and in the list. The higher of two tombstones stays."""
    (entity,) = intern_entities(transaction, [tombstone.entity_id]).tolist()
    through = tombstone.deleted_through
    transaction.execute(
        "INSERT INTO deletions VALUES (?, ?, ?) ON CONFLICT DO UPDATE"
        " SET deleted_through = max(deleted_through, excluded.deleted_through)",
        (entity, tombstone.feature_name, through),
    )
    # At D + 1, as on a cluster: removing cells at or before D does not remove the tombstone itself.
    transaction.execute(
        INTO_LATEST, (entity, tombstone_id(tombstone.feature_name), through + 1, pack_tombstone(through))
    )


def list_tombstones(connection: sqlite3.Connection) -> list[Tombstone]:
    """Every tombstone of the namespace."""
    rows = connection.execute(
        "SELECT entities.entity_id, feature_name, deleted_through FROM deletions"
        " JOIN entities ON entities.id = deletions.entity ORDER BY entities.entity_id, feature_name"
    )
    return [Tombstone(*row) for row in rows]
