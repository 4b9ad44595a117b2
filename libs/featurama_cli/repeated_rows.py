"""Rows of files that share their key with other rows, wherever these stand. Memory does not grow with the rows, but for
one bit per row: keys are compared on disk, in parts that fit in memory, and so are the rows themselves.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.ipc
from numpy.typing import NDArray

from featurama_core.types.values import BoolArray, Int64Array

_KEYS_IN_MEMORY = 1_000_000
_PARTS = 64
_HELD_TOGETHER = 100_000
_SOURCE, _NUMBER = "__source", "__number"
_PAIR = np.dtype([("key", np.uint64), ("row", np.int64)])


class RepeatedKeys:
    """Keys by row. Once all are added, it says which rows share their key with another row."""

    def __init__(self, files: ExitStack) -> None:
        self._files = files
        self._buffer: list[NDArray[Any]] = []
        self._buffered = 0
        self._parts: list[IO[bytes]] = []
        self._bits = np.zeros(0, dtype=np.uint8)
        self.rows = 0
        """Number of rows that share their key."""

    def add(self, keys: NDArray[np.uint64], rows: Int64Array) -> None:
        """keys: of rows that can be written. rows: their numbers among all rows."""
        pairs = np.empty(len(keys), dtype=_PAIR)
        pairs["key"], pairs["row"] = keys, rows
        self._buffer.append(pairs)
        self._buffered += len(pairs)
        if self._buffered > _KEYS_IN_MEMORY:
            self._spill()

    def finish(self, rows: int) -> None:
        """rows: the number of all rows."""
        self._bits = np.zeros(rows // 8 + 1, dtype=np.uint8)
        if not self._parts:
            self._mark(np.concatenate(self._buffer) if self._buffer else np.empty(0, dtype=_PAIR))
            return
        self._spill()
        for part in self._parts:
            part.seek(0)
            self._mark(np.frombuffer(part.read(), dtype=_PAIR))

    def among(self, first: int, count: int) -> BoolArray:
        """bool[count]: whether each of these rows shares its key."""
        at = np.arange(first, first + count)
        found: BoolArray = (self._bits[at >> 3] >> (at & 7).astype(np.uint8) & 1).astype(np.bool_)
        return found

    def _spill(self) -> None:
        if not self._parts:
            self._parts = [_scratch(self._files) for _ in range(_PARTS)]
        pairs = np.concatenate(self._buffer)
        chosen = pairs["key"] % _PARTS
        for number, part in enumerate(self._parts):
            part.write(pairs[chosen == number].tobytes())
        self._buffer, self._buffered = [], 0

    def _mark(self, pairs: NDArray[Any]) -> None:
        _, where, counts = np.unique(pairs["key"], return_inverse=True, return_counts=True)
        rows = pairs["row"][counts[where] > 1]
        np.bitwise_or.at(self._bits, rows >> 3, (1 << (rows & 7)).astype(np.uint8))
        self.rows += len(rows)


class HeldRows:
    """Rows that share their keys, on disk until all files are read. Rows of one key are read back together."""

    def __init__(self, schema: Any, rows: int, files: ExitStack) -> None:
        self._schema = schema.append(pa.field(_SOURCE, pa.int32())).append(pa.field(_NUMBER, pa.int64()))
        self._files = [_scratch(files) for _ in range(min(-(-rows // _HELD_TOGETHER), _PARTS))]
        self._streams = [files.enter_context(pa.ipc.new_stream(file, self._schema)) for file in self._files]

    def add(self, source: int, table: Any, numbers: Int64Array, keys: NDArray[np.uint64]) -> None:
        """Rows of a file. source: its position. numbers: of the rows in the file. keys: of the rows."""
        table = table.append_column(_SOURCE, pa.array([source] * len(numbers), pa.int32()))
        table = table.append_column(_NUMBER, pa.array(numbers)).select(self._schema.names)
        chosen = keys % max(len(self._streams), 1)
        for number, stream in enumerate(self._streams):
            there = chosen == number
            if there.any():
                stream.write_table(table.filter(pa.array(there)).cast(self._schema))

    def read(self) -> Iterator[list[tuple[int, Any, Int64Array]]]:
        """Lists of (source, rows, numbers)."""
        for file, stream in zip(self._files, self._streams, strict=True):
            stream.close()
            file.seek(0)
            with pa.ipc.open_stream(file) as opened:
                table = opened.read_all()
            sources = table.column(_SOURCE).to_numpy()
            found = []
            for source in np.unique(sources).tolist():
                rows = table.filter(pa.array(sources == source))
                found.append((source, rows.drop_columns([_SOURCE, _NUMBER]), rows.column(_NUMBER).to_numpy()))
            yield found


def _scratch(files: ExitStack) -> IO[bytes]:
    """A file without a name, closed with `files`."""
    return files.enter_context(tempfile.TemporaryFile())
