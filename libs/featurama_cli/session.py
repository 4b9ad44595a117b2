"""Opening of the store, the namespace or the storage of a command."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from featurama_cli.place import Place
from featurama_core.storage.settings import StorageUrl
from featurama_core.types.errors import InvalidInput, Reason, Unknown
from featurama_service.storage_options import StorageOptions

if TYPE_CHECKING:
    from featurama.client.settings import Retries
    from featurama_core.api import FeatureStore
    from featurama_core.namespace import Namespace
    from featurama_core.stores import Stores
    from featurama_model.artefacts import ArtefactDirectory
    from featurama_model.registry import ModelRegistry

_Kind = TypeVar("_Kind", bound=BaseSettings)

SLOW_MS = 30_000
"""Request timeout for creating tables, which takes seconds on a cluster."""

SERVER_TIMEOUT_S = 30.0
"""Timeout of a call to servers whose URL has none."""


class StorageEnvironment(BaseSettings, StorageOptions):
    """The storage of the command: `FEATURAMA_STORAGE`, `FEATURAMA_STORAGE_PASSWORD`, and so on."""

    model_config = SettingsConfigDict(env_prefix="FEATURAMA_", frozen=True, hide_input_in_errors=True)

    artefacts: str = ""
    """fsspec URL of a directory for the artefacts of models; empty: they are in the storage."""


def storage_options(url: str, *, slow: bool = False) -> StorageOptions:
    """The options of the storage at `url`. slow: whether the timeout must suffice for creating tables."""
    options = settings_of(StorageEnvironment, storage=url)
    if not slow:
        return options
    return options.model_copy(update={"storage_request_timeout_ms": max(SLOW_MS, options.storage_request_timeout_ms)})


def settings_of(kind: type[_Kind], **values: object) -> _Kind:
    """Settings from `values` and the environment. Raises InvalidInput: one line with the setting."""
    try:
        return kind(**values)  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        name = str(first["loc"][0]) if first["loc"] else "settings"
        said = first["msg"].removeprefix("Value error, ")
        raise InvalidInput(said if said.startswith(name) else f"{name}: {said}", field=name) from error


def artefact_directory(place: Place) -> ArtefactDirectory | None:
    """The directory of model artefacts, `FEATURAMA_ARTEFACTS`; None for the storage."""
    from featurama_model.artefacts import ArtefactDirectory

    url = settings_of(StorageEnvironment, storage=place.url).artefacts
    return ArtefactDirectory(url, place.namespace) if url else None


@asynccontextmanager
async def open_store(
    place: Place, *, makes: bool = False, retries: Retries | None = None
) -> AsyncIterator[FeatureStore]:
    """The store of a place. makes: whether a missing embedded storage is created. retries: of calls to servers."""
    if place.servers:
        from featurama.client.settings import ServerUrl
        from featurama.connecting import connect

        timeout = ServerUrl.parse(place.url).timeout or SERVER_TIMEOUT_S
        async with connect(place.url, namespace=place.namespace, timeout=timeout, retries=retries) as store:
            yield store
        return
    from featurama_core.store import EmbeddedStore

    async with open_namespace(place, makes=makes) as namespace:
        yield EmbeddedStore(namespace)


@asynccontextmanager
async def open_namespace(place: Place, *, makes: bool = False) -> AsyncIterator[Namespace]:
    """The namespace of a place that is a storage, for work beyond the methods of a store: models, scores, checks."""
    from featurama_core.stores import open_stores as opening

    options = storage_options(place.url)
    if options.embedded and makes:
        async with opening(options.storage_settings(), namespace=place.namespace) as stores:
            yield await stores.namespace(place.namespace)
        return
    async with open_stores(place) as stores:
        yield await stores.namespace(place.namespace)


@asynccontextmanager
async def open_models(place: Place) -> AsyncIterator[tuple[Namespace, ModelRegistry]]:
    """The namespace of a place that is a storage, and the registry of its models."""
    from featurama_model.registry import ModelRegistry

    async with open_namespace(place) as namespace:
        yield namespace, ModelRegistry(namespace.storage, artefacts=artefact_directory(place))


@asynccontextmanager
async def open_stores(place: Place, *, makes: bool = False, slow: bool = False) -> AsyncIterator[Stores]:
    """The place's storage with all its namespaces."""
    from featurama_core.stores import Stores

    options = storage_options(place.url, slow=slow)
    if options.embedded and not makes:
        _check_there(place)
    async with Stores.open(options.storage_settings()) as stores:
        yield stores


def is_there(place: Place) -> bool:
    """Whether an embedded storage exists. True for servers and clusters, which are checked when they are opened."""
    if place.servers:
        return True
    url = StorageUrl.parse(place.url)
    return url.scheme != "sqlite" or Path(url.path).is_dir()


def _check_there(place: Place) -> None:
    """Refuse a missing storage: reading must not create an empty one for a mistyped name."""
    if not is_there(place):
        raise Unknown(
            f"there is no storage at {place.text}; create it with `featurama apply`, `featurama world --into` or "
            "`featurama namespaces create`, or name another with --store",
            reason=Reason.UNKNOWN_NAMESPACE,
            field="store",
        )


async def count_features(store: FeatureStore) -> int:
    """The number of features, counted page by page."""
    count, after = 0, None
    while True:
        page, after = await store.page_features(after)
        count += len(page)
        if after is None:
            return count
