"""Housekeeping: a periodic purge of values past retention, in every namespace."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from structlog.typing import FilteringBoundLogger

from featurama_core.ingest.purge import purge
from featurama_core.stores import Stores
from featurama_core.types.errors import FeaturamaError


@asynccontextmanager
async def housekeeping(stores: Stores, interval: float, log: FilteringBoundLogger) -> AsyncIterator[None]:
    """Purge every `interval` seconds until the context ends; 0 never purges."""
    if not interval:
        yield
        return
    # A TaskGroup would wrap exceptions of the context's body, such as a port that is taken.
    purging = asyncio.create_task(_purge_often(stores, interval, log))
    try:
        yield
    finally:
        purging.cancel()
        await asyncio.wait((purging,))
        if not purging.cancelled():
            log.error("purge", exc_info=purging.exception())


async def purge_all(stores: Stores, log: FilteringBoundLogger) -> None:
    """Purge every namespace. A failure is logged and does not affect the other namespaces."""
    for name in await stores.storage.list_namespaces():
        try:
            purged = await purge(await stores.namespace(name))
        except FeaturamaError as error:
            log.warning("purge", namespace=name, reason=error.reason.name)
        else:
            log.info("purge", namespace=name, cells=purged.latest_cells, rows=purged.history_rows)


async def _purge_often(stores: Stores, interval: float, log: FilteringBoundLogger) -> None:
    while True:
        await asyncio.sleep(interval)
        try:
            await purge_all(stores, log)
        except FeaturamaError as error:
            log.warning("purge", reason=error.reason.name)
