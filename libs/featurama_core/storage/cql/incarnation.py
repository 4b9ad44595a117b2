"""Whether a name still stands for the namespace that was opened.

The servers prepare a statement anew when its table was dropped and made again, so an old object would write into
the new namespace. What is asked at most once in STALENESS, and after every failure, is the incarnation.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from featurama_core.model.errors import OutcomeUnknown, StoreUnavailable
from featurama_core.storage.cql.failures import unknown_namespace
from featurama_core.storage.cql.keyspaces import Keyspaces

STALENESS = 1.0
"""Seconds."""


class Incarnation:
    """One incarnation of a namespace, as long as it lives."""

    def __init__(self, keyspaces: Keyspaces, name: str, incarnation: str) -> None:
        self.name = name
        self.id = incarnation
        self._keyspaces = keyspaces
        self._turn = asyncio.Lock()
        self._now = asyncio.get_running_loop().time
        self._fresh_until = self._now() + STALENESS
        self._gone = False

    def end(self) -> None:
        """It was dropped by this process."""
        self._gone = True

    async def check(self, *, fresh: bool = False) -> None:
        """Raise Unknown (UNKNOWN_NAMESPACE) unless it lives; `fresh`: ask the store in any case."""
        if not self._gone and not fresh and self._now() < self._fresh_until:
            return
        asked = self._now()
        async with self._turn:
            if not self._gone and asked + STALENESS > self._fresh_until:
                self._gone = await self._keyspaces.incarnation(self.name) != self.id
                self._fresh_until = asked + STALENESS
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
            await self.check(fresh=True)
        except StoreUnavailable:
            # The store does not answer at all: the first failure says so.
            return
