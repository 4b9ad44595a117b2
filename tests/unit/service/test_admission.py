"""The gate: what it admits, what it refuses, who waits."""

from __future__ import annotations

import asyncio

import pytest

from featurama_core.types.errors import Overloaded, Reason
from featurama_service.admission import Admission


def test_calls_and_bytes_are_given_back_when_a_call_ends_with_an_error() -> None:
    gate = Admission(max_calls=1, max_bytes=10, max_work_bytes=10)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), gate.call(10):
            raise ZeroDivisionError
    assert gate.calls == 0
    with gate.call(10), pytest.raises(Overloaded) as refused, gate.call(1):
        pass
    assert refused.value.reason is Reason.OVERLOADED


def test_a_request_larger_than_the_bound_passes_when_it_is_alone() -> None:
    """Otherwise it could never be served."""
    gate = Admission(max_calls=5, max_bytes=10, max_work_bytes=10)
    with gate.call(100), pytest.raises(Overloaded), gate.call(1):
        pass


async def test_chunks_wait_their_turn_and_a_cancelled_one_gives_its_place_away() -> None:
    gate = Admission(max_calls=5, max_bytes=10, max_work_bytes=10)
    order: list[str] = []
    leave = {name: asyncio.Event() for name in "abcd"}

    async def chunk(name: str, size: int) -> None:
        async with gate.requests.hold(size):
            order.append(name)
            await leave[name].wait()

    tasks = {}
    for name, size in (("a", 8), ("b", 8), ("c", 8), ("d", 2)):
        tasks[name] = asyncio.create_task(chunk(name, size))
        await asyncio.sleep(0)
    assert order == ["a"]  # d would fit, but does not overtake
    tasks["b"].cancel()
    await asyncio.wait([tasks["b"]])
    leave["a"].set()
    await tasks["a"]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert order == ["a", "c", "d"]
    for name in "cd":
        leave[name].set()
        await tasks[name]
    async with gate.requests.hold(10):
        pass


async def test_a_chunk_that_is_cancelled_just_as_its_turn_comes_keeps_no_bytes() -> None:
    gate = Admission(max_calls=5, max_bytes=10, max_work_bytes=10)
    leave = asyncio.Event()

    async def first() -> None:
        async with gate.requests.hold(10):
            await leave.wait()

    async def second() -> None:
        async with gate.requests.hold(10):
            raise AssertionError("it was cancelled before")

    one, two = asyncio.create_task(first()), asyncio.create_task(second())
    await asyncio.sleep(0)
    leave.set()
    await one  # hands its bytes to the second, which has not run yet
    two.cancel()
    await asyncio.wait([two])
    async with asyncio.timeout(1), gate.requests.hold(10):
        pass


async def test_idle_is_told_when_the_last_call_ends() -> None:
    gate = Admission(max_calls=5, max_bytes=10, max_work_bytes=10)
    waiting = asyncio.create_task(gate.idle())
    with gate.call(1):
        again = asyncio.create_task(gate.idle())
        await asyncio.sleep(0)
        assert not again.done()
    await asyncio.gather(waiting, again)
