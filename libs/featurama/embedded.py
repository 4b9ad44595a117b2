"""A store on a storage, opened in this process. `connect` imports it for URLs of storages only."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from featurama_core.storage.port import Consistency
from featurama_core.storage.settings import StorageSettings
from featurama_core.store import EmbeddedStore
from featurama_core.stores import open_stores
from featurama_core.types.errors import InvalidInput


@asynccontextmanager
async def open_embedded(url: str, namespace: str, given: Mapping[str, Any]) -> AsyncIterator[EmbeddedStore]:
    """A store on the storage at a URL. given: the parameters of `connect` that are set and apply to the URL."""
    settings: dict[str, Any] = {name: given[name] for name in ("password", "read_only") if name in given}
    if "consistency" in given:
        settings["consistency"] = Consistency(given["consistency"])
    if "timeout" in given:
        settings["request_timeout_ms"] = max(1, round(given["timeout"] * 1_000))
    if "tls" in given:
        tls = given["tls"]
        if tls.server_name is not None:
            raise InvalidInput("a cluster's certificates are checked by host; leave server_name out", field="tls")
        paths = {"tls_ca": tls.ca_file, "tls_cert": tls.certificate_file, "tls_key": tls.key_file}
        settings |= {name: str(path) for name, path in paths.items() if path is not None}
    clock = {"clock": given["clock"]} if "clock" in given else {}
    async with open_stores(StorageSettings(url, **settings), namespace=namespace, **clock) as stores:
        yield await stores.get(namespace)
