"""Files of feature values: Parquet, CSV and Arrow (IPC), read in batches. The suffix is the format."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet

from featurama_core.datasets.files import files_of, open_ipc, read_batches, reading
from featurama_core.types.errors import InvalidInput

REJECTED = ".rejected"
"""End of the stem of files with rows that were not accepted."""


@dataclass(frozen=True, slots=True)
class FrameFile:
    """A file that is read as Arrow tables. rows: their number; None if it is unknown before reading the file."""

    path: Path
    rows: int | None

    @classmethod
    def of(cls, path: Path) -> FrameFile:
        """Inspect a file. Raises InvalidInput for an unreadable one."""
        with reading(path):
            rows = pyarrow.parquet.ParquetFile(path).metadata.num_rows if path.suffix == ".parquet" else None
        return cls(path, rows)

    @property
    def columns(self) -> dict[str, str]:
        """Name -> type of each column."""
        with reading(self.path):
            if self.is_csv:
                return dict.fromkeys(self._header(), "string")
            if self.path.suffix == ".parquet":
                schema = pyarrow.parquet.read_schema(self.path)
            else:
                with pa.memory_map(str(self.path)) as source:
                    schema = open_ipc(source)[0]
            return {field.name: str(field.type) for field in schema}

    @property
    def is_csv(self) -> bool:
        """Whether all its values are text."""
        return self.path.suffix == ".csv"

    def tables(self, rows_per_table: int) -> Iterator[pa.Table]:
        """The rows of the file in order, at most `rows_per_table` at a time, in bounded memory. The columns of a CSV
        are text, and only empty cells are null.
        """
        for batch in read_batches(self.path, self._header() if self.is_csv else ()):
            for start in range(0, batch.num_rows, rows_per_table):
                yield pa.Table.from_batches([batch.slice(start, rows_per_table)])

    def _header(self) -> list[str]:
        with self.path.open(encoding="utf-8-sig", newline="") as file:
            return next(csv.reader(file), [])


def frame_files(path: Path) -> list[FrameFile]:
    """A file, or the files below a directory, sorted by path, without files of rejected rows (`rejected`)."""
    found = files_of(path)
    return [FrameFile.of(each) for each in found if each == path or not each.stem.endswith(REJECTED)]


def check_timezone(name: str) -> None:
    """Raise InvalidInput for an unknown time zone, before a file is opened."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidInput(
            f"timezone {name!r} is not known; give one such as UTC or Europe/Berlin", field="timezone"
        ) from error
