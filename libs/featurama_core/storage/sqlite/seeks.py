"""Finding the newest event of an entity at or before a moment: one descent of the B-tree per row."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import numpy as np

from featurama_core.storage.packed_history import StoredRows, decode
from featurama_core.storage.records import Seeks, Sought
from featurama_core.storage.sqlite.interning import as_json, entity_keys, group_key
from featurama_core.storage.sqlite.layouts import LayoutCache
from featurama_core.types.schema import FeatureDefinition, FeatureGroup
from featurama_core.types.times import MIN_TIME
from featurama_core.types.values import Int64Array

# CROSS JOIN fixes the order of the loops: by row.
_EVENTS = """
WITH wanted(number, entity, event_time, ingested_at) AS MATERIALIZED (
    SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
           json_extract(value, '$[3]')
    FROM json_each(:wanted)
), layouts(layout) AS MATERIALIZED (SELECT value FROM json_each(:layouts))
SELECT wanted.number, history.timestamp, history.ingested_at, history.layout, history.cell
FROM wanted CROSS JOIN feature_history AS history
WHERE history.feature_group = :feature_group AND history.period = :period AND history.entity = wanted.entity
  AND history.layout IN layouts
  AND history.timestamp = (
      SELECT newest.timestamp FROM feature_history AS newest
      WHERE newest.feature_group = :feature_group AND newest.period = :period AND newest.entity = wanted.entity
        AND newest.timestamp <= wanted.event_time AND newest.ingested_at <= wanted.ingested_at
        AND newest.layout IN layouts
      ORDER BY newest.timestamp DESC LIMIT 1
  )
"""


def seek_history(
    connection: sqlite3.Connection,
    cache: LayoutCache,
    *,
    wanted: Seeks,
    features: Sequence[FeatureDefinition],
    group: FeatureGroup,
    period: int,
) -> list[Sought]:
    """See `SeekingStorage.seek_history`."""
    layouts = cache.read(connection)
    keys = entity_keys(connection, wanted.entity_ids)
    key_of = [keys.get(each, -1) for each in wanted.entity_ids]
    rows = [
        [number, key, *bounds]
        for number, (entity, *bounds) in enumerate(
            zip(wanted.entity.tolist(), wanted.event_time.tolist(), wanted.ingested_at.tolist(), strict=True)
        )
        if (key := key_of[entity]) >= 0
    ]
    given = {"wanted": as_json(rows), "feature_group": group_key(connection, group.name), "period": period}
    # A seek finds an event of any of its layouts, so features are sought together only if all their layouts agree.
    alike: dict[tuple[int, ...], list[int]] = {}
    for at, feature in enumerate(features):
        alike.setdefault(tuple(layouts.holding([feature])), []).append(at)
    found: dict[int, Sought] = {}
    for holding, members in alike.items():
        events = connection.execute(_EVENTS, given | {"layouts": as_json(holding)}).fetchall()
        event_time, stored = _distinct(events, wanted.entity)
        histories = decode(stored, [features[at] for at in members], layouts)
        found |= {at: Sought(event_time, each) for at, each in zip(members, histories, strict=True)}
    return [found[at] for at in range(len(features))]


def _distinct(events: Sequence[tuple[int, int, int, int, bytes]], entity: Int64Array) -> tuple[Int64Array, StoredRows]:
    """The event time of each row, and what is stored of the events, each once."""
    event_time = np.full(len(entity), MIN_TIME, dtype=np.int64)
    entity_of = entity.tolist()
    distinct = {}
    for number, time, ingested_at, layout, cell in events:
        event_time[number] = time
        distinct[entity_of[number], time, ingested_at, layout] = cell
    return event_time, StoredRows.of([(*key, cell) for key, cell in distinct.items()])
