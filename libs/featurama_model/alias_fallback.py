"""The version that serves an alias whose own version cannot be used and that nothing served before: the newest usable
version that the alias named earlier. Concurrent requests share one search.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from functools import partial

from featurama_core.storage.port import NamespaceStorage
from featurama_core.storage.records import StoredModel
from featurama_core.types.errors import FailedPrecondition
from featurama_model.loading import LoadedModel
from featurama_model.model_names import ModelSlot
from featurama_model.registry import ModelRegistry
from featurama_model.shared_tasks import SharedTasks

Attempt = Callable[[ModelSlot, StoredModel, NamespaceStorage], Awaitable[LoadedModel]]
"""Loads a version. Raises FailedPrecondition (MODEL_UNUSABLE)."""

_MAX_TRIED = 16
"""A check takes up to `CheckLimits.seconds` per version."""
_MAX_STRANDED = 64

_Key = tuple[ModelSlot, str, int]
Found = tuple[StoredModel, LoadedModel]
"""A version that serves instead."""


class EarlierVersions:
    """Finds earlier versions that can serve. retry_after: seconds until an alias without one is searched again."""

    def __init__(self, attempt: Attempt, retry_after: float, *, monotonic: Callable[[], float]) -> None:
        self._attempt = attempt
        self._retry_after = retry_after
        self._monotonic = monotonic
        self._looking: SharedTasks[_Key, Found | None] = SharedTasks()
        self._stranded: OrderedDict[_Key, float] = OrderedDict()

    async def find(self, slot: ModelSlot, alias: str, version: int, storage: NamespaceStorage) -> Found | None:
        """The version that serves while `version`, which the alias names, cannot be used; None without one."""
        key = (slot, alias, version)
        if self._stranded.get(key, float("-inf")) > self._monotonic():
            return None
        return await self._looking.result(key, partial(self._look, key, storage))

    async def close(self) -> None:
        """Cancel the searches in progress."""
        await self._looking.close()

    async def _look(self, key: _Key, storage: NamespaceStorage) -> Found | None:
        slot, alias, version = key
        there = {stored.version: stored for stored in await storage.list_models(slot.name)}
        earlier = await ModelRegistry(storage).earlier(slot.name, alias, version)
        for stored in [there[each] for each in earlier if each in there][:_MAX_TRIED]:
            try:
                return stored, await self._attempt(slot, stored, storage)
            except FailedPrecondition:
                continue
        self._stranded[key] = self._monotonic() + self._retry_after
        while len(self._stranded) > _MAX_STRANDED:
            self._stranded.popitem(last=False)
        return None
