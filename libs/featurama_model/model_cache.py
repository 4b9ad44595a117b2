"""Models in memory: which version an alias names, and the loaded boosters, each loaded once.

An answer about names is at most `staleness` seconds old. When an alias moves, requests are served by the
version it named before until the new one is loaded and checked; one that cannot be used never replaces it.
Keys hold the namespace's incarnation and the manifest's hash, so a namespace or version made anew is never
served from memory.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Self, TypeVar

from featurama_core.model.errors import DeadlineExceeded, FailedPrecondition, StoreUnavailable
from featurama_core.model.names import check_name
from featurama_core.storage.port import NamespaceStorage, StoredModel
from featurama_model.artefacts import ArtefactDirectory
from featurama_model.loading import LoadedModel, load_model
from featurama_model.manifest import Manifest
from featurama_model.registry import (
    CHAMPION,
    ModelRegistry,
    named_versions,
    read_manifest,
    unknown_alias,
    unknown_version,
)

if TYPE_CHECKING:
    from featurama_core.store import FeatureStore

K = TypeVar("K")
V = TypeVar("V")

_MAX_VIEWS = 1_024
_MAX_PROBLEMS = 64


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """staleness: seconds an alias may lag. max_models: how many stay loaded, the least used goes first.
    retry_after: seconds until a version that could not be used is tried again. artefacts: URL of the directory of
    artefacts that lie outside the storage; "" for none.
    """

    staleness: float = 1.0
    max_models: int = 8
    retry_after: float = 30.0
    artefacts: str = ""


class ModelKey(NamedTuple):
    """One version of a model, for ever: nothing that is published later has an equal key."""

    namespace: str
    incarnation: str
    name: str
    version: int
    manifest_sha256: str


class _Slot(NamedTuple):
    namespace: str
    incarnation: str
    name: str


@dataclass(frozen=True, slots=True)
class _View:
    """What the store says of one model: its versions and aliases."""

    read_at: float
    versions: Mapping[int, StoredModel]
    aliases: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class _Failure:
    error: FailedPrecondition
    retry_at: float


class ModelCache:
    """Models of all namespaces of one process. Use it as an async context manager: it owns its reads and
    loads.
    """

    def __init__(
        self, settings: CacheSettings | None = None, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings or CacheSettings()
        self._monotonic = monotonic
        self._views: OrderedDict[_Slot, _View] = OrderedDict()
        self._reading: dict[_Slot, asyncio.Task[_View]] = {}
        self._loaded: OrderedDict[ModelKey, LoadedModel] = OrderedDict()
        self._loading: dict[ModelKey, asyncio.Task[LoadedModel]] = {}
        self._failures: OrderedDict[ModelKey, _Failure] = OrderedDict()
        self._serving: OrderedDict[tuple[_Slot, str], ModelKey] = OrderedDict()
        # One load at a time: a model of tens of MiB takes many times that while it is parsed.
        self._one_load = asyncio.Semaphore(1)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        tasks = [*self._reading.values(), *self._loading.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def get(self, store: FeatureStore, name: str, *, version: int = 0, alias: str = CHAMPION) -> LoadedModel:
        """The model of a version, or with version 0 of the one that `alias` names.

        Raises Unknown (UNKNOWN_MODEL), FailedPrecondition (MODEL_UNUSABLE) if there is no version to fall
        back on.
        """
        check_name(name, "model")
        slot = _Slot(store.namespace, await store.incarnation(), name)
        view = await self._view(slot, store.storage)
        number = version or view.aliases.get(alias)
        if number is None:
            raise unknown_alias(name, alias, view.aliases, trained=bool(view.versions))
        stored = view.versions.get(number)
        if stored is None:
            raise unknown_version(name, number)
        digest = hashlib.sha256(stored.manifest.encode()).hexdigest()
        key = ModelKey(*slot, number, digest)
        if version:
            return await self._wait(key, stored, store.storage)
        return await self._aliased(alias, key, stored, store.storage)

    def loaded(self) -> list[tuple[ModelKey, Manifest]]:
        """The models in memory, the least used first."""
        return [(key, model.manifest) for key, model in self._loaded.items()]

    def problems(self) -> dict[ModelKey, str]:
        """Versions that were asked for and could not be used, and why: for health and logs."""
        return {key: failure.error.message for key, failure in self._failures.items()}

    async def _aliased(self, alias: str, key: ModelKey, stored: StoredModel, storage: NamespaceStorage) -> LoadedModel:
        slot = _Slot(key.namespace, key.incarnation, key.name), alias
        if key not in self._loaded and slot in self._serving:
            previous = self._loaded.get(self._serving[slot])
            if previous is not None:
                self._load_aside(key, stored, storage)
                self._loaded.move_to_end(self._serving[slot])
                return previous
        model = await self._wait(key, stored, storage)
        _put(self._serving, slot, key, _MAX_VIEWS)
        return model

    def _load_aside(self, key: ModelKey, stored: StoredModel, storage: NamespaceStorage) -> None:
        failure = self._failures.get(key)
        if failure is None or failure.retry_at <= self._monotonic():
            self._begin_load(key, stored, storage)

    async def _wait(self, key: ModelKey, stored: StoredModel, storage: NamespaceStorage) -> LoadedModel:
        if (model := self._loaded.get(key)) is not None:
            self._loaded.move_to_end(key)
            return model
        failure = self._failures.get(key)
        if failure is not None and failure.retry_at > self._monotonic():
            # A new object each time: one shared by requests would gather their tracebacks.
            raise FailedPrecondition(failure.error.message, reason=failure.error.reason, **failure.error.metadata)
        return await asyncio.shield(self._begin_load(key, stored, storage))

    def _begin_load(self, key: ModelKey, stored: StoredModel, storage: NamespaceStorage) -> asyncio.Task[LoadedModel]:
        if key not in self._loading:
            task = asyncio.create_task(self._load(key, stored, storage))
            self._loading[key] = task
            task.add_done_callback(lambda done: _forget(self._loading, key, done))
        return self._loading[key]

    async def _load(self, key: ModelKey, stored: StoredModel, storage: NamespaceStorage) -> LoadedModel:
        try:
            async with self._one_load:
                manifest = read_manifest(stored)
                artefact = await ModelRegistry(storage, artefacts=self._artefacts(key)).artefact(manifest)
                model = await asyncio.to_thread(load_model, manifest, artefact)
        except FailedPrecondition as error:
            failure = _Failure(error, self._monotonic() + self._settings.retry_after)
            _put(self._failures, key, failure, _MAX_PROBLEMS)
            raise
        self._failures.pop(key, None)
        _put(self._loaded, key, model, self._settings.max_models)
        return model

    def _artefacts(self, key: ModelKey) -> ArtefactDirectory | None:
        return ArtefactDirectory(self._settings.artefacts, key.namespace) if self._settings.artefacts else None

    async def _view(self, slot: _Slot, storage: NamespaceStorage) -> _View:
        view = self._views.get(slot)
        if view is not None and self._monotonic() - view.read_at <= self._settings.staleness:
            return view
        if slot not in self._reading:
            task = asyncio.create_task(self._read_view(slot, storage))
            self._reading[slot] = task
            task.add_done_callback(lambda done: _forget(self._reading, slot, done))
        try:
            # Shielded: one caller's deadline must not fail the others that wait for the same read.
            return await asyncio.shield(self._reading[slot])
        except (StoreUnavailable, DeadlineExceeded):
            if view is None:
                raise
            return view

    async def _read_view(self, slot: _Slot, storage: NamespaceStorage) -> _View:
        read_at = self._monotonic()
        # Aliases before versions: what an alias names was published before.
        aliases = await storage.list_aliases(slot.name)
        versions = await storage.list_models(slot.name)
        view = _View(
            read_at,
            {stored.version: stored for stored in versions},
            named_versions(aliases),
        )
        _put(self._views, slot, view, _MAX_VIEWS)
        return view


def _put(cache: OrderedDict[K, V], key: K, value: V, limit: int) -> None:
    cache[key] = value
    cache.move_to_end(key)
    while len(cache) > limit:
        cache.popitem(last=False)


def _forget(tasks: dict[K, asyncio.Task[V]], key: K, done: asyncio.Task[V]) -> None:
    if tasks.get(key) is done:
        del tasks[key]
    if not done.cancelled():
        # Looked at even when every waiter has left, so that asyncio does not report it as lost.
        done.exception()
