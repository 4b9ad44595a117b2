"""Files of a set: one output part a file, or all of them in one. Bytes depend on the rows and the format alone.

A file appears complete or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.ipc
import pyarrow.parquet

from featurama_core.types.errors import InvalidInput

Format = Literal["parquet", "csv", "arrow"]
FORMATS: tuple[Format, ...] = ("parquet", "csv", "arrow")


class TableFile(Protocol):
    """A file that tables are appended to."""

    def write(self, table: Any) -> None:
        """Append rows."""


def format_of(out: Path, given: str | None) -> Format:
    """The format that is named, or that the ending of `out` says; Parquet for a directory."""
    for each in FORMATS:
        if given == each or (given is None and out.suffix == f".{each}"):
            return each
    if given is None and not out.suffix:
        return "parquet"
    raise InvalidInput(f"format must be one of {', '.join(FORMATS)}", field="format")


@contextmanager
def new_file(path: Path, schema: Any, file_format: Format) -> Iterator[TableFile]:
    """A file of tables with this schema. It takes its name when the context ends well, and is removed otherwise."""
    part = path.with_name(f".{path.name}.part")
    try:
        if file_format == "parquet":
            with pyarrow.parquet.ParquetWriter(part, schema, compression="zstd") as parquet:
                yield _Parquet(parquet)
        elif file_format == "arrow":
            with pa.OSFile(str(part), "wb") as sink, pa.ipc.new_file(sink, schema) as stream:
                yield _Arrow(stream)
        else:
            with pyarrow.csv.CSVWriter(part, _as_texts(schema.empty_table()).schema) as csv:
                yield _Csv(csv)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def csv_of(table: Any) -> Any:
    """What a CSV file of this table holds: an Arrow buffer."""
    texts, sink = _as_texts(table), pa.BufferOutputStream()
    with pyarrow.csv.CSVWriter(sink, texts.schema) as csv:
        csv.write_table(texts)
    return sink.getvalue()


class _Parquet:
    def __init__(self, writer: Any) -> None:
        self._writer = writer

    def write(self, table: Any) -> None:
        self._writer.write_table(table, row_group_size=max(table.num_rows, 1))


class _Arrow:
    def __init__(self, writer: Any) -> None:
        self._writer = writer

    def write(self, table: Any) -> None:
        self._writer.write_table(table.combine_chunks())


class _Csv:
    def __init__(self, writer: Any) -> None:
        self._writer = writer

    def write(self, table: Any) -> None:
        self._writer.write_table(_as_texts(table))


def _as_texts(table: Any) -> Any:
    """Times as ISO 8601 with their zone, which a CSV would lose; vectors and lists as JSON."""
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
