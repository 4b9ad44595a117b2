"""A dataset of tables that tasks read: one task per read, in the order of the reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import ray.data
from ray.data.block import BlockMetadata
from ray.data.datasource import Datasource, ReadTask


@dataclass(frozen=True, slots=True)
class Read:
    """The tables of one task. rows, size (bytes), schema: None if they are unknown before the read."""

    tables: Callable[[], Iterable[pa.Table]]
    rows: int | None = None
    size: int | None = None
    schema: Any = None


class _Reads(Datasource):  # type: ignore[misc]  # Ray ships no types
    def __init__(self, reads: Sequence[Read], kept: object) -> None:
        super().__init__()
        self._reads = reads
        self._kept = kept

    def estimate_inmemory_data_size(self) -> int | None:
        sizes = [each.size for each in self._reads if each.size is not None]
        return sum(sizes) if len(sizes) == len(self._reads) else None

    def get_read_tasks(
        self, parallelism: int, per_task_row_limit: int | None = None, data_context: Any = None
    ) -> list[ReadTask]:
        del parallelism, data_context  # the reads are fixed
        return [
            ReadTask(each.tables, BlockMetadata(each.rows, each.size, None, None), each.schema, per_task_row_limit)
            for each in self._reads
        ]


def dataset_of(reads: Sequence[Read], *, concurrency: int | None = None, kept: object = None) -> ray.data.Dataset:
    """The lazy dataset. concurrency: of tasks; kept: an object that lives as long as the dataset can be read."""
    return ray.data.read_datasource(
        _Reads(reads, kept), override_num_blocks=max(len(reads), 1), concurrency=concurrency
    )
