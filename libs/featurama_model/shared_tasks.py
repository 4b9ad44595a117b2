"""Work that is done once, however many wait for it: a task per key while it is under way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from functools import partial
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class SharedTasks(Generic[K, V]):
    """The tasks under way. `close` ends them."""

    def __init__(self) -> None:
        self._tasks: dict[K, asyncio.Task[V]] = {}

    def begin(self, key: K, work: Callable[[], Coroutine[Any, Any, V]]) -> asyncio.Task[V]:
        """The task of `key`; it is started by `work` unless one is under way."""
        if key not in self._tasks:
            task = asyncio.create_task(work())
            self._tasks[key] = task
            task.add_done_callback(partial(self._ended, key))
        return self._tasks[key]

    async def result(self, key: K, work: Callable[[], Coroutine[Any, Any, V]]) -> V:
        """What the task of `key` returns or raises, see `begin`."""
        # Shielded: one caller's deadline must not end what the others wait for.
        return await asyncio.shield(self.begin(key, work))

    async def close(self) -> None:
        """Cancel what is under way, and wait for its end."""
        for task in self._tasks.values():
            task.cancel()
        await self.settled()

    async def settled(self) -> None:
        """Return when all that is under way has ended, however it ends."""
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _ended(self, key: K, done: asyncio.Task[V]) -> None:
        del self._tasks[key]
        if not done.cancelled():
            # Looked at even when every waiter has left, so that asyncio does not report it as lost.
            done.exception()
