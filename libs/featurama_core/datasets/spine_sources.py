"""Label sources. They can be read repeatedly, always in the same order.

A source yields Arrow record batches with the columns of the caller. `read_keys` reads entity and time of a batch.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from featurama_core.datasets.label_table import label_table
from featurama_core.files.layout import PLAIN, FileLayout
from featurama_core.files.table_file import BATCH_ROWS, TableFile
from featurama_core.files.table_files import TableFiles, files_of
from featurama_core.frames.keys import CodedTexts, no_text
from featurama_core.frames.spine import SpineColumns, frame_ids, id_problems, judged
from featurama_core.frames.values import CellError
from featurama_core.frames.zones import TimeRules
from featurama_core.types.errors import InvalidInput
from featurama_core.types.roles import RowEntities
from featurama_core.types.schema import EntityType
from featurama_core.types.times import MAX_EVENT_TIME, MIN_EVENT_TIME, MIN_TIME
from featurama_core.types.values import Int64Array

CheckTimes = Callable[..., None]
"""Called with the times of some label rows, int64[n], and `first_row`, the number of the first of them."""


class SpineSource(Protocol):
    """Label rows. All methods block."""

    @property
    def schema(self) -> Any:
        """The Arrow schema of the batches."""

    @property
    def rows(self) -> int | None:
        """Number of rows, None if it is not known without reading them."""

    def batches(self) -> Iterator[Any]:
        """All rows as record batches."""

    def fingerprint(self) -> dict[str, object]:
        """The identity of the rows for a manifest, equal for equal rows."""


@dataclass(frozen=True, slots=True, eq=False)
class Keys:
    """n label rows. of_role: the ids of each role, an Arrow string array, null for a row without an entity; those of
    `NO_ROLE` without roles. event_time: int64[n] microseconds.
    """

    of_role: Mapping[str, Any]
    event_time: Int64Array

    def __len__(self) -> int:
        return len(self.event_time)

    @property
    def entity_ids(self) -> Any:
        """The ids of the first role, or of rows without roles."""
        return next(iter(self.of_role.values()))

    @property
    def unnamed(self) -> int:
        """The number of rows without an entity in a role."""
        if not any(ids.null_count for ids in self.of_role.values()):
            return 0
        named = [ids.is_valid().to_numpy(zero_copy_only=False) for ids in self.of_role.values()]
        return int((~np.all(named, axis=0)).sum())

    def naming(self, role: str) -> Int64Array:
        """The rows that name an entity in a role, ascending."""
        return np.flatnonzero(self.of_role[role].is_valid().to_numpy(zero_copy_only=False))

    def entities(self) -> RowEntities:
        """The ids as texts. Blocks on many rows."""
        return RowEntities({role: ids.to_pylist() for role, ids in self.of_role.items()})


def label_source(labels: Any, columns: SpineColumns, layout: FileLayout = PLAIN) -> SpineSource:
    """A source over a pandas, polars or Arrow frame, a mapping of columns, a path or a source. Blocks on files."""
    return keyed_source(labels, columns, (), layout)[0]


def keyed_source(
    labels: Any, columns: SpineColumns, kinds: Sequence[EntityType], layout: FileLayout = PLAIN
) -> tuple[SpineSource, SpineColumns]:
    """A `label_source`, and its columns with the keys of rows without ids. kinds: see `SpineColumns.with_keys`."""
    if isinstance(labels, (str, Path)):
        source: SpineSource = FileSource(Path(labels), columns, layout, kinds)
    elif hasattr(labels, "batches") and hasattr(labels, "fingerprint"):
        source = labels
    else:
        source = TableSource(*label_table(labels, columns, kinds, layout))
    columns = columns.with_keys(kinds, source.schema.names)
    columns.check(source.schema.names)
    layout.check_columns(source.schema.names)
    if len(set(source.schema.names)) != len(source.schema.names):
        raise InvalidInput("two label columns have one name; rename one", field="labels")
    return source, columns


class TableSource:
    """Rows of an Arrow table in memory. dtypes, index: of the pandas frame that it was, its columns and its rows."""

    def __init__(self, table: Any, dtypes: Mapping[str, Any] | None = None, index: Any = None) -> None:
        self._table = table
        self.dtypes = dict(dtypes or {})
        self.index = index

    @property
    def schema(self) -> Any:
        """The schema of the table, without metadata of pandas."""
        return self._table.schema

    @property
    def rows(self) -> int | None:
        """Number of rows."""
        return int(self._table.num_rows)

    def batches(self) -> Iterator[Any]:
        """Slices of the table."""
        yield from self._table.to_batches(max_chunksize=BATCH_ROWS)

    def fingerprint(self) -> dict[str, object]:
        """SHA-256 over the rows as an Arrow stream of batches of a fixed size."""
        digest = hashlib.sha256()
        sink = _Hashed(digest)
        with pa.ipc.new_stream(pa.PythonFile(sink, mode="w"), self.schema) as stream:
            for start in range(0, self._table.num_rows, BATCH_ROWS):
                stream.write_table(self._table.slice(start, BATCH_ROWS).combine_chunks())
        return {"kind": "frame", "rows": self._table.num_rows, "sha256": digest.hexdigest()}


class FileSource:
    """Rows of a file, or of all files of a directory. The keys of each file are read before its types are joined with
    those of the others, and an error names the file and its row.
    """

    def __init__(
        self, path: Path, columns: SpineColumns, layout: FileLayout = PLAIN, kinds: Sequence[EntityType] = ()
    ) -> None:
        self._layout = layout
        files = files_of(path, layout)
        self._columns = columns.with_keys(kinds, [*files[0].schema.names, *files[0].index_columns])
        for file in files:
            lacking = [name for name in self._columns.keys if name not in file.schema.names]
            file.with_columns([name for name in lacking if name in file.index_columns])
            if len(files) > 1:
                self._check(file)
        self._files = TableFiles(files, "" if columns.moment is not None or columns.clock else columns.time)

    @property
    def schema(self) -> Any:
        """The union of the schemas of all files."""
        return self._files.schema

    @property
    def rows(self) -> int | None:
        """Number of rows, None for CSV."""
        return self._files.rows

    def batches(self, files: list[dict[str, str]] | None = None) -> Iterator[Any]:
        """The rows of all files in order. files: receives the name and SHA-256 of each."""
        yield from self._files.batches(self._times, files)

    def fingerprint(self) -> dict[str, object]:
        """Names and SHA-256 of the files, below the given folder, and how they were read."""
        return self.fingerprint_of([{"name": file.name, "sha256": file.sha256()} for file in self._files.files])

    def fingerprint_of(self, files: Sequence[Mapping[str, str]]) -> dict[str, object]:
        """The fingerprint from the list of `batches`."""
        declared = self._layout.declared()
        return {"kind": "files", "files": list(files)} | ({"layout": declared} if declared else {})

    def _check(self, file: TableFile) -> None:
        try:
            self._columns.check(file.schema.names)
        except InvalidInput as error:
            raise InvalidInput(f"{file.name}: {error.message}", reason=error.reason, **error.metadata) from error

    def _times(self, file: TableFile, batch: Any, first: int) -> Any:
        try:
            keys = read_keys(batch, self._columns, first, f"{file.name}, row")
        except InvalidInput as error:
            if error.message.startswith(file.name):
                raise
            raise InvalidInput(f"{file.name}: {error.message}", reason=error.reason, **error.metadata) from error
        return pa.array(keys.event_time).cast(pa.timestamp("us", "UTC"))


def pandas_of(source: SpineSource) -> tuple[Mapping[str, Any], Any]:
    """The dtypes of the columns of a pandas frame, and its index; ({}, None) for other label rows."""
    return (source.dtypes, source.index) if isinstance(source, TableSource) else ({}, None)


def read_keys(batch: Any, columns: SpineColumns, first: int, where: str = "label row") -> Keys:
    """Entity and time of each row of a batch. first: number of its first row. InvalidInput: see `judged`."""
    ids, problems = row_entities(batch, columns)
    times: Any = None if columns.moment is not None else columns.time_cells(batch.column)
    is_plain = times is not None and not columns.clock and columns.times == TimeRules()
    if is_plain and pa.types.is_string(times.type):
        times = _parsed(times)
    return Keys(ids, judged(problems, times, columns, batch.num_rows, first, where))


def row_entities(batch: Any, columns: SpineColumns) -> tuple[dict[str, Any], dict[int, CellError]]:
    """The ids of each role as an Arrow array, null for a row without an entity, and the problems of rows."""
    found: dict[str, Any] = {}
    problems: dict[int, CellError] = {}
    for role, entity in columns.entities.items():
        if entity.keys is not None or set(entity.columns) & set(dict(columns.casts)):
            cells = [columns.cells(name, batch.column(name)) for name in entity.names]
            ids, wrong = frame_ids(cells, entity, in_role=bool(entity.keys or columns.roles))
            found[role] = pa.array(ids, pa.string())
            problems |= wrong
            continue
        (name,) = entity.columns
        found[role] = (_texts_or_none if columns.roles else _texts)(batch.column(name), name)
        problems |= id_problems(name, _coded(found[role]), in_role=bool(columns.roles))
    return found, problems


def newest_time(source: SpineSource, columns: SpineColumns, check: CheckTimes | None = None) -> int | None:
    """The newest time of a label row, microseconds; None without rows. Blocks."""
    newest, first = MIN_TIME, 0
    for batch in source.batches():
        times = read_keys(batch, columns, first).event_time
        if check is not None:
            check(times, first_row=first)
        newest = int(times.max(initial=newest))
        first += len(times)
    return newest if first else None


def sliced(source: SpineSource, rows: int) -> Iterator[Any]:
    """The rows of a source as record batches of exactly `rows` rows. The last may be shorter."""
    held: list[Any] = []
    have = 0
    for batch in source.batches():
        held.append(batch)
        have += batch.num_rows
        while have >= rows:
            table = pa.Table.from_batches(held, source.schema)
            yield one_batch(table.slice(0, rows))
            rest = table.slice(rows)
            held, have = rest.to_batches(), rest.num_rows
    if have:
        yield one_batch(pa.Table.from_batches(held, source.schema))


def one_batch(table: Any) -> Any:
    """A table as one record batch."""
    batches = table.combine_chunks().to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], schema=table.schema)


def _parsed(times: Any) -> Any:
    """ISO 8601 texts as times if Arrow can read all of them; otherwise the texts, which are checked one by one."""
    try:
        parsed = pc.cast(times, pa.timestamp("us", "UTC"))
    except pa.ArrowInvalid:
        return times
    bounds = pc.min_max(parsed.view(pa.int64())).as_py()
    if bounds["min"] is None or bounds["min"] < MIN_EVENT_TIME or bounds["max"] > MAX_EVENT_TIME:
        return times
    return parsed


def _texts(ids: Any, name: str) -> Any:
    if not len(ids):
        # Of an empty column no library knows the type.
        return pa.nulls(0, pa.string())
    kind = ids.type.value_type if pa.types.is_dictionary(ids.type) else ids.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return ids if pa.types.is_string(ids.type) else ids.cast(pa.string())
    raise no_text(name, str(ids.type), is_number=pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _texts_or_none(ids: Any, name: str) -> Any:
    """Texts with "" as null. A column of nulls may have any type."""
    if ids.null_count == len(ids):
        return pa.nulls(len(ids), pa.string())
    texts = _texts(ids, name)
    empty = pc.equal(texts, "")
    return pc.if_else(empty, pa.scalar(None, pa.string()), texts) if pc.any(empty).as_py() else texts


def _coded(ids: Any) -> CodedTexts:
    encoded = ids.dictionary_encode()
    return CodedTexts(encoded.dictionary.to_pylist(), encoded.indices.fill_null(-1).to_numpy().astype(np.int64))


class _Hashed(io.RawIOBase):
    """A file that computes the hash of its content."""

    def __init__(self, digest: Any) -> None:
        self._digest = digest
        self._at = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._digest.update(data)
        self._at += len(data)
        return len(data)

    def tell(self) -> int:
        return self._at
