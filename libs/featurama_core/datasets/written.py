"""A set on disk: label rows, feature columns and whole tables from its manifest and files.

Parquet and Arrow keep types. The rows of a CSV are read as texts, and new rows are converted to CSV before they are
compared with them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from featurama_core.datasets.files import csv_of, read_csv_as_written, sha256_of
from featurama_core.datasets.manifest import Manifest, find_manifest, request_sha256
from featurama_core.files.table_file import TableFile, reading
from featurama_core.frames.entities import EntityColumns
from featurama_core.frames.naming import FeatureColumns
from featurama_core.frames.role_columns import role_columns
from featurama_core.frames.spine import SpineColumns
from featurama_core.frames.zones import TimeRules
from featurama_core.types.column import Column, concatenate
from featurama_core.types.entity_keys import EntityKeys, key_columns
from featurama_core.types.roles import NO_ROLE
from featurama_core.types.times import to_micros
from featurama_core.types.values import Status, ValueType, parse_value_type


class WrittenSet:
    """The set at a directory or file. It is a `SpineSource` of its rows. All methods block."""

    def __init__(self, target: Path, role: str = NO_ROLE) -> None:
        """Read the manifest. Raises InvalidInput if there is none. role: see `alone`."""
        self._manifest_path = find_manifest(target)
        self.manifest = Manifest.load(self._manifest_path)
        request = self.manifest.request
        self._role = role
        self._target = target
        self._folder = target.parent if target.suffix else target
        self._is_csv = request["format"] == "csv"
        self.label_columns: list[str] = list(request["label_columns"])
        self.columns = SpineColumns(
            request["entity_column"] or "entity_id",
            request["time_column"],
            None if request["time"] is None else to_micros(request["time"]),
            # Sets of earlier versions took numbers as microseconds.
            TimeRules(
                request["timezone"],
                request.get("time_unit", "us"),
                request.get("time_format"),
                ambiguous=request.get("ambiguous", "refuse"),
            ),
            tuple(each for each in role_columns(request.get("roles")) if role in (NO_ROLE, each.role.name)),
            _single(request.get("entity_keys")),
            tuple(request.get("casts", {}).items()),
            request.get("clock_column", ""),
        )

    @cached_property
    def schema(self) -> Any:
        """The Arrow schema of `batches`."""
        batch = next(self.batches(), None)
        return pa.schema([(name, pa.string()) for name in self.columns.keys]) if batch is None else batch.schema

    @property
    def rows(self) -> int | None:
        """Number of rows, from the manifest."""
        return self.manifest.rows

    def batches(self) -> Iterator[Any]:
        """Entity and time of every row."""
        yield from self._read(self.columns.keys)

    def fingerprint(self) -> dict[str, object]:
        """The fingerprint of the original label rows."""
        return dict(self.manifest.request["labels"])

    def file_problems(self) -> list[str]:
        """Problems of the files, as texts."""
        problems = []
        noted = self.manifest.content.get("request_sha256")
        if noted not in (None, request_sha256(self.manifest.request)):
            problems.append(f"{self._manifest_path.name} is not as it was written: the SHA-256 of its request differs")
        for file in self.manifest.files:
            path = self._folder / file["name"]
            if not path.is_file():
                problems.append(f"{file['name']} is missing")
            elif path.stat().st_size != file["bytes"] or sha256_of(path) != file["sha256"]:
                problems.append(f"{file['name']} is not the file that was written: its SHA-256 differs")
        if self._target.is_dir():
            named = {each["name"] for each in self.manifest.files}
            problems += [
                f"{path.name} is not part of the set"
                for path in sorted(self._target.iterdir())
                if path.name not in named and path != self._manifest_path
            ]
        return problems

    def alone(self, role: str) -> WrittenSet:
        """The same rows with the features of one role, without it in their references, and its entities."""
        return WrittenSet(self._target, role)

    def holds(self, reference: str) -> bool:
        """Whether the set has a feature with this pinned reference."""
        return reference in self._features

    def feature_batches(
        self, references: Mapping[str, str], labels: Sequence[str] = ()
    ) -> Iterator[tuple[Any, list[Column]]]:
        """Runs of rows in order: (an Arrow batch of the label columns, one column per reference). Not for CSV.

        references: reference -> name of its column. Statuses are PRESENT or NOT_FOUND, event times are 0.
        """
        kept = [self._features[each] for each in references]
        for batch in self._read([*labels, *dict.fromkeys(each["name"] for each in kept)]):
            columns = [
                read_column(batch.column(feature["name"]), feature["type"], name, feature["reference"])
                for feature, name in zip(kept, references.values(), strict=True)
            ]
            yield batch.select(list(labels)), columns

    def feature(self, reference: str, name: str) -> Column:
        """All values of one feature; see `feature_batches`."""
        return concatenate([column for _, (column,) in self.feature_batches({reference: name})])

    def tables(self, rows: int) -> Iterator[Any]:
        """The rows of the set, at most `rows` at a time."""
        for batch in self._read(self._columns()):
            for start in range(0, batch.num_rows, rows):
                yield pa.Table.from_batches([batch.slice(start, rows)])

    def in_its_words(self, table: Any) -> Any:
        """New rows as they would be read from files of this format."""
        if not self._is_csv:
            return table
        batches = read_csv_as_written(pa.BufferReader(csv_of(table)), table.column_names)
        return pa.Table.from_batches(batches)

    def _read(self, columns: list[str]) -> Iterator[Any]:
        names = [self._target.name] if self._target.suffix else [each["name"] for each in self.manifest.files]
        for path in (self._folder / name for name in names):
            if self._is_csv:
                with reading(path.name, "csv"):
                    yield from read_csv_as_written(path, columns)
            else:
                yield from TableFile(path).batches(columns)

    @cached_property
    def _features(self) -> dict[str, dict[str, Any]]:
        of_role = f"{self._role}." if self._role else ""
        return {
            each["reference"].removeprefix(of_role): each
            for each in self.manifest.features
            if each["reference"].startswith(of_role)
        }

    def _columns(self) -> list[str]:
        request = self.manifest.request
        shown = FeatureColumns(request["statuses"], request["event_times"])
        names = [column for feature in self.manifest.features for column in shown.all_of(feature["name"])]
        return [*request["label_columns"], *names]


def read_column(array: Any, type_text: str, name: str, reference: str) -> Column:
    """A column from an Arrow array of values of a feature's type. Nulls are NOT_FOUND, event times are 0."""
    value_type, length = parse_value_type(type_text)
    absent = array.is_null().to_numpy(zero_copy_only=False)
    status = np.where(absent, Status.NOT_FOUND, Status.PRESENT).astype(np.uint8)
    values: Any
    if value_type is ValueType.VECTOR:
        values = np.zeros((len(array), length), dtype=np.float32)
        values[~absent] = array.drop_null().flatten().to_numpy().reshape(-1, length)
    else:
        zero = {ValueType.TEXT: "", ValueType.BOOL: False}.get(value_type, 0)
        values = array.fill_null(zero).to_numpy(zero_copy_only=False)
    times = np.zeros(len(array), dtype=np.int64)
    return Column(name, value_type, values, status, times, reference=reference)


def _single(recorded: Mapping[str, Any] | None) -> EntityColumns | None:
    """The key columns of a recorded request; None for ids."""
    if recorded is None:
        return None
    keys = EntityKeys(recorded["entity_type"], key_columns(recorded["keys"]))
    return EntityColumns(keys.names, keys, recorded["agreeing"])
