"""Whether a name still stands for the namespace that was opened.

The servers prepare a statement anew when its table was dropped and made again, so an old object would write into
the new namespace. What is asked at most once in STALENESS, and after failures, is the incarnation.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from featurama_core.storage.cql.keyspaces import Keyspaces
from featurama_core.storage.cql.shared_call import SharedCall
from featurama_core.storage.namespaces import unknown_namespace
from featurama_core.types.errors import OutcomeUnknown, StoreUnavailable

STALENESS = 1.0
"""Seconds."""
_AFTER_FAILURE = 0.5
"""Seconds: a store that does not answer is not waited for twice."""


class Incarnation:
    """One incarnation of a namespace, as long as it lives."""

    def __init__(self, keyspaces: Keyspaces, name: str, incarnation: str) -> None:
        self.name = name
        self.id = incarnation
        self._ask = SharedCall(lambda: keyspaces.incarnation(name))
        self._now = asyncio.get_running_loop().time
        self._fresh_until = self._now() + STALENESS
        self._gone = False

    def end(self) -> None:
        """It was dropped by this process."""
        self._gone = True

    async def check(self) -> None:
        """Raise Unknown (UNKNOWN_NAMESPACE) unless it lives. Raises StoreUnavailable."""
        if not self._gone and self._now() >= self._fresh_until:
            await self._renew()
        if self._gone:
            raise unknown_namespace(self.name)

    @asynccontextmanager
    async def living(self) -> AsyncIterator[None]:
        """Around every use: raises Unknown before it and, where that is why it failed, after it."""
        await self.check()
        try:
            yield
        except (StoreUnavailable, OutcomeUnknown):
            await self.after_failure()
            raise

    async def after_failure(self) -> None:
        """Raise Unknown if a failure came from the namespace's end."""
        try:
            async with asyncio.timeout(_AFTER_FAILURE):
                await self._renew()
        except (StoreUnavailable, TimeoutError):
            # The store does not answer at all: the first failure says so.
            return
        if self._gone:
            raise unknown_namespace(self.name)

    async def _renew(self) -> None:
        asked = self._now()
        self._gone |= await self._ask() != self.id
        self._fresh_until = asked + STALENESS
