"""The ingest service's composition root: settings -> stores -> housekeeping -> servicers -> server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack

from featurama_core.stores import open_stores
from featurama_ingest.housekeeping import housekeeping
from featurama_ingest.rpc.ingest import IngestServicer
from featurama_ingest.settings import IngestSettings
from featurama_service.access_log import AccessLog
from featurama_service.logs import open_log
from featurama_service.rpc.registry import registry_service
from featurama_service.server import DEFINITIONS_HEALTH, Bound, serving


async def run(settings: IngestSettings, *, stop: asyncio.Event, started: Callable[[Bound], None] | None = None) -> None:
    """Own every resource of the ingest service until `stop` is set; then drain and close.

    started: called once, with the address, when the service accepts calls. The default namespace of an embedded storage
    is created here; an administrator creates the namespaces of a cluster.
    """
    async with AsyncExitStack() as resources:
        log = open_log(settings, "ingest")
        access = resources.enter_context(AccessLog(settings, "ingest"))
        stores = await resources.enter_async_context(open_stores(settings.storage_settings()))
        await stores.check_schemas()
        await resources.enter_async_context(housekeeping(stores, settings.purge_interval_ms / 1_000, log))
        servicer = IngestServicer(
            stores, write_deadline=settings.write_deadline_ms / 1_000, stream_window=settings.stream_window
        )
        bound = await resources.enter_async_context(
            serving(
                [servicer.service(), registry_service(stores)],
                settings,
                log=log,
                access=access,
                ping=stores.ping,
                reports={DEFINITIONS_HEALTH: stores.knows_definitions},
            )
        )
        if started is not None:
            started(bound)
        await stop.wait()
