"""Removing the values that a tombstone covers, by deletions of partitions or slices at its time. A tombstone of time D
covers rows with event time <= D, including rows that arrive later. Packed cells of which one feature is deleted are
rewritten; see packed_cleaning.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from featurama_core.storage.cql.driver import Bound
from featurama_core.storage.cql.fan_out import collect, for_each
from featurama_core.storage.cql.packed_cleaning import packed_features, rewrite_cells
from featurama_core.storage.cql.period import Period
from featurama_core.storage.cql.periods import periods_of, stable_hash
from featurama_core.storage.cql.statements import Statements
from featurama_core.storage.records import Tombstone
from featurama_core.types.schema import FeatureDefinition, FeatureGroup

_ENTITY_PERIOD = "DELETE FROM ks.feature_values USING TIMESTAMP ? WHERE entity_id = ? AND period = ?"
_PACKED_PERIOD = "DELETE FROM ks.feature_values_packed USING TIMESTAMP ? WHERE entity_id = ? AND period = ?"
_FEATURE_PERIOD = (
    "DELETE FROM ks.feature_values USING TIMESTAMP ? WHERE entity_id = ? AND period = ? AND feature_name = ?"
)
_BY_NAME = (
    "DELETE FROM ks.feature_values_by_name USING TIMESTAMP ?"
    " WHERE feature_name = ? AND period = ? AND bucket = ? AND entity_id = ?"
)
_BY_GROUP = (
    "DELETE FROM ks.feature_values_packed_by_group USING TIMESTAMP ?"
    " WHERE feature_group = ? AND period = ? AND bucket = ? AND entity_id = ?"
)
_NAMES = (
    "SELECT feature_name FROM ks.feature_values WHERE entity_id = ? AND period = ?"
    " GROUP BY entity_id, period, feature_name"
)
_CELLS = "DELETE FROM ks.feature_latest USING TIMESTAMP ? WHERE entity_id = ?"
AT_ONCE = 32

Covered = Mapping[str, Mapping[int, Period]]
"""Group name -> the periods that a tombstone reaches."""


async def features_to_clean(statements: Statements, entity_id: str, groups: Sequence[FeatureGroup]) -> list[str]:
    """Names of the features with history of the entity."""
    driver, query = statements.driver, await statements.get(_NAMES)
    listed = await periods_of(statements, groups)
    in_rows = sorted({at for known in listed.values() for at in known})
    in_cells = sorted({at for known in listed.values() for at, period in known.items() if period.packed})
    found = await collect(in_rows, lambda period: driver.read(query, (entity_id, period)), AT_ONCE)
    return sorted({name for rows in found for (name,) in rows} | await packed_features(statements, entity_id, in_cells))


async def clean(
    statements: Statements, tombstone: Tombstone, features: Sequence[tuple[FeatureDefinition, FeatureGroup]]
) -> None:
    """Remove history of `features` and, for a tombstone of a whole entity, all its history rows and its cells."""
    through = tombstone.deleted_through // statements.history_period
    listed = await periods_of(statements, (group for _, group in features))
    covered = {
        group: {number: period for number, period in known.items() if number <= through}
        for group, known in listed.items()
    }
    if tombstone.feature_name:
        await _clean_features(statements, tombstone, features, covered)
    else:
        await _clean_entity(statements, tombstone, features, covered)


async def _clean_features(
    statements: Statements,
    tombstone: Tombstone,
    features: Sequence[tuple[FeatureDefinition, FeatureGroup]],
    covered: Covered,
) -> None:
    by_entity, by_name = await statements.get(_FEATURE_PERIOD), await statements.get(_BY_NAME)
    entity_id, through = tombstone.entity_id, tombstone.deleted_through

    def rows() -> Iterator[Bound]:
        for name, group in {definition.name: group.name for definition, group in features}.items():
            for number, period in covered[group].items():
                yield by_entity, (through, entity_id, number, name)
                yield by_name, (through, name, number, stable_hash(entity_id) % period.buckets, entity_id)

    await _write_all(statements, rows())
    for group, periods in covered.items():
        await rewrite_cells(statements, tombstone, group, periods)


async def _clean_entity(
    statements: Statements,
    tombstone: Tombstone,
    features: Sequence[tuple[FeatureDefinition, FeatureGroup]],
    covered: Covered,
) -> None:
    by_name, by_group = await statements.get(_BY_NAME), await statements.get(_BY_GROUP)
    by_entity = await statements.get(_ENTITY_PERIOD), await statements.get(_PACKED_PERIOD)
    entity_id, through = tombstone.entity_id, tombstone.deleted_through
    names: dict[str, list[str]] = {group: [] for group in covered}
    for name, group_name in {definition.name: group.name for definition, group in features}.items():
        names[group_name].append(name)

    def for_scans() -> Iterator[Bound]:
        for group, periods in covered.items():
            for number, period in periods.items():
                bucket = stable_hash(entity_id) % period.buckets
                for name in names[group]:
                    yield by_name, (through, name, number, bucket, entity_id)
                if period.packed:
                    yield by_group, (through, group, number, bucket, entity_id)

    await _write_all(statements, for_scans())
    # Last: a repeated cleaning finds in these rows what is left to be cleaned for scans.
    numbers = sorted({number for periods in covered.values() for number in periods})
    await _write_all(statements, ((each, (through, entity_id, number)) for number in numbers for each in by_entity))
    await statements.driver.write(await statements.get(_CELLS), (through, entity_id))


async def _write_all(statements: Statements, bounds: Iterator[Bound]) -> None:
    await for_each(bounds, lambda bound: statements.driver.write(*bound), AT_ONCE)
