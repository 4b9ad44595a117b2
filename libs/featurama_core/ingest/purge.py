"""Purging: removes values past retention, which no read can return."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from featurama_core.namespace import Namespace
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
    if all(_past(group, now) == MIN_TIME for group in snapshot.all_groups().values()):
        return PurgeReport(0, 0)
    rows = 0
    for name in snapshot.all_groups():
        # Read for every page: what a revision keeps, no later page may remove.
        group = (await namespace.registry.snapshot(fresh=True)).all_groups()[name]
        if (past := _past(group, now)) > MIN_TIME:
            rows += await namespace.storage.purge_history(group, past + 1)
    group_of: dict[str, str] = {}
    cells_dropped, after = 0, None
    while True:
        entity_ids, after = await namespace.storage.list_latest_entities(after, ENTITIES_PER_PAGE)
        cells_dropped += await _purge_cells(namespace, entity_ids, group_of, now)
        if after is None:
            return PurgeReport(cells_dropped, rows)


async def _purge_cells(namespace: Namespace, entity_ids: Sequence[str], group_of: dict[str, str], now: int) -> int:
    """Remove the expired latest cells of a page of entities. -> their number. group_of: of features, completed here."""
    groups = (await namespace.registry.snapshot(fresh=True)).all_groups()
    cells, layouts = await namespace.read_cells(entity_ids)
    held = {at: layout for at in cells.layouts if (layout := layouts.get(at))}
    unknown = {field.name for layout in held.values() for field in layout.fields} - group_of.keys()
    group_of |= {each.name: each.group for each in await namespace.storage.read_features(sorted(unknown))}
    past_of = {
        name: _past(groups[group_of[name]], now) if name in group_of else MIN_TIME
        for name in {field.name for layout in held.values() for field in layout.fields}
    }
    drops: list[tuple[str, int, int]] = []
    for entity, layout_id, cell in zip(cells.entities, cells.layout_ids, cells.cells, strict=True):
        if layout_id not in held:
            continue
        gone = min(past_of[each.name] for each in held[layout_id].fields)
        decoded = unpack(held[layout_id], [cell])
        if decoded.readable[0] and is_gone(decoded.event_time, gone)[0]:
            drops.append((entity_ids[entity], layout_id, int(decoded.event_time[0])))
    if drops:
        await namespace.storage.drop_cells(*([list(each) for each in zip(*drops, strict=True)]))
    return len(drops)


def _past(group: FeatureGroup, now: int) -> int:
    return int(np.max(horizon(group, MIN_TIME, now)))
