"""The rows of a set as its files hold them, and new rows in the same words, so that both can be compared.

Parquet and Arrow keep types. A CSV keeps texts: its rows are read as texts, and new rows are taken through the writer.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from featurama_core.datasets.files import csv_of, read_batches, read_csv_as_written, reading
from featurama_core.datasets.labels import LabelColumns
from featurama_core.datasets.manifest import Manifest


class WrittenSet:
    """A `LabelSource` of the rows that a set was built for, and its rows. All methods block."""

    def __init__(self, target: Path, manifest: Manifest, columns: LabelColumns) -> None:
        names = [target.name] if target.suffix else [each["name"] for each in manifest.files]
        self._paths = [(target.parent if target.suffix else target) / name for name in names]
        self._is_csv = manifest.request["format"] == "csv"
        self._manifest = manifest
        self._time = columns.time
        self._keys = columns.keys
        self.schema = next(self.batches()).schema

    @property
    def rows(self) -> int | None:
        """By the manifest."""
        return self._manifest.rows

    def batches(self) -> Iterator[Any]:
        """Entity and moment of every row."""
        for batch in self._read(self._keys):
            yield self._with_numbers(batch) if self._is_csv else batch

    def fingerprint(self) -> dict[str, object]:
        """What the set was built for."""
        return dict(self._manifest.request["labels"])

    def tables(self, rows: int) -> Iterator[Any]:
        """The set, at most so many rows at a time."""
        for batch in self._read(self._columns()):
            for start in range(0, batch.num_rows, rows):
                yield pa.Table.from_batches([batch.slice(start, rows)])

    def in_its_words(self, table: Any) -> Any:
        """New rows as the files of this set would give them back."""
        if not self._is_csv:
            return table
        batches = read_csv_as_written(pa.BufferReader(csv_of(table)), table.column_names)
        return pa.Table.from_batches(batches)

    def _read(self, columns: list[str]) -> Iterator[Any]:
        for path in self._paths:
            if self._is_csv:
                with reading(path):
                    yield from read_csv_as_written(path, columns)
            else:
                # Parquet takes `home` for the beginning of `home.mood` too.
                yield from (batch.select(columns) for batch in read_batches(path, [], columns))

    def _columns(self) -> list[str]:
        request = self._manifest.request
        suffixes = ["", *["__status"] * request["statuses"], *["__event_time"] * request["event_times"]]
        names = [f"{feature['name']}{suffix}" for feature in self._manifest.features for suffix in suffixes]
        return [*request["label_columns"], *names]

    def _with_numbers(self, batch: Any) -> Any:
        """Moments that were integers are integers again."""
        if self._time not in batch.schema.names or not pc.all(pc.utf8_is_digit(batch.column(self._time))).as_py():
            return batch
        at = batch.schema.get_field_index(self._time)
        return batch.set_column(at, self._time, batch.column(at).cast(pa.int64()))
