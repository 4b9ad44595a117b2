"""Generated label rows: entities at the times of a grid, or at one time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from featurama_core.files.table_file import BATCH_ROWS
from featurama_core.files.typed import ARROW
from featurama_core.types.entity_keys import EntityKeys
from featurama_core.types.errors import InvalidInput
from featurama_core.types.times import duration_text, to_rfc3339

_TIMES = pa.timestamp("us", "UTC")


class GridSource:
    """Every entity at start, start + every, ... up to and including end; entity by entity, times ascending.

    entity_ids: Arrow string array. Times and `every` in microseconds. keys: the codec of the ids, None for a type
    without keys; its key columns stand beside the ids.
    """

    def __init__(self, entity_ids: Any, start: int, end: int, every: int, keys: EntityKeys | None = None) -> None:
        if end < start:
            raise InvalidInput("end lies before start; swap them", field="end")
        if every < 1:
            raise InvalidInput("every must be longer than zero", field="every")
        self._entity_ids = entity_ids
        self._named = {"entity_id": entity_ids} | ({} if keys is None else _keys_of(entity_ids, keys))
        self._bounds = start, end, every
        self._moments = (end - start) // every + 1

    @property
    def schema(self) -> Any:
        """entity_id, the keys of its type, and timestamp."""
        return pa.schema([*((name, column.type) for name, column in self._named.items()), ("timestamp", _TIMES)])

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
            times = pa.array(start + row % self._moments * every).cast(_TIMES)
            entity = pa.array(row // self._moments)
            columns = [column.take(entity) for column in self._named.values()]
            yield pa.RecordBatch.from_arrays([*columns, times], schema=self.schema)

    def fingerprint(self) -> dict[str, object]:
        """The grid, and SHA-256 over the ids."""
        digest = hashlib.sha256("\n".join(self._entity_ids.to_pylist()).encode()).hexdigest()
        start, end, every = self._bounds
        grid = {"start": to_rfc3339(start), "end": to_rfc3339(end), "every": duration_text(every)}
        return {"kind": "grid", "entities": len(self._entity_ids), "sha256": digest} | grid


def _keys_of(entity_ids: Any, keys: EntityKeys) -> dict[str, Any]:
    """The key columns of ids; nulls beside an id that was registered before its type had keys."""
    none = (None,) * len(keys.columns)
    decoded = [keys.decode(each) if keys.problem(each) is None else none for each in entity_ids.to_pylist()]
    return {
        key.name: pa.array([each[at] for each in decoded], ARROW[key.value_type]) for at, key in enumerate(keys.columns)
    }
