"""Models in memory: the version that an alias names, and the loaded boosters, each checked and loaded once.

When an alias moves, its previous version serves until the new one has been checked in a child process and loaded. An
unusable version never replaces the previous one; it is reported by `problems` and an event. If no version has served
yet, for example after a restart, the newest usable version that the alias named before serves. A replaced version stays
in memory until the last request that uses it is answered. Keys contain the namespace's incarnation and the manifest's
hash, so a namespace or version that was created again is never served from memory.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Literal, NamedTuple, Self, TypeVar

from featurama_core.storage.port import NamespaceStorage
from featurama_core.storage.records import StoredModel
from featurama_core.types.errors import FailedPrecondition
from featurama_core.types.names import check_name
from featurama_model.alias_fallback import EarlierVersions
from featurama_model.artefacts import ArtefactDirectory
from featurama_model.loading import LoadedModel, load_checked
from featurama_model.manifest import ModelManifest
from featurama_model.model_checker import ModelChecker
from featurama_model.model_names import ModelNames, ModelSlot, ModelView
from featurama_model.promotion import tried
from featurama_model.registry import CHAMPION, ModelRegistry, read_manifest, unknown_model
from featurama_model.shared_tasks import SharedTasks

if TYPE_CHECKING:
    from featurama_core.namespace import Namespace

K = TypeVar("K")
V = TypeVar("V")

_MAX_ALIASES = 1_024
_MAX_PROBLEMS = 64


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """staleness: seconds an alias may lag. max_models: the number of loaded models; up to as many aliases also hold the
    version that serves them. retry_after: seconds until an unusable version is checked again. watch: seconds that a
    model is watched after its last use; 0 reads names on request only. artefacts: URL of the directory of artefacts
    outside the storage; "" for none.
    """

    staleness: float = 1.0
    max_models: int = 8
    retry_after: float = 30.0
    watch: float = 300.0
    artefacts: str = ""


class ModelKey(NamedTuple):
    """One version of a model. No version that is published later has an equal key."""

    slot: ModelSlot
    version: int
    manifest_sha256: str


@dataclass(frozen=True, slots=True)
class ModelEvent:
    """A change of a version: `loaded`; `served`: an alias is served by it; `unusable`, with the problem; `degraded`: an
    alias is served by it because the version that the alias names cannot be used.
    """

    kind: Literal["loaded", "served", "unusable", "degraded"]
    key: ModelKey
    detail: str = ""


class _Alias(NamedTuple):
    slot: ModelSlot
    alias: str


class _Served(NamedTuple):
    """The version that serves an alias. It keeps the model in memory, whichever others are loaded."""

    key: ModelKey
    model: LoadedModel


@dataclass(frozen=True, slots=True)
class _Failure:
    error: FailedPrecondition
    retry_at: float


class ModelCache:
    """Models of all namespaces of one process. Use it as an async context manager: it owns its reads and loads, and the
    checking process unless a `checker` is given. on_event: called on the loop, for logs; it must not raise.
    """

    def __init__(
        self,
        settings: CacheSettings | None = None,
        *,
        checker: ModelChecker | None = None,
        on_event: Callable[[ModelEvent], None] = lambda _: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings or CacheSettings()
        self._own_checker = checker is None
        self._checker = checker or ModelChecker()
        self._on_event = on_event
        self._monotonic = monotonic
        self._names = ModelNames(self._settings.staleness, self._settings.watch, self, monotonic=monotonic)
        self._loaded: OrderedDict[ModelKey, LoadedModel] = OrderedDict()
        self._loading: SharedTasks[ModelKey, LoadedModel] = SharedTasks()
        self._failures: OrderedDict[ModelKey, _Failure] = OrderedDict()
        self._wanted: OrderedDict[_Alias, ModelKey] = OrderedDict()
        self._serving: OrderedDict[_Alias, _Served] = OrderedDict()
        self._earlier = EarlierVersions(self._attempt, self._settings.retry_after, monotonic=monotonic)
        # One load at a time: parsing a model of tens of MiB takes many times its size in memory.
        self._one_load = asyncio.Semaphore(1)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._names.close()
        await self._earlier.close()
        await self._loading.close()
        if self._own_checker:
            await asyncio.to_thread(self._checker.close)

    async def get(self, namespace: Namespace, name: str, *, version: int = 0, alias: str = CHAMPION) -> LoadedModel:
        """The model of a version; with version 0, of the version that `alias` names.

        An earlier version serves an alias whose version cannot be used: see the manifest's version. Raises Unknown
        (UNKNOWN_MODEL), FailedPrecondition (MODEL_UNUSABLE) if no earlier version can be used.
        """
        slot = await self._slot(namespace, name)
        view = await self._names.view(slot, namespace.storage)
        number = version or view.aliases.get(alias)
        stored = None if number is None else view.versions.get(number)
        if stored is None:
            raise await unknown_model(
                namespace.storage, name, number or 0, alias, versions=view.versions, known=view.aliases
            )
        if version:
            return await self._wait(_key(slot, stored), stored, namespace.storage)
        self._names.used(slot, namespace.storage)
        return await self._aliased(_Alias(slot, alias), stored, namespace.storage)

    async def aliases(self, namespace: Namespace, name: str) -> Mapping[str, int]:
        """Alias -> version, as last read. Waits for the store only if `get` would."""
        return (await self._names.view(await self._slot(namespace, name), namespace.storage)).aliases

    def expire(self) -> None:
        """Read aliases again at their next use, after this process has changed one."""
        self._names.expire()

    def loaded(self) -> list[tuple[ModelKey, ModelManifest]]:
        """The models in memory, each once."""
        models = dict(self._serving.values()) | self._loaded
        return [(key, model.manifest) for key, model in models.items()]

    def serving(self) -> list[tuple[str, ModelKey]]:
        """Requested aliases with the version that serves them, which may differ from the version that they name."""
        return [(alias.alias, served.key) for alias, served in self._serving.items()]

    def problems(self) -> dict[ModelKey, str]:
        """Requested versions that cannot be used, with the problem, for listings and logs."""
        return {key: failure.error.message for key, failure in self._failures.items()}

    def healthy(self) -> bool:
        """Whether every alias in use is served by the version that it names."""
        return not any(key in self._failures for key in self._wanted.values())

    def seen(self, slot: ModelSlot, view: ModelView, storage: NamespaceStorage) -> None:
        """A watch has read the model's names: start loading the versions that aliases in use name."""
        for alias in [each for each in self._wanted if each.slot == slot]:
            stored = view.versions.get(view.aliases.get(alias.alias, 0))
            if stored is None:
                del self._wanted[alias]
                continue
            key = _key(slot, stored)
            self._wanted[alias] = key
            served = self._serving.get(alias)
            if served is not None and served.key == key:
                continue
            if key in self._loaded:
                self._serve(alias, key, self._loaded[key])
            else:
                self._load_aside(key, stored, storage)

    def forgotten(self, slot: ModelSlot) -> None:
        """The model has not been used for a while: its aliases no longer affect `healthy`."""
        for alias in [each for each in self._wanted if each.slot == slot]:
            del self._wanted[alias]

    async def _slot(self, namespace: Namespace, name: str) -> ModelSlot:
        check_name(name, "model")
        return ModelSlot(namespace.name, await namespace.incarnation(), name)

    async def _aliased(self, alias: _Alias, stored: StoredModel, storage: NamespaceStorage) -> LoadedModel:
        key = _key(alias.slot, stored)
        _put(self._wanted, alias, key, _MAX_ALIASES)
        served = self._serving.get(alias)
        if served is None:
            return await self._first(alias, key, stored, storage)
        if key != served.key:
            if key in self._loaded:
                self._serve(alias, key, self._loaded[key])
            else:
                self._load_aside(key, stored, storage)
        served = self._serving[alias]
        self._serving.move_to_end(alias)
        if served.key in self._loaded:
            self._loaded.move_to_end(served.key)
        return served.model

    async def _first(self, alias: _Alias, key: ModelKey, stored: StoredModel, storage: NamespaceStorage) -> LoadedModel:
        """Serve an alias that no version serves yet."""
        try:
            model = await self._wait(key, stored, storage)
        except FailedPrecondition:
            found = await self._earlier.find(alias.slot, alias.alias, key.version, storage)
            if found is None:
                raise
            if alias not in self._serving:
                stored, model = found
                older = _key(alias.slot, stored)
                detail = f"{alias.alias}: version {key.version} cannot be used"
                self._serve(alias, older, model, ModelEvent("degraded", older, detail))
            return self._serving[alias].model
        self._serve(alias, key, model)
        return model

    async def _attempt(self, slot: ModelSlot, stored: StoredModel, storage: NamespaceStorage) -> LoadedModel:
        return await self._wait(_key(slot, stored), stored, storage)

    def _serve(self, alias: _Alias, key: ModelKey, model: LoadedModel, event: ModelEvent | None = None) -> None:
        served = self._serving.get(alias)
        if served is None or served.key != key:
            _put(self._serving, alias, _Served(key, model), self._settings.max_models)
            self._on_event(event or ModelEvent("served", key, alias.alias))

    def _load_aside(self, key: ModelKey, stored: StoredModel, storage: NamespaceStorage) -> None:
        failure = self._failures.get(key)
        if failure is None or failure.retry_at <= self._monotonic():
            self._loading.begin(key, partial(self._load, key, stored, storage))

    async def _wait(self, key: ModelKey, stored: StoredModel, storage: NamespaceStorage) -> LoadedModel:
        if (model := self._loaded.get(key)) is not None:
            self._loaded.move_to_end(key)
            return model
        failure = self._failures.get(key)
        if failure is not None and failure.retry_at > self._monotonic():
            # A new object per request: a shared one would accumulate their tracebacks.
            raise FailedPrecondition(failure.error.message, reason=failure.error.reason, **failure.error.metadata)
        return await self._loading.result(key, partial(self._load, key, stored, storage))

    async def _load(self, key: ModelKey, stored: StoredModel, storage: NamespaceStorage) -> LoadedModel:
        try:
            async with self._one_load:
                manifest = read_manifest(stored)
                registry = ModelRegistry(storage, artefacts=self._artefacts(key))
                artefact, structure = await tried(registry, self._checker, manifest)
                model = await asyncio.to_thread(load_checked, manifest, artefact, structure)
        except FailedPrecondition as error:
            failure = _Failure(error, self._monotonic() + self._settings.retry_after)
            _put(self._failures, key, failure, _MAX_PROBLEMS)
            self._on_event(ModelEvent("unusable", key, error.message))
            raise
        self._failures.pop(key, None)
        self._keep(key, model)
        self._on_event(ModelEvent("loaded", key))
        for alias in [each for each, wanted in self._wanted.items() if wanted == key]:
            self._serve(alias, key, model)
        return model

    def _artefacts(self, key: ModelKey) -> ArtefactDirectory | None:
        return ArtefactDirectory(self._settings.artefacts, key.slot.namespace) if self._settings.artefacts else None

    def _keep(self, key: ModelKey, model: LoadedModel) -> None:
        self._loaded[key] = model
        self._loaded.move_to_end(key)
        serving = {key, *(served.key for served in self._serving.values())}
        while len(self._loaded) > self._settings.max_models:
            idle = (each for each in self._loaded if each not in serving)
            del self._loaded[next(idle, next(iter(self._loaded)))]


def _key(slot: ModelSlot, stored: StoredModel) -> ModelKey:
    return ModelKey(slot, stored.version, _sha256(stored.manifest))


@lru_cache(maxsize=128)
def _sha256(manifest: str) -> str:
    return hashlib.sha256(manifest.encode()).hexdigest()


def _put(cache: OrderedDict[K, V], key: K, value: V, limit: int) -> None:
    cache[key] = value
    cache.move_to_end(key)
    while len(cache) > limit:
        cache.popitem(last=False)
