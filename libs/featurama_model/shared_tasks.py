"""Work that concurrent callers share: one task per key while it runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from functools import partial
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class SharedTasks(Generic[K, V]):
    """The running tasks. `close` cancels them."""

    def __init__(self) -> None:
        self._tasks: dict[K, asyncio.Task[V]] = {}

    def begin(self, key: K, work: Callable[[], Coroutine[Any, Any, V]]) -> asyncio.Task[V]:
        """The running task of `key`, or a new one that runs `work`."""
        if key not in self._tasks:
            task = asyncio.create_task(work())
            self._tasks[key] = task
            task.add_done_callback(partial(self._ended, key))
        return self._tasks[key]

    async def result(self, key: K, work: Callable[[], Coroutine[Any, Any, V]]) -> V:
        """The result, or the exception, of the task of `key`; see `begin`."""
        # Shielded: the deadline of one caller must not end the task that others wait for.
        return await asyncio.shield(self.begin(key, work))

    async def close(self) -> None:
        """Cancel the running tasks and wait for them."""
        for task in self._tasks.values():
            task.cancel()
        await self.settled()

    async def settled(self) -> None:
        """Return when all running tasks have ended."""
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _ended(self, key: K, done: asyncio.Task[V]) -> None:
        del self._tasks[key]
        if not done.cancelled():
            # Retrieved even if every waiter has left, so that asyncio does not report it as lost.
            done.exception()
