"""Label rows on disk, partitioned into buckets by a stable hash of the entity id, so that buckets are joined
separately.

The hash is that of a CQL server's partitions: a bucket needs only the partitions of its own hash. A row keeps its
number in addition to the caller's columns, which restores the order of the label rows.
"""

from __future__ import annotations

import shutil
import tempfile
import weakref
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.ipc

from featurama_core.datasets.spine_sources import CheckTimes, read_keys
from featurama_core.frames.spine import SpineColumns
from featurama_core.types.errors import InvalidInput
from featurama_core.types.times import MIN_TIME
from featurama_core.types.values import Int64Array

ROW = "__row"
ROWS_A_BUCKET = 200_000
MOST_BUCKETS = 256
_BUFFER_ROWS = 1_000_000


@dataclass(frozen=True, slots=True)
class Bucket:
    """Bucket `number` of `buckets`, a power of two: `rows` label rows in a file."""

    path: Path
    number: int
    buckets: int
    rows: int

    def tables(self, most: int) -> Iterator[pa.Table]:
        """The rows with their numbers, at most `most` at a time."""
        with pa.memory_map(str(self.path)) as source:
            table = pa.ipc.open_file(source).read_all()
            for start in range(0, table.num_rows, most):
                yield table.slice(start, most).combine_chunks()


class LabelBuckets:
    """The buckets of one set of label rows, in a temporary folder that is removed when this object is collected."""

    def __init__(self, work: str | Path | None, buckets: int) -> None:
        self.count = buckets
        self.rows = 0
        self.newest = MIN_TIME
        self._held: list[pa.RecordBatch] = []
        self._rows_of = np.zeros(buckets, dtype=np.int64)
        below = None if work is None else Path(work).resolve()
        if below is not None:
            below.mkdir(parents=True, exist_ok=True)
        self._folder = Path(tempfile.mkdtemp(prefix="featurama-labels-", dir=below))
        self._end = weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)

    def __reduce__(self) -> Any:
        # A copy in another process would remove the files.
        raise TypeError("label buckets cannot be sent to another process")

    def fill(
        self,
        schema: pa.Schema,
        batches: Iterable[pa.RecordBatch],
        columns: SpineColumns,
        check: CheckTimes | None = None,
    ) -> None:
        """Read the label rows. Raises InvalidInput for a bad row."""
        if ROW in schema.names:
            raise InvalidInput(f"a label column is named {ROW}; rename it", field=ROW)
        self._schema = schema.append(pa.field(ROW, pa.int64()))
        with ExitStack() as files:
            writers: dict[int, Any] = {}
            held: list[tuple[pa.RecordBatch, Int64Array]] = []
            waiting = 0
            for batch in batches:
                keys = read_keys(batch, columns, self.rows)
                if check is not None:
                    check(keys.event_time, first_row=self.rows)
                self.newest = int(keys.event_time.max(initial=self.newest))
                row = pa.array(np.arange(self.rows, self.rows + len(keys)))
                numbered = pa.RecordBatch.from_arrays([*batch.columns, row], schema=self._schema)
                held.append((numbered, bucket_of(keys.entity_ids, self.count)))
                self.rows += len(keys)
                waiting += len(keys)
                if waiting >= _BUFFER_ROWS:
                    self._write(held, writers, files)
                    held, waiting = [], 0
            self._write(held, writers, files)

    def empty(self) -> pa.Table:
        """A table without rows, as the buckets have them."""
        return self._schema.empty_table()

    def filled(self) -> list[Bucket]:
        """The non-empty buckets."""
        return [
            Bucket(self._path(number), number, self.count, rows)
            for number, rows in enumerate(self._rows_of.tolist())
            if rows
        ]

    def _write(self, held: list[tuple[pa.RecordBatch, Int64Array]], writers: dict[int, Any], files: ExitStack) -> None:
        if not held:
            return
        table = pa.Table.from_batches([batch for batch, _ in held], self._schema)
        bucket = np.concatenate([of_batch for _, of_batch in held])
        order = np.argsort(bucket, kind="stable")
        cuts = np.searchsorted(bucket[order], np.arange(self.count + 1))
        for number in np.flatnonzero(np.diff(cuts)).tolist():
            if number not in writers:
                writers[number] = files.enter_context(pa.ipc.new_file(str(self._path(number)), self._schema))
            writers[number].write_table(table.take(pa.array(order[cuts[number] : cuts[number + 1]])))
        self._rows_of += np.diff(cuts)

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:05}.arrow"


def buckets_for(rows: int | None, tasks: int | None) -> int:
    """The number of buckets: a power of two, with about ROWS_A_BUCKET rows per bucket, at least `tasks`."""
    wanted = max(tasks or 1, -(-(rows if rows is not None else 16 * ROWS_A_BUCKET) // ROWS_A_BUCKET))
    return min(1 << (wanted - 1).bit_length(), MOST_BUCKETS)


def bucket_of(entity_ids: Any, buckets: int) -> Int64Array:
    """The bucket of each id (Arrow string array; null counts as the empty text): int64[n]."""
    if entity_ids.null_count:
        entity_ids = entity_ids.fill_null("")
    encoded = entity_ids.dictionary_encode()
    texts = encoded.dictionary.to_pylist()
    of_code = np.fromiter((zlib.crc32(each.encode()) % buckets for each in texts), np.int64, len(texts))
    found: Int64Array = of_code[encoded.indices.to_numpy()]
    return found
