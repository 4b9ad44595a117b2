"""The periods of a group that hold history, and their numbers of buckets.

A period is registered before its first data row. Replicas may register it at the same time, so the number of buckets is
the one that the store returns. It never changes afterwards and is cached. The list of periods is not cached.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable

from featurama_core.storage.cql.fan_out import collect
from featurama_core.storage.cql.statements import Statements
from featurama_core.storage.port import Partition
from featurama_core.types.schema import FeatureGroup

_REGISTER = "INSERT INTO ks.history_periods (feature_group, period, buckets) VALUES (?, ?, ?) IF NOT EXISTS"
_OF_GROUP = "SELECT period, buckets FROM ks.history_periods WHERE feature_group = ?"
_REMEMBERED = 100_000
_AT_ONCE = 16


def stable_hash(entity_id: str) -> int:
    """CRC-32 of the UTF-8 bytes of the id. Stored data depends on it: it must not change."""
    return zlib.crc32(entity_id.encode())


class HistoryPeriods:
    """The periods of one incarnation of a namespace."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements
        self._buckets: dict[tuple[str, int], int] = {}

    async def register(self, wanted: Iterable[tuple[FeatureGroup, int]]) -> dict[tuple[str, int], int]:
        """(group name, period) -> buckets. New periods are registered. Raises StoreUnavailable, OutcomeUnknown; it can
        be repeated.
        """
        groups = {(group.name, period): group for group, period in wanted}
        if len(self._buckets) + len(groups) > _REMEMBERED:
            self._buckets.clear()
        new = [key for key in groups if key not in self._buckets]
        if new:
            register = await self._statements.get(_REGISTER)

            async def put(key: tuple[str, int]) -> None:
                taken = await self._statements.driver.decide(register, (*key, groups[key].buckets))
                self._buckets[key] = groups[key].buckets if taken is None else taken["buckets"]

            await collect(new, put, _AT_ONCE)
        return {key: self._buckets[key] for key in groups}

    async def of_group(self, group: FeatureGroup) -> dict[int, int]:
        """Period -> buckets, ascending. Not cached."""
        rows = await self._statements.driver.read(await self._statements.get(_OF_GROUP), (group.name,))
        return dict(rows)

    async def partitions(self, group: FeatureGroup) -> list[Partition]:
        """Every bucket of every period."""
        found = await self.of_group(group)
        return [Partition(period, bucket, buckets) for period, buckets in found.items() for bucket in range(buckets)]
