"""Frames in files: Parquet, CSV, Arrow (IPC) and JSON lines, read in batches and written whole.

The ending of a name says the format. Columns named entity_id, feature_name and the like are text in a CSV, and a
column `timestamp` with a zone is a time; anything else is what pyarrow makes of it.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pyarrow as pa
import pyarrow.csv
import pyarrow.ipc
import pyarrow.parquet

from featurama_core.datasets.files import files_of
from featurama_core.types.errors import InvalidInput

READABLE = (".parquet", ".csv", ".arrow", ".feather", ".ipc")
WRITABLE = (".parquet", ".csv", ".arrow")
REJECTED = ".rejected"
"""Ends the names of files with the rows that were not accepted, before the suffix."""


@dataclass(frozen=True, slots=True)
class FrameFile:
    """A file that is read as Arrow tables. `rows`: how many it has, None if that takes reading it."""

    path: Path
    rows: int | None

    @classmethod
    def of(cls, path: Path) -> FrameFile:
        """Look at a file; InvalidInput names what is wrong with it."""
        if path.suffix not in READABLE:
            raise InvalidInput(f"{path.name} is none of {', '.join(READABLE)}; rename or convert it", field="file")
        if not path.is_file():
            raise InvalidInput(f"{path} is not there; name a file", field="file")
        with _reading(path):
            rows = pyarrow.parquet.ParquetFile(path).metadata.num_rows if path.suffix == ".parquet" else None
        return cls(path, rows)

    @property
    def columns(self) -> dict[str, str]:
        """Name -> type of each column."""
        with _reading(self.path):
            if self.is_csv:
                return dict.fromkeys(self._header(), "string")
            if self.path.suffix == ".parquet":
                schema = pyarrow.parquet.read_schema(self.path)
            else:
                with pa.memory_map(str(self.path)) as source:
                    schema = pyarrow.ipc.open_file(source).schema
            return {field.name: str(field.type) for field in schema}

    @property
    def is_csv(self) -> bool:
        """Whether everything in it is text, really."""
        return self.path.suffix == ".csv"

    def tables(self, rows_per_table: int) -> Iterator[pa.Table]:
        """The file's rows in order, about so many at a time; memory is bounded by them (a CSV's block is 16 MiB).

        Of a CSV every column stays text, and only what is empty is null.
        """
        with _reading(self.path):
            for batch in self._batches(rows_per_table):
                for start in range(0, batch.num_rows, rows_per_table):
                    yield pa.Table.from_batches([batch.slice(start, rows_per_table)])

    def _batches(self, rows: int) -> Iterator[Any]:
        if self.path.suffix == ".parquet":
            yield from pyarrow.parquet.ParquetFile(self.path).iter_batches(batch_size=rows)
        elif self.path.suffix == ".csv":
            yield from pyarrow.csv.open_csv(
                self.path,
                read_options=pyarrow.csv.ReadOptions(block_size=16 * 1024 * 1024),
                # A quoted text may hold line breaks, also where a block ends.
                parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
                convert_options=pyarrow.csv.ConvertOptions(
                    column_types=dict.fromkeys(self._header(), pa.string()), null_values=[""], strings_can_be_null=True
                ),
            )
        else:
            with pa.memory_map(str(self.path)) as source:
                reader = pyarrow.ipc.open_file(source)
                for at in range(reader.num_record_batches):
                    yield reader.get_batch(at)

    def _header(self) -> list[str]:
        with self.path.open(encoding="utf-8-sig", newline="") as file:
            return next(csv.reader(file), [])


def frame_files(path: Path) -> list[FrameFile]:
    """A file, or those below a directory, by their paths; not what `featurama write` laid beside them (`rejected`)."""
    if not path.is_dir():
        return [FrameFile.of(path)]
    return [FrameFile.of(each) for each in files_of(path) if not each.stem.endswith(REJECTED)]


def check_timezone(name: str) -> None:
    """Raise InvalidInput unless there is such a zone: before a file is opened, not at its first row."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidInput(
            f"timezone {name!r} is not known; give one such as UTC or Europe/Berlin", field="timezone"
        ) from error


def write_table(table: pa.Table, path: Path) -> None:
    """Write a table; its file appears complete or not at all."""
    if path.suffix not in WRITABLE:
        raise InvalidInput(f"{path.name} is none of {', '.join(WRITABLE)}; rename it", field="out")
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    try:
        if path.suffix == ".parquet":
            pyarrow.parquet.write_table(table, part)
        elif path.suffix == ".csv":
            pyarrow.csv.write_csv(_zoned_texts(table), part)
        else:
            with pa.OSFile(str(part), "wb") as sink, pyarrow.ipc.new_file(sink, table.schema) as writer:
                writer.write_table(table)
        part.rename(path)
    finally:
        part.unlink(missing_ok=True)


def _zoned_texts(table: pa.Table) -> pa.Table:
    """Times as ISO 8601 with their zone: in a CSV a time would lose it."""
    for at, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type):
            texts = pa.compute.strftime(table.column(at), format="%Y-%m-%dT%H:%M:%SZ")
            table = table.set_column(at, field.name, texts)
    return table


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        first = str(error).splitlines()[0][:200]
        raise InvalidInput(f"{path.name} cannot be read as {path.suffix[1:]}: {first}", field="file") from error
