"""The history rows of a write that is not packed, ready to be bound. Each value has two rows: by entity and by feature
name.

Sizes are upper bounds of the sizes that a server adds up for its batch limit: keys, times and a fixed share per row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from typing import Any

import numpy as np

from featurama_core.storage.cql.driver import Bound, Prepared
from featurama_core.storage.cql.period import Period
from featurama_core.storage.cql.periods import stable_hash
from featurama_core.storage.cql.statements import Statements
from featurama_core.storage.records import WriteBatch
from featurama_core.types.revisions import retained_until
from featurama_core.types.schema import FeatureGroup
from featurama_core.types.times import DAY, MAX_TIME, SECOND
from featurama_core.types.values import BoolArray, Int64Array, Status, ValueType
from featurama_core.types.writes import StoredColumn

VALUE_COLUMNS = {each: f"value_{each.label}" for each in ValueType}
ROW_SHARE = 96
"""Bytes per row in addition to names and value: version, times, period, bucket, liveness, cell header."""

PartitionRows = tuple[list[int], list[int], Callable[[list[int]], list[Bound]]]
"""Rows of one partition, their sizes, and the statements of some of them."""

_BY_ENTITY = ("feature_values", "entity_id", "period", "feature_name", "version", "timestamp", "ingested_at")
_BY_NAME = (
    "feature_values_by_name", "feature_name", "period", "bucket", "entity_id", "version", "timestamp", "ingested_at",
)  # fmt: skip
_FIXED_BYTES = {ValueType.DOUBLE: 8, ValueType.INT: 8, ValueType.BOOL: 1}


class RowKeys:
    """The keys of the n rows of a write, shared by its columns and cells."""

    def __init__(self, batch: WriteBatch, period: Int64Array, periods: Mapping[tuple[str, int], Period]) -> None:
        """period: int64[n]. periods: (group, period) -> the period, of those that are written to."""
        ids = batch.entity_ids
        self.entity_ids = ids
        self.id_bytes = np.fromiter((len(each.encode()) for each in ids), dtype=np.int64, count=len(ids))
        self.event_time: list[int] = batch.event_time.tolist()
        self.ingested_at: list[int] = batch.ingested_at.tolist()
        self.period: list[int] = period.tolist()
        self._periods = periods
        self._numbers, self._at = np.unique(period, return_inverse=True)
        self._hash = np.fromiter(map(stable_hash, ids), dtype=np.int64, count=len(ids))
        self._buckets: dict[str, list[int]] = {}
        self._packed: dict[str, BoolArray] = {}

    def packed(self, group: str) -> BoolArray:
        """bool[n]: the rows whose history in this group is packed."""
        if group not in self._packed:
            self._packed[group] = self._of_periods(group, lambda period: period.packed).astype(np.bool_)
        return self._packed[group]

    def buckets(self, group: str) -> list[int]:
        """The bucket of each row in the partitions of the group."""
        if group not in self._buckets:
            # A row without values of the group may lie in a period that the group does not have.
            self._buckets[group] = (self._hash % self._of_periods(group, lambda period: period.buckets)).tolist()
        return self._buckets[group]

    def by_partition(self, rows: Iterable[int], buckets: Sequence[int]) -> list[list[int]]:
        """The rows of each partition for scans."""
        found: dict[tuple[int, int], list[int]] = {}
        for row in rows:
            found.setdefault((self.period[row], buckets[row]), []).append(row)
        return list(found.values())

    def _of_periods(self, group: str, value: Callable[[Period], int]) -> Int64Array:
        nothing = Period(1)
        values = [value(self._periods.get((group, number), nothing)) for number in self._numbers.tolist()]
        return np.array(values, dtype=np.int64)[self._at]


@dataclass(frozen=True, slots=True)
class Insertions:
    """Statements for the values of one type, and for nulls, in both tables."""

    by_entity: Prepared
    by_name: Prepared
    null_by_entity: Prepared
    null_by_name: Prepared

    @classmethod
    async def prepare(cls, statements: Statements, value_type: ValueType) -> Insertions:
        """The four statements of a type."""
        value = VALUE_COLUMNS[value_type]
        tables = ((*_BY_ENTITY, value), (*_BY_NAME, value), _BY_ENTITY, _BY_NAME)
        return cls(*[await statements.get(_insertion(*columns)) for columns in tables])


class HistoryRows:
    """The history rows of those values of one group that are not packed.

    written: per row, whether it has one. row_bytes: int64[n], the size of its rows in one table.
    """

    def __init__(
        self,
        group: FeatureGroup,
        columns: Sequence[StoredColumn],
        written: Sequence[BoolArray],
        keys: RowKeys,
        insertions: Mapping[ValueType, Insertions],
        now: int,
    ) -> None:
        """written: per column bool[n]. now: microseconds, for the remaining life of the rows."""
        self._keys = keys
        self._buckets = keys.buckets(group.name)
        self._ttl = remaining_seconds(group, keys.event_time, now)
        self._names = [stored.definition.name for stored in columns]
        self._versions = [stored.definition.version for stored in columns]
        self._into = [insertions[stored.definition.value_type] for stored in columns]
        self._by_entity = [into.by_entity for into in self._into]
        self._by_name = [into.by_name for into in self._into]
        self._written = [each.tolist() for each in written]
        present = [stored.column.status == Status.PRESENT for stored in columns]
        self._present: list[list[bool]] = [each.tolist() for each in present]
        self._whole: list[bool] = np.logical_and.reduce([*written, *present]).tolist()
        self.written: list[bool] = np.logical_or.reduce(written).tolist()
        values = [_values(*each) for each in zip(columns, self._present, strict=True)]
        self._values = list(zip(*values, strict=True))
        own = [
            _value_bytes(*each) + len(each[0].definition.name) + ROW_SHARE
            for each in zip(columns, values, self._present, strict=True)
        ]
        self._bytes = np.stack(own, axis=1) + keys.id_bytes[:, None]
        self.row_bytes: Int64Array = np.where(np.stack(written, axis=1), self._bytes, 0).sum(axis=1)

    def by_entity(self, row: int) -> list[Bound]:
        """The rows of `feature_values`."""
        keys = self._keys
        entity_id, period = keys.entity_ids[row], keys.period[row]
        time, ingested_at, ttl = keys.event_time[row], keys.ingested_at[row], self._ttl[row]
        if self._whole[row]:
            # Without a step of Python per value.
            rows = zip(
                repeat(entity_id), repeat(period), self._names, self._versions, repeat(time), repeat(ingested_at),
                self._values[row], repeat(time), repeat(ttl),
            )  # fmt: skip
            return list(zip(self._by_entity, rows, strict=True))
        found: list[Bound] = []
        for at in self._held(row):
            key = entity_id, period, self._names[at], self._versions[at], time, ingested_at
            if self._present[at][row]:
                found.append((self._by_entity[at], (*key, self._values[row][at], time, ttl)))
            else:
                found.append((self._into[at].null_by_entity, (*key, time, ttl)))
        return found

    def for_scans(self, row: int) -> list[Bound]:
        """The rows of `feature_values_by_name`."""
        keys = self._keys
        period, bucket, entity_id = keys.period[row], self._buckets[row], keys.entity_ids[row]
        time, ingested_at, ttl = keys.event_time[row], keys.ingested_at[row], self._ttl[row]
        if self._whole[row]:
            rows = zip(
                self._names, repeat(period), repeat(bucket), repeat(entity_id), self._versions, repeat(time),
                repeat(ingested_at), self._values[row], repeat(time), repeat(ttl),
            )  # fmt: skip
            return list(zip(self._by_name, rows, strict=True))
        return [self._for_scans(at, row) for at in self._held(row)]

    def sizes(self, row: int) -> list[int]:
        """Bytes of each of these rows, in one table."""
        sizes: list[int] = self._bytes[row].tolist()
        return sizes if self._whole[row] else [sizes[at] for at in self._held(row)]

    def scans(self) -> Iterator[PartitionRows]:
        """The rows of `feature_values_by_name`, partition by partition."""
        cut: dict[bytes, list[list[int]]] = {}
        for at, written in enumerate(self._written):
            # Most columns are written in the same rows.
            key = bytes(written)
            if key not in cut:
                cut[key] = self._keys.by_partition(np.flatnonzero(written).tolist(), self._buckets)
            for rows in cut[key]:
                yield rows, self._bytes[rows, at].tolist(), partial(self._of_feature, at)

    def _of_feature(self, at: int, rows: list[int]) -> list[Bound]:
        if not all(map(self._whole.__getitem__, rows)):
            return [self._for_scans(at, row) for row in rows]
        keys, first = self._keys, rows[0]
        times = [keys.event_time[row] for row in rows]
        of_rows = zip(
            repeat(self._names[at]), repeat(keys.period[first]), repeat(self._buckets[first]),
            map(keys.entity_ids.__getitem__, rows), repeat(self._versions[at]), times,
            map(keys.ingested_at.__getitem__, rows), [self._values[row][at] for row in rows], times,
            map(self._ttl.__getitem__, rows),
        )  # fmt: skip
        return list(zip(repeat(self._by_name[at]), of_rows))

    def _for_scans(self, at: int, row: int) -> Bound:
        keys, time = self._keys, self._keys.event_time[row]
        key = (
            self._names[at], keys.period[row], self._buckets[row],
            keys.entity_ids[row], self._versions[at], time, keys.ingested_at[row],
        )  # fmt: skip
        if self._present[at][row]:
            return self._by_name[at], (*key, self._values[row][at], time, self._ttl[row])
        return self._into[at].null_by_name, (*key, time, self._ttl[row])

    def _held(self, row: int) -> list[int]:
        return [at for at, written in enumerate(self._written) if written[row]]


def _value_bytes(stored: StoredColumn, values: Sequence[Any], present: Sequence[bool]) -> Int64Array:
    if stored.definition.value_type is ValueType.TEXT:
        sizes = (len(text.encode()) if there else 0 for text, there in zip(values, present, strict=True))
        return np.fromiter(sizes, dtype=np.int64, count=len(values))
    fixed = _FIXED_BYTES.get(stored.definition.value_type, stored.definition.vector_length * 4)
    return np.full(len(values), fixed, dtype=np.int64)


def _insertion(table: str, *columns: str) -> str:
    # A null is a row without a value column: a bound NULL would be a tombstone.
    slots = ", ".join("?" * len(columns))
    return f"INSERT INTO ks.{table} ({', '.join(columns)}) VALUES ({slots}) USING TIMESTAMP ? AND TTL ?"  # noqa: S608 - our own names


def _values(stored: StoredColumn, present: list[bool]) -> list[Any]:
    if stored.definition.value_type is not ValueType.VECTOR:
        values: list[Any] = stored.column.values.tolist()
        return values
    joined = np.ascontiguousarray(stored.column.values, dtype="<f4").tobytes()
    width = stored.definition.vector_length * 4
    return [joined[row * width : (row + 1) * width] for row in range(len(present))]


def remaining_seconds(group: FeatureGroup, event_time: Sequence[int], now: int) -> list[int]:
    """TTL of each row: its remaining life and one more day, so that the clock of the reader decides; 0 for no limit."""
    until = retained_until(group, np.array(event_time, dtype=np.int64))
    seconds = np.maximum(-((now - until) // SECOND) + DAY // SECOND, 1)
    ttl: list[int] = np.where(until == MAX_TIME, 0, seconds).tolist()
    return ttl
