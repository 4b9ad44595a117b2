"""Limits on calls in flight and on the bytes of their requests. A call beyond a limit is refused.

A chunk of a stream waits instead, which slows its sender down.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from featurama_core.types.errors import Overloaded


class Admission:
    """The limits of one server. A request above `max_bytes` is admitted if nothing else is in flight."""

    def __init__(self, max_calls: int, max_bytes: int) -> None:
        self._max_calls = max_calls
        self._max_bytes = max_bytes
        self._bytes = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._idle = asyncio.Event()
        self._idle.set()
        self.calls = 0

    @contextmanager
    def call(self, size: int) -> Iterator[None]:
        """Hold a place for a call whose request has `size` bytes; Overloaded if there is none."""
        if self.calls >= self._max_calls:
            raise Overloaded("the server has reached its limit of calls in flight; back off and send again")
        if not self._fits(size):
            raise Overloaded("the server has reached its limit of request bytes; back off and send again")
        self.calls += 1
        self._bytes += size
        self._idle.clear()
        try:
            yield
        finally:
            self.calls -= 1
            self._release(size)
            if not self.calls:
                self._idle.set()

    @asynccontextmanager
    async def chunk(self, size: int) -> AsyncIterator[None]:
        """Wait for `size` free bytes and hold them for a chunk of a stream. Waiting chunks are served in order."""
        if self._waiting or not self._fits(size):
            await self._turn(size)
        else:
            self._bytes += size
        try:
            yield
        finally:
            self._release(size)

    async def idle(self) -> None:
        """Return when no call is in flight."""
        await self._idle.wait()

    def _fits(self, size: int) -> bool:
        return not self._bytes or self._bytes + size <= self._max_bytes

    async def _turn(self, size: int) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((size, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._release(size)  # the bytes were granted in the same step as the cancellation
            raise

    def _release(self, size: int) -> None:
        self._bytes -= size
        while self._waiting:
            wanted, turn = self._waiting[0]
            if not turn.done():
                if not self._fits(wanted):
                    return
                self._bytes += wanted
                turn.set_result(None)
            self._waiting.popleft()
