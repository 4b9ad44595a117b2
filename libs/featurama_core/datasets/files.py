"""Files of tables out: Parquet, CSV and Arrow (IPC files and streams).

The bytes of a written file depend on the rows and the format alone. It appears complete or not at all. Files come in
by the package `files`.
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
_BLOCK_BYTES = 4 * 1024 * 1024


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
    with pyarrow.csv.open_csv(
        source,
        read_options=pyarrow.csv.ReadOptions(block_size=_BLOCK_BYTES),
        # A quoted text may contain line breaks, also at the end of a block.
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
        convert_options=options,
    ) as reader:
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


def check_columns(schema: Any, file_format: Format) -> None:
    """Raise InvalidInput for a column whose type files of this format cannot hold."""
    for field in schema:
        try:
            table = pa.schema([field]).empty_table()
            with _writer(pa.BufferOutputStream(), table.schema, file_format) as write:
                write(table)
        except pa.ArrowException as error:
            raise InvalidInput(
                f"{file_format} files cannot hold the column {field.name}, which is {field.type}; convert it, or leave "
                "it out",
                field=field.name,
            ) from error


@contextmanager
def new_file(path: Path, schema: Any, file_format: Format) -> Iterator[WriteTable]:
    """A file of tables with this schema. It gets its name when the context ends without an error; otherwise it is
    removed.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        with pa.OSFile(str(part), "wb") as sink, _writer(sink, schema, file_format) as write:
            yield write
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _writer(sink: Any, schema: Any, file_format: Format) -> Iterator[WriteTable]:
    if file_format == "parquet":
        with pyarrow.parquet.ParquetWriter(sink, schema, compression="zstd") as parquet:
            yield lambda table: parquet.write_table(table, row_group_size=max(table.num_rows, 1))
    elif file_format == "csv":
        with pyarrow.csv.CSVWriter(sink, _as_texts(schema.empty_table()).schema) as csv:
            yield lambda table: csv.write_table(_as_texts(table))
    else:
        opening = pa.ipc.new_file if file_format == "arrow" else pa.ipc.new_stream
        with opening(sink, schema) as stream:
            yield lambda table: stream.write_table(table.combine_chunks())


def csv_of(table: Any) -> Any:
    """The content of a CSV file of this table: an Arrow buffer."""
    sink = pa.BufferOutputStream()
    with _writer(sink, table.schema, "csv") as write:
        write(table)
    return sink.getvalue()


def sha256_of(path: Path) -> str:
    """Hex SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _as_texts(table: Any) -> Any:
    """Times as ISO 8601 texts with their zone, which a CSV would lose; vectors and lists as JSON, in which what JSON
    has no form for is text. InvalidInput for bytes that are not UTF-8.
    """
    for at, field in enumerate(table.schema):
        kind = field.type
        if pa.types.is_timestamp(kind) and kind.tz is not None:
            texts = pc.strftime(table.column(at).cast(pa.timestamp(kind.unit, "UTC")), format="%Y-%m-%dT%H:%M:%SZ")
        elif pa.types.is_nested(kind):
            lists = table.column(at).to_pylist()
            texts = pa.array([None if each is None else json.dumps(each, default=str) for each in lists], pa.string())
        elif pa.types.is_dictionary(kind):
            texts = table.column(at).cast(kind.value_type)
        elif pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
            texts = _decoded(field.name, table.column(at))
        else:
            continue
        table = table.set_column(at, field.name, texts)
    return table


def _decoded(name: str, column: Any) -> Any:
    try:
        return column.cast(pa.binary()).cast(pa.string())
    except pa.ArrowInvalid as error:
        raise InvalidInput(
            f"csv files hold text alone, but the column {name} has bytes that are not UTF-8; choose parquet, or leave "
            "it out",
            field=name,
        ) from error
