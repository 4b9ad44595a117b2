"""What answers for an alias whose version cannot be used, where no other served before: the newest of those that the
alias named earlier and that can be used. Looked for once, however many ask.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from featurama_core.storage.port import NamespaceStorage, StoredModel
from featurama_core.types.errors import FailedPrecondition
from featurama_model.loading import LoadedModel
from featurama_model.model_names import ModelSlot
from featurama_model.registry import ModelRegistry

Attempt = Callable[[ModelSlot, StoredModel, NamespaceStorage], Awaitable[LoadedModel]]
"""Loads a version. Raises FailedPrecondition (MODEL_UNUSABLE)."""

_MAX_TRIED = 16
"""Each takes up to a check's seconds."""
_MAX_STRANDED = 64

_Key = tuple[ModelSlot, str, int]


class Found(NamedTuple):
    """A version to fall back on."""

    stored: StoredModel
    model: LoadedModel


class EarlierVersions:
    """Finds versions to fall back on. retry_after: seconds until an alias that has none is looked at again."""

    def __init__(self, attempt: Attempt, retry_after: float, *, monotonic: Callable[[], float]) -> None:
        self._attempt = attempt
        self._retry_after = retry_after
        self._monotonic = monotonic
        self._looking: dict[_Key, asyncio.Task[Found | None]] = {}
        self._stranded: OrderedDict[_Key, float] = OrderedDict()

    async def find(self, slot: ModelSlot, alias: str, version: int, storage: NamespaceStorage) -> Found | None:
        """The version to answer with while `version`, which the alias names, cannot be used; None if there is none."""
        key = (slot, alias, version)
        if self._stranded.get(key, float("-inf")) > self._monotonic():
            return None
        if key not in self._looking:
            task = asyncio.create_task(self._look(key, storage))
            self._looking[key] = task
            task.add_done_callback(lambda done: self._looked(key, done))
        # Shielded: one caller's deadline must not end what the others wait for.
        return await asyncio.shield(self._looking[key])

    async def close(self) -> None:
        """End what is under way."""
        tasks = list(self._looking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _look(self, key: _Key, storage: NamespaceStorage) -> Found | None:
        slot, alias, version = key
        there = {stored.version: stored for stored in await storage.list_models(slot.name)}
        earlier = await ModelRegistry(storage).earlier(slot.name, alias, version)
        for stored in [there[each] for each in earlier if each in there][:_MAX_TRIED]:
            try:
                return Found(stored, await self._attempt(slot, stored, storage))
            except FailedPrecondition:
                continue
        self._stranded[key] = self._monotonic() + self._retry_after
        while len(self._stranded) > _MAX_STRANDED:
            self._stranded.popitem(last=False)
        return None

    def _looked(self, key: _Key, done: asyncio.Task[Found | None]) -> None:
        del self._looking[key]
        if not done.cancelled():
            # Looked at even when every waiter has left, so that asyncio does not report it as lost.
            done.exception()
