"""Answers of several calls made into one, and answers that can not be read."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from featurama_core.types.column import Column, concatenate
from featurama_core.types.errors import FeaturamaError, InvalidInput, Reason

T = TypeVar("T")

_AT_ONCE = 4
"""Calls in flight for one request that was split."""


@contextmanager
def reading_answer(target: str) -> Iterator[None]:
    """What is wrong with an answer is the server's fault, not the caller's."""
    try:
        yield
    except InvalidInput as error:
        raise FeaturamaError(
            f"the answer of {target} can not be read: {error}", reason=Reason.INTERNAL, target=target
        ) from error


async def concurrently(works: Sequence[Callable[[], Awaitable[T]]]) -> list[T]:
    """Results in order, a few at a time; the first error ends the others."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(work: Callable[[], Awaitable[T]]) -> T:
        async with gate:
            return await work()

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(work)) for work in works]
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from failures
    return [task.result() for task in tasks]


def joined(blocks: Sequence[Sequence[Column]], target: str) -> list[Column]:
    """Blocks of the same columns, one after another."""
    names = [[(column.reference, column.value_type, column.vector_length) for column in each] for each in blocks]
    if any(each != names[0] for each in names):
        raise FeaturamaError(
            f"{target} answered parts of one request with different features; ask again", target=target
        )
    return [concatenate(list(columns)) for columns in zip(*blocks, strict=True)]
