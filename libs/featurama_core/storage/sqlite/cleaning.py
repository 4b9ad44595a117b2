"""Removing the values that a tombstone covers, and history past its retention, in small transactions with other
writes between them. Idempotent.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np

from featurama_core.storage.layouts import Layout, tombstone_id
from featurama_core.storage.packed_cell import pack, unpack
from featurama_core.storage.records import Tombstone
from featurama_core.storage.sqlite.connections import Transaction
from featurama_core.storage.sqlite.history import periods_of
from featurama_core.storage.sqlite.interning import as_json, entity_key, group_key
from featurama_core.storage.sqlite.layouts import LayoutCache
from featurama_core.types.column import Column
from featurama_core.types.schema import FeatureDefinition
from featurama_core.types.values import Status

ENTITIES_AT_ONCE = 500
_CELLS_AT_ONCE = 2_000

Period = tuple[int, int]
"""(group key, period)."""

_COVERED = """
SELECT timestamp, ingested_at, cell FROM feature_history
WHERE feature_group = ? AND period = ? AND entity = ? AND timestamp <= ? AND layout = ?
"""
_REWRITE = """
UPDATE feature_history SET cell = ?
WHERE feature_group = ? AND period = ? AND entity = ? AND timestamp = ? AND ingested_at = ? AND layout = ?
"""
_REMOVE = """
DELETE FROM feature_history
WHERE feature_group = ? AND period = ? AND entity = ? AND timestamp = ? AND ingested_at = ? AND layout = ?
"""


def history_periods(connection: sqlite3.Connection, groups: Sequence[str] | None, through: int) -> list[Period]:
    """The periods of the named groups, or of all, that begin at or before `through`."""
    if groups is None:
        keys = [key for (key,) in connection.execute("SELECT id FROM history_groups ORDER BY id")]
    else:
        keys = [key for name in groups if (key := group_key(connection, name)) is not None]
    return [(key, period) for key in keys for period in periods_of(connection, key) if period <= through]


def remove_entity_period(transaction: Transaction, tombstone: Tombstone, at: Period) -> None:
    """Remove the rows of the entity that its tombstone covers."""
    transaction.execute(
        "DELETE FROM feature_history WHERE feature_group = ? AND period = ? AND entity = ? AND timestamp <= ?",
        (*at, entity_key(transaction, tombstone.entity_id), tombstone.deleted_through),
    )


def remove_entity_cells(transaction: Transaction, tombstone: Tombstone) -> None:
    """Remove the latest cells of the entity that its tombstone covers. Tombstones stay."""
    entity = entity_key(transaction, tombstone.entity_id)
    names = transaction.execute("SELECT feature_name FROM deletions WHERE entity = ?", (entity,)).fetchall()
    transaction.execute(
        "DELETE FROM feature_latest WHERE entity = ? AND timestamp <= ?"
        " AND layout NOT IN (SELECT value FROM json_each(?))",
        (entity, tombstone.deleted_through, as_json([tombstone_id(name) for (name,) in names])),
    )


def rewrite_period(
    transaction: Transaction,
    cache: LayoutCache,
    tombstone: Tombstone,
    features: Sequence[FeatureDefinition],
    at: Period,
) -> None:
    """Make features absent in the covered cells of an entity. Cells without other values are removed."""
    entity = entity_key(transaction, tombstone.entity_id)
    layouts = cache.read(transaction)
    gone = {feature.key for feature in features}
    for layout_id in layouts.holding(features):
        layout = layouts[layout_id]
        cursor = transaction.execute(_COVERED, (*at, entity, tombstone.deleted_through, layout_id))
        for rows in _portions(cursor):
            cleaned = _without(layout, [row[2] for row in rows], gone)
            keys = [(*at, entity, row[0], row[1], layout_id) for row in rows]
            transaction.executemany(_REMOVE, [key for key, cell in zip(keys, cleaned, strict=True) if cell == b""])
            transaction.executemany(_REWRITE, [(cell, *key) for key, cell in zip(keys, cleaned, strict=True) if cell])


def remove_before(transaction: Transaction, at: Period, entities: Sequence[int], before: int) -> int:
    """Remove rows of these entities with event time < before. -> number of rows removed."""
    return transaction.execute(
        "DELETE FROM feature_history WHERE feature_group = ? AND period = ? AND timestamp < ?"
        " AND entity IN (SELECT value FROM json_each(?))",
        (*at, before, as_json(entities)),
    ).rowcount


def _portions(cursor: sqlite3.Cursor) -> Iterator[list[tuple[int, int, bytes]]]:
    # Read completely before the first change: rows must not move under an open cursor.
    rows = iter(cursor.fetchall())
    while portion := list(islice(rows, _CELLS_AT_ONCE)):
        yield portion


def _without(layout: Layout, cells: list[bytes], gone: set[tuple[str, int]]) -> list[bytes | None]:
    """Cells with fields made absent; b"" for a cell without values; None for an unreadable cell, which stays."""
    decoded = unpack(layout, cells)
    columns = []
    for field, values, status in zip(layout.fields, decoded.values, decoded.status, strict=True):
        kept = np.where(decoded.readable, status, np.uint8(Status.NOT_FOUND))
        if field.key in gone:
            kept[:] = Status.NOT_FOUND
        columns.append(Column(field.name, field.value_type, values, kept, decoded.event_time, field.version))
    empty = np.all([column.status == Status.NOT_FOUND for column in columns], axis=0)
    packed = pack(layout, columns, decoded.event_time, decoded.ingested_at)
    return [
        None if not readable else b"" if nothing else cell
        for cell, nothing, readable in zip(packed, empty.tolist(), decoded.readable.tolist(), strict=True)
    ]
