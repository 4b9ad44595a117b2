"""Writing of files of values: file by file, or a file or directory of old history as one import.

All files of an import are inspected before its first row is written, because its number depends on their features and
times. Rows with equal keys can be anywhere in the files, and only a frame with all of them distinguishes a repetition
from a conflict. Such rows are held back and written together at the end.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from functools import reduce
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from featurama_cli.csv_values import typed
from featurama_cli.frame_files import FrameFile
from featurama_cli.rejected import RejectedRows, rejected_rows
from featurama_core.frames.imports import ImportPart, import_part
from featurama_core.types.errors import InvalidInput
from featurama_core.types.imports import ImportScope
from featurama_core.types.times import TimeUnit
from featurama_core.types.values import BoolArray, Int64Array, ValueType
from featurama_core.types.writes import Verdict, WriteMode

if TYPE_CHECKING:
    from featurama_core.api import FeatureStore

_SHOWN = 20
_INGESTED_AT = "ingested_at"


@dataclass(frozen=True, slots=True)
class FileOptions:
    """The options of `write_features`. types: of features, for CSV files."""

    version: int | None
    batch_size: int
    mode: WriteMode
    skip_nulls: bool
    timezone: str | None
    ingested_at_unit: TimeUnit | None
    types: dict[str, ValueType]


@dataclass(slots=True)
class FilesReport:
    """The outcome of the rows. refused: the first refused rows, for display; beside: files with all refused rows."""

    counts: dict[str, int] = field(default_factory=lambda: {"accepted": 0, "rejected": 0, "unknown": 0})
    refused: list[dict[str, object]] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """Rows of a file. numbers: their positions in the file."""

    source: FrameFile
    rejected: RejectedRows
    table: Any
    numbers: Int64Array

    def only(self, chosen: BoolArray) -> _Part:
        return replace(self, table=self.table.filter(pa.array(chosen)), numbers=self.numbers[chosen])


class FilesWriting:
    """Writes files to a store. advance: called with the number of written rows."""

    def __init__(self, store: FeatureStore, options: FileOptions, advance: Callable[[int], None]) -> None:
        self.report = FilesReport()
        self._store = store
        self._options = options
        self._advance = advance

    async def write(self, sources: Sequence[FrameFile]) -> None:
        """Write one file, or all files of a directory; with ingest times they are one import."""
        if any(_INGESTED_AT in source.columns for source in sources):
            await self._import(sources)
            return
        for source in sources:
            async with rejected_rows(source.path) as rejected:
                async for part in self._parts(source, rejected):
                    await self._send([part], None)
            self._note([rejected])

    async def _import(self, sources: Sequence[FrameFile]) -> None:
        number, repeated = await self._begin(sources)
        held: list[_Part] = []
        opened: list[RejectedRows] = []
        async with AsyncExitStack() as files:
            for source in sources:
                opened.append(await files.enter_async_context(rejected_rows(source.path)))
                async for part in self._parts(source, opened[-1]):
                    again = next(repeated)
                    if again.any():
                        held.append(part.only(again))
                    await self._send([part.only(~again)], number)
            await self._send(held, number)
        self._note(opened)

    async def _begin(self, sources: Sequence[FrameFile]) -> tuple[int | None, Iterator[BoolArray]]:
        """Begin the import. -> its number, and per part the rows that share a key with other rows."""
        _check_alike(sources)
        looked = [self._look(source, table) for source in sources async for table in self._tables(source)]
        keys = np.sort(np.concatenate([part.keys for _, part in looked])) if looked else np.empty(0, np.uint64)
        twice = np.unique(keys[1:][keys[1:] == keys[:-1]])
        scopes = [part.scope for _, part in looked if part.scope is not None]
        number = await self._store.begin_import(reduce(ImportScope.joined, scopes)) if scopes else None
        return number, (_among(rows, part, twice) for rows, part in looked)

    def _look(self, source: FrameFile, table: Any) -> tuple[int, ImportPart]:
        options = self._options
        if options.mode is not WriteMode.BULK:
            raise InvalidInput(
                f"{source.path.name} has a column {_INGESTED_AT}, so it is an import of old history; "
                "give --bulk, or drop the column",
                field="bulk",
            )
        frame = self._frame(source, table)
        part = import_part(frame, timezone=options.timezone, ingested_at_unit=options.ingested_at_unit)
        return table.num_rows, part

    async def _parts(self, source: FrameFile, rejected: RejectedRows) -> AsyncIterator[_Part]:
        first = 0
        async for table in self._tables(source):
            yield _Part(source, rejected, table, np.arange(first, first + table.num_rows))
            first += table.num_rows

    async def _tables(self, source: FrameFile) -> AsyncIterator[Any]:
        tables = source.tables(max(10_000, self._options.batch_size))
        while (table := await asyncio.to_thread(next, tables, None)) is not None:
            yield table

    async def _send(self, parts: Sequence[_Part], import_number: int | None) -> None:
        """Write the rows of the parts as one frame."""
        parts = [part for part in parts if part.table.num_rows]
        if not parts:
            return
        options, names = self._options, parts[0].table.column_names
        report = await self._store.write_features(
            self._frame(parts[0].source, pa.concat_tables([part.table.select(names) for part in parts])),
            options.version,
            options.batch_size,
            mode=options.mode,
            nulls="skip" if options.skip_nulls else "write",
            timezone=options.timezone,
            ingested_at_unit=options.ingested_at_unit,
            import_number=import_number,
        )
        for name in self.report.counts:
            self.report.counts[name] += getattr(report, name)
        ends = np.cumsum([part.table.num_rows for part in parts]).tolist()
        for part, (start, end) in zip(parts, pairwise([0, *ends]), strict=True):
            own = [replace(each, row=each.row - start) for each in report.verdicts if start <= each.row < end]
            room = _SHOWN - len(self.report.refused)
            self.report.refused += [_row(part, each) for each in own[:room]]
            await part.rejected.add(part.table, part.numbers, own)
        self._advance(ends[-1])

    def _frame(self, source: FrameFile, table: Any) -> Any:
        if not source.is_csv:
            return table
        declared = self._options.ingested_at_unit is not None
        return typed(table, self._options.types | ({_INGESTED_AT: ValueType.INT} if declared else {}))

    def _note(self, rejected: Sequence[RejectedRows]) -> None:
        self.report.beside += [str(each.path) for each in rejected if each.path is not None]


def _check_alike(sources: Sequence[FrameFile]) -> None:
    for source in sources[1:]:
        if source.columns != sources[0].columns:
            raise InvalidInput(
                f"{source.path.name} and {sources[0].path.name} differ in columns or types; "
                "the files of one import must be alike; write them separately",
                field="file",
            )


def _among(rows: int, part: ImportPart, keys: Any) -> BoolArray:
    """bool[rows]: the rows of a table that have one of these keys."""
    found = np.zeros(rows, dtype=np.bool_)
    found[part.rows[np.isin(part.keys, keys)]] = True
    return found


def _row(part: _Part, verdict: Verdict) -> dict[str, object]:
    return {
        "file": part.source.path.name,
        "row": int(part.numbers[verdict.row]),
        "outcome": verdict.outcome.name,
        "reason": verdict.reason.name,
        "message": verdict.message,
    }
