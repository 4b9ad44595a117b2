"""The history rows of a write, ready to be bound. Each value has two rows: by entity and by feature name.

Sizes are upper bounds of the sizes that a server adds up for its batch limit: keys, times and a fixed share per row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from featurama_core.storage.cql.driver import Bound, Prepared
from featurama_core.storage.cql.periods import stable_hash
from featurama_core.storage.cql.statements import Statements
from featurama_core.storage.records import WriteBatch
from featurama_core.types.revisions import retained_until
from featurama_core.types.times import DAY, MAX_TIME, SECOND
from featurama_core.types.values import Int64Array, Status, ValueType
from featurama_core.types.writes import StoredColumn

VALUE_COLUMNS = {each: f"value_{each.label}" for each in ValueType}
ROW_SHARE = 96
"""Bytes per row in addition to names and value: version, times, period, bucket, liveness, cell header."""

_BY_ENTITY = ("feature_values", "entity_id", "period", "feature_name", "version", "timestamp", "ingested_at")
_BY_NAME = (
    "feature_values_by_name", "feature_name", "period", "bucket", "entity_id", "version", "timestamp", "ingested_at",
)  # fmt: skip
_FIXED_BYTES = {ValueType.DOUBLE: 8, ValueType.INT: 8, ValueType.BOOL: 1}


@dataclass(frozen=True, slots=True, eq=False)
class RowKeys:
    """The keys of n rows, shared by all columns of a write. buckets: (group, period) -> number of buckets."""

    entity_ids: Sequence[str]
    id_bytes: Int64Array
    event_time: list[int]
    ingested_at: list[int]
    period: list[int]
    entity_hash: list[int]
    buckets: Mapping[tuple[str, int], int]

    @classmethod
    def of(cls, batch: WriteBatch, period: Int64Array, buckets: Mapping[tuple[str, int], int]) -> RowKeys:
        """The keys of a batch."""
        ids = batch.entity_ids
        return cls(
            entity_ids=ids,
            id_bytes=np.fromiter((len(each.encode()) for each in ids), dtype=np.int64, count=len(ids)),
            event_time=batch.event_time.tolist(),
            ingested_at=batch.ingested_at.tolist(),
            period=period.tolist(),
            entity_hash=[stable_hash(each) for each in ids],
            buckets=buckets,
        )


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
    """The history rows of one column of a write."""

    def __init__(self, stored: StoredColumn, keys: RowKeys, insertions: Insertions, now: int) -> None:
        """now: microseconds, for the remaining life of the rows."""
        self._keys = keys
        self._insertions = insertions
        self._name = stored.definition.name
        self._version = stored.definition.version
        self._group = stored.group.name
        status = stored.column.status
        self.written: list[bool] = (status != Status.NOT_FOUND).tolist()
        self.rows = np.flatnonzero(status != Status.NOT_FOUND)
        self._present: list[bool] = (status == Status.PRESENT).tolist()
        self._values = _values(stored, self._present)
        self._ttl = _remaining_seconds(stored, keys, now)
        sizes = keys.id_bytes + (len(self._name) + ROW_SHARE) + self._value_bytes(stored)
        self.row_bytes: list[int] = sizes.tolist()

    def by_entity(self, row: int) -> Bound:
        """The row of `feature_values`."""
        keys, time = self._keys, self._keys.event_time[row]
        at = (keys.entity_ids[row], keys.period[row], self._name, self._version, time, keys.ingested_at[row])
        if self._present[row]:
            return self._insertions.by_entity, (*at, self._values[row], time, self._ttl[row])
        return self._insertions.null_by_entity, (*at, time, self._ttl[row])

    def by_name(self, row: int) -> Bound:
        """The row of `feature_values_by_name`."""
        keys, time = self._keys, self._keys.event_time[row]
        at = (
            self._name, keys.period[row], self.bucket(row),
            keys.entity_ids[row], self._version, time, keys.ingested_at[row],
        )  # fmt: skip
        if self._present[row]:
            return self._insertions.by_name, (*at, self._values[row], time, self._ttl[row])
        return self._insertions.null_by_name, (*at, time, self._ttl[row])

    def bucket(self, row: int) -> int:
        """The bucket of the row's entity in its period."""
        return self._keys.entity_hash[row] % self._keys.buckets[self._group, self._keys.period[row]]

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


def _remaining_seconds(stored: StoredColumn, keys: RowKeys, now: int) -> list[int]:
    """TTL of each row: its remaining life and one more day, so that the clock of the reader decides; 0 for no limit."""
    until = retained_until(stored.group, np.array(keys.event_time, dtype=np.int64))
    seconds = np.maximum(-((now - until) // SECOND) + DAY // SECOND, 1)
    ttl: list[int] = np.where(until == MAX_TIME, 0, seconds).tolist()
    return ttl
