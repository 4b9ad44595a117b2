"""Limits on calls in flight, on the bytes of their requests, and on the memory of their work.

A call beyond the limits of calls or requests is refused. A chunk of a stream waits instead, which slows its sender
down. Work waits too: calls hold nothing that others wait for, so that each gets its turn.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from featurama_core.types.errors import Overloaded


class Room:
    """Bytes that are shared. More than `most` are granted if nobody else holds any."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    def fits(self, size: int) -> bool:
        """Whether `size` bytes are free."""
        return not self._held or self._held + size <= self._most

    def take(self, size: int) -> None:
        """Hold bytes, whether they fit or not."""
        self._held += size

    def give_back(self, size: int) -> None:
        """No longer hold bytes."""
        self._held -= size
        while self._waiting:
            wanted, turn = self._waiting[0]
            if not turn.done():
                if not self.fits(wanted):
                    return
                self._held += wanted
                turn.set_result(None)
            self._waiting.popleft()

    @asynccontextmanager
    async def hold(self, size: int) -> AsyncIterator[None]:
        """Wait for `size` free bytes and hold them. Who waits is served in order."""
        if self._waiting or not self.fits(size):
            await self._turn(size)
        else:
            self.take(size)
        try:
            yield
        finally:
            self.give_back(size)

    async def _turn(self, size: int) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((size, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give_back(size)  # the bytes were granted in the same step as the cancellation
            raise


class Admission:
    """The limits of one server. requests: bytes of requests in flight; work: memory of what is made of them."""

    def __init__(self, max_calls: int, max_bytes: int, max_work_bytes: int) -> None:
        self._max_calls = max_calls
        self.requests = Room(max_bytes)
        self.work = Room(max_work_bytes)
        self._idle = asyncio.Event()
        self._idle.set()
        self.calls = 0

    @contextmanager
    def call(self, size: int) -> Iterator[None]:
        """Hold a place for a call whose request has `size` bytes; Overloaded if there is none."""
        if self.calls >= self._max_calls:
            raise Overloaded("the server has reached its limit of calls in flight; back off and send again")
        if not self.requests.fits(size):
            raise Overloaded("the server has reached its limit of request bytes; back off and send again")
        self.calls += 1
        self.requests.take(size)
        self._idle.clear()
        try:
            yield
        finally:
            self.calls -= 1
            self.requests.give_back(size)
            if not self.calls:
                self._idle.set()

    async def idle(self) -> None:
        """Return when no call is in flight."""
        await self._idle.wait()
