"""Joins of any size on disk: rows to be joined, and matches to be written.

Rows are split into shards by a stable hash of the entity id. All rows of an entity are in one shard, so shards are
joined one after another with one of them in memory. A shard needs only some of the buckets of a partition, because
buckets on a CQL server use the same hash. Matches arrive in the order of entities and are read in the order of rows:
they are split by output part, and written to files beyond the memory limit.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
from featurama_core.types.values import Int64Array, ValueArray, ValueType

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
        shard = of_entity[encoded.indices.to_numpy()]
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


@dataclass(frozen=True, slots=True, eq=False)
class _Chunk:
    """Matches of some features at the same rows and times."""

    rows: Int64Array
    event_time: Int64Array
    columns: Sequence[Column]


class MatchSpool:
    """A `MatchSink`: matches of some features, in memory up to `memory` bytes, else in files below `folder`.

    All methods block.
    """

    def __init__(self, folder: Path, features: Sequence[ResolvedFeature], part_rows: int, memory: int) -> None:
        self._folder = folder
        self._features = features
        self._part_rows = part_rows
        self._memory = memory
        self._held: dict[tuple[int, ...], list[_Chunk]] = {}
        self._bytes = 0
        self.files: list[str] = []
        # Per file: its features, and the batch of each part.
        self._index: dict[str, tuple[tuple[int, ...], dict[int, int]]] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, features: tuple[int, ...], rows: Int64Array, event_time: Int64Array, columns: list[Column]) -> None:
        """See `MatchSink.add`."""
        self._held.setdefault(features, []).append(_Chunk(rows, event_time, columns))
        self._bytes += len(rows) * (16 + sum(_bytes_of(column) for column in columns))
        if self._bytes > self._memory:
            self.flush()

    def flush(self) -> None:
        """Write the matches in memory: one file per set of features, one batch per output part."""
        for features, chunks in self._held.items():
            name = f"{len(self.files):06}.arrow"
            self._write(name, features, chunks)
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
                    batch = pa.ipc.open_file(source).get_batch(parts[part])
                times = batch.column(1).to_numpy()
                columns = [
                    _column(self._features[each].definition, batch.column(2 * at + 2), batch.column(2 * at + 3), times)
                    for at, each in enumerate(features)
                ]
                yield features, batch.column(0).to_numpy(), times, columns
        low, high = part * self._part_rows, (part + 1) * self._part_rows
        for features, chunks in self._held.items():
            if not wanted.intersection(features):
                continue
            for chunk in chunks:
                there = (chunk.rows >= low) & (chunk.rows < high)
                if there.any():
                    picked = np.flatnonzero(there)
                    columns = [column.take(picked) for column in chunk.columns]
                    yield features, chunk.rows[picked], chunk.event_time[picked], columns

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
            arrays += [pa.array(status[order]), _to_arrow(values[order], self._features[features[at]].definition)]
        names = ["row", "event_time"]
        for each in features:
            names += [f"status_{each}", f"value_{each}"]
        listed = {"features": ",".join(map(str, features)), "parts": ",".join(map(str, parts))}
        batch = pa.RecordBatch.from_arrays(arrays, names=names).replace_schema_metadata(listed)
        with pa.OSFile(str(self._folder / name), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as writer:
            for start, end in zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True):
                writer.write_batch(batch.slice(start, end - start))
        self._index[name] = features, {each: at for at, each in enumerate(parts)}


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
