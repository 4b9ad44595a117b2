"""The periods of a group that hold history: their numbers of buckets, and the tables that hold their values.

A period is registered before its first data row. Replicas may register it at the same time, so the number of buckets is
the one that the store returns. It never changes afterwards. Readers fetch the list of periods for every read. Writers
remember it: that a period is packed stays so, and that it is not is read again after a few seconds.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Iterable
from typing import Any

from featurama_core.storage.cql.fan_out import collect
from featurama_core.storage.cql.period import Period
from featurama_core.storage.cql.statements import Statements
from featurama_core.storage.records import Partition
from featurama_core.types.revisions import in_force
from featurama_core.types.schema import FeatureGroup

ROWS_KNOWN_FOR = 10.0
"""Seconds for which a writer relies on a period not being packed. Less than the lead of a revision."""

_COLUMNS = "buckets, packed_since, rows_ended"
_REGISTER = "INSERT INTO ks.history_periods (feature_group, period, buckets) VALUES (?, ?, ?) IF NOT EXISTS"
_REGISTER_PACKED = (
    "INSERT INTO ks.history_periods (feature_group, period, buckets, packed_since, rows_ended)"
    " VALUES (?, ?, ?, ?, ?) IF NOT EXISTS"
)
_BEGIN_PACKED = (
    "UPDATE ks.history_periods SET packed_since = ? WHERE feature_group = ? AND period = ? IF packed_since = null"
)
_END_ROWS = (
    "UPDATE ks.history_periods SET rows_ended = ? WHERE feature_group = ? AND period = ?"
    " IF packed_since > 0 AND rows_ended = null"
)
_ONE = f"SELECT {_COLUMNS} FROM ks.history_periods WHERE feature_group = ? AND period = ?"  # noqa: S608 - our own names
_OF_GROUP = f"SELECT period, {_COLUMNS} FROM ks.history_periods WHERE feature_group = ?"  # noqa: S608
_REMEMBERED = 100_000
_AT_ONCE = 16

Key = tuple[str, int]
"""(group name, period)."""


def stable_hash(entity_id: str) -> int:
    """CRC-32 of the UTF-8 bytes of the id. Stored data depends on it: it must not change."""
    return zlib.crc32(entity_id.encode())


async def register(statements: Statements, wanted: Iterable[tuple[FeatureGroup, int]], now: int) -> dict[Key, Period]:
    """The periods that are written to, (group, period) each. New ones are registered, and those of groups with packed
    history are marked as packed. now: microseconds. Raises StoreUnavailable, OutcomeUnknown; it can be repeated.
    """
    groups = {(group.name, period): group for group, period in wanted}
    packs = {each.name: in_force(each, now).history == "packed" for each in groups.values()}
    moment = asyncio.get_running_loop().time()
    known = statements.periods
    if len(known) + len(groups) > _REMEMBERED:
        known.clear()

    def is_known(key: Key) -> bool:
        period, until = known.get(key, (None, 0.0))
        return period is not None and (period.packed or (moment < until and not packs[key[0]]))

    async def settle(key: Key) -> None:
        if key in known:
            found = (await statements.driver.read(await statements.get(_ONE), key))[0]
            period = Period(*found)
        else:
            period = await _registered(statements, key, groups[key].buckets, now if packs[key[0]] else None)
        if packs[key[0]] and not period.packed:
            period = await _begin_packed(statements, key, period, now)
        known[key] = period, moment + ROWS_KNOWN_FOR

    new = [key for key in groups if not is_known(key)]
    if new:
        await collect(new, settle, _AT_ONCE)
    return {key: known[key][0] for key in groups}


async def begin_packed(statements: Statements, group: FeatureGroup, now: int) -> dict[int, Period]:
    """Mark every period of the group as packed: from now on nothing else is written to it. -> all its periods."""
    (found,) = (await periods_of(statements, [group])).values()

    async def begin(number: int) -> Period:
        period = found[number]
        return period if period.packed else await _begin_packed(statements, (group.name, number), period, now)

    return dict(zip(found, await collect(list(found), begin, _AT_ONCE), strict=True))


async def end_rows(statements: Statements, group: FeatureGroup, number: int, now: int) -> None:
    """From now on reads of a packed period leave the per-value tables out."""
    await statements.driver.decide(await statements.get(_END_ROWS), (now, group.name, number))


async def periods_of(statements: Statements, groups: Iterable[FeatureGroup]) -> dict[str, dict[int, Period]]:
    """Group name -> period -> what is known of it, ascending. Not cached."""
    names = list(dict.fromkeys(group.name for group in groups))
    query = await statements.get(_OF_GROUP)
    found = await collect(names, lambda name: statements.driver.read(query, (name,)), _AT_ONCE)
    return {
        name: {number: Period(*values) for number, *values in rows} for name, rows in zip(names, found, strict=True)
    }


async def period_of(statements: Statements, group: FeatureGroup, number: int) -> Period:
    """One period. Not cached. Of one that is not registered, whatever its partitions hold."""
    rows = await statements.driver.read(await statements.get(_ONE), (group.name, number))
    return Period(*rows[0]) if rows else Period(1)


async def partitions(statements: Statements, group: FeatureGroup) -> list[Partition]:
    """Every bucket of every period."""
    (found,) = (await periods_of(statements, [group])).values()
    return [partition for number, period in found.items() for partition in cut(number, period)]


def cut(number: int, period: Period) -> list[Partition]:
    """The partitions of a period."""
    return [Partition(number, bucket, period.buckets) for bucket in range(period.buckets)]


async def _registered(statements: Statements, key: Key, buckets: int, packed_since: int | None) -> Period:
    if packed_since is None:
        period = Period(buckets)
        standing = await statements.driver.decide(await statements.get(_REGISTER), (*key, buckets))
    else:
        # Nothing was written to it before.
        period = Period(buckets, packed_since, packed_since)
        values = (*key, buckets, packed_since, packed_since)
        standing = await statements.driver.decide(await statements.get(_REGISTER_PACKED), values)
    return period if standing is None else _standing(standing)


async def _begin_packed(statements: Statements, key: Key, period: Period, now: int) -> Period:
    begin = await statements.get(_BEGIN_PACKED)
    standing = await statements.driver.decide(begin, (now, *key))
    return Period(period.buckets, now if standing is None else standing["packed_since"], period.rows_ended)


def _standing(row: dict[str, Any]) -> Period:
    return Period(row["buckets"], row["packed_since"], row["rows_ended"])
