"""Checks of the storage or the servers of the command."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

from featurama_cli.doctor.finding import Finding
from featurama_cli.place import Place
from featurama_cli.session import count_features, open_store, open_stores
from featurama_core.namespace import Namespace
from featurama_core.storage.settings import StorageUrl
from featurama_core.store import EmbeddedStore
from featurama_core.stores import Stores
from featurama_core.types.errors import FailedPrecondition, FeaturamaError
from featurama_model.registry import CHAMPION, ModelRegistry

_GIB = 1024**3
_SECONDS = 15
_WIDE = 10
"""Features of a group that are written as twice as many rows, or as two packed cells."""


async def checks(place: Place) -> AsyncIterator[Finding]:
    """All checks of a place."""
    if place.servers:
        yield await _servers(place)
        return
    try:
        parsed = StorageUrl.parse(place.url)
    except FeaturamaError as error:
        yield Finding("Storage", "fail", error.message, "correct --store or FEATURAMA_STORE")
        return
    if parsed.scheme == "sqlite":
        disk = _disk(Path(parsed.path))
        if disk is None:
            yield Finding("Storage", "warn", f"{place.text} does not exist yet", "create it: `featurama world --into`")
            return
        yield disk
    try:
        async with asyncio.timeout(_SECONDS), open_stores(place) as stores:
            await stores.ping()
            yield Finding("Storage", "ok", f"{place.text} answers")
            async for finding in _namespaces(place, stores):
                yield finding
    except FeaturamaError as error:
        yield Finding("Storage", "fail", f"{place.text}: {error.message}", "check the database and the URL")
    except TimeoutError:
        yield Finding("Storage", "fail", f"{place.text} took longer than {_SECONDS} s", "check the database")


async def _namespaces(place: Place, stores: Stores) -> AsyncIterator[Finding]:
    names = await stores.storage.list_namespaces()
    packs = StorageUrl.parse(place.url).scheme == "sqlite"
    if place.namespace not in names:
        yield Finding(
            "Namespace", "warn", f"{place.namespace} does not exist", f"`featurama namespaces create {place.namespace}`"
        )
    for name in names:
        check = f"Namespace {name}"
        try:
            namespace = await stores.namespace(name)
            features = await count_features(EmbeddedStore(namespace))
            models = await ModelRegistry(namespace.storage).list()
            wide = [] if packs else await _wide_groups(namespace)
        except FailedPrecondition as error:
            yield Finding(check, "fail", error.message, f"`featurama migrate -n {name}`")
            continue
        except FeaturamaError as error:
            yield Finding(check, "fail", error.message, "try again; then check the database")
            continue
        yield Finding(check, "ok", f"schema is current; {features} features, {len(models)} model versions")
        for group in wide:
            yield Finding(
                f"{check}, {group}",
                "warn",
                f"{_WIDE} or more features, and a row of history per value",
                f"if much is written: `featurama features edit {group} --kind group --history packed -n {name}`",
            )
        for model in models:
            if model.problem:
                yield Finding(
                    f"{check}, {model.stored.name} {model.stored.version}", "warn", model.problem, "train it again"
                )
        for model_name in sorted({model.stored.name for model in models}):
            if CHAMPION not in await ModelRegistry(namespace.storage).aliases(model_name):
                yield Finding(
                    f"{check}, {model_name}", "warn", "no champion", f"`featurama models promote {model_name} VERSION`"
                )


async def _wide_groups(namespace: Namespace) -> list[str]:
    """Names of the groups of many features whose history is rows."""
    groups = (await namespace.registry.snapshot(fresh=True)).all_groups()
    in_rows = [name for name, group in groups.items() if group.history == "rows"]
    first = [await namespace.storage.list_feature_names(("feature_group", name), "", _WIDE) for name in in_rows]
    return [name for name, names in zip(in_rows, first, strict=True) if len(names) == _WIDE]


async def _servers(place: Place) -> Finding:
    try:
        async with asyncio.timeout(_SECONDS), open_store(place) as store:
            features = await count_features(store)
    except (FeaturamaError, TimeoutError) as error:
        problem = error.message if isinstance(error, FeaturamaError) else f"no answer in {_SECONDS} s"
        return Finding("Servers", "fail", f"{place.text}: {problem}", "start them: `featurama up`; or correct --store")
    return Finding("Servers", "ok", f"{place.text} answers; namespace {place.namespace}, {features} features")


def _disk(folder: Path) -> Finding | None:
    """The free space of a folder; None if the folder does not exist."""
    if not folder.is_dir():
        return None
    free = shutil.disk_usage(folder).free
    if free < _GIB:
        return Finding("Disk", "warn", f"{free / _GIB:.2f} GiB free at {folder}", "make room, or move the storage")
    return Finding("Disk", "ok", f"{free / _GIB:.0f} GiB free at {folder}")
