"""Registered entities: id, type, name, metadata."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from featurama_core.storage.sqlite.connections import Reader, Transaction
from featurama_core.storage.sqlite.interning import as_json
from featurama_core.types.schema import Entity

_PUT = """
INSERT INTO entity_registry (entity_id, entity_type, name, metadata, created_at, updated_at)
VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET name = excluded.name, metadata = excluded.metadata, updated_at = excluded.updated_at
WHERE entity_type = excluded.entity_type
"""
_GET = """
SELECT entity.entity_id, entity.entity_type, entity.name, entity.metadata,
       entity.created_at, entity.updated_at
FROM json_each(?) AS wanted CROSS JOIN entity_registry AS entity ON entity.entity_id = wanted.value
"""
_PAGE = """
SELECT entity_id, entity_type, name, metadata, created_at, updated_at FROM entity_registry
WHERE entity_type = ? AND entity_id > ? ORDER BY entity_id LIMIT ?
"""


def put_entities(transaction: Transaction, entities: Sequence[Entity]) -> list[Entity]:
    """Store entities. A registered type and `created_at` never change. -> the stored entities, in order."""
    transaction.executemany(
        _PUT,
        [(e.entity_id, e.entity_type, e.name, e.metadata, e.created_at, e.updated_at) for e in entities],
    )
    stored = get_entities(transaction, [entity.entity_id for entity in entities])
    return [stored[entity.entity_id] for entity in entities]


def get_entities(connection: Reader, entity_ids: Sequence[str]) -> dict[str, Entity]:
    """The registered ones among these ids."""
    return {row[0]: Entity(*row) for row in connection.execute(_GET, (as_json(list(entity_ids)),))}


def list_entities(
    connection: sqlite3.Connection, entity_type: str, after: str | None, limit: int
) -> tuple[list[Entity], str | None]:
    """A page of the entities of a type, sorted by UTF-8 bytes."""
    page = [Entity(*row) for row in connection.execute(_PAGE, (entity_type, after or "", limit))]
    return page, page[-1].entity_id if len(page) == limit else None


def remove_entity(transaction: Transaction, entity_id: str) -> None:
    """Remove the registration."""
    transaction.execute("DELETE FROM entity_registry WHERE entity_id = ?", (entity_id,))
