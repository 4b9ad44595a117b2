"""Joining the responses of several calls, and invalid responses."""

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
    """Translate InvalidInput from parsing a response, which is an error of the server, to an internal error."""
    try:
        yield
    except InvalidInput as error:
        raise FeaturamaError(
            f"the answer of {target} cannot be read: {error}", reason=Reason.INTERNAL, target=target
        ) from error


async def concurrently(works: Sequence[Callable[[], Awaitable[T]]]) -> list[T]:
    """Results in order, with a few calls at a time. The first error cancels the others."""
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
    """Blocks of the same columns, concatenated."""
    names = [[(column.reference, column.value_type, column.vector_length) for column in each] for each in blocks]
    if any(each != names[0] for each in names):
        raise FeaturamaError(
            f"{target} answered parts of one request with different features; send it again", target=target
        )
    return [concatenate(list(columns)) for columns in zip(*blocks, strict=True)]
