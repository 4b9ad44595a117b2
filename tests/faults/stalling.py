"""What a deadline does to a call that stalls: it is cancelled as soon as it stands still."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable


async def until_stalled(work: Awaitable[object], stalled: asyncio.Event) -> object:
    """The answer, or CancelledError when `stalled` is set before there is one."""
    doing = asyncio.ensure_future(work)
    stalling = asyncio.ensure_future(stalled.wait())
    await asyncio.wait({doing, stalling}, return_when=asyncio.FIRST_COMPLETED)
    stalling.cancel()
    if not doing.done():
        doing.cancel()
    return await doing
