"""Rejected rows of a file, written to a file beside it: the original rows, their positions and the reasons."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from featurama_core.datasets.files import format_of, new_file
from featurama_core.files.layout import FileName

if TYPE_CHECKING:
    from featurama_core.datasets.files import WriteTable
    from featurama_core.types.values import Int64Array
    from featurama_core.types.writes import Verdict

REJECTED = ".rejected"
"""End of the stem of files with rows that were not accepted."""

ROW, OUTCOME, REASON, MESSAGE = "__row", "__outcome", "__reason", "__message"


class RejectedRows:
    """The rejected rows of one file. path: of their file, None without rejected rows."""

    def __init__(self, source: Path, files: ExitStack) -> None:
        kind = FileName.of(source)
        stem, ending = (kind.stem, kind.plain_ending) if kind is not None else (source.stem, ".parquet")
        self._target = source.with_name(f"{stem}{REJECTED}{ending}")
        self._files = files
        self._write: WriteTable | None = None
        self.path: Path | None = None

    async def add(self, table: Any, numbers: Int64Array, verdicts: Sequence[Verdict]) -> None:
        """Add rows with verdicts. Row i of the table is row `numbers[i]` of the source."""
        if verdicts:
            await asyncio.to_thread(self._add, table, numbers, verdicts)

    def _add(self, table: Any, numbers: Int64Array, verdicts: Sequence[Verdict]) -> None:
        rows = table.take(pa.array([each.row for each in verdicts]))
        for name, values, kind in (
            (ROW, [int(numbers[each.row]) for each in verdicts], pa.int64()),
            (OUTCOME, [each.outcome.name for each in verdicts], pa.string()),
            (REASON, [each.reason.name for each in verdicts], pa.string()),
            (MESSAGE, [each.message for each in verdicts], pa.string()),
        ):
            rows = rows.append_column(name, pa.array(values, kind))
        if self._write is None:
            opening = new_file(self._target, rows.schema, format_of(self._target, None))
            self._write, self.path = self._files.enter_context(opening), self._target
        self._write(rows)


@asynccontextmanager
async def rejected_rows(source: Path) -> AsyncIterator[RejectedRows]:
    """The file of rejected rows. It appears at the end of a successful context, if a row was rejected."""
    files = ExitStack()
    try:
        yield RejectedRows(source, files)
    except BaseException:
        await asyncio.to_thread(files.__exit__, *sys.exc_info())
        raise
    await asyncio.to_thread(files.close)
