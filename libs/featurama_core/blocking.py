"""Blocking forms of asynchronous classes, over an event loop in a thread of its own.

It also works where a loop is already running (Jupyter). One task in the loop enters and leaves each context.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import threading
import weakref
from collections.abc import Coroutine
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Self, TypeVar

from featurama_core.types.errors import store_closed

R = TypeVar("R")


class LoopThread:
    """Runs coroutines in a daemon thread. Its owner closes it; otherwise it ends with the interpreter."""

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
        """Return the result of `work` or raise its exception. Interrupting the wait (Ctrl-C) cancels it."""
        if self.closed or threading.current_thread() is self._thread:
            work.close()
            if self.closed:
                raise store_closed()
            raise RuntimeError("called from its own event loop; use the asynchronous `connect` there")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def enter(self, context: AbstractAsyncContextManager[R]) -> R:
        """Enter `context` in the loop. `close` leaves the contexts in reverse order."""

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
                task.result()  # raises the exception of entering
            return entered.result(), _Held(task, leave)

        value, held = self.run(start())
        self._held.append(held)
        return value

    def close(self) -> None:
        """Leave the contexts, then end the loop and its thread. Repeated calls do nothing."""
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


class BlockingForm:
    """Base of blocking forms: an asynchronous object, and the only loop that may use it.

    A method waits for its result. A result with asynchronous methods is returned in its blocking form. owns_loop:
    whether `close` ends the loop and leaves the contexts entered there.
    """

    def __init__(self, inner: Any, loop: LoopThread, *, owns_loop: bool = False) -> None:
        self._inner = inner
        self._loop = loop
        self._owns_loop = owns_loop

    def __repr__(self) -> str:
        return repr(self._inner)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the store and end the thread. Repeated calls do nothing. Results of methods need no closing."""
        if self._owns_loop:
            self._loop.close()


@functools.cache
def blocking_form(kind: Any) -> type[BlockingForm]:
    """The blocking form of an asynchronous class: the same public methods, signatures, docstrings and bases."""
    bases = tuple(blocking_form(each) for each in kind.__bases__ if _is_asynchronous(each))
    members = {name: _blocking(name, each) for name, each in vars(kind).items() if not name.startswith("_")}
    if "to_arrow" in members:
        members["__arrow_c_stream__"] = _arrow_stream
    about = {"__doc__": kind.__doc__, "__module__": kind.__module__, "__qualname__": kind.__qualname__}
    return type(kind.__name__, bases or (BlockingForm,), members | about)


def _blocking(name: str, member: Any) -> Any:
    """The blocking form of a member of an asynchronous class."""
    if isinstance(member, property):
        return property(lambda self: getattr(self._inner, name), doc=member.__doc__)
    if not inspect.isfunction(member):
        return member

    if inspect.iscoroutinefunction(member):

        @functools.wraps(member)
        def call(self: Any, /, *args: Any, **kwargs: Any) -> Any:
            return _shown(self._loop.run(getattr(self._inner, name)(*args, **kwargs)), self._loop)

    elif inspect.isasyncgenfunction(member):

        @functools.wraps(member)
        def call(self: Any, /, *args: Any, **kwargs: Any) -> Any:
            items = getattr(self._inner, name)(*args, **kwargs)
            try:
                while (item := self._loop.run(_next(items))) is not _END:
                    yield item
            finally:
                self._loop.run(items.aclose())

    else:

        @functools.wraps(member)
        def call(self: Any, /, *args: Any, **kwargs: Any) -> Any:
            return _shown(getattr(self._inner, name)(*args, **kwargs), self._loop)

    # The wrapper is not a coroutine function: `inspect` must not follow it to the asynchronous function.
    signature = inspect.signature(member)
    shown: Any = call
    del shown.__wrapped__
    shown.__signature__ = signature
    return shown


def _arrow_stream(self: Any, requested_schema: Any = None) -> Any:
    """The table of `to_arrow` for any library of Arrow's PyCapsule interface; it cannot be awaited."""
    return self.to_arrow().__arrow_c_stream__(requested_schema)


def _shown(value: Any, loop: LoopThread) -> Any:
    kind: Any = type(value)
    return blocking_form(kind)(value, loop) if _is_asynchronous(kind) else value


@functools.cache
def _is_asynchronous(kind: Any) -> bool:
    """Whether a class has public asynchronous methods, its own or inherited."""
    return any(
        inspect.iscoroutinefunction(member) or inspect.isasyncgenfunction(member)
        for base in kind.__mro__
        for name, member in vars(base).items()
        if not name.startswith("_")
    )


_END = object()


async def _next(items: Any) -> Any:
    return await anext(items, _END)


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
