"""What answers for an alias whose version cannot be used, where no other served before: the newest of those that the
alias named earlier and that can be used. Looked for once, however many ask.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from functools import partial
from typing import NamedTuple

from featurama_core.storage.port import NamespaceStorage, StoredModel
from featurama_core.types.errors import FailedPrecondition
from featurama_model.loading import LoadedModel
from featurama_model.model_names import ModelSlot
from featurama_model.registry import ModelRegistry
from featurama_model.shared_tasks import SharedTasks

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
        self._looking: SharedTasks[_Key, Found | None] = SharedTasks()
        self._stranded: OrderedDict[_Key, float] = OrderedDict()

    async def find(self, slot: ModelSlot, alias: str, version: int, storage: NamespaceStorage) -> Found | None:
        """The version to answer with while `version`, which the alias names, cannot be used; None if there is none."""
        key = (slot, alias, version)
        if self._stranded.get(key, float("-inf")) > self._monotonic():
            return None
        return await self._looking.result(key, partial(self._look, key, storage))

    async def close(self) -> None:
        """End what is under way."""
        await self._looking.close()

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
