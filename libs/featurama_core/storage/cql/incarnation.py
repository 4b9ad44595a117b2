"""Whether a name still stands for the namespace that was opened.

The servers prepare statements again after a table was dropped and created again, so an old object would write into the
new namespace. The incarnation is therefore read at most once per STALENESS, and after failures.
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
"""Seconds. Callers should not wait twice for a store that does not answer."""


class Incarnation:
    """One incarnation of a namespace."""

    def __init__(self, keyspaces: Keyspaces, name: str, incarnation: str) -> None:
        self.name = name
        self.id = incarnation
        self._ask = SharedCall(lambda: keyspaces.incarnation(name))
        self._now = asyncio.get_running_loop().time
        self._fresh_until = self._now() + STALENESS
        self._gone = False

    def end(self) -> None:
        """Mark it as dropped by this process."""
        self._gone = True

    async def check(self) -> None:
        """Raise Unknown (UNKNOWN_NAMESPACE) if it was dropped. Raises StoreUnavailable."""
        if not self._gone and self._now() >= self._fresh_until:
            await self._renew()
        if self._gone:
            raise unknown_namespace(self.name)

    @asynccontextmanager
    async def living(self) -> AsyncIterator[None]:
        """Wrap every use: Unknown is raised before it, and after a failure that the drop has caused."""
        await self.check()
        try:
            yield
        except (StoreUnavailable, OutcomeUnknown):
            await self.after_failure()
            raise

    async def after_failure(self) -> None:
        """Raise Unknown if the namespace was dropped, which explains the failure."""
        try:
            async with asyncio.timeout(_AFTER_FAILURE):
                await self._renew()
        except (StoreUnavailable, TimeoutError):
            # The store does not answer: the first failure is raised.
            return
        if self._gone:
            raise unknown_namespace(self.name)

    async def _renew(self) -> None:
        began = self._now()
        self._gone |= await self._ask() != self.id
        self._fresh_until = began + STALENESS
