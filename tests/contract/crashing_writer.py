"""A process that writes to a namespace and dies: `python -m tests.contract.crashing_writer DIRECTORY STEP`.

STEP n: writes batch "kept", prints `kept`, then dies at the n-th step of writing batch "crashed"; without dying it
prints `done`. STEP -1: writes row after row, several at once, and prints the number of each that is acknowledged.
"""

from __future__ import annotations

import asyncio
import os
import sys
from itertools import count

from featurama_core.storage.port import NamespaceStorage
from featurama_core.storage.records import WriteBatch
from featurama_core.storage.sqlite import SqliteStorage
from featurama_core.types.schema import FeatureGroup
from featurama_core.types.writes import Outcome, WriteMode

from .batches import NOW, Row, batch, definition, store

NAMESPACE = "crash"
GROUP = FeatureGroup("crew")
SPEED, MOOD = definition("speed", group="crew"), definition("mood", group="crew")


def rows_of(name: str) -> list[Row]:
    """Two entities with a value in each of two layouts."""
    return [Row(f"{name}_{who}", NOW, {"speed": 1.0, "mood": 2.0}) for who in ("fry", "leela")]


def batch_of(name: str) -> WriteBatch:
    """The batch of that name."""
    return batch(rows_of(name), [[SPEED], [MOOD]], GROUP)


async def crash_at(directory: str, step: int) -> None:
    steps = count()
    armed = False

    def on_statement(_: str) -> None:
        if armed and next(steps) == step:
            os._exit(9)

    async with SqliteStorage.open(directory, on_statement) as storage:
        namespace = await storage.namespace(NAMESPACE)
        await store(namespace, rows_of("kept"), [[SPEED], [MOOD]], GROUP)
        print("kept", flush=True)
        armed = True
        assert set((await namespace.write(batch_of("crashed"), WriteMode.ATOMIC)).tolist()) == {Outcome.ACCEPTED}
        print("done", flush=True)


async def write_for_ever(directory: str) -> None:
    async with SqliteStorage.open(directory) as storage:
        namespace = await storage.namespace(NAMESPACE)
        await namespace.put_layouts([run.layout for run in batch_of("any").runs])
        async with asyncio.TaskGroup() as writers:
            for worker in range(8):
                writers.create_task(write_rows(namespace, worker))


async def write_rows(namespace: NamespaceStorage, worker: int) -> None:
    for number in count(worker, 8):
        outcomes = await namespace.write(batch_of(f"n{number}"), WriteMode.ATOMIC)
        assert set(outcomes.tolist()) == {Outcome.ACCEPTED}
        print(number, flush=True)


if __name__ == "__main__":
    if sys.argv[2] == "-1":
        asyncio.run(write_for_ever(sys.argv[1]))
    else:
        asyncio.run(crash_at(sys.argv[1], int(sys.argv[2])))
