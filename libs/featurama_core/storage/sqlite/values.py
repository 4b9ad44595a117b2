"""Writing rows: history and latest in one transaction, by statements on columns."""

from __future__ import annotations

from itertools import repeat

import numpy as np

from featurama_core.storage.records import CellRun, WriteBatch
from featurama_core.storage.sqlite.connections import Transaction
from featurama_core.storage.sqlite.interning import intern_entities, intern_group
from featurama_core.types.values import Int64Array

# An existing key is a resend (equal bytes) or a cell whose fields were deleted since (larger bytes).
_INTO_HISTORY = """
INSERT INTO feature_history (feature_group, period, entity, timestamp, ingested_at, layout, cell)
VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET cell = excluded.cell WHERE excluded.cell > cell
"""

INTO_LATEST = """
INSERT INTO feature_latest (entity, layout, timestamp, cell) VALUES (?, ?, ?, ?)
ON CONFLICT DO UPDATE SET timestamp = excluded.timestamp, cell = excluded.cell
WHERE excluded.timestamp > timestamp OR (excluded.timestamp = timestamp AND excluded.cell > cell)
"""


def write_batch(transaction: Transaction, batch: WriteBatch, history_period: int) -> None:
    """Store every row of the batch, except where a stored cell wins."""
    entity = intern_entities(transaction, batch.entity_ids)
    period = batch.event_time // history_period
    for run in batch.runs:
        _write_history(transaction, batch, run, entity, period)
    for run in batch.runs:
        _write_latest(transaction, batch, run, entity)


def _write_history(
    transaction: Transaction, batch: WriteBatch, run: CellRun, entity: Int64Array, period: Int64Array
) -> None:
    rows = run.rows
    # In the order of keys the B-tree is traversed once.
    order = np.lexsort((-batch.event_time[rows], entity[rows], period[rows]))
    rows = rows[order]
    cells = run.cells
    transaction.executemany(
        _INTO_HISTORY,
        zip(
            repeat(intern_group(transaction, run.group.name)),
            period[rows].tolist(),
            entity[rows].tolist(),
            batch.event_time[rows].tolist(),
            batch.ingested_at[rows].tolist(),
            repeat(run.layout.layout_id),
            [cells[position] for position in order.tolist()],
        ),
    )


def _write_latest(transaction: Transaction, batch: WriteBatch, run: CellRun, entity: Int64Array) -> None:
    entities, times = entity[run.rows], batch.event_time[run.rows]
    order = np.lexsort((batch.ingested_at[run.rows], times, entities))
    # Of the rows of an entity only the newest event can win, and of its corrections the last: its bytes are larger.
    last = np.append(entities[order][1:] != entities[order][:-1], True)[: len(order)]
    newest = order[last]
    cells = run.cells
    transaction.executemany(
        INTO_LATEST,
        zip(
            entities[newest].tolist(),
            repeat(run.layout.layout_id),
            times[newest].tolist(),
            [cells[position] for position in newest.tolist()],
        ),
    )
