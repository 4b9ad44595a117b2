"""Wide frames -> requests of unit ROW, with a verdict per row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from featurama_core.frames.cells import Frame, read_cells
from featurama_core.frames.keys import FrameKeys, cut, fold_repeats, grouped
from featurama_core.frames.report import FrameWrite, PreparedWrite
from featurama_core.frames.values import TypedCells, typed
from featurama_core.types.column import Column, Plain
from featurama_core.types.errors import Reason
from featurama_core.types.request_ids import RequestIds
from featurama_core.types.values import Int64Array, Status
from featurama_core.types.writes import MAX_ROWS_PER_WRITE, MAX_VALUES_PER_WRITE, WriteMode, WriteRequest, WriteUnit


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """Options of writing a frame. version: 0 for the newest. null_status: status of an empty cell."""

    version: int
    batch_size: int
    mode: WriteMode
    null_status: Status
    request_ids: RequestIds

    def rows_of(self, columns: int) -> int:
        """Rows of a request with so many columns."""
        return max(1, min(self.batch_size, MAX_VALUES_PER_WRITE // max(1, columns)))

    def request(
        self, keys: FrameKeys, rows: Int64Array | slice, columns: Sequence[Column], unit: WriteUnit
    ) -> WriteRequest:
        """A new request of these frame rows, with columns of the same length."""
        return WriteRequest(
            entity_ids=keys.entity_ids[rows].tolist(),
            event_time=keys.event_time[rows],
            columns=columns,
            request_id=str(self.request_ids.next()),
            mode=self.mode,
            unit=unit,
            ingested_at=None if keys.ingested_at is None else keys.ingested_at[rows],
        )


def wide_write(frame: Frame, features: list[str], keys: FrameKeys, options: WriteOptions) -> FrameWrite:
    """Requests of a frame with one column per feature."""
    positions = frame.positions
    columns: dict[str, TypedCells] = {}
    for name in features:
        given = frame.columns[name]
        columns[name] = given if isinstance(given, TypedCells) else typed(read_cells(given))
        keys.reject(columns[name].problems, name, positions[name])
    rows = keys.sendable()
    idle = np.empty(0, dtype=np.int64)
    if options.null_status is Status.NOT_FOUND:
        nothing = np.ones(len(rows), dtype=np.bool_)
        for column in columns.values():
            nothing &= False if column.null is None else column.null[rows]
        idle, rows = rows[nothing], rows[~nothing]
    by = keys.identity
    rows, twins, conflicting = fold_repeats(by, rows, list(columns.values()))
    if conflicting.any():
        reject_conflicts(keys, rows, twins, idle)
    order, group = grouped(by, rows)
    rows = rows[order]

    def requests() -> Iterator[PreparedWrite]:
        shared = Plain.of(min(MAX_ROWS_PER_WRITE, max(len(rows), 1)))
        in_place = len(rows) == frame.rows and bool((rows[1:] > rows[:-1]).all())
        for start, stop in cut(group, options.rows_of(len(columns))):
            taken = rows[start:stop]
            picked = slice(start, stop) if in_place else taken
            sent: list[Column] = []
            origins: list[int] = []
            for name, column in columns.items():
                parts = column.columns(
                    name, picked, len(taken), version=options.version, null_status=options.null_status, shared=shared
                )
                sent.extend(parts)
                origins.extend([positions[name]] * len(parts))
            request = options.request(keys, picked, sent, WriteUnit.ROW)
            yield PreparedWrite(request, taken, np.array(origins, dtype=np.int64))

    return FrameWrite(frame.rows, keys.verdicts(), idle, twins, requests, keys.scope(rows, columns))


def reject_conflicts(keys: FrameKeys, rows: Int64Array, twins: Int64Array, idle: Int64Array) -> None:
    """Reject all rows that are neither sent, nor folded into an equal row, nor idle: their key has more different
    values than a request has rows.
    """
    left = np.ones(len(keys.entity_ids), dtype=np.bool_)
    for settled in (rows, twins[:, 0], idle, np.fromiter(keys.local, dtype=np.int64, count=len(keys.local))):
        left[settled] = False
    problem = (Reason.CONFLICTING_DUPLICATE, f"conflicts with other rows: more than {MAX_ROWS_PER_WRITE} differ")
    keys.reject(dict.fromkeys(np.flatnonzero(left).tolist(), problem), "timestamp", -1)
