"""Scanning a partition: entities in the order of their UTF-8 bytes. Each block has its own short snapshot, so a slow
consumer never delays the checkpoint of the WAL.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import numpy as np

from featurama_core.storage.packed_history import decode, recoded
from featurama_core.storage.records import ScanBlock
from featurama_core.storage.sqlite.history import BLOCK_ROWS, whole_entities
from featurama_core.storage.sqlite.interning import as_json, group_key
from featurama_core.storage.sqlite.layouts import LayoutCache
from featurama_core.types.schema import FeatureDefinition, FeatureGroup
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
_ROWS = """
WITH chunk(position, entity) AS MATERIALIZED (SELECT key, value FROM json_each(:entities))
SELECT chunk.position, history.timestamp, history.ingested_at, history.layout, history.cell
FROM chunk CROSS JOIN feature_history AS history
WHERE history.feature_group = :feature_group AND history.period = :period AND history.entity = chunk.entity
  AND history.layout IN (SELECT value FROM json_each(:layouts))
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
    chunk = entities[:BLOCK_ROWS].tolist()
    cursor = connection.execute(
        _ROWS,
        {
            "entities": as_json(chunk),
            "feature_group": group_key(connection, group.name),
            "period": period,
            "layouts": as_json(layouts.holding(features)),
        },
    )
    rows = next(whole_entities(cursor, BLOCK_ROWS), None)
    cursor.close()
    if rows is None:
        return None, len(chunk)
    histories = decode(rows, features, layouts)
    present = np.unique(np.fromiter((row[0] for row in rows), dtype=np.int64, count=len(rows)))
    texts = connection.execute(_TEXTS, (as_json([chunk[position] for position in present.tolist()]),))
    entity_ids = [text for (text,) in texts]
    covered = int(present[-1]) + 1
    dense = (
        histories if len(present) == covered else recoded(histories, lambda entity: np.searchsorted(present, entity))
    )
    return ScanBlock(entity_ids, dense), covered
