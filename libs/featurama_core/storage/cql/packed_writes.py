"""The packed history cells of a write, ready to be bound. Each cell has two rows: by entity and by group."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from featurama_core.storage.cql.driver import Bound, Prepared
from featurama_core.storage.cql.history_rows import ROW_SHARE, PartitionRows, RowKeys, remaining_seconds
from featurama_core.storage.cql.statements import Statements
from featurama_core.storage.records import CellRun
from featurama_core.types.values import BoolArray

# An UPDATE leaves no row behind once its cell is gone.
_INTO = (
    "UPDATE ks.{} USING TIMESTAMP ? AND TTL ? SET packed = ?"
    " WHERE {} AND timestamp = ? AND ingested_at = ? AND layout_id = ?"
)
_BY_ENTITY = _INTO.format("feature_values_packed", "entity_id = ? AND period = ?")
_BY_GROUP = _INTO.format(
    "feature_values_packed_by_group", "feature_group = ? AND period = ? AND bucket = ? AND entity_id = ?"
)

IntoPacked = tuple[Prepared, Prepared]
"""The statements that write a cell: by entity, by group."""


async def into_packed(statements: Statements) -> IntoPacked:
    """The statements, prepared. Values: timestamp, TTL, cell, then the key."""
    return await statements.get(_BY_ENTITY), await statements.get(_BY_GROUP)


class PackedCells:
    """The history rows of those cells of a run that are packed. It is used as HistoryRows are."""

    def __init__(self, run: CellRun, keys: RowKeys, into: IntoPacked, now: int) -> None:
        """now: microseconds, for the remaining life of the cells."""
        self._keys = keys
        self._into_entity, self._into_group = into
        self._group, self._layout_id = run.group.name, run.layout.layout_id
        packed = np.flatnonzero(keys.packed(run.group.name)[run.rows])
        rows = run.rows[packed]
        self._cells = {row: run.cells[at] for row, at in zip(rows.tolist(), packed.tolist(), strict=True)}
        written = np.zeros(len(keys.period), dtype=np.bool_)
        written[rows] = True
        self.written: list[bool] = written.tolist()
        self._buckets = keys.buckets(run.group.name)
        self._ttl = remaining_seconds(run.group, keys.event_time, now)
        self.row_bytes = np.zeros(len(written), dtype=np.int64)
        sizes = np.fromiter(map(len, self._cells.values()), dtype=np.int64, count=len(rows))
        self.row_bytes[rows] = keys.id_bytes[rows] + (len(self._group) + ROW_SHARE) + sizes

    def by_entity(self, row: int) -> list[Bound]:
        """The row of `feature_values_packed`."""
        keys, time = self._keys, self._keys.event_time[row]
        cell = time, self._ttl[row], self._cells[row], keys.entity_ids[row], keys.period[row]
        return [(self._into_entity, (*cell, time, keys.ingested_at[row], self._layout_id))]

    def for_scans(self, row: int) -> list[Bound]:
        """The row of `feature_values_packed_by_group`."""
        keys, time = self._keys, self._keys.event_time[row]
        cell = time, self._ttl[row], self._cells[row], self._group, keys.period[row], self._buckets[row]
        return [(self._into_group, (*cell, keys.entity_ids[row], time, keys.ingested_at[row], self._layout_id))]

    def sizes(self, row: int) -> list[int]:
        """Bytes of the cell, in one table."""
        return [int(self.row_bytes[row])]

    def scans(self, left_out: BoolArray) -> Iterator[PartitionRows]:
        """The rows of `feature_values_packed_by_group`, partition by partition. left_out: bool[n] of the rows."""
        rows = [row for row in self._cells if not left_out[row]]
        for some in self._keys.by_partition(rows, self._buckets):
            yield some, self.row_bytes[some].tolist(), lambda part: [self.for_scans(row)[0] for row in part]
