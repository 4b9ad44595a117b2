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

_MAX_CHECKS = 64
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
    """Readiness per namespace and model. model: the default one, "" for the online service's. max_age: seconds."""

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
        self._checks: OrderedDict[tuple[str, str], _Check] = OrderedDict()

    async def of(self, namespace: str, model: str | None = None) -> Ready:
        """The readiness in a namespace, of the default model or another. Raises InvalidInput for an invalid name."""
        store = await self._store.in_namespace(namespace)
        model = model or self._model
        check = self._checks.setdefault((namespace, model), _Check())
        self._checks.move_to_end((namespace, model))
        if len(self._checks) > _MAX_CHECKS:
            self._checks.popitem(last=False)
        async with check.turn:
            if self._monotonic() > check.until:
                check.ready = await self._checked(store, model, check.ready)
                check.until = self._monotonic() + self._max_age
            return check.ready

    async def _checked(self, store: FeatureStore, model: str, before: Ready) -> Ready:
        try:
            async with asyncio.timeout(_DEADLINE_S):
                connected = await store.is_serving("featurama.v1.OnlineService")
        except TimeoutError:
            connected = False
        if not connected:
            return Ready()
        loaded = await self._loaded(store, model, before.loaded)
        return Ready(connected, loaded, loaded and await self._degraded(store, model, before.degraded))

    async def _loaded(self, store: FeatureStore, model: str, before: bool) -> bool:
        try:
            async with asyncio.timeout(_DEADLINE_S):
                await store.predict([_PROBE_ID], model=model, include_features=False)
        except Overloaded:
            return before
        except (FeaturamaError, TimeoutError):
            return False
        return True

    async def _degraded(self, store: FeatureStore, model: str, before: bool) -> bool:
        try:
            async with asyncio.timeout(_DEADLINE_S):
                return (await store.get_model(model)).state == "unusable"
        except (FeaturamaError, TimeoutError):
            return before
