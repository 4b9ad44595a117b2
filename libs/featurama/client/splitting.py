"""Calls for any number of rows: split by the rows that a call may have and by the bytes of its messages.

A call whose request or answer is above a message is repeated with fewer rows. The first call that is answered pins the
versions of all others.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from itertools import chain
from typing import TypeVar

from featurama.client.answers import concurrently
from featurama_core.types.errors import InvalidInput
from featurama_core.types.sizes import excess, too_large

T = TypeVar("T")

Part = Callable[[int, int], Awaitable[T]]
"""A call for the rows from one position up to another."""


async def in_parts(
    rows: int,
    most: int,
    ids: Sequence[str],
    first: Part[T],
    others: Callable[[T], Part[T]],
    *,
    in_turn: bool = False,
) -> list[T]:
    """The answers of the calls that together have all `rows` rows, in order.

    Args:
        rows: Number of rows, at least one.
        most: Maximum number of rows per call.
        ids: The entity of each row, for the error of a row that is above a message alone; empty without entities.
        first: The call whose answer pins the versions.
        others: Answer of the first call -> the call for the other rows.
        in_turn: Whether a call needs what the calls before it have stored.
    """
    step, head = await answered(min(rows, most), ids, first)
    if step == rows:
        return [head]
    call = others(head)

    async def part(start: int, stop: int) -> list[T]:
        try:
            return [await call(start, stop)]
        except InvalidInput as error:
            size = _fewer(stop - start, error, ids, start)
        return [each for at in range(start, stop, size) for each in await part(at, min(at + size, stop))]

    calls = [partial(part, at, min(at + step, rows)) for at in range(step, rows, step)]
    parts = [await call() for call in calls] if in_turn else await concurrently(calls)
    return [head, *chain.from_iterable(parts)]


async def answered(rows: int, ids: Sequence[str], first: Part[T]) -> tuple[int, T]:
    """(rows, answer) of the first call that is answered, with all `rows` rows or fewer."""
    while True:
        try:
            return rows, await first(0, rows)
        except InvalidInput as error:
            rows = _fewer(rows, error, ids, 0)


def _fewer(rows: int, error: InvalidInput, ids: Sequence[str], start: int) -> int:
    """Rows of the next call after one of `rows` rows was above a message. Raises other errors, and if one row was."""
    found = excess(error)
    if found is None:
        raise error
    size, limit = found
    if rows == 1:
        name = f"entity {ids[start]!r}" if ids else f"row {start}"
        raise too_large(size, limit, "name fewer features per call", what=f"message of {name} alone") from error
    # A tenth less, because rows differ.
    return min(rows - 1, max(1, rows * limit * 9 // (size * 10)))
