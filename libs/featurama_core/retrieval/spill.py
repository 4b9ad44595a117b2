"""Joins of any size on disk: rows to be joined, and matches to be written.

Rows are split into shards by a stable hash of the entity id. All rows of an entity are in one shard, so shards are
joined one after another with one of them in memory. A shard needs only some of the buckets of a partition, because
buckets on a CQL server use the same hash. Matches arrive in the order of entities and are read in the order of rows:
they are split by output part, and written to files beyond the memory limit.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc
from numpy.typing import NDArray

from featurama_core.retrieval.answer import Stored
from featurama_core.retrieval.entity_rows import EntityRows
from featurama_core.retrieval.matches import Matches
from featurama_core.types.column import Column
from featurama_core.types.references import ResolvedFeature
from featurama_core.types.schema import FeatureDefinition
from featurama_core.types.values import Int64Array, ValueArray, ValueType, empty_values

SHARDS = 64
"""Number of shards on disk. Those that fit the memory are joined together."""
FEW_ROWS = 250_000
"""Maximum number of rows with a single shard."""
_BUFFER_ROWS = 1_000_000
_SCHEMA = pa.schema([("entity_id", pa.string()), ("event_time", pa.int64()), ("row", pa.int64())])
_ROW_BYTES, _ENTITY_BYTES = 72, 256
"""Memory per label row and per distinct entity during the join of their shard."""
_OVERHEAD = 64


class EntityRowShards:
    """The rows of one join, below a folder. All methods block."""

    def __init__(self, folder: Path, shards: int) -> None:
        self._folder = folder
        self._shards = shards
        self._buffer: list[Any] = []
        self._buffered = 0
        self._written = 0
        self.rows_of = np.zeros(shards, dtype=np.int64)
        # An upper bound: an entity is counted once per file.
        self._entities_of = np.zeros(shards, dtype=np.int64)
        folder.mkdir(parents=True, exist_ok=True)

    @classmethod
    def reopened(cls, folder: Path, state: dict[str, Any]) -> EntityRowShards:
        """The inverse of `state`."""
        keys = cls(folder, len(state["rows"]))
        keys.rows_of = np.array(state["rows"], dtype=np.int64)
        keys._entities_of = np.array(state["entities"], dtype=np.int64)
        keys._written = state["files"]
        return keys

    def state(self) -> dict[str, Any]:
        """For `reopened`."""
        return {
            "rows": self.rows_of.tolist(),
            "entities": self._entities_of.tolist(),
            "files": self._written,
        }

    def add(self, entity_ids: Any, event_time: Int64Array, row: Int64Array) -> None:
        """Append rows. Call `flush` after the last."""
        columns = [entity_ids, pa.array(event_time), pa.array(row)]
        self._buffer.append(pa.RecordBatch.from_arrays(columns, schema=_SCHEMA))
        self._buffered += len(row)
        if self._buffered >= _BUFFER_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write the buffered rows: one file with one batch per shard."""
        if not self._buffered:
            return
        table = pa.Table.from_batches(self._buffer, _SCHEMA).combine_chunks()
        encoded = table.column("entity_id").combine_chunks().dictionary_encode()
        of_entity = self._shards_of(encoded.dictionary.to_pylist())
        # Of small numbers the order is found without comparisons.
        shard = of_entity.astype(np.uint16)[encoded.indices.to_numpy()]
        order = np.argsort(shard, kind="stable")
        cuts = np.searchsorted(shard[order], np.arange(self._shards + 1))
        with (
            pa.OSFile(str(self._folder / f"{self._written:06}.arrow"), "wb") as sink,
            pa.ipc.new_file(sink, _SCHEMA) as writer,
        ):
            for start, end in zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True):
                part = table.take(pa.array(order[start:end])).combine_chunks().to_batches()
                writer.write_batch(part[0] if part else pa.RecordBatch.from_pylist([], schema=_SCHEMA))
        self.rows_of += np.diff(cuts)
        self._entities_of += np.bincount(of_entity, minlength=self._shards)
        self._written += 1
        self._buffer, self._buffered = [], 0

    def passes(self, memory: int) -> int:
        """Number of joins of shards so that each fits `memory` bytes: a power of two."""
        size = self.rows_of * _ROW_BYTES + self._entities_of * _ENTITY_BYTES
        passes = 1
        while passes < self._shards and size.reshape(-1, passes).sum(axis=0).max() > memory:
            passes *= 2
        return passes

    def load(self, number: int, passes: int) -> EntityRows:
        """The rows of the shards of one pass."""
        wanted = range(number, self._shards, passes)
        size = int(self.rows_of[list(wanted)].sum())
        time, row = np.empty(size, dtype=np.int64), np.empty(size, dtype=np.int64)
        coded, first = [], 0
        for at in range(self._written):
            with pa.OSFile(str(self._folder / f"{at:06}.arrow")) as source:
                reader = pa.ipc.open_file(source)
                for shard in wanted:
                    # Copied: a reference to a column would keep the batch with all its ids in memory.
                    batch = reader.get_batch(shard)
                    here = slice(first, first + batch.num_rows)
                    time[here], row[here] = batch.column(1), batch.column(2)
                    coded.append(batch.column(0).dictionary_encode())
                    first += batch.num_rows
        entity_ids, entity = _ranked(coded)
        return EntityRows.sorted(entity_ids, entity, time, row)

    def _shards_of(self, entity_ids: list[str]) -> Int64Array:
        hashes = (zlib.crc32(each.encode()) % self._shards for each in entity_ids)
        return np.fromiter(hashes, np.int64, len(entity_ids))


def _ranked(coded: list[Any]) -> tuple[list[str], Int64Array]:
    """Dictionary-encoded ids -> the distinct ids, ascending by their bytes, and the position of the id of each row."""
    column = pa.chunked_array(coded, pa.dictionary(pa.int32(), pa.string())).unify_dictionaries()
    if not len(column):
        return [], np.zeros(0, dtype=np.int64)
    ids = column.chunk(0).dictionary
    ascending = pc.array_sort_indices(ids)
    rank = np.empty(len(ids), dtype=np.int64)
    rank[ascending.to_numpy()] = np.arange(len(ids))
    entity = np.concatenate([rank[each.indices.to_numpy()] for each in column.chunks])
    return ids.take(ascending).to_pylist(), entity


class _Held:
    """Matches of some features at the same rows and times, in arrays that grow. Arrays per block, made and released by
    several threads, would leave the memory of the process in pieces that the system does not get back.
    """

    def __init__(self, features: Sequence[ResolvedFeature]) -> None:
        self._features = features
        self._room = 0
        self.count = 0
        self.row_bytes = 16 + sum(1 + _value_bytes(each) for each in features)
        self._rows = self._event_time = np.empty(0, dtype=np.int64)
        self._status = np.empty((len(features), 0), dtype=np.uint8)
        self._values = [_values(each, 0) for each in features]

    @property
    def rows(self) -> Int64Array:
        """The rows of all matches, in order of arrival."""
        return self._rows[: self.count]

    def add(self, rows: Int64Array, event_time: Int64Array, columns: Sequence[Column]) -> None:
        end = self.count + len(rows)
        if end > self._room:
            self._grow(max(end, 2 * self._room))
        here = slice(self.count, end)
        self._rows[here], self._event_time[here] = rows, event_time
        for at, column in enumerate(columns):
            self._status[at, here], self._values[at][here] = column.status, column.values
        self.count = end

    def batch(self, taken: Int64Array) -> Any:
        """The given matches as a record batch."""
        names, arrays = ["row", "event_time"], [pa.array(self._rows[taken]), pa.array(self._event_time[taken])]
        for at, feature in enumerate(self._features):
            names += [f"status_{at}", f"value_{at}"]
            arrays += [pa.array(self._status[at][taken]), _to_arrow(self._values[at][taken], feature.definition)]
        return pa.RecordBatch.from_arrays(arrays, names=names)

    def _grow(self, room: int) -> None:
        count, self._room = self.count, room
        rows, event_time = np.empty(room, dtype=np.int64), np.empty(room, dtype=np.int64)
        rows[:count], event_time[:count] = self._rows[:count], self._event_time[:count]
        self._rows, self._event_time = rows, event_time
        status = np.empty((len(self._features), room), dtype=np.uint8)
        status[:, :count] = self._status[:, :count]
        self._status = status
        for at, feature in enumerate(self._features):
            values = _values(feature, room)
            values[:count] = self._values[at][:count]
            self._values[at] = values


class MatchSpool:
    """A `MatchSink`: matches of some features, in memory up to `memory` bytes, else in files below `folder`.

    All methods block.
    """

    def __init__(self, folder: Path, features: Sequence[ResolvedFeature], part_rows: int, memory: int) -> None:
        self._folder = folder
        self._features = features
        self._part_rows = part_rows
        self._memory = memory
        self._held: dict[tuple[int, ...], _Held] = {}
        self._bytes = 0
        self.files: list[str] = []
        # Per file: its features, and the batch of each part.
        self._index: dict[str, tuple[tuple[int, ...], dict[int, int]]] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, features: tuple[int, ...], rows: Int64Array, event_time: Int64Array, columns: list[Column]) -> None:
        """See `MatchSink.add`."""
        held = self._held.get(features)
        if held is None:
            held = self._held[features] = _Held([self._features[each] for each in features])
        held.add(rows, event_time, columns)
        self._bytes += len(rows) * held.row_bytes
        if self._bytes > self._memory:
            self.flush()

    def flush(self) -> None:
        """Write the matches in memory: one file per set of features, one batch per output part."""
        for features, held in self._held.items():
            name = f"{len(self.files):06}.arrow"
            self._write(name, features, held)
            self.files.append(name)
        self._held, self._bytes = {}, 0

    def reopen(self, files: Sequence[str]) -> None:
        """Use these files of an earlier build. Other files are ignored."""
        for name in files:
            with pa.OSFile(str(self._folder / name)) as source:
                metadata = pa.ipc.open_file(source).schema.metadata
            features = tuple(int(each) for each in metadata[b"features"].split(b","))
            parts = [int(each) for each in metadata[b"parts"].split(b",")]
            self._index[name] = features, {part: at for at, part in enumerate(parts)}
        self.files = list(files)

    def stored(self, part: int, rows: int, wanted: Sequence[int] | None = None) -> list[Stored]:
        """The winners of each feature for the `rows` rows of an output part. wanted: positions, None for all."""
        positions = list(range(len(self._features))) if wanted is None else list(wanted)
        matches = Matches([self._features[at] for at in positions], rows)
        slots = {feature: at for at, feature in enumerate(positions)}
        first = part * self._part_rows
        for features, at_rows, times, columns in self._chunks(part, set(positions)):
            held = {slots[each]: column for each, column in zip(features, columns, strict=True) if each in slots}
            matches.add(tuple(held), at_rows - first, times, list(held.values()))
        return [stored for _, stored in matches.winners()]

    def _chunks(
        self, part: int, wanted: set[int]
    ) -> Iterator[tuple[tuple[int, ...], Int64Array, Int64Array, list[Column]]]:
        for name, (features, parts) in self._index.items():
            if part in parts and wanted.intersection(features):
                with pa.OSFile(str(self._folder / name)) as source:
                    yield features, *self._read(features, pa.ipc.open_file(source).get_batch(parts[part]))
        low, high = part * self._part_rows, (part + 1) * self._part_rows
        for features, held in self._held.items():
            if wanted.intersection(features):
                there = np.flatnonzero((held.rows >= low) & (held.rows < high))
                if len(there):
                    yield features, *self._read(features, held.batch(there))

    def _read(self, features: tuple[int, ...], batch: Any) -> tuple[Int64Array, Int64Array, list[Column]]:
        times = batch.column(1).to_numpy()
        columns = [
            _column(self._features[each].definition, batch.column(2 * at + 2), batch.column(2 * at + 3), times)
            for at, each in enumerate(features)
        ]
        return batch.column(0).to_numpy(), times, columns

    def _write(self, name: str, features: tuple[int, ...], held: _Held) -> None:
        order = np.argsort(held.rows)  # they are distinct
        part = held.rows[order] // self._part_rows
        cuts = np.append(np.flatnonzero(np.diff(part, prepend=-1)), len(part))
        parts = part[cuts[:-1]].tolist()
        listed = {"features": ",".join(map(str, features)), "parts": ",".join(map(str, parts))}
        schema = held.batch(order[:0]).schema.with_metadata(listed)
        with pa.OSFile(str(self._folder / name), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
            for start, end in pairwise(cuts.tolist()):
                writer.write_batch(held.batch(order[start:end]))
        self._index[name] = features, {each: at for at, each in enumerate(parts)}


def _value_bytes(feature: ResolvedFeature) -> int:
    if feature.value_type is ValueType.TEXT:
        return _OVERHEAD + 8
    return 4 * feature.definition.vector_length or 8


def _values(feature: ResolvedFeature, rows: int) -> ValueArray:
    return empty_values(feature.value_type, rows, feature.definition.vector_length)


def _to_arrow(values: ValueArray, definition: FeatureDefinition) -> Any:
    if definition.value_type is ValueType.TEXT:
        return pa.array(values, pa.string())
    if definition.value_type is ValueType.VECTOR:
        return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), definition.vector_length)
    return pa.array(values)


def _column(definition: FeatureDefinition, status: Any, values: Any, event_time: Int64Array) -> Column:
    return Column(
        definition.name, definition.value_type, _from_arrow(values, definition), status.to_numpy(), event_time
    )


def _from_arrow(array: Any, definition: FeatureDefinition) -> ValueArray:
    if definition.value_type is ValueType.VECTOR:
        flat: NDArray[np.float32] = array.flatten().to_numpy()
        return flat.reshape(-1, definition.vector_length)
    values: ValueArray = array.to_numpy(zero_copy_only=False)
    return values
