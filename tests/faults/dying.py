"""A process that plays on the embedded store and dies: `python -m tests.faults.dying DIRECTORY`.

For n of `moments` it forks a child that plays in DIRECTORY/n and ends itself at the n-th statement; what the child's
caller had seen acknowledged stands in DIRECTORY/n/acknowledged, a line a step. It prints the n of the first child that
lived to the end.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from itertools import count
from pathlib import Path

from tests.laws.scene import HISTORY_PERIOD, SETTINGS, STANDING, START, FakeClock, Scene, register
from tests.opened import OpenedStore

from featurama_core.namespace import Namespace
from featurama_core.storage.port import NamespaceOptions
from featurama_core.storage.sqlite import SqliteStorage

from .moments import moments
from .play import Step, play, script

NAMESPACE = "dying"


async def prepare(path: Path) -> None:
    """Make the namespace and its definitions: the template that every play begins with a copy of."""
    async with SqliteStorage.open(str(path)) as storage:
        await storage.create_namespace(NAMESPACE, NamespaceOptions(history_period=HISTORY_PERIOD))
        scene = await stage(storage)
        await register(OpenedStore(Namespace(NAMESPACE, scene.storages[0], SETTINGS, FakeClock(START))))


async def stage(storage: SqliteStorage) -> Scene:
    """The scene of this play: the same in the child and in the test."""
    namespace = await storage.namespace(NAMESPACE)
    return Scene(FakeClock(START), [namespace, namespace], NAMESPACE, 0, None, STANDING)


def steps_of(scene: Scene) -> list[Step]:
    """The play's steps; a request id's random end is not the same twice, its ingest time is."""
    return script(scene)


async def play_until(path: Path, number: int) -> None:
    """Play; at the n-th statement this process ends, as if it were killed."""
    statements = count()

    def on_statement(_: str) -> None:
        if next(statements) == number:
            os._exit(9)

    async with SqliteStorage.open(str(path), on_statement) as storage:
        scene = await stage(storage)
        log = os.open(path / "acknowledged", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        await play(scene, scene.servers[0], steps_of(scene), acknowledge=lambda step: _say(log, step))
        os.close(log)


def _say(log: int, step: int) -> None:
    os.write(log, f"{step}\n".encode())


def main(directory: str) -> None:
    """Fork until a child lives."""
    asyncio.run(prepare(Path(directory) / "template"))
    for number in moments():
        path = Path(directory) / str(number)
        shutil.copytree(path.with_name("template"), path)
        child = os.fork()
        if child == 0:
            try:
                asyncio.run(play_until(path, number))
                os._exit(0)
            finally:
                os._exit(1)  # a child never returns into the loop of its parent
        ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if ended != 9:
            print(number if ended == 0 else f"a child failed with {ended}", flush=True)
            return


if __name__ == "__main__":
    main(sys.argv[1])
