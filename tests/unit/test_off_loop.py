"""Work behind its caller: one piece at a time, all done at the end, no error lost."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from featurama_core.off_loop import Behind


async def test_work_runs_while_its_caller_goes_on() -> None:
    """The caller is not at the end of its block before the work that waits for it is."""
    seen: list[str] = []
    made = asyncio.Event()

    async def work() -> None:
        await made.wait()
        seen.append("work")

    async with Behind() as behind:
        await behind.do(work())
        seen.append("next")
        made.set()
    assert ["next", "work"] == seen


async def test_one_piece_of_work_runs_at_a_time() -> None:
    running, seen = 0, 0

    async def work() -> None:
        nonlocal running, seen
        running += 1
        assert 1 == running
        await asyncio.sleep(0)
        running, seen = running - 1, seen + 1

    async with Behind() as behind:
        for _ in range(5):
            await behind.do(work())
    assert (0, 5) == (running, seen)


async def fails() -> None:
    raise ValueError("disk full")


@pytest.mark.parametrize("more", [0, 1, 2])
async def test_the_error_of_work_is_raised_by_the_next_or_at_the_end(more: int) -> None:
    """Work after it is not begun."""
    seen: list[int] = []

    async def work(number: int) -> None:
        seen.append(number)

    async def caller() -> None:
        async with Behind() as behind:
            await behind.do(fails())
            for number in range(more):
                await behind.do(work(number))

    with pytest.raises(ValueError, match="disk full"):
        await caller()
    assert [] == seen


@pytest.mark.parametrize("first", [fails, None])
async def test_work_is_done_before_the_error_of_its_caller_goes_on(first: Any) -> None:
    """Also if it fails too: the error of the caller is the one that is raised."""
    seen: list[str] = []

    async def work() -> None:
        await asyncio.sleep(0)
        seen.append("done")

    async def caller() -> None:
        async with Behind() as behind:
            await behind.do(fails() if first else work())
            raise KeyError

    with pytest.raises(KeyError):
        await caller()
    assert ([] if first else ["done"]) == seen


async def test_work_goes_on_when_its_caller_is_cancelled() -> None:
    """A file is not closed while a thread writes to it."""
    seen: list[str] = []
    begun, made = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        begun.set()
        await made.wait()
        seen.append("done")

    async def caller() -> None:
        async with Behind() as behind:
            await behind.do(work())
            await behind.do(work())

    task = asyncio.create_task(caller())
    await begun.wait()
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    made.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ["done"] == seen
