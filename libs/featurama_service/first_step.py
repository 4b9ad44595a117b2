"""A coroutine run up to the point where it first waits: most calls never do, and need no timer for their deadline."""

from __future__ import annotations

from collections.abc import Coroutine, Generator
from typing import Any, Generic, TypeVar

_Answer = TypeVar("_Answer")


class Finished(Generic[_Answer]):
    """What a coroutine returned without waiting."""

    __slots__ = ("answer",)

    def __init__(self, answer: _Answer) -> None:
        self.answer = answer


class Waiting(Generic[_Answer]):
    """A coroutine that waits. Awaiting it in the same task goes on with it."""

    __slots__ = ("_first", "_steps")

    def __init__(self, steps: Coroutine[Any, Any, _Answer], first: object) -> None:
        """first: what the coroutine waits for, as its task is given it."""
        self._steps = steps
        self._first = first

    def __await__(self) -> Generator[Any, Any, _Answer]:
        """What `yield from` does, begun at the first yield (PEP 380)."""
        waited_for = self._first
        while True:
            came: object = None
            failed: BaseException | None = None
            try:
                came = yield waited_for
            except BaseException as error:  # noqa: BLE001 - a cancellation, say: it is the coroutine's
                failed = error
            try:
                waited_for = self._steps.send(came) if failed is None else self._steps.throw(failed)
            except StopIteration as end:
                answer: _Answer = end.value
                return answer


def first_step(coroutine: Coroutine[Any, Any, _Answer]) -> Finished[_Answer] | Waiting[_Answer]:
    """Run a coroutine of the current task until it waits or ends. Its exceptions are raised."""
    try:
        first = coroutine.send(None)
    except StopIteration as end:
        return Finished(end.value)
    return Waiting(coroutine, first)
