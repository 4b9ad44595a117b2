"""The sample world, made in parallel: every task makes a range of rows by itself."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import pyarrow as pa
import ray.data
from ray.data.block import BlockMetadata
from ray.data.datasource import Datasource, ReadTask

from featurama_world import World, WorldConfig

ROWS_A_TASK = 250_000
ROWS_A_BLOCK = 50_000
_LABELS = ""


class WorldDatasource(Datasource):  # type: ignore[misc]  # Ray ships no types
    """Wide tables of a feature group of a world, or with group "" its label rows: the same rows whatever the tasks."""

    def __init__(self, config: WorldConfig, group: str, rows_a_task: int = ROWS_A_TASK) -> None:
        super().__init__()
        self._config = config
        self._group = group
        self._rows_a_task = rows_a_task
        world = World(config)
        self._rows = world.rows(group) if group != _LABELS else config.deliveries
        self._sample = _table(world, group, 0, 1_000)

    def estimate_inmemory_data_size(self) -> int | None:
        """Bytes, from the first rows."""
        return self._bytes(self._rows)

    def get_read_tasks(
        self, parallelism: int, per_task_row_limit: int | None = None, data_context: Any = None
    ) -> list[ReadTask]:
        """A task a range of rows."""
        del parallelism, data_context  # the ranges are given
        tasks = []
        for first in range(0, self._rows, self._rows_a_task):
            count = min(self._rows_a_task, self._rows - first)
            metadata = BlockMetadata(count, self._bytes(count), None, None)
            read = partial(_made, self._config, self._group, first, count)
            tasks.append(ReadTask(read, metadata, self._sample.schema, per_task_row_limit))
        return tasks

    def _bytes(self, rows: int) -> int:
        return int(rows * self._sample.nbytes / max(self._sample.num_rows, 1))


def generate(config: WorldConfig, group: str, *, rows_a_task: int = ROWS_A_TASK) -> ray.data.Dataset:
    """Rows of a feature group (`featurama_world.GROUPS`) of a world, made by many tasks; in order if the context's
    `preserve_order` is set. ValueError for an unknown group.
    """
    return _dataset(WorldDatasource(config, group, rows_a_task), rows_a_task)


def generate_labels(config: WorldConfig, *, rows_a_task: int = ROWS_A_TASK) -> ray.data.Dataset:
    """Label rows of a world: a delivery, its dispatch, and how long it took."""
    return _dataset(WorldDatasource(config, _LABELS, rows_a_task), rows_a_task)


def _dataset(source: WorldDatasource, rows_a_task: int) -> ray.data.Dataset:
    if rows_a_task < 1:
        raise ValueError("rows_a_task must be at least 1")
    return ray.data.read_datasource(source, override_num_blocks=max(len(source.get_read_tasks(1)), 1))


def _made(config: WorldConfig, group: str, first: int, count: int) -> Iterable[pa.Table]:
    world = World(config)
    for start in range(first, first + count, ROWS_A_BLOCK):
        yield _table(world, group, start, min(ROWS_A_BLOCK, first + count - start))


def _table(world: World, group: str, first: int, count: int) -> pa.Table:
    return world.label_part(first, count) if group == _LABELS else world.part(group, first, count)
