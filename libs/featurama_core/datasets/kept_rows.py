"""Reading label files once: the first pass computes the fingerprint of the files and stores the rows on disk; later
passes read the stored rows.
"""

from __future__ import annotations

import io
import os
import tempfile
import weakref
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.ipc

from featurama_core.datasets.spine_sources import FileSource, SpineSource

_IPC = pa.ipc.IpcWriteOptions(compression="lz4" if pa.Codec.is_available("lz4") else None)


class KeptRows:
    """A `SpineSource` over a `FileSource`. Any number of passes may run at a time.

    folder: the rows are stored on the disk of this folder; None for that of temporary files. Their file has no name, so
    it disappears with this object or the process. All methods block.
    """

    def __init__(self, source: FileSource, folder: Path | None = None) -> None:
        self._source = source
        self._folder = folder
        self._kept: int | None = None
        self._fingerprint: dict[str, object] = {}
        self._rows = source.rows

    @property
    def schema(self) -> Any:
        """The schema of the files."""
        return self._source.schema

    @property
    def rows(self) -> int | None:
        """Number of rows; for CSV files None until the end of the first pass."""
        return self._rows

    def batches(self) -> Iterator[Any]:
        """The rows: in the first pass from the files, later as they are stored."""
        if self._kept is None:
            yield from self._first_pass()
            return
        with io.BufferedReader(_Pass(self._kept)) as file, pa.ipc.open_stream(file) as stream:
            yield from stream

    def fingerprint(self) -> dict[str, object]:
        """The fingerprint of the files at the first pass."""
        if self._kept is None:
            deque(self.batches(), maxlen=0)
        return self._fingerprint

    def _first_pass(self) -> Iterator[Any]:
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
        descriptor, path = tempfile.mkstemp(prefix=".featurama-labels-", dir=self._folder)
        weakref.finalize(self, os.close, descriptor)
        sink = pa.OSFile(path, "wb")
        # Before the first row, because a pass may end at any of them.
        Path(path).unlink()
        files: list[dict[str, str]] = []
        rows = 0
        with sink, pa.ipc.new_stream(sink, self.schema, options=_IPC) as stream:
            for batch in self._source.batches(files):
                stream.write_batch(batch)
                rows += batch.num_rows
                yield batch
        self._kept, self._rows, self._fingerprint = descriptor, rows, self._source.fingerprint_of(files)


class _Pass(io.RawIOBase):
    """A file from its start, with a position of its own."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._position = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        read = os.preadv(self._descriptor, [buffer], self._position)
        self._position += read
        return read


def kept(source: SpineSource, folder: Path | None = None) -> SpineSource:
    """The source, for files one that reads them once."""
    return KeptRows(source, folder) if isinstance(source, FileSource) else source
