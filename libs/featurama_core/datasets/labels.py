"""Label sources: where label rows come from, readable as often as a build needs, always in the same order.

A source gives Arrow record batches with the caller's columns; `read_keys` finds entity and moment in one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from featurama_core.datasets.files import BATCH_ROWS, count_rows, files_of, read_batches, schema_of, sha256_of
from featurama_core.frames.cells import frame_kind, read_cells
from featurama_core.frames.times import event_times
from featurama_core.frames.values import Problem
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.names import entity_id_problem
from featurama_core.types.times import MAX_EVENT_TIME, MIN_EVENT_TIME
from featurama_core.types.values import Int64Array


class LabelSource(Protocol):
    """Label rows. `rows`: how many, None if that takes reading them. All methods block."""

    @property
    def schema(self) -> Any:
        """The Arrow schema of the batches."""

    @property
    def rows(self) -> int | None:
        """How many there are."""

    def batches(self) -> Iterator[Any]:
        """The rows from the first on, as record batches."""

    def fingerprint(self) -> dict[str, object]:
        """What they are, for a manifest: equal for equal rows."""


@dataclass(frozen=True, slots=True)
class LabelColumns:
    """Which columns say entity and moment. `moment`: microseconds for all rows where there is no time column.

    timezone: of times that name none. of_types: (entity type, column) where there are several columns; `entity` serves
    the types that are not named, "" if there are none. optional: whether a row may name no entity in `entity`, as it
    may in the columns of types.
    """

    entity: str = "entity_id"
    time: str = "timestamp"
    moment: int | None = None
    timezone: str | None = None
    of_types: tuple[tuple[str, str], ...] = ()
    optional: bool = False

    @property
    def entities(self) -> list[str]:
        """The entity columns, each once."""
        return list(dict.fromkeys([*([self.entity] if self.entity else []), *(name for _, name in self.of_types)]))

    @property
    def keys(self) -> list[str]:
        """All columns that say entity or moment."""
        return self.entities if self.moment is not None else [*self.entities, self.time]

    def may_lack(self, column: str) -> bool:
        """Whether a row may name no entity in this column."""
        return self.optional or column != self.entity

    def of_type(self, entity_type: str) -> str:
        """The column of a type's entities."""
        return dict(self.of_types).get(entity_type, self.entity)

    def alone(self, column: str) -> LabelColumns:
        """This one of the entity columns, with the time."""
        return replace(self, entity=column, of_types=(), optional=self.may_lack(column))


@dataclass(frozen=True, slots=True, eq=False)
class Keys:
    """n label rows: ids (Arrow string array, null where a row may name none and does) and moments, int64[n]
    microseconds. of_column: the ids of each entity column; entity_ids are those of the first.
    """

    entity_ids: Any
    event_time: Int64Array
    of_column: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.event_time)

    def alone(self, column: str) -> Keys:
        """The same rows with the ids of one entity column."""
        return Keys(self.of_column[column], self.event_time)

    def naming(self) -> Int64Array:
        """The rows that name an entity, ascending."""
        return np.flatnonzero(self.entity_ids.is_valid().to_numpy(zero_copy_only=False))


def label_source(labels: Any, columns: LabelColumns, only: Sequence[str] | None = None) -> LabelSource:
    """A source over a pandas, polars or Arrow frame, a mapping of columns, a path or several. Blocks on files.

    `only`: these columns alone, of files.
    """
    if columns.moment is None and columns.time in (name for _, name in columns.of_types):
        raise InvalidInput(
            f"the column {columns.time} says the time; name another for its entity type, or another time_column",
            field="entity_columns",
        )
    if isinstance(labels, (str, Path)):
        source: LabelSource = FileSource(Path(labels), columns, only)
    elif hasattr(labels, "batches") and hasattr(labels, "fingerprint"):
        source = labels
    else:
        source = TableSource(_table(labels), _dtypes(labels))
    # Which features need the default column beside those of types is known when features are.
    check_columns(source, replace(columns, entity="") if columns.of_types else columns)
    if len(set(source.schema.names)) != len(source.schema.names):
        raise InvalidInput("two label columns have one name; rename one", field="labels")
    return source


def check_columns(source: LabelSource, columns: LabelColumns) -> None:
    """InvalidInput where the label rows lack one of these columns."""
    for name in columns.keys:
        if name not in source.schema.names:
            raise InvalidInput(f"the label rows lack the column {name}; they have {_shown(source)}", field=name)


class TableSource:
    """Rows of an Arrow table in memory. dtypes: of the pandas columns that it was made of, where Arrow has no such."""

    def __init__(self, table: Any, dtypes: Mapping[str, Any] | None = None) -> None:
        self._table = table
        self.dtypes = dict(dtypes or {})

    @property
    def schema(self) -> Any:
        """Of the table, without pandas' metadata."""
        return self._table.schema

    @property
    def rows(self) -> int | None:
        """All of them."""
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
    """Rows of a file, or of all files of a directory."""

    def __init__(self, path: Path, columns: LabelColumns, only: Sequence[str] | None) -> None:
        self._path = path
        self._files = files_of(path)
        self._texts = [*columns.entities, columns.time]
        self._only = only
        self._schema = schema_of(self._files[0], self._texts, only)
        self._rows = count_rows(self._files)

    @property
    def schema(self) -> Any:
        """Of the first file; the others must agree."""
        return self._schema

    @property
    def rows(self) -> int | None:
        """None for CSV."""
        return self._rows

    def batches(self) -> Iterator[Any]:
        """The files one after another."""
        for path in self._files:
            for batch in read_batches(path, self._texts, self._only):
                yield self._fitted(batch, path)

    def fingerprint(self) -> dict[str, object]:
        """Names and SHA-256 of the files, wherever they lie."""
        files = [{"name": path.name, "sha256": sha256_of(path)} for path in self._files]
        return {"kind": "files", "files": files}

    def _fitted(self, batch: Any, path: Path) -> Any:
        if batch.schema.equals(self._schema):
            return batch
        if batch.schema.names != self._schema.names:
            raise InvalidInput(
                f"{path.name} has other columns than {self._files[0].name}; all files need the same", field="labels"
            )
        try:
            return batch.cast(self._schema)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise InvalidInput(
                f"{path.name}: a column has another type than in {self._files[0].name}; convert it", field="labels"
            ) from error


def read_keys(batch: Any, columns: LabelColumns, first: int) -> Keys:
    """Entity and moment of each row of a batch whose first row is row `first` of all.

    InvalidInput names the first row whose id or time is no good: a label row is never dropped.
    """
    ids: dict[str, Any] = {}
    problems: dict[int, Problem] = {}
    for name in columns.entities:
        may_lack = columns.may_lack(name)
        ids[name] = _texts_or_none(batch.column(name), name) if may_lack else _texts(batch.column(name), name)
        problems = problems | _id_problems(ids[name], name, may_lack=may_lack)
    if columns.moment is not None:
        event_time = np.full(batch.num_rows, columns.moment, dtype=np.int64)
    else:
        times = batch.column(columns.time)
        if pa.types.is_string(times.type) and columns.timezone is None:
            times = _parsed(times)
        event_time, bad_times = event_times(read_cells(times), columns.time, columns.timezone)
        problems = bad_times | problems
    if problems:
        row = min(problems)
        reason, problem = problems[row]
        raise InvalidInput(
            f"label row {first + row}: {problem}",
            reason=reason or Reason.INVALID_ARGUMENT,
            field="labels",
            row=first + row,
        )
    return Keys(ids[columns.entities[0]], event_time, ids)


def sliced(source: LabelSource, rows: int) -> Iterator[Any]:
    """The source's rows as record batches of exactly `rows` rows (the last may be shorter)."""
    held: list[Any] = []
    have = 0
    for batch in source.batches():
        held.append(batch)
        have += batch.num_rows
        while have >= rows:
            table = pa.Table.from_batches(held, source.schema)
            yield _one(table.slice(0, rows))
            rest = table.slice(rows)
            held, have = rest.to_batches(), rest.num_rows
    if have:
        yield _one(pa.Table.from_batches(held, source.schema))


def _one(table: Any) -> Any:
    batches = table.combine_chunks().to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], schema=table.schema)


def _parsed(times: Any) -> Any:
    """ISO 8601 texts with a zone as times, where Arrow reads all of them; else the texts, to be judged one by one."""
    try:
        parsed = pc.cast(times, pa.timestamp("us", "UTC"))
    except pa.ArrowInvalid:
        return times
    bounds = pc.min_max(parsed.view(pa.int64())).as_py()
    if bounds["min"] is None or bounds["min"] < MIN_EVENT_TIME or bounds["max"] > MAX_EVENT_TIME:
        return times
    return parsed


def _texts(ids: Any, name: str) -> Any:
    kind = ids.type.value_type if pa.types.is_dictionary(ids.type) else ids.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return ids if pa.types.is_string(ids.type) else ids.cast(pa.string())
    raise InvalidInput(f"column {name} holds {ids.type}; it must hold text", field=name)


def _texts_or_none(ids: Any, name: str) -> Any:
    """An empty text is none. A column without any value may be of any type."""
    if ids.null_count == len(ids):
        return pa.nulls(len(ids), pa.string())
    texts = _texts(ids, name)
    empty = pc.equal(texts, "")
    return pc.if_else(empty, pa.scalar(None, pa.string()), texts) if pc.any(empty).as_py() else texts


def _id_problems(entity_ids: Any, name: str, *, may_lack: bool) -> dict[int, Problem]:
    # Each id is judged once: label rows repeat their entities.
    encoded = entity_ids.dictionary_encode()
    texts = encoded.dictionary.to_pylist()
    wrong = {code: text for code, text in enumerate(map(entity_id_problem, texts)) if text is not None}
    if not wrong and (may_lack or not entity_ids.null_count):
        return {}
    column = "" if name == "entity_id" else f"column {name}: "
    problems: dict[int, Problem] = {}
    for row, code in enumerate(encoded.indices.to_pylist()):
        if code is None and not may_lack:
            problems[row] = Reason.INVALID_ENTITY_ID, f"{column}entity_id is missing"
        elif code in wrong:
            problems[row] = Reason.INVALID_ENTITY_ID, f"{column}{wrong[code]}"
    return problems


def _table(labels: Any) -> Any:
    kind = frame_kind(labels)
    if kind is None:
        if type(labels).__name__ == "LazyFrame":
            labels, kind = labels.collect(), "polars"
        elif isinstance(labels, pa.RecordBatchReader):
            return labels.read_all()
        elif hasattr(labels, "__iter__") and not isinstance(labels, bytes):
            return pa.table({"entity_id": pa.array(list(labels), pa.string())})
        else:
            raise InvalidInput(
                "labels must be a pandas, polars or Arrow frame, or a path of Parquet, CSV or Arrow files",
                field="labels",
            )
    try:
        if kind == "pandas":
            table = pa.Table.from_pandas(labels, preserve_index=False)
        elif kind == "polars":
            table = labels.to_arrow()
        elif kind == "arrow":
            table = labels if isinstance(labels, pa.Table) else pa.Table.from_batches([labels])
        else:
            table = pa.table(dict(labels))
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        first = str(error).splitlines()[0][:200]
        raise InvalidInput(f"the label rows cannot be made an Arrow table: {first}", field="labels") from error
    return table.replace_schema_metadata(None)


def _dtypes(labels: Any) -> dict[str, Any]:
    """The extension dtypes of a pandas frame: numpy's come back by themselves, or as what holds the same values."""
    if frame_kind(labels) != "pandas":
        return {}
    return {name: dtype for name, dtype in labels.dtypes.items() if not isinstance(dtype, np.dtype)}


def _shown(source: LabelSource) -> str:
    return ", ".join(source.schema.names[:10])


class _Hashed:
    """A file that only adds up its hash."""

    closed = False

    def __init__(self, digest: Any) -> None:
        self._digest = digest
        self._at = 0

    def write(self, data: Any) -> int:
        self._digest.update(data)
        self._at += len(data)
        return len(data)

    def tell(self) -> int:
        return self._at

    def flush(self) -> None:
        """Nothing is held back."""

    def writable(self) -> bool:
        return True

    def close(self) -> None:
        """Nothing is open."""
