"""Scanning a partition: entities in the order of their UTF-8 bytes. Each block has its own short snapshot, so a slow
consumer never delays the checkpoint of the WAL.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import numpy as np

from featurama_core.storage.packed_history import decode, recoded
from featurama_core.storage.records import ScanBlock
from featurama_core.storage.sqlite.history import BLOCK_ROWS
from featurama_core.storage.sqlite.interning import as_json, group_key
from featurama_core.storage.sqlite.layouts import LayoutCache
from featurama_core.storage.sqlite.rows import HistoryRows
from featurama_core.types.schema import FeatureDefinition, FeatureGroup
from featurama_core.types.times import MAX_TIME, MIN_TIME
from featurama_core.types.values import Int64Array

# One seek per entity instead of a visit to each row. SQLite compares text by its UTF-8 bytes.
_ENTITIES = """
WITH RECURSIVE found(entity) AS (
    SELECT min(entity) FROM feature_history WHERE feature_group = :feature_group AND period = :period
    UNION ALL
    SELECT (SELECT min(entity) FROM feature_history
            WHERE feature_group = :feature_group AND period = :period AND entity > found.entity)
    FROM found WHERE entity IS NOT NULL
)
SELECT entities.id FROM found CROSS JOIN entities ON entities.id = found.entity ORDER BY entities.entity_id
"""
_TEXTS = """
SELECT entities.entity_id FROM json_each(?) AS wanted CROSS JOIN entities ON entities.id = wanted.value
ORDER BY wanted.key
"""


def entities_of(connection: sqlite3.Connection, group: FeatureGroup, period: int) -> Int64Array:
    """Keys of the entities with rows in the period, in the order of their ids: int64, 8 MB per million."""
    key = group_key(connection, group.name)
    if key is None:
        return np.empty(0, dtype=np.int64)
    cursor = connection.execute(_ENTITIES, {"feature_group": key, "period": period})
    return np.fromiter((entity for (entity,) in cursor), dtype=np.int64)


def read_block(
    connection: sqlite3.Connection,
    cache: LayoutCache,
    *,
    features: Sequence[FeatureDefinition],
    group: FeatureGroup,
    period: int,
    entities: Int64Array,
) -> tuple[ScanBlock | None, int]:
    """About BLOCK_ROWS rows of the first entities. -> (block, None without rows; number of entities covered)."""
    layouts = cache.read(connection)
    key, chunk = group_key(connection, group.name), entities[:BLOCK_ROWS].tolist()
    found = HistoryRows(connection, key, [period], layouts.holding(features), MIN_TIME, MAX_TIME)
    rows = next(found.blocks(enumerate(chunk), BLOCK_ROWS), None)
    if rows is None:
        return None, len(chunk)
    histories = decode(rows, features, layouts)
    present = rows.entity[np.flatnonzero(np.diff(rows.entity, prepend=-1))]
    texts = connection.execute(_TEXTS, (as_json([chunk[position] for position in present.tolist()]),))
    entity_ids = [text for (text,) in texts]
    covered = int(present[-1]) + 1
    dense = (
        histories if len(present) == covered else recoded(histories, lambda entity: np.searchsorted(present, entity))
    )
    return ScanBlock(entity_ids, dense), covered if len(rows) >= BLOCK_ROWS else len(chunk)
