"""Writing rows. ATOMIC: a LOGGED batch holds both history rows of every value or packed cell of a row and its latest
cells, for several rows up to a maximum size. A row that is too large is split into several batches, one after another:
both history rows of a value are in one batch, and the latest cells are in the last. A packed cell that is too large is
written alone. BULK: UNLOGGED batches, table by table and concurrently, of one partition or a few small ones; packed
cells by group follow those by entity, so that by entity all is found that scans find.

A row is accepted if every part of it is stored, rejected if certainly none is, and unknown otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from featurama_core.off_loop import off_loop
from featurama_core.storage.cql.driver import Bound, Driver, Prepared
from featurama_core.storage.cql.fan_out import for_each
from featurama_core.storage.cql.history_rows import ROW_SHARE, HistoryRows, Insertions, PartitionRows, RowKeys
from featurama_core.storage.cql.latest import INTO_LATEST
from featurama_core.storage.cql.packed_writes import PackedCells, into_packed
from featurama_core.storage.cql.periods import register
from featurama_core.storage.cql.statements import Statements
from featurama_core.storage.records import CellRun, WriteBatch
from featurama_core.types.errors import OutcomeUnknown, StoreUnavailable
from featurama_core.types.times import Clock
from featurama_core.types.values import BoolArray, Int64Array, Status, UInt8Array
from featurama_core.types.writes import Outcome, WriteMode

MAX_BATCH_BYTES = 40 * 1024
"""Cassandra's default fails a batch of several partitions above 50 KiB."""
MAX_BULK_ROWS = 100
BATCHES_AT_ONCE = 48
_FEW_VALUES = 10_000
"""Rows times columns that are prepared on the event loop."""

_STATEMENTS_AHEAD = 1_000
_SMALL, _SMALL_ONES = 10, 10
"""Statements of a partition that shares an UNLOGGED batch, and the number of such partitions in one: Cassandra warns of
more.
"""


@dataclass(frozen=True, slots=True)
class Part:
    """Consecutive batches, and the rows whose outcome depends on them."""

    rows: Sequence[int]
    batches: Sequence[list[Bound]]
    logged: bool


_Piece = tuple[list[int], int, list[Bound]]
"""Statements of one partition: their rows, their bytes, and themselves."""


async def write_batch(statements: Statements, batch: WriteBatch, mode: WriteMode, clock: Clock) -> UInt8Array:
    """-> uint8[n] of Outcome."""
    tally = _Tally(len(batch.entity_ids))
    try:
        plan = await _planned(statements, batch, clock() // 1_000)
    except (StoreUnavailable, OutcomeUnknown):
        # No row was sent.
        tally.rejected[:] = True
        return tally.outcomes()
    if mode is WriteMode.ATOMIC:
        await tally.send(statements.driver, plan.atomic())
    else:
        await tally.send(statements.driver, plan.bulk())
        await tally.send(statements.driver, plan.packed_by_group(tally.failed))
    return tally.outcomes()


async def write_history(statements: Statements, batch: WriteBatch, clock: Clock) -> UInt8Array:
    """Write the packed history of rows, not their latest cells. -> uint8[n] of Outcome. Raises StoreUnavailable,
    OutcomeUnknown.
    """
    tally = _Tally(len(batch.entity_ids))
    plan = await _planned(statements, batch, clock() // 1_000)
    await tally.send(statements.driver, plan.by_entity())
    await tally.send(statements.driver, plan.packed_by_group(tally.failed))
    return tally.outcomes()


async def _planned(statements: Statements, batch: WriteBatch, now: int) -> _Plan:
    period = batch.event_time // statements.history_period
    periods = await register(
        statements, ((run.group, at) for run in batch.runs for at in np.unique(period[run.rows]).tolist()), now
    )
    large = len(batch.entity_ids) * len(batch.columns) > _FEW_VALUES
    keys = await off_loop(large, RowKeys, batch, period, periods)
    history: list[History] = []
    for group in {stored.group.name: stored.group for stored in batch.columns}.values():
        columns = [stored for stored in batch.columns if stored.group.name == group.name]
        in_rows = ~keys.packed(group.name)
        written = [in_rows & (stored.column.status != Status.NOT_FOUND) for stored in columns]
        if np.any(written):
            types = {stored.definition.value_type for stored in columns}
            insertions = {each: await Insertions.prepare(statements, each) for each in types}
            history.append(await off_loop(large, HistoryRows, group, columns, written, keys, insertions, now))
    packed = [run for run in batch.runs if keys.packed(run.group.name)[run.rows].any()]
    if packed:
        into = await into_packed(statements)
        history += [await off_loop(large, PackedCells, run, keys, into, now) for run in packed]
    return _Plan(batch, keys, history, await statements.get(INTO_LATEST))


History = HistoryRows | PackedCells
"""Some rows of two history tables: by entity, and for scans."""


class _Plan:
    """Splits a write into parts. Statements are created when a part is taken, so few are in memory."""

    def __init__(self, batch: WriteBatch, keys: RowKeys, history: Sequence[History], into_latest: Prepared) -> None:
        self._batch = batch
        self._keys = keys
        self._history = history
        self._into_latest = into_latest

    def atomic(self) -> Iterator[Part]:
        """One LOGGED batch per few rows, several for a large row."""
        cells: list[list[tuple[CellRun, bytes]]] = [[] for _ in self._batch.entity_ids]
        cell_bytes = np.zeros(len(cells), dtype=np.int64)
        for run in self._batch.runs:
            for row, cell in zip(run.rows.tolist(), run.cells, strict=True):
                cells[row].append((run, cell))
                cell_bytes[row] += len(cell) + ROW_SHARE + self._keys.id_bytes[row]
        row_bytes = cell_bytes.copy()
        for each in self._history:
            row_bytes += 2 * each.row_bytes
        together: list[int] = []
        held = 0
        for row, size in enumerate(row_bytes.tolist()):
            if together and held + size > MAX_BATCH_BYTES:
                yield self._together(together, cells)
                together, held = [], 0
            if size > MAX_BATCH_BYTES:
                latest = [self._cell(row, run, cell) for run, cell in cells[row]]
                yield Part([row], self._split(row, latest, int(cell_bytes[row])), logged=True)
            else:
                together.append(row)
                held += size
        if together:
            yield self._together(together, cells)

    def bulk(self) -> Iterator[Part]:
        """UNLOGGED batches, table by table, without the packed cells by group."""
        for_scans = [_all_cut(each.scans()) for each in self._history if isinstance(each, HistoryRows)]
        # Alternating: concurrent batches of one partition would wait for each other on the server.
        yield from _in_turn([self.by_entity(), _in_turn(for_scans), _joined(self._latest())])

    def by_entity(self) -> Iterator[Part]:
        """The history by entity, as `bulk`."""
        values = [each for each in self._history if isinstance(each, HistoryRows)]
        cells = [each for each in self._history if isinstance(each, PackedCells)]
        return _in_turn([_joined(self._by_entity(values)), _joined(self._by_entity(cells))])

    def packed_by_group(self, failed: BoolArray) -> Iterator[Part]:
        """The packed cells by group, as `bulk`, without those of rows that failed: bool[n]."""
        return _in_turn([_all_cut(each.scans(failed)) for each in self._history if isinstance(each, PackedCells)])

    def _together(self, rows: list[int], cells: Sequence[Sequence[tuple[CellRun, bytes]]]) -> Part:
        statements: list[Bound] = []
        for row in rows:
            for each in self._history:
                if each.written[row]:
                    statements += each.by_entity(row)
                    statements += each.for_scans(row)
            statements += [self._cell(row, run, cell) for run, cell in cells[row]]
        return Part(rows, [statements], logged=True)

    def _split(self, row: int, latest: list[Bound], latest_bytes: int) -> list[list[Bound]]:
        batches: list[list[Bound]] = [[]]
        held = 0
        for each in (each for each in self._history if each.written[row]):
            pairs = zip(each.by_entity(row), each.for_scans(row), each.sizes(row), strict=True)
            for by_entity, for_scans, size in pairs:
                if batches[-1] and held + 2 * size > MAX_BATCH_BYTES:
                    batches.append([])
                    held = 0
                if 2 * size > MAX_BATCH_BYTES:
                    batches[-1:] = [[by_entity], [for_scans], []]
                else:
                    batches[-1] += (by_entity, for_scans)
                    held += 2 * size
        # The cells of one entity are one partition, so the limit does not apply to a batch of them alone.
        if held + latest_bytes > MAX_BATCH_BYTES:
            return [*batches, latest]
        batches[-1] += latest
        return batches

    def _cell(self, row: int, run: CellRun, cell: bytes) -> Bound:
        return self._into_latest, (self._keys.event_time[row], cell, self._keys.entity_ids[row], run.layout.layout_id)

    def _by_entity(self, history: Sequence[History]) -> Iterator[_Piece]:
        keys = self._keys
        partitions: dict[tuple[str, int], list[int]] = {}
        for row, key in enumerate(zip(keys.entity_ids, keys.period, strict=True) if history else ()):
            partitions.setdefault(key, []).append(row)
        for rows in partitions.values():
            statements: list[Bound] = []
            of_row: list[int] = []
            sizes: list[int] = []
            for row in rows:
                for each in (each for each in history if each.written[row]):
                    statements += each.by_entity(row)
                    sizes += each.sizes(row)
                of_row += [row] * (len(statements) - len(of_row))
                if len(statements) > _STATEMENTS_AHEAD:
                    yield from _cut(of_row, sizes, statements)
                    statements, of_row, sizes = [], [], []
            yield from _cut(of_row, sizes, statements)

    def _latest(self) -> Iterator[_Piece]:
        """Of the cells of an entity in one layout only the newest can win; all rows of the entity depend on it."""
        newest: dict[tuple[str, int], tuple[int, CellRun, bytes]] = {}
        rows_of: dict[str, list[int]] = {}
        times, ids = self._keys.event_time, self._keys.entity_ids
        for run in self._batch.runs:
            for row, cell in zip(run.rows.tolist(), run.cells, strict=True):
                key = ids[row], run.layout.layout_id
                known = newest.get(key)
                if known is None or times[known[0]] < times[row]:
                    newest[key] = row, run, cell
                rows_of.setdefault(ids[row], []).append(row)
        cells: dict[str, list[Bound]] = {}
        sizes: dict[str, int] = {}
        for (entity_id, _), (row, run, cell) in newest.items():
            cells.setdefault(entity_id, []).append(self._cell(row, run, cell))
            size = len(cell) + ROW_SHARE + int(self._keys.id_bytes[row])
            sizes[entity_id] = sizes.get(entity_id, 0) + size
        for entity_id, statements in cells.items():
            yield rows_of[entity_id], sizes[entity_id], statements


def _in_turn(sources: Sequence[Iterator[Part]]) -> Iterator[Part]:
    """One part of each source in rotation, until all are empty."""
    while sources:
        left = []
        for source in sources:
            part = next(source, None)
            if part is not None:
                yield part
                left.append(source)
        sources = left


def _all_cut(partitions: Iterable[PartitionRows]) -> Iterator[Part]:
    for rows, sizes, statements in partitions:
        for start, end in _bounds(sizes):
            yield Part(rows[start:end], [statements(rows[start:end])], logged=False)


def _cut(rows: list[int], sizes: list[int], statements: list[Bound]) -> Iterator[_Piece]:
    """Statements of one partition -> pieces of bounded size."""
    for start, end in _bounds(sizes):
        yield rows[start:end], sum(sizes[start:end]), statements[start:end]


def _joined(pieces: Iterable[_Piece]) -> Iterator[Part]:
    """Small pieces together, others alone."""
    rows: list[int] = []
    statements: list[Bound] = []
    held = number = 0
    for some, size, bounds in pieces:
        if len(bounds) > _SMALL or 2 * size > MAX_BATCH_BYTES:
            yield Part(some, [bounds], logged=False)
            continue
        if number == _SMALL_ONES or held + size > MAX_BATCH_BYTES:
            yield Part(rows, [statements], logged=False)
            rows, statements, held, number = [], [], 0, 0
        rows += some
        statements += bounds
        held, number = held + size, number + 1
    if statements:
        yield Part(rows, [statements], logged=False)


def _bounds(sizes: Sequence[int]) -> Iterator[tuple[int, int]]:
    start = total = 0
    small = max(sizes, default=0) * MAX_BULK_ROWS <= MAX_BATCH_BYTES
    for end, size in enumerate(() if small else sizes):
        if end > start and (end - start == MAX_BULK_ROWS or total + size > MAX_BATCH_BYTES):
            yield start, end
            start, total = end, 0
        total += size
    for first in range(start, len(sizes), MAX_BULK_ROWS):
        yield first, min(first + MAX_BULK_ROWS, len(sizes))


class _Tally:
    """Outcomes of the parts of each row: arrays bool[n]."""

    def __init__(self, rows: int) -> None:
        self.stored: BoolArray = np.zeros(rows, dtype=np.bool_)
        self.rejected: BoolArray = np.zeros(rows, dtype=np.bool_)
        self.unknown: BoolArray = np.zeros(rows, dtype=np.bool_)
        self._failed_in_a_row = 0

    @property
    def failed(self) -> BoolArray:
        """bool[n]: the rows of which a part is not known to be stored."""
        return self.rejected | self.unknown

    async def send(self, driver: Driver, parts: Iterator[Part]) -> None:
        """Write every part. After many failures in a row the remaining parts are rejected without a request."""
        width = min(BATCHES_AT_ONCE, driver.width)

        async def send(part: Part) -> None:
            rows: Int64Array | Sequence[int] = list(part.rows)
            if self._failed_in_a_row >= 2 * width:
                self.rejected[rows] = True
                return
            for position, statements in enumerate(part.batches):
                try:
                    await driver.write_batch(statements, logged=part.logged)
                except StoreUnavailable:
                    self._failed_in_a_row += 1
                    (self.unknown if position else self.rejected)[rows] = True
                    return
                except OutcomeUnknown:
                    self._failed_in_a_row += 1
                    self.unknown[rows] = True
                    return
            self._failed_in_a_row = 0
            self.stored[rows] = True

        await for_each(parts, send, width)

    def outcomes(self) -> UInt8Array:
        """uint8[n] of Outcome."""
        outcomes = np.full(len(self.stored), Outcome.ACCEPTED, dtype=np.uint8)
        outcomes[self.rejected] = Outcome.REJECTED
        outcomes[self.unknown | (self.rejected & self.stored)] = Outcome.UNKNOWN
        return outcomes
