"""What label rows were found to see, on its way from the joins (in the order of entities) to the files (in the order
of rows): cut by output part, spilled to disk where it grows.

A hit is a row number, a status, an event time and a value of a feature; a row has at most one of each feature.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.ipc
from numpy.typing import NDArray

from featurama_core.types.column import Column, masked
from featurama_core.types.schema import FeatureDefinition
from featurama_core.types.times import MIN_TIME
from featurama_core.types.values import Int64Array, Status, UInt8Array, ValueArray, ValueType, empty_values

_OVERHEAD = 64


@dataclass(frozen=True, slots=True, eq=False)
class Winners:
    """The newest admitted stored value of one feature for n rows, whatever its age: status NOT_FOUND, time MIN_TIME
    where there is none.
    """

    values: ValueArray
    status: UInt8Array
    event_time: Int64Array

    def take(self, rows: Int64Array) -> Winners:
        """The given rows, in the given order."""
        return Winners(self.values[rows], self.status[rows], self.event_time[rows])


@dataclass(frozen=True, slots=True, eq=False)
class _Chunk:
    """Hits of some features at the same rows and times."""

    rows: Int64Array
    event_time: Int64Array
    columns: Sequence[Column]


class HitSpool:
    """Hits of some features, in memory up to `memory` bytes, else in files below `folder`. All methods block."""

    def __init__(self, folder: Path, features: Sequence[FeatureDefinition], part_rows: int, memory: int) -> None:
        self._folder = folder
        self._features = features
        self._part_rows = part_rows
        self._memory = memory
        self._held: dict[tuple[int, ...], list[_Chunk]] = {}
        self._bytes = 0
        self.files: list[str] = []
        # Of each file: which features, and which batch holds which part.
        self._index: dict[str, tuple[tuple[int, ...], dict[int, int]]] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, features: tuple[int, ...], rows: Int64Array, event_time: Int64Array, columns: list[Column]) -> None:
        """Keep hits of features (positions) that share rows and times."""
        self._held.setdefault(features, []).append(_Chunk(rows, event_time, columns))
        self._bytes += len(rows) * (16 + sum(_bytes_of(column) for column in columns))
        if self._bytes > self._memory:
            self.flush()

    def flush(self) -> None:
        """Write what is in memory: a file a set of features, a batch an output part."""
        for features, chunks in self._held.items():
            name = f"{len(self.files):06}.arrow"
            self._write(name, features, chunks)
            self.files.append(name)
        self._held, self._bytes = {}, 0

    def reopen(self, files: Sequence[str]) -> None:
        """Take up these files of an earlier build; others are not looked at."""
        for name in files:
            with pa.OSFile(str(self._folder / name)) as source:
                metadata = pa.ipc.open_file(source).schema.metadata
            features = tuple(int(each) for each in metadata[b"features"].split(b","))
            parts = [int(each) for each in metadata[b"parts"].split(b",")]
            self._index[name] = features, {part: at for at, part in enumerate(parts)}
        self.files = list(files)

    def winners(self, part: int, rows: int, wanted: Sequence[int] | None = None) -> list[Winners]:
        """A `Winners` a feature (only those `wanted`) for the `rows` rows of an output part."""
        positions = list(range(len(self._features))) if wanted is None else list(wanted)
        slots = {feature: at for at, feature in enumerate(positions)}
        first = part * self._part_rows
        found = [
            Winners(
                empty_values(each.value_type, rows, each.vector_length),
                np.full(rows, Status.NOT_FOUND, dtype=np.uint8),
                np.full(rows, MIN_TIME, dtype=np.int64),
            )
            for each in (self._features[at] for at in positions)
        ]
        for features, at_rows, times, columns in self._chunks(part, set(positions)):
            local = at_rows - first
            for feature, (values, status) in zip(features, columns, strict=True):
                if feature in slots:
                    target = found[slots[feature]]
                    target.values[local] = values
                    target.status[local] = status
                    target.event_time[local] = times
        return found

    def _chunks(
        self, part: int, wanted: set[int]
    ) -> Iterator[tuple[tuple[int, ...], Int64Array, Int64Array, list[tuple[ValueArray, UInt8Array]]]]:
        for name, (features, parts) in self._index.items():
            if part in parts and wanted.intersection(features):
                with pa.OSFile(str(self._folder / name)) as source:
                    batch = pa.ipc.open_file(source).get_batch(parts[part])
                columns = [
                    (_from_arrow(batch.column(2 * at + 3), self._features[each]), batch.column(2 * at + 2).to_numpy())
                    for at, each in enumerate(features)
                ]
                yield features, batch.column(0).to_numpy(), batch.column(1).to_numpy(), columns
        low, high = part * self._part_rows, (part + 1) * self._part_rows
        for features, chunks in self._held.items():
            if not wanted.intersection(features):
                continue
            for chunk in chunks:
                there = (chunk.rows >= low) & (chunk.rows < high)
                if there.any():
                    picked = [(column.values[there], column.status[there]) for column in chunk.columns]
                    yield features, chunk.rows[there], chunk.event_time[there], picked

    def _write(self, name: str, features: tuple[int, ...], chunks: list[_Chunk]) -> None:
        rows = np.concatenate([chunk.rows for chunk in chunks])
        times = np.concatenate([chunk.event_time for chunk in chunks])
        order = np.argsort(rows, kind="stable")
        part = rows[order] // self._part_rows
        cuts = np.append(np.flatnonzero(np.diff(part, prepend=-1)), len(part))
        parts = part[cuts[:-1]].tolist()
        arrays = [pa.array(rows[order]), pa.array(times[order])]
        for at in range(len(features)):
            status = np.concatenate([chunk.columns[at].status for chunk in chunks])
            values = np.concatenate([chunk.columns[at].values for chunk in chunks])
            arrays += [pa.array(status[order]), _to_arrow(values[order], self._features[features[at]])]
        names = ["row", "event_time"]
        for each in features:
            names += [f"status_{each}", f"value_{each}"]
        listed = {"features": ",".join(map(str, features)), "parts": ",".join(map(str, parts))}
        batch = pa.RecordBatch.from_arrays(arrays, names=names).replace_schema_metadata(listed)
        with pa.OSFile(str(self._folder / name), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as writer:
            for start, end in zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True):
                writer.write_batch(batch.slice(start, end - start))
        self._index[name] = features, {each: at for at, each in enumerate(parts)}


def newer_than(winners: Winners, definition: FeatureDefinition, bound: Int64Array | int) -> Winners:
    """What is left of winners when everything with event time <= bound is gone.

    Right after the join too: if a winner is gone, so is everything older that it stood before.
    """
    gone = (winners.event_time <= bound) & (winners.status != Status.NOT_FOUND)
    if not gone.any():
        return winners
    status = np.where(gone, np.uint8(Status.NOT_FOUND), winners.status)
    values = masked(winners.values, definition.value_type, status, definition.vector_length)
    return Winners(values, status, np.where(gone, MIN_TIME, winners.event_time))


def _bytes_of(column: Column) -> int:
    if column.value_type is ValueType.TEXT:
        return _OVERHEAD + 1
    return 4 * column.vector_length + 9


def _to_arrow(values: ValueArray, definition: FeatureDefinition) -> Any:
    if definition.value_type is ValueType.TEXT:
        return pa.array(values, pa.string())
    if definition.value_type is ValueType.VECTOR:
        return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), definition.vector_length)
    return pa.array(values)


def _from_arrow(array: Any, definition: FeatureDefinition) -> ValueArray:
    if definition.value_type is ValueType.VECTOR:
        flat: NDArray[np.float32] = array.flatten().to_numpy()
        return flat.reshape(-1, definition.vector_length)
    values: ValueArray = array.to_numpy(zero_copy_only=False)
    return values
