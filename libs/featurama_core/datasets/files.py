"""Label files: Parquet, CSV and Arrow (IPC), single ones or all of a directory, read in batches in a fixed order."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.ipc
import pyarrow.parquet

from featurama_core.types.errors import InvalidInput

READABLE = (".parquet", ".csv", ".arrow", ".feather", ".ipc")
BATCH_ROWS = 65_536
_CSV_BLOCK_BYTES = 4 * 1024 * 1024


def files_of(path: Path) -> list[Path]:
    """A file, or the readable files below a directory, sorted by their paths. InvalidInput if there are none."""
    if path.is_dir():
        found = sorted(each for each in path.rglob("*") if each.suffix in READABLE and not _hidden(each, path))
        if not found:
            raise InvalidInput(f"{path.name} holds no file that ends in {', '.join(READABLE)}", field="labels")
        return found
    if path.suffix not in READABLE:
        raise InvalidInput(f"{path.name} is none of {', '.join(READABLE)}; rename or convert it", field="labels")
    if not path.is_file():
        raise InvalidInput(f"{path} is not there; name a file or a directory", field="labels")
    return [path]


def count_rows(files: Sequence[Path]) -> int | None:
    """Rows of all files together; None where telling takes reading them (CSV)."""
    rows = 0
    for path in files:
        with reading(path):
            if path.suffix == ".csv":
                return None
            if path.suffix == ".parquet":
                rows += pyarrow.parquet.ParquetFile(path).metadata.num_rows
            else:
                with pa.memory_map(str(path)) as source:
                    reader = pyarrow.ipc.open_file(source)
                    rows += sum(reader.get_batch(at).num_rows for at in range(reader.num_record_batches))
    return rows


def read_batches(path: Path, texts: Sequence[str], columns: Sequence[str] | None = None) -> Iterator[Any]:
    """The rows of a file in order, at most BATCH_ROWS at a time. `texts`: CSV columns that are text, whatever they
    look like. `columns`: these alone. In a text column of a CSV only what is empty is null: NA is a country.
    """
    with reading(path):
        for batch in _batches(path, texts, columns):
            for start in range(0, batch.num_rows, BATCH_ROWS):
                yield batch.slice(start, BATCH_ROWS)


def schema_of(path: Path, texts: Sequence[str], columns: Sequence[str] | None = None) -> Any:
    """The Arrow schema of what `read_batches` gives."""
    with reading(path):
        if path.suffix == ".parquet":
            schema = pyarrow.parquet.read_schema(path)
        elif path.suffix == ".csv":
            with _open_csv(path, texts, columns) as reader:
                return reader.schema.remove_metadata()
        else:
            with pa.memory_map(str(path)) as source:
                schema = pyarrow.ipc.open_file(source).schema
        fields = schema if columns is None else [schema.field(name) for name in columns]
        return pa.schema(list(fields))


def read_csv_as_written(source: Any, columns: Sequence[str]) -> Iterator[Any]:
    """These columns of a CSV that `output` wrote (a path or a buffer), as texts: nothing is guessed, and what is quoted
    is a text even if it is empty, so that a null is no text.
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


def sha256_of(path: Path) -> str:
    """Hex SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Pyarrow's complaints about a file become InvalidInput that names it."""
    try:
        yield
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowKeyError) as error:
        first = str(error).splitlines()[0][:200]
        raise InvalidInput(f"{path.name} cannot be read as {path.suffix[1:]}: {first}", field="labels") from error


def _batches(path: Path, texts: Sequence[str], columns: Sequence[str] | None) -> Iterator[Any]:
    if path.suffix == ".parquet":
        with pyarrow.parquet.ParquetFile(path) as file:
            yield from file.iter_batches(batch_size=BATCH_ROWS, columns=None if columns is None else list(columns))
    elif path.suffix == ".csv":
        with _open_csv(path, texts, columns) as reader:
            yield from map(_empty_as_null, reader)
    else:
        with pa.OSFile(str(path)) as source:
            reader = pyarrow.ipc.open_file(source)
            for at in range(reader.num_record_batches):
                batch = reader.get_batch(at)
                yield batch if columns is None else batch.select(list(columns))


def _open_csv(path: Path, texts: Sequence[str], columns: Sequence[str] | None) -> Any:
    options = pyarrow.csv.ConvertOptions(
        column_types=dict.fromkeys(texts, pa.string()),
        include_columns=None if columns is None else list(columns),
    )
    return _csv_reader(path, options)


def _empty_as_null(batch: Any) -> Any:
    """Pyarrow's own spellings of null are one list for all columns."""
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
        read_options=pyarrow.csv.ReadOptions(block_size=_CSV_BLOCK_BYTES),
        # A quoted text may hold line breaks, also where a block ends.
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
        convert_options=options,
    )


def _hidden(path: Path, below: Path) -> bool:
    return any(part.startswith((".", "_")) for part in path.relative_to(below).parts)
