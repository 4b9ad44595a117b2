"""The model of a request that names none: the only model of its namespace.

A server keeps the answer for a moment, and for longer while the store does not answer. A configured name is used as it
is: another model in its place would be a wrong answer.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Self

from featurama_core.storage.port import NamespaceStorage
from featurama_core.types.errors import DeadlineExceeded, InvalidInput, Reason, StoreUnavailable, Unknown
from featurama_model.registry import model_names
from featurama_model.shared_tasks import SharedTasks

if TYPE_CHECKING:
    from featurama_core.namespace import Namespace

_MAX_NAMESPACES = 1_024
_MAX_LISTED = 20
_PATIENCE_S = 0.25
"""How long a request waits for a store that does not answer before it uses the last name."""

_Key = tuple[str, str]


async def only_model(storage: NamespaceStorage, preferred: str = "") -> str:
    """The only model of a namespace; of several, `preferred`.

    Raises Unknown (UNKNOWN_MODEL) without a model, InvalidInput with the names of several.
    """
    names = sorted(await model_names(storage))
    if preferred in names:
        return preferred
    if not names:
        raise Unknown("no model is registered; train one", reason=Reason.UNKNOWN_MODEL, field="model")
    if len(names) > 1:
        more = ", ..." if len(names) > _MAX_LISTED else ""
        raise InvalidInput(f"name the model: {', '.join(names[:_MAX_LISTED])}{more} are registered", field="model")
    return names[0]


@dataclass(frozen=True, slots=True)
class _Found:
    name: str
    read_at: float


class DefaultModel:
    """The default model of a server, per namespace. Use it as an async context manager: it owns its reads.

    configured: its name in every namespace; "" for the only model, of several `preferred`. max_age: seconds.
    """

    def __init__(
        self,
        configured: str = "",
        *,
        preferred: str = "",
        max_age: float = 1.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._configured = configured
        self._preferred = preferred
        self._max_age = max_age
        self._monotonic = monotonic
        self._found: OrderedDict[_Key, _Found] = OrderedDict()
        self._reading: SharedTasks[_Key, str] = SharedTasks()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._reading.close()

    async def of(self, namespace: Namespace) -> str:
        """The name of the default model. Raises like `only_model`, StoreUnavailable only if no name is known."""
        if self._configured:
            return self._configured
        key = (namespace.name, await namespace.incarnation())
        found = self._found.get(key)
        if found is not None and self._monotonic() - found.read_at <= self._max_age:
            return found.name
        reading = self._reading.begin(key, partial(self._read, key, namespace.storage))
        if found is None:
            return await asyncio.shield(reading)
        await asyncio.wait((reading,), timeout=_PATIENCE_S)
        try:
            return reading.result() if reading.done() else found.name
        except (StoreUnavailable, DeadlineExceeded):
            return found.name

    async def _read(self, key: _Key, storage: NamespaceStorage) -> str:
        read_at = self._monotonic()
        name = await only_model(storage, self._preferred)
        self._found[key] = _Found(name, read_at)
        self._found.move_to_end(key)
        while len(self._found) > _MAX_NAMESPACES:
            self._found.popitem(last=False)
        return name
