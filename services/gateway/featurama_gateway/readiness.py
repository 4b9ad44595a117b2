"""Whether predictions can be made: asked of the online service, by predicting.

An answer is at most `max_age` old, so that however often health is asked for, the online service is asked seldom.
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
"""Any id will do: a model that answers "unknown entity" for it can be used."""


@dataclass(frozen=True, slots=True)
class Ready:
    """connected: the online service answers and reaches its store. loaded: it can predict with the model. degraded: by
    an earlier version than the one that the alias names, which cannot be used.
    """

    connected: bool = False
    loaded: bool = False
    degraded: bool = False


@dataclass(slots=True)
class _Asked:
    ready: Ready = Ready()
    until: float = float("-inf")
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class Readiness:
    """Of the model that this gateway serves, a namespace at a time. max_age: seconds."""

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
        self._asked: OrderedDict[str, _Asked] = OrderedDict()

    async def of(self, namespace: str) -> Ready:
        """Whether it is ready in this namespace; InvalidInput for a name that names none."""
        store = await self._store.in_namespace(namespace)
        asked = self._asked.setdefault(namespace, _Asked())
        self._asked.move_to_end(namespace)
        if len(self._asked) > _MAX_NAMESPACES:
            self._asked.popitem(last=False)
        async with asked.turn:
            if self._monotonic() > asked.until:
                asked.ready = await self._ask(store, asked.ready)
                asked.until = self._monotonic() + self._max_age
            return asked.ready

    async def _ask(self, store: FeatureStore, before: Ready) -> Ready:
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
