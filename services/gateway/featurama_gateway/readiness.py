"""Readiness of the online service, checked by a prediction.

A result is reused for up to `max_age`, so frequent health requests cause few calls of the online service.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from featurama import FeatureStore
from featurama.errors import FeaturamaError, Overloaded

_MAX_NAMESPACES = 64
_DEADLINE_S = 2.0
_PROBE_ID = "health"
"""An arbitrary id: a model that answers "unknown entity" for it can be used."""


@dataclass(frozen=True, slots=True)
class Ready:
    """connected: the online service answers and reaches its store. loaded: it can predict with the model. degraded: it
    predicts with an earlier version, because the version that the alias names cannot be used.
    """

    connected: bool = False
    loaded: bool = False
    degraded: bool = False


@dataclass(slots=True)
class _Check:
    ready: Ready = Ready()
    until: float = float("-inf")
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class Readiness:
    """Readiness of the default model, per namespace. max_age: seconds."""

    def __init__(
        self,
        store: FeatureStore,
        model: str,
        *,
        max_age: float = 0.5,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._model = model
        self._max_age = max_age
        self._monotonic = monotonic
        self._checks: OrderedDict[str, _Check] = OrderedDict()

    async def of(self, namespace: str) -> Ready:
        """The readiness in a namespace. Raises InvalidInput for an invalid name."""
        store = await self._store.in_namespace(namespace)
        check = self._checks.setdefault(namespace, _Check())
        self._checks.move_to_end(namespace)
        if len(self._checks) > _MAX_NAMESPACES:
            self._checks.popitem(last=False)
        async with check.turn:
            if self._monotonic() > check.until:
                check.ready = await self._checked(store, check.ready)
                check.until = self._monotonic() + self._max_age
            return check.ready

    async def _checked(self, store: FeatureStore, before: Ready) -> Ready:
        try:
            async with asyncio.timeout(_DEADLINE_S):
                connected = await store.is_serving("featurama.v1.OnlineService")
        except TimeoutError:
            connected = False
        if not connected:
            return Ready()
        loaded = await self._loaded(store, before.loaded)
        return Ready(connected, loaded, loaded and await self._degraded(store, before.degraded))

    async def _loaded(self, store: FeatureStore, before: bool) -> bool:
        try:
            async with asyncio.timeout(_DEADLINE_S):
                await store.predict([_PROBE_ID], model=self._model, include_features=False)
        except Overloaded:
            return before
        except (FeaturamaError, TimeoutError):
            return False
        return True

    async def _degraded(self, store: FeatureStore, before: bool) -> bool:
        try:
            async with asyncio.timeout(_DEADLINE_S):
                return (await store.get_model(self._model)).state == "unusable"
        except (FeaturamaError, TimeoutError):
            return before
