"""The history rows of a write that is not packed, ready to be bound. Each value has two rows: by entity and by feature
name.

Sizes are upper bounds of the sizes that a server adds up for its batch limit: keys, times and a fixed share per row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
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


class HistoryColumn:
    """The history rows of those values of a column that are not packed."""

    def __init__(
        self, stored: StoredColumn, written: BoolArray, keys: RowKeys, insertions: Insertions, now: int
    ) -> None:
        """written: bool[n]. now: microseconds, for the remaining life of the rows."""
        self._keys = keys
        self._insertions = insertions
        self._name = stored.definition.name
        self._version = stored.definition.version
        status = stored.column.status
        self.rows = np.flatnonzero(written)
        self.written: list[bool] = written.tolist()
        self.buckets = keys.buckets(stored.group.name)
        self._present: list[bool] = (status == Status.PRESENT).tolist()
        self._values = _values(stored, self._present)
        self._ttl = remaining_seconds(stored.group, keys.event_time, now)
        sizes = keys.id_bytes + (len(self._name) + ROW_SHARE) + self._value_bytes(stored)
        self.row_bytes: list[int] = sizes.tolist()

    def by_entity(self, row: int) -> Bound:
        """The row of `feature_values`."""
        keys, time = self._keys, self._keys.event_time[row]
        at = (keys.entity_ids[row], keys.period[row], self._name, self._version, time, keys.ingested_at[row])
        if self._present[row]:
            return self._insertions.by_entity, (*at, self._values[row], time, self._ttl[row])
        return self._insertions.null_by_entity, (*at, time, self._ttl[row])

    def for_scans(self, row: int) -> Bound:
        """The row of `feature_values_by_name`."""
        keys, time = self._keys, self._keys.event_time[row]
        at = (
            self._name, keys.period[row], self.buckets[row],
            keys.entity_ids[row], self._version, time, keys.ingested_at[row],
        )  # fmt: skip
        if self._present[row]:
            return self._insertions.by_name, (*at, self._values[row], time, self._ttl[row])
        return self._insertions.null_by_name, (*at, time, self._ttl[row])

    def _value_bytes(self, stored: StoredColumn) -> Int64Array:
        value_type, rows = stored.definition.value_type, len(self._present)
        if value_type is ValueType.TEXT:
            sizes = (
                len(text.encode()) if there else 0 for text, there in zip(self._values, self._present, strict=True)
            )
            return np.fromiter(sizes, dtype=np.int64, count=rows)
        fixed = _FIXED_BYTES.get(value_type, stored.definition.vector_length * 4)
        return np.full(rows, fixed, dtype=np.int64)


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
