"""The location of the store, as a value that is sent to every task. A task opens it on its own event loop."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from featurama_core.blocking import LoopThread
from featurama_core.namespace import Namespace
from featurama_core.settings import StoreSettings
from featurama_core.storage.open import open_storage
from featurama_core.storage.settings import StorageSettings, StorageUrl
from featurama_core.types.names import DEFAULT_NAMESPACE, check_namespace

IN_FLIGHT = 32
"""Statements in flight per task on a cluster: the tasks together must not starve online serving."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class StoreLocation:
    """A namespace of a storage. settings: with the password, which is sent to the tasks; `repr` never shows it."""

    settings: StorageSettings
    namespace: str = DEFAULT_NAMESPACE

    @classmethod
    def of(cls, storage: str | StorageSettings | StoreLocation, namespace: str = DEFAULT_NAMESPACE) -> StoreLocation:
        """A read-only place with few statements in flight. A relative directory is resolved by the caller."""
        if isinstance(storage, StoreLocation):
            return storage
        settings = StorageSettings(storage) if isinstance(storage, str) else storage
        url = StorageUrl.parse(settings.url)
        text = f"sqlite:///{quote(str(Path(url.path).resolve()))}" if url.scheme == "sqlite" else settings.url
        few = min(settings.max_in_flight, IN_FLIGHT)
        return cls(replace(settings, url=text, read_only=True, max_in_flight=few), check_namespace(namespace))

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Namespace]:
        """The open namespace; leaving the context closes it with its storage."""
        async with open_storage(self.settings) as storage:
            opened = await storage.namespace(self.namespace)
            yield Namespace(self.namespace, opened, StoreSettings(), time.time_ns)


def in_own_loop(place: StoreLocation, work: Callable[[Namespace], AsyncIterator[_T]]) -> Iterator[_T]:
    """The items that `work` yields, from an event loop and a store that live as long as the iteration."""
    with own_loop(place) as (loop, namespace):
        coming = work(namespace)
        while (found := loop.run(_next(coming))) is not None:
            yield found


@contextmanager
def own_loop(place: StoreLocation) -> Iterator[tuple[LoopThread, Namespace]]:
    """An event loop in a thread, and the namespace of the place, open on it until the context ends."""
    loop = LoopThread("featurama-ray")
    try:
        yield loop, loop.enter(place.open())
    finally:
        loop.close()


async def _next(coming: AsyncIterator[_T]) -> _T | None:
    return await anext(coming, None)
