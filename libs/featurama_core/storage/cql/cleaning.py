"""Removing the values that a tombstone covers, by deletions of partitions or slices at its time.

A tombstone of time D covers rows with event time <= D, including rows that arrive later.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from featurama_core.storage.cql.driver import Bound
from featurama_core.storage.cql.fan_out import collect, for_each
from featurama_core.storage.cql.periods import periods_of, stable_hash
from featurama_core.storage.cql.statements import Statements
from featurama_core.storage.records import Tombstone
from featurama_core.types.schema import FeatureDefinition, FeatureGroup

_ENTITY_PERIOD = "DELETE FROM ks.feature_values USING TIMESTAMP ? WHERE entity_id = ? AND period = ?"
_FEATURE_PERIOD = (
    "DELETE FROM ks.feature_values USING TIMESTAMP ? WHERE entity_id = ? AND period = ? AND feature_name = ?"
)
_BY_NAME = (
    "DELETE FROM ks.feature_values_by_name USING TIMESTAMP ?"
    " WHERE feature_name = ? AND period = ? AND bucket = ? AND entity_id = ?"
)
_NAMES = (
    "SELECT feature_name FROM ks.feature_values WHERE entity_id = ? AND period = ?"
    " GROUP BY entity_id, period, feature_name"
)
_CELLS = "DELETE FROM ks.feature_latest USING TIMESTAMP ? WHERE entity_id = ?"
_AT_ONCE = 32


async def features_to_clean(statements: Statements, entity_id: str, groups: Sequence[FeatureGroup]) -> list[str]:
    """Names of the features with history of the entity."""
    driver, query = statements.driver, await statements.get(_NAMES)
    periods = {period for of_group in (await periods_of(statements, groups)).values() for period in of_group}
    found = await collect(sorted(periods), lambda period: driver.read(query, (entity_id, period)), _AT_ONCE)
    return sorted({name for rows in found for (name,) in rows})


async def clean(
    statements: Statements, tombstone: Tombstone, features: Sequence[tuple[FeatureDefinition, FeatureGroup]]
) -> None:
    """Remove history of `features` and, for a tombstone of a whole entity, all its history rows and its cells."""
    driver = statements.driver
    names = {definition.name: group.name for definition, group in features}
    through = tombstone.deleted_through // statements.history_period
    covered = {
        group: {period: buckets for period, buckets in of_group.items() if period <= through}
        for group, of_group in (await periods_of(statements, (group for _, group in features))).items()
    }
    by_entity = await statements.get(_FEATURE_PERIOD if tombstone.feature_name else _ENTITY_PERIOD)
    by_name = await statements.get(_BY_NAME)

    async def remove(bounds: Iterator[Bound]) -> None:
        await for_each(bounds, lambda bound: driver.write(*bound), _AT_ONCE)

    def rows_by_name() -> Iterator[Bound]:
        for name, group in names.items():
            for period, buckets in covered[group].items():
                if tombstone.feature_name:
                    yield by_entity, (tombstone.deleted_through, tombstone.entity_id, period, name)
                bucket = stable_hash(tombstone.entity_id) % buckets
                yield by_name, (tombstone.deleted_through, name, period, bucket, tombstone.entity_id)

    await remove(rows_by_name())
    # Last: a repeated cleaning finds in these rows what is left to be cleaned by name.
    if not tombstone.feature_name:
        periods = sorted({period for of_group in covered.values() for period in of_group})
        await remove((by_entity, (tombstone.deleted_through, tombstone.entity_id, period)) for period in periods)
    if not tombstone.feature_name:
        await driver.write(await statements.get(_CELLS), (tombstone.deleted_through, tombstone.entity_id))
