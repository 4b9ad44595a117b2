"""Law 5 on the embedded store: a process that dies at any step leaves acknowledged rows whole, others resendable."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from featurama_core.storage.port import NamespaceOptions, NamespaceStorage
from featurama_core.storage.sqlite import SqliteStorage
from featurama_core.types.writes import Outcome, WriteMode

from .batches import batch
from .crashing_writer import GROUP, MOOD, NAMESPACE, SPEED, batch_of

REPOSITORY = str(Path(__file__).parents[2])


async def child(directory: Path, step: int) -> asyncio.subprocess.Process:
    """The process that will die."""
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.contract.crashing_writer", str(directory), str(step),
        cwd=REPOSITORY, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip


async def stored(namespace: NamespaceStorage, name: str) -> tuple[int, int]:
    """How many rows of history and how many cells of latest a batch has; (4, 4) is all of it."""
    ids = list(batch_of(name).entity_ids)
    histories = await namespace.read_history(ids, [(SPEED, GROUP), (MOOD, GROUP)], start=-(2**62), end=2**62)
    return sum(len(history.entity) for history in histories), len((await namespace.read_cells(ids)).cells)


async def test_a_process_that_dies_at_any_step_leaves_whole_batches(tmp_path: Path) -> None:
    """Before and at COMMIT nothing of the batch is there, afterwards all of it; sending it again completes it."""
    found = []
    for step in range(40):
        directory = tmp_path / str(step)
        async with SqliteStorage.open(str(directory)) as storage:
            await storage.create_namespace(NAMESPACE, NamespaceOptions())
        process = await child(directory, step)
        said, _ = await process.communicate()
        assert said.split()[:1] == [b"kept"]
        async with SqliteStorage.open(str(directory)) as storage:
            namespace = await storage.namespace(NAMESPACE)
            assert await stored(namespace, "kept") == (4, 4)
            found.append(await stored(namespace, "crashed"))
            outcomes = await namespace.write(batch_of("crashed"), WriteMode.ATOMIC)
            assert outcomes.tolist() == [Outcome.ACCEPTED, Outcome.ACCEPTED]
            assert await stored(namespace, "crashed") == (4, 4)
        if process.returncode == 0:
            break
    else:
        pytest.fail("the child never ran to its end")
    # BEGIN, the statements and COMMIT; then COMMITTED, and the run that reached its end.
    assert found == [(0, 0)] * (len(found) - 2) + [(4, 4)] * 2
    assert len(found) > 8


async def test_a_killed_process_loses_no_acknowledged_row(tmp_path: Path) -> None:
    """SIGKILL in the middle of a stream of concurrent writes."""
    async with SqliteStorage.open(str(tmp_path)) as storage:
        await storage.create_namespace(NAMESPACE, NamespaceOptions())
    process = await child(tmp_path, -1)
    assert process.stdout is not None
    acknowledged = [int(await process.stdout.readline()) for _ in range(200)]
    process.kill()
    rest, _ = await process.communicate()
    # The last line may be torn.
    acknowledged += [int(line) for line in rest.split(b"\n")[:-1]]
    async with SqliteStorage.open(str(tmp_path)) as storage:
        namespace = await storage.namespace(NAMESPACE)
        for number in acknowledged:
            assert await stored(namespace, f"n{number}") == (4, 4)
        for number in range(max(acknowledged) + 1, max(acknowledged) + 20):
            assert await stored(namespace, f"n{number}") in {(0, 0), (4, 4)}
        empty = batch([], [], GROUP)
        assert (await namespace.write(empty, WriteMode.ATOMIC)).tolist() == []
