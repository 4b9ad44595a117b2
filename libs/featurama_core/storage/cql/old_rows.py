"""Removing the per-value rows of periods whose values are all in packed cells."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing

from featurama_core.storage.cql.fan_out import for_each
from featurama_core.storage.cql.periods import periods_of
from featurama_core.storage.cql.statements import Statements
from featurama_core.types.schema import FeatureDefinition, FeatureGroup

_ENTITIES = (
    "SELECT entity_id FROM ks.feature_values_by_name WHERE feature_name = ? AND period = ? AND bucket = ?"
    " GROUP BY feature_name, period, bucket, entity_id"
)
_BY_ENTITY = "DELETE FROM ks.feature_values USING TIMESTAMP ? WHERE entity_id = ? AND period = ? AND feature_name = ?"
_BY_NAME = (
    "DELETE FROM ks.feature_values_by_name USING TIMESTAMP ? WHERE feature_name = ? AND period = ? AND bucket = ?"
)
_PAGE_ROWS = 1_000
_AT_ONCE = 32


async def remove_unpacked(
    statements: Statements, group: FeatureGroup, features: Sequence[FeatureDefinition], before: int
) -> int:
    """Remove the rows of the periods that reads have left out since before a time. -> partitions with rows removed."""
    (found,) = (await periods_of(statements, [group])).values()
    removed = 0
    for number, period in found.items():
        # A period that was packed from its beginning has no rows.
        if period.rows_ended is None or not period.packed_since < period.rows_ended < before:  # type: ignore[operator]
            continue
        for name in sorted({feature.name for feature in features}):
            for bucket in range(period.buckets):
                removed += await _remove(statements, name, number, bucket)
    return removed


async def _remove(statements: Statements, name: str, number: int, bucket: int) -> bool:
    """Whether there were rows."""
    entities, by_entity = await statements.get(_ENTITIES), await statements.get(_BY_ENTITY)
    driver, at = statements.driver, (name, number, bucket)
    # Rows have their event times as timestamps.
    end = (number + 1) * statements.history_period - 1
    there = False
    async with aclosing(driver.pages_ahead(entities, at, _PAGE_ROWS)) as pages:  # type: ignore[type-var]
        async for page in pages:
            there |= bool(page)
            await for_each(page, lambda row: driver.write(by_entity, (end, row[0], number, name)), _AT_ONCE)
    if there:
        # Last: these rows name the entities that a repeated call still has to clean.
        await driver.write(await statements.get(_BY_NAME), (end, *at))
    return there
