"""Label rows with several entity columns: one engine per column over the same rows, with their results combined."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from featurama_core.datasets.build import BuildFolder
from featurama_core.datasets.dataset import Engine
from featurama_core.datasets.plan import Plan
from featurama_core.datasets.progress import Watcher
from featurama_core.datasets.spine_sources import Keys, SpineSource
from featurama_core.frames.spine import SpineColumns
from featurama_core.types.column import Column
from featurama_core.types.errors import InvalidInput

T = TypeVar("T")


class SeveralColumns:
    """The `Engine` of features of the entities in several label columns. column_of: the column of each feature.

    begin: creates the engine of the features at given positions. All engines must have equal part sizes. Each works in
    its own folder.
    """

    def __init__(self, column_of: Sequence[str], begin: Callable[[list[int]], Engine]) -> None:
        self._positions: dict[str, list[int]] = {}
        for at, column in enumerate(column_of):
            self._positions.setdefault(column, []).append(at)
        self._engines = {column: begin(positions) for column, positions in self._positions.items()}

    @property
    def part_rows(self) -> int:
        """Rows of an output part."""
        return next(iter(self._engines.values())).part_rows

    @property
    def as_of_time(self) -> int:
        """Microseconds, the earliest of all engines."""
        return min(engine.as_of_time for engine in self._engines.values())

    @property
    def references(self) -> list[str]:
        """The references of all features."""
        return self._in_order({column: engine.references for column, engine in self._engines.items()})

    @property
    def ttl_revisions(self) -> dict[str, int]:
        """Those of all engines."""
        return {group: each for engine in self._engines.values() for group, each in engine.ttl_revisions.items()}

    async def prepare(
        self, source: SpineSource, columns: SpineColumns, work: BuildFolder, watcher: Watcher | None
    ) -> int | None:
        """Prepare one column after another. -> number of rows, None if it is not known."""
        # Noted first: a folder without notes cannot be resumed, and all engines of a resumed build measure from the
        # same time.
        await asyncio.to_thread(work.note, {"as_of": work.notes.get("as_of", self.as_of_time)})
        rows = set()
        for number, (column, engine) in enumerate(self._engines.items()):
            below = await asyncio.to_thread(_below, work, number)
            rows.add(await engine.prepare(source, columns.alone(column), below, watcher))
        if len(rows) > 1:
            raise InvalidInput("the label rows changed while they were read; build again", field="labels")
        return rows.pop()

    async def columns(self, part: int, keys: Keys) -> list[Column]:
        """A column per feature for the rows of a part."""
        return self._in_order(
            {column: await engine.columns(part, keys.alone(column)) for column, engine in self._engines.items()}
        )

    async def explain(self, source: SpineSource, columns: SpineColumns, work: BuildFolder) -> Plan:
        """The reads of all engines, each with its column."""
        plans = []
        for number, (column, engine) in enumerate(self._engines.items()):
            below = await asyncio.to_thread(_below, work, number)
            plans.append(await engine.explain(source, columns.alone(column), below))
        return Plan(
            plans[0].label_rows,
            sum(plan.label_entities for plan in plans),
            sum(plan.passes for plan in plans),
            plans[0].parts,
            tuple(
                replace(read, column=column)
                for column, plan in zip(self._engines, plans, strict=True)
                for read in plan.reads
            ),
            tuple(path for plan in plans for path in plan.paths),
            tuple(self._engines),
        )

    def _in_order(self, found: Mapping[str, Sequence[T]]) -> list[T]:
        placed = {
            at: each
            for column, positions in self._positions.items()
            for at, each in zip(positions, found[column], strict=True)
        }
        return [placed[at] for at in range(len(placed))]


def _below(work: BuildFolder, number: int) -> BuildFolder:
    below = work.below(f"column-{number}")
    if "as_of" in work.notes:
        below.note({"as_of": work.notes["as_of"]})
    return below
