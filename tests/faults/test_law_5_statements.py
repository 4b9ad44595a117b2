"""Law 5 inside the embedded store: a statement of a write fails, and the process dies at one, at all `moments`."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from itertools import count, takewhile
from pathlib import Path

import pytest

from featurama_core.storage.sqlite import SqliteStorage

from .dying import prepare, stage
from .moments import moments
from .play import Delete, Played, check_finished, check_interrupted, play, script, unfinished, units

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def folder() -> Iterator[Path]:
    """In memory where there is some: a process dies here, not a machine, and syncing costs most of the time."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as path:
        yield Path(path)


async def test_any_statement_may_fail(folder: Path) -> None:
    """At a statement, BEGIN, COMMIT (surely not kept) and after the commit (unknown): all is kept or sent again."""
    await prepare(folder / "template")
    for number in moments():
        await asyncio.to_thread(shutil.copytree, folder / "template", folder / str(number))
        statements = count()
        armed = threading.Event()
        met: list[str] = []

        def on_statement(
            step: str,
            statements: count[int] = statements,
            met: list[str] = met,
            armed: threading.Event = armed,
            number: int = number,
        ) -> None:
            if armed.is_set() and next(statements) == number:
                met.append(step)
                if number % 2:
                    raise OSError("no space left on device")
                raise sqlite3.OperationalError("a fault was set here")

        async with SqliteStorage.open(str(folder / str(number)), on_statement) as storage:
            scene = await stage(storage)
            steps = script(scene)
            armed.set()
            played = await play(scene, scene.servers[0], steps)
            armed.clear()
            await check_interrupted(scene, scene.servers[1], steps, played)
            await play(scene, scene.servers[1], steps, only=unfinished(steps, played))
            await check_finished(scene, scene.servers[1], steps)
        if not met:
            break
    assert number > 40


async def test_the_process_may_die_at_any_statement(folder: Path) -> None:
    """What it acknowledged before is there afterwards; the rest can be sent again by another process."""
    work = [sys.executable, "-m", "tests.faults.dying", str(folder)]
    ran = await asyncio.to_thread(
        subprocess.run, work, cwd=REPOSITORY, capture_output=True, text=True, timeout=150, check=False
    )
    assert ran.stdout.strip().isdecimal(), ran.stdout + ran.stderr
    lived = int(ran.stdout)
    assert lived > 40
    for number in takewhile(lambda each: each < lived, moments()):
        path = folder / str(number)
        log = path / "acknowledged"
        acknowledged = [int(line) for line in log.read_text().split()] if log.exists() else []
        async with SqliteStorage.open(str(path)) as storage:
            scene = await stage(storage)
            steps = script(scene)
            played = Played()
            for step in acknowledged:
                if isinstance(steps[step], Delete):
                    played.deleted.add(step)
                else:
                    played.acknowledged[step] = units(steps[step])
            await check_interrupted(scene, scene.servers[1], steps, played)
            await play(scene, scene.servers[1], steps, only=unfinished(steps, played))
            await check_finished(scene, scene.servers[1], steps)
