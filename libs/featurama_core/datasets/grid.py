"""Generated label rows: entities at the times of a grid, or at one time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from featurama_core.files.table_file import BATCH_ROWS
from featurama_core.types.errors import InvalidInput
from featurama_core.types.times import duration_text, to_rfc3339

_SCHEMA = pa.schema([("entity_id", pa.string()), ("timestamp", pa.timestamp("us", "UTC"))])


class GridSource:
    """Every entity at start, start + every, ... up to and including end; entity by entity, times ascending.

    entity_ids: Arrow string array. Times and `every` in microseconds.
    """

    def __init__(self, entity_ids: Any, start: int, end: int, every: int) -> None:
        if end < start:
            raise InvalidInput("end lies before start; swap them", field="end")
        if every < 1:
            raise InvalidInput("every must be longer than zero", field="every")
        self._entity_ids = entity_ids
        self._bounds = start, end, every
        self._moments = (end - start) // every + 1

    @property
    def schema(self) -> Any:
        """entity_id and timestamp."""
        return _SCHEMA

    @property
    def rows(self) -> int | None:
        """Entities times moments."""
        return len(self._entity_ids) * self._moments

    def batches(self) -> Iterator[Any]:
        """The rows, generated on demand."""
        start, _, every = self._bounds
        total = self.rows or 0
        for first in range(0, total, BATCH_ROWS):
            row = np.arange(first, min(first + BATCH_ROWS, total), dtype=np.int64)
            times = pa.array(start + row % self._moments * every).cast(pa.timestamp("us", "UTC"))
            yield pa.RecordBatch.from_arrays(
                [self._entity_ids.take(pa.array(row // self._moments)), times], schema=_SCHEMA
            )

    def fingerprint(self) -> dict[str, object]:
        """The grid, and SHA-256 over the ids."""
        digest = hashlib.sha256("\n".join(self._entity_ids.to_pylist()).encode()).hexdigest()
        start, end, every = self._bounds
        grid = {"start": to_rfc3339(start), "end": to_rfc3339(end), "every": duration_text(every)}
        return {"kind": "grid", "entities": len(self._entity_ids), "sha256": digest} | grid
