"""Tables in files: Parquet, CSV and Arrow (IPC files and streams).

A label file, or all files of a directory, are read in batches in a fixed order. The bytes of a written file depend on
the rows and the format alone. It appears complete or not at all.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.ipc
import pyarrow.parquet

from featurama_core.types.errors import InvalidInput

Format = Literal["parquet", "csv", "arrow", "arrows"]
FORMATS: tuple[Format, ...] = ("parquet", "csv", "arrow", "arrows")
READABLE = (".parquet", ".csv", ".arrow", ".arrows", ".feather", ".ipc")
BATCH_ROWS = 65_536
_BLOCK_BYTES = 4 * 1024 * 1024


def files_of(path: Path) -> list[Path]:
    """A file, or the readable files below a directory sorted by path. InvalidInput if there are none."""
    if path.is_dir():
        found = sorted(each for each in path.rglob("*") if each.suffix in READABLE and not _hidden(each, path))
        if not found:
            raise InvalidInput(f"{path.name} holds no file that ends in {', '.join(READABLE)}", field="labels")
        return found
    if path.suffix not in READABLE:
        raise InvalidInput(f"{path.name} is none of {', '.join(READABLE)}; rename or convert it", field="labels")
    if not path.is_file():
        raise InvalidInput(f"{path} does not exist; name a file or a directory", field="labels")
    return [path]


def read_batches(
    path: Path, texts: Sequence[str], columns: Sequence[str] | None = None, *, digest: Any = None
) -> Iterator[Any]:
    """The rows of a file in order, at most BATCH_ROWS at a time.

    texts: CSV columns that are always text; only the empty text is null in them ("NA" is a country). columns: those to
    read of a Parquet or Arrow file, None for all. digest: a hash that is updated with the bytes of the file, which is
    opened once for both.
    """
    with reading(path), pa.OSFile(str(path)) as file:
        if digest is not None:
            while block := file.read(_BLOCK_BYTES):
                digest.update(block)
            file.seek(0)
        for batch in _batches(file, path.suffix, texts, columns):
            for start in range(0, batch.num_rows, BATCH_ROWS):
                yield batch.slice(start, BATCH_ROWS)


def described(path: Path, texts: Sequence[str]) -> tuple[Any, int | None]:
    """The Arrow schema of the batches of `read_batches`, and the number of rows, None if it is not stored."""
    with reading(path), pa.OSFile(str(path)) as file:
        if path.suffix == ".parquet":
            with pyarrow.parquet.ParquetFile(file) as parquet:
                schema, rows = parquet.schema_arrow, parquet.metadata.num_rows
        elif path.suffix == ".csv":
            with _open_csv(file, texts) as reader:
                return reader.schema.remove_metadata(), None
        else:
            schema, batches, is_stream = open_ipc(file)
            rows = None if is_stream else sum(batch.num_rows for batch in batches)
        return pa.schema(list(schema)), rows


def open_ipc(file: Any) -> tuple[Any, Iterator[Any], bool]:
    """(schema, record batches, whether it is a stream) of an Arrow file. Its content says which of both it is."""
    is_stream = file.read(6) != b"ARROW1"
    file.seek(0)
    if is_stream:
        stream = pyarrow.ipc.open_stream(file)
        return stream.schema, iter(stream), True
    opened = pyarrow.ipc.open_file(file)
    return opened.schema, (opened.get_batch(at) for at in range(opened.num_record_batches)), False


def read_csv_as_written(source: Any, columns: Sequence[str]) -> Iterator[Any]:
    """These columns of a CSV written here (a path or a buffer), as texts. Quoted texts are texts even if empty, so they
    differ from nulls.
    """
    options = pyarrow.csv.ConvertOptions(
        column_types=dict.fromkeys(columns, pa.string()),
        include_columns=list(columns),
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )
    with _csv_reader(source, options) as reader:
        yield from reader


WriteTable = Callable[[Any], None]
"""Appends the rows of a table to a file."""


def format_of(out: Path, given: str | None) -> Format:
    """The given format, else that of the ending of `out`, else Parquet for a directory."""
    for each in FORMATS:
        if given == each or (given is None and out.suffix == f".{each}"):
            return each
    if given is None and not out.suffix:
        return "parquet"
    raise InvalidInput(f"format must be one of {', '.join(FORMATS)}", field="format")


@contextmanager
def new_file(path: Path, schema: Any, file_format: Format) -> Iterator[WriteTable]:
    """A file of tables with this schema. It gets its name when the context ends without an error; otherwise it is
    removed.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        if file_format == "parquet":
            with pyarrow.parquet.ParquetWriter(part, schema, compression="zstd") as parquet:
                yield lambda table: parquet.write_table(table, row_group_size=max(table.num_rows, 1))
        elif file_format == "arrow":
            with pa.OSFile(str(part), "wb") as sink, pa.ipc.new_file(sink, schema) as stream:
                yield lambda table: stream.write_table(table.combine_chunks())
        elif file_format == "arrows":
            with pa.OSFile(str(part), "wb") as sink, pa.ipc.new_stream(sink, schema) as stream:
                yield lambda table: stream.write_table(table.combine_chunks())
        else:
            with pyarrow.csv.CSVWriter(part, _as_texts(schema.empty_table()).schema) as csv:
                yield lambda table: csv.write_table(_as_texts(table))
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def csv_of(table: Any) -> Any:
    """The content of a CSV file of this table: an Arrow buffer."""
    texts, sink = _as_texts(table), pa.BufferOutputStream()
    with pyarrow.csv.CSVWriter(sink, texts.schema) as csv:
        csv.write_table(texts)
    return sink.getvalue()


def sha256_of(path: Path) -> str:
    """Hex SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Translate errors of pyarrow about a file to InvalidInput with its name."""
    try:
        yield
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowKeyError, OSError) as error:
        first = str(error).splitlines()[0][:200]
        raise InvalidInput(f"{path.name} cannot be read as {path.suffix[1:]}: {first}", field="labels") from error


def _batches(file: Any, suffix: str, texts: Sequence[str], columns: Sequence[str] | None) -> Iterator[Any]:
    if suffix == ".parquet":
        with pyarrow.parquet.ParquetFile(file) as parquet:
            yield from parquet.iter_batches(batch_size=BATCH_ROWS, columns=None if columns is None else list(columns))
    elif suffix == ".csv":
        with _open_csv(file, texts) as reader:
            yield from map(_empty_as_null, reader)
    else:
        for batch in open_ipc(file)[1]:
            yield batch if columns is None else batch.select(list(columns))


def _open_csv(file: Any, texts: Sequence[str]) -> Any:
    return _csv_reader(file, pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(texts, pa.string())))


def _empty_as_null(batch: Any) -> Any:
    """Texts of a CSV with "" as null. pyarrow has one list of null spellings for all columns."""
    columns = [
        pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column)
        if pa.types.is_string(column.type)
        else column
        for column in batch.columns
    ]
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)


def _csv_reader(source: Any, options: Any) -> Any:
    return pyarrow.csv.open_csv(
        source,
        read_options=pyarrow.csv.ReadOptions(block_size=_BLOCK_BYTES),
        # A quoted text may contain line breaks, also at the end of a block.
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
        convert_options=options,
    )


def _hidden(path: Path, below: Path) -> bool:
    return any(part.startswith((".", "_")) for part in path.relative_to(below).parts)


def _as_texts(table: Any) -> Any:
    """Times as ISO 8601 texts with their zone, which a CSV would lose; vectors and lists as JSON."""
    for at, field in enumerate(table.schema):
        kind = field.type
        if pa.types.is_timestamp(kind) and kind.tz is not None:
            texts = pc.strftime(table.column(at).cast(pa.timestamp(kind.unit, "UTC")), format="%Y-%m-%dT%H:%M:%SZ")
        elif pa.types.is_nested(kind):
            lists = table.column(at).to_pylist()
            texts = pa.array([None if each is None else json.dumps(each) for each in lists], pa.string())
        elif pa.types.is_dictionary(kind):
            texts = table.column(at).cast(kind.value_type)
        else:
            continue
        table = table.set_column(at, field.name, texts)
    return table
