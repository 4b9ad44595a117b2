"""Checks of the storage, or of the servers, that the command would use."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

from featurama_cli.doctor.finding import Finding
from featurama_cli.place import Place
from featurama_cli.session import open_session, open_stores
from featurama_core.storage.settings import StorageUrl
from featurama_core.store import Stores
from featurama_core.types.errors import FailedPrecondition, FeaturamaError
from featurama_model.registry import CHAMPION, ModelRegistry

_GIB = 1024**3
_SECONDS = 15


async def checks(place: Place) -> AsyncIterator[Finding]:
    """All of them, for a place."""
    if place.target:
        yield await _servers(place)
        return
    try:
        parsed = StorageUrl.parse(place.storage)
    except FeaturamaError as error:
        yield Finding("Storage", "fail", error.message, "correct --storage or FEATURAMA_STORAGE")
        return
    if parsed.scheme == "sqlite":
        disk = _disk(Path(parsed.path))
        if disk is None:
            yield Finding("Storage", "warn", f"{place.text} is not there yet", "make it: `featurama world --into`")
            return
        yield disk
    try:
        async with asyncio.timeout(_SECONDS), open_stores(place) as stores:
            await stores.ping()
            yield Finding("Storage", "ok", f"{place.text} answers")
            async for finding in _namespaces(place, stores):
                yield finding
    except FeaturamaError as error:
        yield Finding("Storage", "fail", f"{place.text}: {error.message}", "is the database up, and the URL right?")
    except TimeoutError:
        yield Finding("Storage", "fail", f"{place.text} took longer than {_SECONDS} s", "is the database well?")


async def _namespaces(place: Place, stores: Stores) -> AsyncIterator[Finding]:
    names = await stores.storage.list_namespaces()
    if place.namespace not in names:
        yield Finding(
            "Namespace", "warn", f"{place.namespace} is not there", f"`featurama namespaces create {place.namespace}`"
        )
    for name in names:
        check = f"Namespace {name}"
        try:
            store = await stores.get(name)
            features = len(await store.list_features())
            models = await ModelRegistry(store.storage).list()
        except FailedPrecondition as error:
            yield Finding(check, "fail", error.message, f"`featurama migrate -n {name}`")
            continue
        except FeaturamaError as error:
            yield Finding(check, "fail", error.message, "try again; then look at the database")
            continue
        yield Finding(check, "ok", f"schema as this code has it; {features} features, {len(models)} model versions")
        for model in models:
            if model.problem:
                yield Finding(
                    f"{check}, {model.stored.name} {model.stored.version}", "warn", model.problem, "train it again"
                )
        for model_name in sorted({model.stored.name for model in models}):
            if CHAMPION not in await ModelRegistry(store.storage).aliases(model_name):
                yield Finding(
                    f"{check}, {model_name}", "warn", "no champion", f"`featurama models promote {model_name} VERSION`"
                )


async def _servers(place: Place) -> Finding:
    try:
        async with asyncio.timeout(_SECONDS), open_session(place) as session:
            features = await session.list_features()
    except (FeaturamaError, TimeoutError) as error:
        told = error.message if isinstance(error, FeaturamaError) else f"no answer in {_SECONDS} s"
        return Finding("Servers", "fail", f"{place.target}: {told}", "start them: `featurama up`; or correct --target")
    return Finding("Servers", "ok", f"{place.target} answers; namespace {place.namespace}, {len(features)} features")


def _disk(folder: Path) -> Finding | None:
    """None if the folder is not there."""
    if not folder.is_dir():
        return None
    free = shutil.disk_usage(folder).free
    if free < _GIB:
        return Finding("Disk", "warn", f"{free / _GIB:.2f} GiB free at {folder}", "make room, or move the storage")
    return Finding("Disk", "ok", f"{free / _GIB:.0f} GiB free at {folder}")
