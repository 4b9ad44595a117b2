"""Histories of several features as rows with one column per feature, for exports and datasets of whole partitions."""

from __future__ import annotations

import numpy as np

from featurama_core.retrieval.as_of import HistoryKeys
from featurama_core.retrieval.tombstones import TombstoneList
from featurama_core.retrieval.visibility import AsOf, admitted, horizon, newest_per_event_time, per_entity
from featurama_core.storage.records import ScanBlock
from featurama_core.types.column import Column
from featurama_core.types.schema import FeatureGroup
from featurama_core.types.times import MIN_TIME
from featurama_core.types.values import Int64Array


def history_rows(
    block: ScanBlock,
    group: FeatureGroup,
    listed: TombstoneList,
    as_of: AsOf,
    *,
    start: int = MIN_TIME,
    corrections: bool,
) -> tuple[Int64Array, list[Column]]:
    """The visible stored values of a block, with event times from `start` on. -> (keys, one column per feature).

    keys: int64[3, rows], distinct and ascending: entity code, event time, and ingest time, which is 0 without
    `corrections`, when an event time has one value. A feature without a value in a row is NOT_FOUND there.
    """
    tombstones = listed.of(block.entity_ids)
    # Features of one cell share their key arrays, so they are selected and placed together.
    sets: dict[tuple[int, int, int, bytes], tuple[Int64Array, Int64Array]] = {}
    of_feature = []
    for found in block.histories:
        gone = horizon(group, tombstones.through(found.column.name), as_of.now)
        key = id(found.entity), id(found.event_time), id(found.ingested_at), np.asarray(gone).tobytes()
        if key not in sets:
            keys = HistoryKeys.of(found.entity, found.event_time, found.ingested_at)
            shown = admitted(keys, as_of, per_entity(gone, found.entity), start=start)
            rows = np.flatnonzero(shown) if corrections else newest_per_event_time(keys, shown)
            sets[key] = rows, np.stack([keys.entity[rows], keys.time[rows], keys.ingested[rows] * corrections])
        of_feature.append(key)
    distinct, places = _distinct([keys for _, keys in sets.values()])
    place_of = dict(zip(sets, places, strict=True))
    return distinct, [
        found.column.take(sets[key][0]).spread(place_of[key], distinct.shape[1])
        for found, key in zip(block.histories, of_feature, strict=True)
    ]


def _distinct(keys: list[Int64Array]) -> tuple[Int64Array, list[Int64Array]]:
    """Distinct keys of all sets, int64[3, rows] in ascending order, and the row of every key per set."""
    every = np.concatenate(keys, axis=1)
    order = np.lexsort(every[::-1])
    ordered = every[:, order]
    new = np.ones(len(order), dtype=np.bool_)
    new[1:] = (np.diff(ordered, axis=1) != 0).any(axis=0)
    row = np.empty(len(order), dtype=np.int64)
    row[order] = np.cumsum(new) - 1
    return ordered[:, new], np.split(row, np.cumsum([each.shape[1] for each in keys])[:-1])
