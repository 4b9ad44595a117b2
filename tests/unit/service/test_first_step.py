"""A coroutine that is begun by hand goes on as if it had been awaited."""

from __future__ import annotations

import asyncio

import pytest

from featurama_service.first_step import Finished, Waiting, first_step

pytestmark = pytest.mark.unit


async def test_a_coroutine_that_never_waits_is_finished_at_once() -> None:
    async def body() -> str:
        return "answer"

    step = first_step(body())
    assert isinstance(step, Finished)
    assert "answer" == step.answer


async def test_an_exception_of_the_first_step_is_raised() -> None:
    async def body() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        first_step(body())


async def test_a_coroutine_that_waits_goes_on_when_it_is_awaited() -> None:
    """It waits several times, for a future and for a turn of the loop."""
    gate: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    seen: list[str] = []

    async def body() -> list[str]:
        seen.append("begun")
        seen.append(await gate)
        await asyncio.sleep(0)
        return [*seen, "end"]

    step = first_step(body())
    assert isinstance(step, Waiting)
    assert ["begun"] == seen
    asyncio.get_running_loop().call_soon(gate.set_result, "opened")
    assert ["begun", "opened", "end"] == await step


async def test_an_exception_after_waiting_is_raised_to_the_awaiter() -> None:
    async def body() -> None:
        await asyncio.sleep(0)
        raise ZeroDivisionError

    step = first_step(body())
    assert isinstance(step, Waiting)
    with pytest.raises(ZeroDivisionError):
        await step


async def test_a_cancellation_reaches_the_coroutine_which_may_clean_up() -> None:
    """As that of a deadline does: what it returns in spite of it is the answer."""
    cleaned: list[str] = []

    async def body() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            cleaned.append("cleaned")
            raise
        return "never"

    async def in_no_time() -> None:
        async with asyncio.timeout(0):
            step = first_step(body())
            assert isinstance(step, Waiting)
            await step

    with pytest.raises(TimeoutError):
        await in_no_time()
    assert ["cleaned"] == cleaned


async def test_what_swallows_an_exception_goes_on() -> None:
    gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def body() -> str:
        try:
            await gate
        except ZeroDivisionError:
            return "went on"
        return "never"

    step = first_step(body())
    assert isinstance(step, Waiting)
    asyncio.get_running_loop().call_soon(gate.set_exception, ZeroDivisionError())
    assert "went on" == await step
