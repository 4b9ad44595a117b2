"""Work that is done once, however many wait for it."""

from __future__ import annotations

import asyncio

import pytest

from featurama_model.shared_tasks import SharedTasks


class Work:
    """Counts how often it begins; goes on when the gate opens."""

    def __init__(self) -> None:
        self.begun = 0
        self.gate = asyncio.Event()

    async def __call__(self) -> int:
        self.begun += 1
        await self.gate.wait()
        return self.begun


async def test_work_under_way_is_shared_and_ended_work_begins_anew() -> None:
    tasks: SharedTasks[str, int] = SharedTasks()
    work = Work()
    waiting = [asyncio.create_task(tasks.result("a", work)) for _ in range(3)]
    await asyncio.wait(waiting, timeout=0)
    work.gate.set()
    assert [1, 1, 1] == await asyncio.gather(*waiting)
    assert 2 == await tasks.result("a", work)


async def test_a_waiter_that_leaves_does_not_end_what_others_wait_for() -> None:
    tasks: SharedTasks[str, int] = SharedTasks()
    work = Work()
    leaves, stays = (asyncio.create_task(tasks.result("a", work)) for _ in range(2))
    task = tasks.begin("a", work)
    await asyncio.wait([leaves, stays], timeout=0)
    leaves.cancel()
    await asyncio.wait([leaves])
    assert not task.cancelled()
    work.gate.set()
    assert 1 == await stays


async def test_closing_cancels_what_is_under_way() -> None:
    tasks: SharedTasks[str, int] = SharedTasks()
    work = Work()
    under_way = [tasks.begin(key, work) for key in "ab"]
    await asyncio.wait(under_way, timeout=0)
    await tasks.close()
    assert [True, True] == [task.cancelled() for task in under_way]
    with pytest.raises(asyncio.CancelledError):
        await under_way[0]
