"""The periods of a group that hold history, and their numbers of buckets.

A period is registered before its first data row. Replicas may register it at the same time, so the number of buckets is
the one that the store returns. It never changes afterwards and is cached. The list of periods is not cached.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable

from featurama_core.storage.cql.fan_out import collect
from featurama_core.storage.cql.statements import Statements
from featurama_core.storage.records import Partition
from featurama_core.types.schema import FeatureGroup

_REGISTER = "INSERT INTO ks.history_periods (feature_group, period, buckets) VALUES (?, ?, ?) IF NOT EXISTS"
_OF_GROUP = "SELECT period, buckets FROM ks.history_periods WHERE feature_group = ?"
_REMEMBERED = 100_000
_AT_ONCE = 16


def stable_hash(entity_id: str) -> int:
    """CRC-32 of the UTF-8 bytes of the id. Stored data depends on it: it must not change."""
    return zlib.crc32(entity_id.encode())


async def register(statements: Statements, wanted: Iterable[tuple[FeatureGroup, int]]) -> dict[tuple[str, int], int]:
    """(group name, period) -> buckets. New periods are registered. Raises StoreUnavailable, OutcomeUnknown; it can be
    repeated.
    """
    groups = {(group.name, period): group for group, period in wanted}
    known = statements.buckets
    if len(known) + len(groups) > _REMEMBERED:
        known.clear()
    new = [key for key in groups if key not in known]
    if new:
        insertion = await statements.get(_REGISTER)

        async def put(key: tuple[str, int]) -> None:
            taken = await statements.driver.decide(insertion, (*key, groups[key].buckets))
            known[key] = groups[key].buckets if taken is None else taken["buckets"]

        await collect(new, put, _AT_ONCE)
    return {key: known[key] for key in groups}


async def periods_of(statements: Statements, groups: Iterable[FeatureGroup]) -> dict[str, dict[int, int]]:
    """Group name -> period -> buckets, ascending. Not cached."""
    names = list(dict.fromkeys(group.name for group in groups))
    query = await statements.get(_OF_GROUP)
    found = await collect(names, lambda name: statements.driver.read(query, (name,)), _AT_ONCE)
    return {name: dict(rows) for name, rows in zip(names, found, strict=True)}


async def partitions(statements: Statements, group: FeatureGroup) -> list[Partition]:
    """Every bucket of every period."""
    (found,) = (await periods_of(statements, [group])).values()
    return [Partition(period, bucket, buckets) for period, buckets in found.items() for bucket in range(buckets)]
