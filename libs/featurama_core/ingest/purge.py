"""Purging: removes values past retention, which no read can return."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from featurama_core.namespace import Namespace
from featurama_core.registry import Snapshot
from featurama_core.retrieval.visibility import horizon, is_gone
from featurama_core.storage.packed_cell import unpack
from featurama_core.types.schema import FeatureGroup
from featurama_core.types.times import MIN_TIME

ENTITIES_PER_PAGE = 500


@dataclass(frozen=True, slots=True)
class PurgeReport:
    """Number of removed cells and of removed history rows, without those that the server expires."""

    latest_cells: int
    history_rows: int


async def purge(namespace: Namespace) -> PurgeReport:
    """Remove expired latest cells, page by page, and expired history. Safe at any time, also on several servers."""
    # A concurrent read may return values that expired after it began: they are kept for the settling time.
    now = namespace.now() - namespace.settings.settling_time
    snapshot = await namespace.registry.snapshot(fresh=True)
    if all(_past(group, now) == MIN_TIME for group in snapshot.groups.values()):
        return PurgeReport(0, 0)
    rows = 0
    for name in snapshot.groups:
        group = (await namespace.registry.snapshot(fresh=True)).groups.get(name)
        if group is not None and (past := _past(group, now)) > MIN_TIME:
            rows += await namespace.storage.purge_history(group, past + 1)
    cells_dropped, after = 0, None
    while True:
        entity_ids, after = await namespace.storage.list_latest_entities(after, ENTITIES_PER_PAGE)
        cells_dropped += await _purge_cells(namespace, entity_ids, now)
        if after is None:
            return PurgeReport(cells_dropped, rows)


async def _purge_cells(namespace: Namespace, entity_ids: Sequence[str], now: int) -> int:
    """Remove the expired latest cells of a page of entities. -> their number."""
    # Read for every page: what a revision keeps, no later page may remove.
    snapshot = await namespace.registry.snapshot(fresh=True)
    past_of_layout: dict[int, int] = {}
    cells, layouts = await namespace.read_cells(entity_ids)
    drops: list[tuple[str, int, int]] = []
    for entity, layout_id, cell in zip(cells.entity.tolist(), cells.layout_id.tolist(), cells.cells, strict=True):
        layout = layouts.get(layout_id)
        if layout is None:
            continue
        if layout_id not in past_of_layout:
            past_of_layout[layout_id] = min(_past_of_feature(snapshot, each.name, now) for each in layout.fields)
        gone = past_of_layout[layout_id]
        decoded = unpack(layout, [cell])
        if decoded.readable[0] and is_gone(decoded.event_time, gone)[0]:
            drops.append((entity_ids[entity], layout_id, int(decoded.event_time[0])))
    if drops:
        await namespace.storage.drop_cells(*([list(each) for each in zip(*drops, strict=True)]))
    return len(drops)


def _past(group: FeatureGroup, now: int) -> int:
    return int(np.max(horizon(group, MIN_TIME, now)))


def _past_of_feature(snapshot: Snapshot, name: str, now: int) -> int:
    versions = snapshot.features.get(name)
    return _past(snapshot.groups[versions[0].group], now) if versions else MIN_TIME
