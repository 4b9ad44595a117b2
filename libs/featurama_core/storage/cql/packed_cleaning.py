"""Deleted features in packed cells of the history. A covered cell is rewritten with the features absent, at the same
timestamp. Without an expiry the larger bytes win, so it beats the original and every resend of it; with one the later
expiry wins, so the rewritten cell lives a little longer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from featurama_core.storage.cql.fan_out import collect
from featurama_core.storage.cql.layouts import known_layouts
from featurama_core.storage.cql.packed_writes import into_packed
from featurama_core.storage.cql.period import Period
from featurama_core.storage.cql.periods import stable_hash
from featurama_core.storage.cql.statements import Statements
from featurama_core.storage.layouts import Layout
from featurama_core.storage.packed_cell import unpack, without_fields
from featurama_core.storage.records import Tombstone

_LONGER = 3_600
"""Seconds. The clocks of servers, and seconds that were rounded, differ by less."""
_AT_ONCE = 32

_LAYOUTS = "SELECT layout_id FROM ks.feature_values_packed WHERE entity_id = ? AND period = ?"
_COVERED = (
    "SELECT timestamp, ingested_at, layout_id, packed, ttl(packed) FROM ks.feature_values_packed"
    " WHERE entity_id = ? AND period = ? AND timestamp <= ?"
)


async def packed_features(statements: Statements, entity_id: str, periods: Sequence[int]) -> set[str]:
    """Names of the features in the packed history of an entity."""
    driver, query = statements.driver, await statements.get(_LAYOUTS)
    found = await collect(periods, lambda period: driver.read(query, (entity_id, period)), _AT_ONCE)
    ids = {layout_id for rows in found for (layout_id,) in rows}
    layouts = await known_layouts(statements, ids)
    return {field.name for layout_id in ids for field in layouts[layout_id].fields}


async def rewrite_cells(
    statements: Statements, tombstone: Tombstone, group: str, periods: Mapping[int, Period]
) -> None:
    """Make the feature of the tombstone absent in the covered cells of its group. Unreadable cells stay."""
    query, driver = await statements.get(_COVERED), statements.driver
    into_entity, into_group = await into_packed(statements)
    entity_id = tombstone.entity_id
    for number, period in periods.items():
        if not period.packed:
            continue
        rows = await driver.read(query, (entity_id, number, tombstone.deleted_through))
        layouts = await known_layouts(statements, {row[2] for row in rows})
        bucket = stable_hash(entity_id) % period.buckets
        for time, ingested_at, layout_id, cell, ttl in rows:
            rewritten = _without(layouts[layout_id], cell, tombstone.feature_name)
            if rewritten != cell:
                at = time, (ttl + _LONGER) if ttl else 0, rewritten
                key = time, ingested_at, layout_id
                await driver.write(into_group, (*at, group, number, bucket, entity_id, *key))
                await driver.write(into_entity, (*at, entity_id, number, *key))


def _without(layout: Layout, cell: bytes, name: str) -> bytes:
    deleted = [field.name == name for field in layout.fields]
    there = any(deleted) and bool(unpack(layout, [cell]).readable[0])
    return without_fields(layout, cell, deleted) if there else cell
