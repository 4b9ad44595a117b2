"""Removing the values that a deletion mark covers, by tombstones of partitions or slices at the time of the mark.

A tombstone of time D covers rows with event time <= D, including rows that arrive later.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from featurama_core.storage.cql.driver import Bound
from featurama_core.storage.cql.fan_out import for_each
from featurama_core.storage.cql.periods import periods_of, stable_hash
from featurama_core.storage.cql.statements import Statements
from featurama_core.storage.port import Tombstone
from featurama_core.types.schema import FeatureDefinition, FeatureGroup

_ENTITY_PERIOD = "DELETE FROM ks.feature_values USING TIMESTAMP ? WHERE entity_id = ? AND period = ?"
_FEATURE_PERIOD = (
    "DELETE FROM ks.feature_values USING TIMESTAMP ? WHERE entity_id = ? AND period = ? AND feature_name = ?"
)
_BY_NAME = (
    "DELETE FROM ks.feature_values_by_name USING TIMESTAMP ?"
    " WHERE feature_name = ? AND period = ? AND bucket = ? AND entity_id = ?"
)
_CELLS = "DELETE FROM ks.feature_latest USING TIMESTAMP ? WHERE entity_id = ?"
_AT_ONCE = 32


async def clean(
    statements: Statements, mark: Tombstone, features: Sequence[tuple[FeatureDefinition, FeatureGroup]]
) -> None:
    """Remove history of `features` and, for a mark of a whole entity, all its history rows and its cells."""
    driver = statements.driver
    names = {definition.name: group.name for definition, group in features}
    through = mark.deleted_through // statements.history_period
    covered = {
        group: {period: buckets for period, buckets in of_group.items() if period <= through}
        for group, of_group in (await periods_of(statements, (group for _, group in features))).items()
    }
    by_entity = await statements.get(_FEATURE_PERIOD if mark.feature_name else _ENTITY_PERIOD)
    by_name = await statements.get(_BY_NAME)

    def tombstones() -> Iterator[Bound]:
        if not mark.feature_name:
            for period in sorted({period for of_group in covered.values() for period in of_group}):
                yield by_entity, (mark.deleted_through, mark.entity_id, period)
        for name, group in names.items():
            for period, buckets in covered[group].items():
                if mark.feature_name:
                    yield by_entity, (mark.deleted_through, mark.entity_id, period, name)
                bucket = stable_hash(mark.entity_id) % buckets
                yield by_name, (mark.deleted_through, name, period, bucket, mark.entity_id)

    await for_each(tombstones(), lambda bound: driver.write(*bound), _AT_ONCE)
    if not mark.feature_name:
        await driver.write(await statements.get(_CELLS), (mark.deleted_through, mark.entity_id))
