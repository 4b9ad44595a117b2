"""The keys of label rows on disk: (entity, moment, row), cut into shards by a stable hash of the entity id.

All rows of an entity are in one shard, so shards are joined one after another and only one is in memory. The hash is
the one that cuts a CQL server's buckets: where a partition has several, a shard needs only some of them.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from featurama_core.types.values import Int64Array

SHARDS = 64
"""On disk; as many of them as fit the memory are joined together."""
FEW_ROWS = 250_000
"""Up to here one shard holds them all."""
_BUFFER_ROWS = 1_000_000
_SCHEMA = pa.schema([("entity_id", pa.string()), ("event_time", pa.int64()), ("row", pa.int64())])
_ROW_BYTES, _ENTITY_BYTES = 72, 256
"""Of memory that a label row, and a distinct entity, take while their shard is joined."""


@dataclass(frozen=True, slots=True, eq=False)
class SortedKeys:
    """n label rows of one join, sorted by (entity, moment). entity_ids: e distinct ids, ascending by their bytes;
    entity: int64[n], codes; bounds: int64[e + 1], rows of an entity; event_time, row: int64[n].
    """

    entity_ids: list[str]
    entity: Int64Array
    bounds: Int64Array
    event_time: Int64Array
    row: Int64Array

    def __len__(self) -> int:
        return len(self.row)


class KeyShards:
    """The keys of one set of label rows, below a folder. All methods block."""

    def __init__(self, folder: Path, shards: int) -> None:
        self._folder = folder
        self._shards = shards
        self._buffer: list[Any] = []
        self._buffered = 0
        self._written = 0
        self.rows_of = np.zeros(shards, dtype=np.int64)
        # At most: an entity counts once in each file.
        self._entities_of = np.zeros(shards, dtype=np.int64)
        folder.mkdir(parents=True, exist_ok=True)

    @classmethod
    def reopened(cls, folder: Path, state: dict[str, Any]) -> KeyShards:
        """What `state` was taken of."""
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
        """Append rows; `flush` after the last."""
        columns = [entity_ids, pa.array(event_time), pa.array(row)]
        self._buffer.append(pa.RecordBatch.from_arrays(columns, schema=_SCHEMA))
        self._buffered += len(row)
        if self._buffered >= _BUFFER_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write what is buffered: a file with a batch a shard."""
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
        """How many joins the shards need so that each fits `memory` bytes: a power of two."""
        size = self.rows_of * _ROW_BYTES + self._entities_of * _ENTITY_BYTES
        passes = 1
        while passes < self._shards and size.reshape(-1, passes).sum(axis=0).max() > memory:
            passes *= 2
        return passes

    def load(self, number: int, passes: int) -> SortedKeys:
        """The rows of the shards of one pass."""
        wanted = range(number, self._shards, passes)
        size = int(self.rows_of[list(wanted)].sum())
        time, row = np.empty(size, dtype=np.int64), np.empty(size, dtype=np.int64)
        coded, first = [], 0
        for at in range(self._written):
            with pa.OSFile(str(self._folder / f"{at:06}.arrow")) as source:
                reader = pa.ipc.open_file(source)
                for shard in wanted:
                    # Copied out: a column that is kept would keep the batch, and so all its ids.
                    batch = reader.get_batch(shard)
                    here = slice(first, first + batch.num_rows)
                    time[here], row[here] = batch.column(1), batch.column(2)
                    coded.append(batch.column(0).dictionary_encode())
                    first += batch.num_rows
        entity_ids, entity = _ranked(coded)
        order = np.lexsort((time, entity))
        entity = entity[order]
        time = time[order]
        row = row[order]
        return SortedKeys(entity_ids, entity, np.searchsorted(entity, np.arange(len(entity_ids) + 1)), time, row)

    def _shards_of(self, entity_ids: list[str]) -> Int64Array:
        hashes = (zlib.crc32(each.encode()) % self._shards for each in entity_ids)
        return np.fromiter(hashes, np.int64, len(entity_ids))


def _ranked(coded: list[Any]) -> tuple[list[str], Int64Array]:
    """Dictionary-encoded ids -> the distinct ones, ascending by their bytes, and the position of each row's there."""
    column = pa.chunked_array(coded, pa.dictionary(pa.int32(), pa.string())).unify_dictionaries()
    if not len(column):
        return [], np.zeros(0, dtype=np.int64)
    ids = column.chunk(0).dictionary
    ascending = pc.array_sort_indices(ids)
    rank = np.empty(len(ids), dtype=np.int64)
    rank[ascending.to_numpy()] = np.arange(len(ids))
    entity = np.concatenate([rank[each.indices.to_numpy()] for each in column.chunks])
    return ids.take(ascending).to_pylist(), entity
