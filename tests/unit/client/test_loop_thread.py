"""LoopThread: asynchronous work from blocking code (tests/service shows it where a loop runs already)."""

from __future__ import annotations

import asyncio
import gc
import threading
from contextlib import asynccontextmanager
from typing import Any

import pytest

from featurama_core.blocking import LoopThread, blocking_form
from featurama_core.types.errors import FailedPrecondition


class Kettle:
    """Something asynchronous."""

    async def pour(self, cups: int, *, sugar: bool = False) -> str:
        """Pour tea."""
        await asyncio.sleep(0)
        if cups < 0:
            raise ValueError("no such number of cups")
        return f"{cups} cups" + (" sweet" if sugar else "")


def blocking_kettle(loop: LoopThread) -> Any:
    return blocking_form(Kettle)(Kettle(), loop)


@pytest.fixture
def loop():
    loop = LoopThread()
    yield loop
    loop.close()


def test_a_blocking_method_returns_the_result_or_raises_the_error(loop: LoopThread) -> None:
    kettle = blocking_kettle(loop)
    assert kettle.pour(2, sugar=True) == "2 cups sweet"
    with pytest.raises(ValueError, match="no such number"):
        kettle.pour(-1)


def test_contexts_are_left_by_the_task_that_entered_them_in_reverse_order() -> None:
    """A TaskGroup inside a context would fail otherwise."""
    told: list[str] = []

    @asynccontextmanager
    async def room(name: str):
        task = asyncio.current_task()
        async with asyncio.TaskGroup():
            told.append(f"enter {name}")
            yield name
            assert asyncio.current_task() is task
            told.append(f"leave {name}")

    loop = LoopThread()
    assert [loop.enter(room("a")), loop.enter(room("b"))] == ["a", "b"]
    loop.close()
    loop.close()
    assert told == ["enter a", "enter b", "leave b", "leave a"]


def test_an_error_of_entering_is_raised_and_nothing_is_left_open(loop: LoopThread) -> None:
    @asynccontextmanager
    async def broken():
        raise OSError("no water")
        yield

    with pytest.raises(OSError, match="no water"):
        loop.enter(broken())


def test_a_closed_loop_refuses_work() -> None:
    loop = LoopThread()
    loop.close()
    with pytest.raises(FailedPrecondition, match="closed"):
        blocking_kettle(loop).pour(1)


def test_calling_from_its_own_loop_is_refused_instead_of_waiting_for_ever(loop: LoopThread) -> None:
    async def inside() -> None:
        blocking_kettle(loop).pour(1)

    with pytest.raises(RuntimeError, match="own event loop"):
        loop.run(inside())


def test_a_forgotten_loop_ends_with_its_owner() -> None:
    """Nothing keeps the thread alive once nobody can use it."""
    loop = LoopThread("forgotten")
    thread = loop._thread
    del loop
    gc.collect()
    thread.join(10)
    assert thread not in threading.enumerate()
