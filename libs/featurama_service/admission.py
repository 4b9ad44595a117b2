"""Limits on calls in flight, on the bytes of their requests, and on the memory of their work.

A call beyond the limits of calls or requests is refused. A chunk of a stream waits instead, which slows its sender
down. Work waits too: calls hold nothing that others wait for, so that each gets its turn.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import AbstractAsyncContextManager, AbstractContextManager

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

    def hold(self, size: int) -> AbstractAsyncContextManager[None]:
        """Wait for `size` free bytes and hold them. Who waits is served in order."""
        return _Held(self, size)

    async def wait(self, size: int) -> None:
        """Return when `size` bytes are held."""
        if not self._waiting and self.fits(size):
            self.take(size)
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((size, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give_back(size)  # the bytes were granted in the same step as the cancellation
            raise


class _Held:
    """Bytes of a room, as a context. A class: every call has one, and a generator costs several times as much."""

    __slots__ = ("_room", "_size")

    def __init__(self, room: Room, size: int) -> None:
        self._room = room
        self._size = size

    async def __aenter__(self) -> None:
        await self._room.wait(self._size)

    async def __aexit__(self, *_: object) -> None:
        self._room.give_back(self._size)


class _Place:
    """A place of a call, as a context."""

    __slots__ = ("_admission", "_size")

    def __init__(self, admission: Admission, size: int) -> None:
        self._admission = admission
        self._size = size

    def __enter__(self) -> None:
        self._admission.enter(self._size)

    def __exit__(self, *_: object) -> None:
        self._admission.leave(self._size)


class Admission:
    """The limits of one server. requests: bytes of requests in flight; work: memory of what is made of them."""

    def __init__(self, max_calls: int, max_bytes: int, max_work_bytes: int) -> None:
        self._max_calls = max_calls
        self.requests = Room(max_bytes)
        self.work = Room(max_work_bytes)
        self._idle = asyncio.Event()
        self._idle.set()
        self.calls = 0

    def call(self, size: int) -> AbstractContextManager[None]:
        """Hold a place for a call whose request has `size` bytes; Overloaded if there is none."""
        return _Place(self, size)

    def enter(self, size: int) -> None:
        """Take a place, until `leave`; see `call`."""
        if self.calls >= self._max_calls:
            raise Overloaded("the server has reached its limit of calls in flight; back off and send again")
        if not self.requests.fits(size):
            raise Overloaded("the server has reached its limit of request bytes; back off and send again")
        self.calls += 1
        self.requests.take(size)
        self._idle.clear()

    def leave(self, size: int) -> None:
        """Give the place of a call back."""
        self.calls -= 1
        self.requests.give_back(size)
        if not self.calls:
            self._idle.set()

    async def idle(self) -> None:
        """Return when no call is in flight."""
        await self._idle.wait()
