"""Writing of files of values: file by file, or a file or directory of old history as one import.

Files are looked through before their first row is written: the number of an import depends on their features and times,
and only rows of one key that are written together show whether they repeat or contradict each other.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import reduce
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from featurama_cli.hints import in_options
from featurama_cli.rejected import REJECTED, RejectedRows, rejected_rows
from featurama_cli.repeated_rows import HeldRows, RepeatedKeys
from featurama_core.files.layout import FileLayout
from featurama_core.files.table_file import TableFile
from featurama_core.files.table_files import TableFiles, files_of
from featurama_core.files.typed import ByName, typed_frame
from featurama_core.frames.imports import FramePart, frame_part
from featurama_core.frames.mapping import Mapping as ColumnMapping
from featurama_core.types.errors import InvalidInput
from featurama_core.types.imports import ImportScope
from featurama_core.types.problems import Problem, Problems
from featurama_core.types.values import BoolArray, Int64Array, ValueType
from featurama_core.types.writes import Verdict, WriteMode

if TYPE_CHECKING:
    from featurama_core.api import FeatureStore

_SHOWN = 20
_INGESTED_AT = "ingested_at"


@dataclass(frozen=True, slots=True)
class FileOptions:
    """The options of `write_features`."""

    version: int | None
    batch_size: int
    mode: WriteMode
    skip_nulls: bool
    mapping: ColumnMapping


@dataclass(slots=True)
class FilesReport:
    """The outcome of the rows. refused: the first refused rows; beside: files with all refused rows."""

    counts: dict[str, int] = field(default_factory=lambda: {"accepted": 0, "rejected": 0, "unknown": 0})
    casts: dict[str, int] = field(default_factory=dict)
    refused: list[dict[str, object]] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)
    _problems: dict[str, Problems] = field(default_factory=dict)

    def problems(self) -> list[str]:
        """The refused rows of each file grouped by kind, the most frequent first."""
        return [f"{file}: {problem}" for file, problem in self._ordered()]

    def grouped(self) -> list[dict[str, object]]:
        """The same as rows of a table."""
        return [
            {
                "file": file,
                "rows": each.units,
                "first": each.shown_rows,
                "reason": each.reason.name,
                "message": each.message,
            }
            for file, each in self._ordered()
        ]

    def add(self, file: str, verdicts: Sequence[Verdict]) -> None:
        """Verdicts on rows of a file."""
        self._problems.setdefault(file, Problems()).add(verdicts)

    def _ordered(self) -> list[tuple[str, Problem]]:
        found = [(file, each) for file, problems in self._problems.items() for each in problems.found()]
        return sorted(found, key=lambda each: (-each[1].units, each[0]))


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """Rows of a file. numbers: their positions in the file."""

    source: TableFile
    rejected: RejectedRows
    table: Any
    numbers: Int64Array

    def only(self, chosen: BoolArray) -> _Part:
        return replace(self, table=self.table.filter(pa.array(chosen)), numbers=self.numbers[chosen])


def value_files(path: Path, layout: FileLayout) -> list[TableFile]:
    """A file, or the files below a directory, without files of rejected rows (`rejected`)."""
    return [each for each in files_of(path, layout) if each.path == path or not each.kind.stem.endswith(REJECTED)]


def with_index_keys(source: TableFile, mapping: ColumnMapping) -> None:
    """Make columns of the levels of the index that are keys and no columns."""
    keys = mapping.keys.names if mapping.keys is not None else ()
    lacking = [name for name in (mapping.entity, mapping.time, *keys) if name not in source.schema.names]
    source.with_columns([name for name in lacking if name in source.index_columns])


class FilesWriting:
    """Writes files to a store, in the joined schema of the files that are written together. advance: called with the
    number of written rows.
    """

    def __init__(self, store: FeatureStore, options: FileOptions, advance: Callable[[int], None]) -> None:
        self.report = FilesReport()
        self._store = store
        self._options = options
        self._advance = advance
        self._columns: frozenset[str] = frozenset()
        self._types: dict[str, ValueType] = {}
        self._looked_up: set[str] = set()
        self._keyed: dict[Path, ColumnMapping] = {}
        self._known: Collection[str] | None = self._types if options.mapping.ignore_extra else None

    async def write(self, sources: Sequence[TableFile]) -> None:
        """Write one file, or all files of a directory; with ingest times they are one import."""
        for source in sources:
            with_index_keys(source, self._options.mapping)
        self._columns = frozenset(name for source in sources for name in source.schema.names)
        for source in sources:
            await self._find_keys(source)
            with_index_keys(source, self._mapping(source))
        renamed = [self._mapping(source).renamed(source.schema.names) for source in sources]
        for names in renamed:
            await self._learn(names)
        if any(_INGESTED_AT in names for names in renamed):
            self._check_import(sources)
            await self._together(TableFiles(sources))
            return
        for source in sources:
            await self._together(TableFiles([source]))

    async def _find_keys(self, source: TableFile) -> None:
        """Complete the mapping of a file by the keys of its entity type, from its first rows."""
        async for table in self._tables(TableFiles([source]), source):
            with _named(source):
                self._keyed[source.path] = await self._store.with_keys(table, self._mapping(source))
            break

    async def _together(self, files: TableFiles) -> None:
        """Write files, after they were looked through for rows of one key."""
        with ExitStack() as scratch:
            keys = RepeatedKeys(scratch)
            scopes: list[ImportScope] = []
            first = 0
            for source in files.files:
                async for table in self._tables(files, source):
                    seen = await asyncio.to_thread(self._look, source, table)
                    keys.add(seen.keys, seen.rows + first)
                    scopes += [seen.scope] if seen.scope is not None else []
                    first += table.num_rows
            keys.finish(first)
            number = await self._store.begin_import(reduce(ImportScope.joined, scopes)) if scopes else None
            held = HeldRows(files.schema, keys.rows, scratch)
            async with AsyncExitStack() as opened:
                rejected = [await opened.enter_async_context(rejected_rows(each.path)) for each in files.files]
                first = 0
                for at, source in enumerate(files.files):
                    async for part in self._parts(files, source, rejected[at]):
                        again = keys.among(first, len(part.numbers))
                        first += len(part.numbers)
                        if again.any():
                            await asyncio.to_thread(self._hold, held, at, part.only(again))
                        await self._send([part.only(~again) if again.any() else part], number)
                for group in held.read():
                    parts = [_Part(files.files[at], rejected[at], table, rows) for at, table, rows in group]
                    await self._send(parts, number)
        self.report.beside += [str(each.path) for each in rejected if each.path is not None]

    def _hold(self, held: HeldRows, at: int, part: _Part) -> None:
        held.add(at, part.table, part.numbers, self._look(part.source, part.table).keys)

    def _check_import(self, sources: Sequence[TableFile]) -> None:
        if self._options.mode is not WriteMode.BULK:
            raise InvalidInput(
                f"{sources[0].name} has a column {_INGESTED_AT}, so it is an import of old history; "
                "give --bulk, or drop the column",
                field="bulk",
            )
        for source in sources[1:]:
            if set(source.schema.names) != set(sources[0].schema.names):
                raise InvalidInput(
                    f"{source.name} and {sources[0].name} differ in columns; the files of one import must have the "
                    "same; write them separately",
                    field="file",
                )

    def _look(self, source: TableFile, table: Any) -> FramePart:
        with _named(source):
            return frame_part(table, self._mapping(source), self._known)

    def _mapping(self, source: TableFile) -> ColumnMapping:
        """What is said of the columns of a file: a column may be in other files of its directory only."""
        if (found := self._keyed.get(source.path)) is not None:
            return found
        return self._options.mapping.of_file(source.schema.names, self._columns)

    async def _parts(self, files: TableFiles, source: TableFile, rejected: RejectedRows) -> AsyncIterator[_Part]:
        first = 0
        async for table in self._tables(files, source):
            yield _Part(source, rejected, table, np.arange(first, first + table.num_rows))
            first += table.num_rows

    async def _tables(self, files: TableFiles, source: TableFile) -> AsyncIterator[Any]:
        step = max(10_000, self._options.batch_size)
        batches = source.batches(as_text=True)
        while (batch := await asyncio.to_thread(next, batches, None)) is not None:
            for start in range(0, batch.num_rows, step):
                yield files.fitted(source, pa.Table.from_batches([batch.slice(start, step)]))

    async def _send(self, parts: Sequence[_Part], import_number: int | None) -> None:
        """Write the rows of the parts as one frame."""
        parts = [part for part in parts if part.table.num_rows]
        if not parts:
            return
        options, source = self._options, parts[0].source
        table = pa.concat_tables([part.table for part in parts])
        with _named(source):
            names = dict(zip(self._mapping(source).renamed(table.column_names), table.column_names, strict=True))
            if source.is_csv and "feature_name" in names:
                await self._learn(pc.unique(table[names["feature_name"]]).to_pylist())
            report = await self._store.write_mapped(
                self._frame(source, table, names),
                self._mapping(source),
                options.version,
                options.batch_size,
                mode=options.mode,
                nulls="skip" if options.skip_nulls else "write",
                import_number=import_number,
            )
        for name in self.report.counts:
            self.report.counts[name] += getattr(report, name)
        for name, count in report.casts.items():
            self.report.casts[name] = self.report.casts.get(name, 0) + count
        ends = np.cumsum([part.table.num_rows for part in parts]).tolist()
        for part, (start, end) in zip(parts, pairwise([0, *ends]), strict=True):
            own = [
                replace(each, row=each.row - start, message=in_options(each.message))
                for each in report.verdicts
                if start <= each.row < end
            ]
            room = _SHOWN - len(self.report.refused)
            self.report.refused += [_row(part, each) for each in own[:room]]
            self.report.add(part.source.name, [replace(each, row=int(part.numbers[each.row])) for each in own])
            await part.rejected.add(part.table, part.numbers, own)
        self._advance(ends[-1])

    async def _learn(self, names: Sequence[str | None]) -> None:
        """Look up the types of features, each once: of a version, or of the newest."""
        new = {name for name in names if isinstance(name, str)} - self._looked_up
        version = self._options.version
        for each in await self._store.find_features(list(new), all_versions=version is not None) if new else ():
            if version in (None, each.version):
                self._types[each.name] = each.value_type
        self._looked_up |= new

    def _frame(self, source: TableFile, table: Any, old: Mapping[str, str]) -> Any:
        """The cells that the file has as texts, typed by the features that their columns become. old: the names in the
        file by those in the store.
        """
        types = self._types
        texts = {new: name for new, name in old.items() if source.is_csv or name in source.folders}
        by_name = ByName(old.get("feature_name", ""), old.get("value", ""), types) if source.is_csv else None
        of_texts = {name: types[new] for new, name in texts.items() if new in types}
        return typed_frame(table, of_texts, by_name, self._options.mapping.texts)


@contextmanager
def _named(source: TableFile) -> Iterator[None]:
    """Errors about a frame as errors about its file."""
    try:
        yield
    except InvalidInput as error:
        raise InvalidInput(f"{source.name}: {error.message}", reason=error.reason, **error.metadata) from error


def _row(part: _Part, verdict: Verdict) -> dict[str, object]:
    return {
        "file": part.source.name,
        "row": int(part.numbers[verdict.row]),
        "outcome": verdict.outcome.name,
        "reason": verdict.reason.name,
        "message": verdict.message,
    }
