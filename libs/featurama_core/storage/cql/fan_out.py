"""The same work on many items, with a bounded number of tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


async def for_each(things: Iterable[T], work: Callable[[T], Awaitable[object]], width: int) -> None:
    """Run `work` on every item, at most `width` at a time. Items are taken from the iterator on demand.

    The first failure cancels the others and is raised.
    """
    source = iter(things)

    async def worker() -> None:
        for thing in source:
            await work(thing)

    try:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(min(width, len(things)) if isinstance(things, Sequence) else width):
                tasks.create_task(worker())
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from failed.exceptions[0].__cause__


async def collect(things: Sequence[T], work: Callable[[T], Awaitable[R]], width: int) -> list[R]:
    """The results of `work`, in order; see `for_each`."""
    if len(things) == 1:
        return [await work(things[0])]
    results: list[R | None] = [None] * len(things)

    async def keep(number: int) -> None:
        results[number] = await work(things[number])

    await for_each(range(len(things)), keep, width)
    return results  # type: ignore[return-value]  # all places are filled
