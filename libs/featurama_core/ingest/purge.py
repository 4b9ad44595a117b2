"""Purging: removes values past retention, which no read can return."""

from __future__ import annotations

from dataclasses import dataclass

from featurama_core.namespace import Namespace
from featurama_core.retrieval.visibility import first_kept, horizon, is_gone
from featurama_core.storage.packed_cell import unpack
from featurama_core.storage.tombstone_cells import layouts_in
from featurama_core.types.times import MIN_TIME

ENTITIES_PER_PAGE = 500


@dataclass(frozen=True, slots=True)
class PurgeReport:
    """Number of removed cells and of removed history rows, without those that the server expires."""

    latest_cells: int
    history_rows: int


async def purge(namespace: Namespace) -> PurgeReport:
    """Remove expired latest cells, page by page, and expired history. Safe at any time, also on several servers."""
    snapshot = await namespace.registry.snapshot(fresh=True)
    # A concurrent read may return values that expired after it began: they are kept for the settling time.
    now = namespace.now() - namespace.settings.settling_time
    groups = snapshot.all_groups()
    horizons = {group.name: horizon(group.retention, MIN_TIME, now) for group in groups.values()}
    if all(group.retention is None for group in groups.values()):
        return PurgeReport(0, 0)
    rows = 0
    for group in groups.values():
        if group.retention is not None:
            rows += await namespace.storage.purge_history(group, first_kept([horizons[group.name]]))
    group_of: dict[str, str] = {}
    cells_dropped, after = 0, None
    while True:
        entity_ids, after = await namespace.storage.list_latest_entities(after, ENTITIES_PER_PAGE)
        cells, layouts = await namespace.read_cells(entity_ids)
        held = {field.name for at in layouts_in(cells) if (layout := layouts.get(at)) for field in layout.fields}
        unknown = sorted(held - group_of.keys())
        group_of |= {each.name: each.group for each in await namespace.storage.read_features(unknown)}
        drops: list[tuple[str, int, int]] = []
        for entity, layout_id, cell in zip(cells.entity.tolist(), cells.layout_id.tolist(), cells.cells, strict=True):
            layout = layouts.get(layout_id)
            if layout is None:
                continue
            gone = first_kept([horizons.get(group_of.get(each.name, ""), MIN_TIME) for each in layout.fields]) - 1
            decoded = unpack(layout, [cell])
            if decoded.readable[0] and is_gone(decoded.event_time, gone)[0]:
                drops.append((entity_ids[entity], layout_id, int(decoded.event_time[0])))
        if drops:
            await namespace.storage.drop_cells(*([list(each) for each in zip(*drops, strict=True)]))
            cells_dropped += len(drops)
        if after is None:
            return PurgeReport(cells_dropped, rows)
