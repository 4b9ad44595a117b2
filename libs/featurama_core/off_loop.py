"""Work that may be long: in a thread, by its size, so that the event loop serves others, or behind its caller."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def off_loop(is_large: bool, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The result of `work`. is_large: whether it may take some milliseconds; a thread costs a fourth of one."""
    if is_large:
        return await asyncio.to_thread(work, *args, **kwargs)
    return work(*args, **kwargs)


class Behind:
    """A context in which one piece of work runs at a time while its caller makes the next. At its end all are done."""

    def __init__(self) -> None:
        self._running: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            await self._done()
        elif self._running is not None:
            # The error of the caller comes first.
            await asyncio.gather(self._running, return_exceptions=True)

    async def do(self, work: Coroutine[Any, Any, None]) -> None:
        """Begin some work when the work before it is done; raises the error of that one."""
        try:
            await self._done()
        except BaseException:
            work.close()
            raise
        self._running = asyncio.create_task(work)

    async def _done(self) -> None:
        if self._running is not None:
            # The work goes on if the caller is cancelled.
            await asyncio.shield(self._running)
            self._running = None
