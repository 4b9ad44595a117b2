"""One call shared by concurrent callers.

Without it, callers would wait for one timeout each, one after another, for a store that does not answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from featurama_core.types.errors import FeaturamaError

T = TypeVar("T")


class SharedCall(Generic[T]):
    """A call made for the first caller. Callers that arrive before it ends share its result or failure."""

    def __init__(self, call: Callable[[], Awaitable[T]]) -> None:
        self._call = call
        self._turn = asyncio.Lock()
        self._now = asyncio.get_running_loop().time
        self._ended = float("-inf")
        self._answer: T | FeaturamaError | None = None

    async def __call__(self) -> T:
        """The result of a call that ends after this one begins."""
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
            # A new error per caller: it is raised in several tasks.
            raise answer.again() from answer.__cause__
        return answer  # type: ignore[return-value]  # the call has ended
