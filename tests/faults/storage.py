"""A NamespaceStorage whose n-th changing call fails: before it is done, after it was done, half-way, or never ends.

Reads go through untouched; `reading` meddles with cells that were read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

import numpy as np

from featurama_core.storage.layouts import Layout
from featurama_core.storage.port import Consistency, NamespaceStorage
from featurama_core.storage.records import CellRun, Cells, WriteBatch
from featurama_core.types.errors import OutcomeUnknown, StoreUnavailable
from featurama_core.types.values import UInt8Array
from featurama_core.types.writes import Outcome, WriteMode, all_accepted

Reading = Callable[[Sequence[str], Cells], Cells]
"""The asked entities, and their cells as they were read -> the cells that are shown."""
CHANGES = frozenset(
    {
        "write",
        "put_layouts",
        "take_import",
        "put_tombstone",
        "clean",
        "replace_cell",
        "drop_cells",
        "purge_history",
        "append_audit",
        "put_revision",
        "remove_entity",
    }
)


class Fault(Enum):
    """What happens to the call that is hit."""

    NOT_DONE = "fails before it begins"
    DONE_UNSEEN = "is done, and its answer is lost"
    HALF_DONE = "is done for every other row, and the answer is lost"
    STALLS = "never begins"
    STALLS_DONE = "is done and never answers"


@dataclass
class Meddling:
    """The `number`-th change (from 0) meets `fault`. `calls` counts and names the changes."""

    fault: Fault | None = None
    number: int = -1
    calls: list[str] = field(default_factory=list)
    stalled: asyncio.Event = field(default_factory=asyncio.Event)


class FaultyStorage:
    """`inner` with faults; everything else of the port is passed on."""

    def __init__(
        self,
        inner: NamespaceStorage,
        meddling: Meddling | None = None,
        *,
        reading: Reading | None = None,
        forgets_layouts: bool = False,
    ) -> None:
        self._inner = inner
        self._meddling = meddling or Meddling()
        self._reading = reading
        self._forgets_layouts = forgets_layouts

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)
        if name not in CHANGES:
            return method

        async def changed(*args: Any, **kwargs: Any) -> Any:
            return await self._change(name, method, *args, **kwargs)

        return changed

    async def read_cells(self, entity_ids: Sequence[str], *, consistency: Consistency | None = None) -> Cells:
        """What is stored, as `reading` shows it."""
        cells = await self._inner.read_cells(entity_ids, consistency=consistency)
        return cells if self._reading is None else self._reading(entity_ids, cells)

    async def get_layouts(self, layout_ids: Sequence[int]) -> Mapping[int, Layout]:
        """None, if layouts are forgotten."""
        return {} if self._forgets_layouts else await self._inner.get_layouts(layout_ids)

    async def _change(self, name: str, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        meddling, number = self._meddling, len(self._meddling.calls)
        meddling.calls.append(name)
        if meddling.fault is None or number != meddling.number:
            return await method(*args, **kwargs)
        match meddling.fault:
            case Fault.NOT_DONE:
                raise StoreUnavailable("a fault was set here; nothing was done")
            case Fault.DONE_UNSEEN:
                await method(*args, **kwargs)
                raise OutcomeUnknown("a fault was set here; it was done")
            case Fault.HALF_DONE if name == "write":
                return await self._half(*args)
            case Fault.HALF_DONE:
                raise OutcomeUnknown("a fault was set here; nothing was done")
            case Fault.STALLS_DONE:
                await method(*args, **kwargs)
        meddling.stalled.set()
        return await asyncio.get_running_loop().create_future()  # ends when the caller's deadline cancels it

    async def _half(self, batch: WriteBatch, mode: WriteMode) -> UInt8Array:
        rows = np.arange(0, len(batch.entity_ids), 2)
        await self._inner.write(part_of(batch, rows), mode)
        outcomes = all_accepted(len(batch.entity_ids))
        outcomes[:] = Outcome.UNKNOWN
        outcomes[rows[:1]] = Outcome.ACCEPTED
        return outcomes


def without(cells: Cells, failed: np.ndarray[Any, np.dtype[np.bool_]]) -> Cells:
    """The cells of the entities that did not fail."""
    kept = [at for at, entity in enumerate(cells.entities) if not failed[entity]]
    columns = (cells.entities, cells.layout_ids, cells.cells)
    entities, layout_ids, blobs = ([each[at] for at in kept] for each in columns)
    return Cells(entities, layout_ids, blobs, failed)


def not_answering(lost: Collection[str]) -> Reading:
    """The partitions of some entities do not answer."""

    def read(entity_ids: Sequence[str], cells: Cells) -> Cells:
        failed = np.array([each in lost for each in entity_ids])
        return without(cells, failed)

    return read


def part_of(batch: WriteBatch, rows: np.ndarray[Any, np.dtype[np.int64]]) -> WriteBatch:
    """Some rows of a batch, ascending."""
    position = {row: at for at, row in enumerate(rows.tolist())}
    runs = []
    for run in batch.runs:
        kept = [at for at, row in enumerate(run.rows.tolist()) if row in position]
        here = np.array([position[int(run.rows[at])] for at in kept], dtype=np.int64)
        runs.append(CellRun(run.group, run.layout, here, [run.cells[at] for at in kept]))
    return WriteBatch(
        entity_ids=[batch.entity_ids[row] for row in rows.tolist()],
        event_time=batch.event_time[rows],
        ingested_at=batch.ingested_at[rows],
        columns=[replace(stored, column=stored.column.take(rows)) for stored in batch.columns],
        runs=[run for run in runs if len(run.rows)],
    )
