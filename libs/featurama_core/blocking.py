"""An event loop in a thread of its own, so that asynchronous methods can be called from blocking code.

It works where a loop runs already (Jupyter). Contexts are entered and left by one task each, in the loop.
"""

from __future__ import annotations

import asyncio
import functools
import threading
import weakref
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

R = TypeVar("R")
P = ParamSpec("P")
Inner = TypeVar("Inner")
Inner_co = TypeVar("Inner_co", covariant=True)


class LoopThread:
    """Runs coroutines in a daemon thread. Whoever made it closes it; if nobody does, the interpreter's end does."""

    def __init__(self, name: str = "featurama-loop") -> None:
        started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()
        self._thread = threading.Thread(target=_serve, args=(started,), name=name, daemon=True)
        self._thread.start()
        self._loop, stop = started.result()
        self._held: list[_Held] = []
        self._end = weakref.finalize(self, _end, self._loop, stop, self._thread)

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return not self._end.alive

    def run(self, work: Coroutine[Any, Any, R]) -> R:
        """The result of `work`, or its exception; interrupting the wait (Ctrl-C) cancels it."""
        if self.closed or threading.current_thread() is self._thread:
            work.close()
            raise RuntimeError(
                "this client is closed" if self.closed else "called from its own event loop; use the async client"
            )
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def enter(self, context: AbstractAsyncContextManager[R]) -> R:
        """Enter `context` in the loop; `close` leaves it, the last entered first."""

        async def start() -> tuple[R, _Held]:
            entered: asyncio.Future[R] = asyncio.get_running_loop().create_future()
            leave = asyncio.Event()
            task = asyncio.create_task(_hold(context, entered, leave))
            either: set[asyncio.Future[Any]] = {entered, task}
            try:
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            except asyncio.CancelledError:
                task.cancel()
                raise
            if not entered.done():
                task.result()  # raises what entering raised
            return entered.result(), _Held(task, leave)

        value, held = self.run(start())
        self._held.append(held)
        return value

    def close(self) -> None:
        """Leave the contexts, end the loop and its thread. Safe to call again."""
        if self.closed:
            return
        try:
            while self._held:
                self.run(self._held.pop().end())
        finally:
            self._end()


class _Held:
    """A context that is open in the loop, and the task that entered it."""

    def __init__(self, task: asyncio.Task[None], leave: asyncio.Event) -> None:
        self._task = task
        self._leave = leave

    async def end(self) -> None:
        self._leave.set()
        await self._task


class Blocking(Protocol[Inner_co]):
    """What `blocking` methods stand in: something asynchronous, and the loop it lives in."""

    @property
    def inner(self) -> Inner_co:
        """The asynchronous twin."""

    @property
    def loop(self) -> LoopThread:
        """Its loop."""


def blocking(
    method: Callable[Concatenate[Inner, P], Coroutine[Any, Any, R]],
) -> Callable[Concatenate[Blocking[Inner], P], R]:
    """The same method, same signature and docstring, that waits for its result."""

    @functools.wraps(method)
    def call(self: Blocking[Inner], /, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.loop.run(method(self.inner, *args, **kwargs))

    return call


async def _hold(context: AbstractAsyncContextManager[R], entered: asyncio.Future[R], leave: asyncio.Event) -> None:
    async with context as value:
        entered.set_result(value)
        await leave.wait()


def _serve(started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]]) -> None:
    async def main() -> None:
        stop = asyncio.Event()
        started.set_result((asyncio.get_running_loop(), stop))
        await stop.wait()

    asyncio.run(main())


def _end(loop: asyncio.AbstractEventLoop, stop: asyncio.Event, thread: threading.Thread) -> None:
    if loop.is_closed():
        return
    loop.call_soon_threadsafe(stop.set)
    if threading.current_thread() is not thread:
        thread.join()
