"""One call for all who want its answer while it runs.

Without it a store that does not answer would keep those who wait in line for one timeout each.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from featurama_core.types.errors import FeaturamaError

T = TypeVar("T")


class SharedCall(Generic[T]):
    """A call that is made by the first who comes; who came before it ended takes its answer, or its failure."""

    def __init__(self, call: Callable[[], Awaitable[T]]) -> None:
        self._call = call
        self._turn = asyncio.Lock()
        self._now = asyncio.get_running_loop().time
        self._ended = float("-inf")
        self._answer: T | FeaturamaError | None = None

    async def __call__(self) -> T:
        """The answer, not older than this question's beginning less the call's duration."""
        came = self._now()
        async with self._turn:
            if self._ended < came:
                try:
                    self._answer = await self._call()
                except FeaturamaError as error:
                    self._answer = error
                self._ended = self._now()
            answer = self._answer
        if isinstance(answer, FeaturamaError):
            # A fresh one each: it is raised in several tasks.
            raise type(answer)(answer.message, reason=answer.reason, **answer.metadata) from answer.__cause__
        return answer  # type: ignore[return-value]  # the call has ended
