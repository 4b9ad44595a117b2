"""Online, ingest and gateway in one process, on one event loop, over one storage.

The gateway drains first, so that the requests that it has accepted are still answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from featurama_cli.session import settings_of
from featurama_gateway import app as gateway_app
from featurama_gateway.settings import GatewaySettings
from featurama_ingest import app as ingest_app
from featurama_ingest.settings import IngestSettings
from featurama_online import app as online_app
from featurama_online.settings import OnlineSettings
from featurama_service.server import Bound
from featurama_service.storage_options import StorageOptions

Run = Callable[..., Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports to listen on; 0 selects a free port."""

    online: int = 50_051
    ingest: int = 50_052
    gateway: int = 8_080
    host: str = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Addresses:
    """The addresses of the servers, as `host:port`."""

    online: str
    ingest: str
    gateway: str


@asynccontextmanager
async def all_servers(
    storage: StorageOptions, ports: Ports, failed: Callable[[BaseException], None], **settings: object
) -> AsyncIterator[Addresses]:
    """Serve until the context ends, which drains. settings: of all three servers, overriding the environment.

    failed: called if a server ends unexpectedly.
    """
    opened = {name: getattr(storage, name) for name in StorageOptions.model_fields}
    # Without a load balancer no drain delay is needed, unless the environment sets one.
    quick: dict[str, object] = {"drain_delay_ms": 0}

    def settled(kind: Any, **given: object) -> Any:
        found = settings_of(kind, workers=1, **given, **settings)
        return found if "drain_delay_ms" in found.model_fields_set else found.model_copy(update=quick)

    async with (
        _serving(
            ingest_app.run, settled(IngestSettings, listen=f"{ports.host}:{ports.ingest}", **opened), failed
        ) as ingest,
        _serving(
            online_app.run, settled(OnlineSettings, listen=f"{ports.host}:{ports.online}", **opened), failed
        ) as online,
        _serving(
            gateway_app.run,
            settled(GatewaySettings, listen=f"{ports.host}:{ports.gateway}", online=_dialled(online)),
            failed,
        ) as gateway,
    ):
        yield Addresses(online.address, ingest.address, gateway.address)


@asynccontextmanager
async def _serving(run: Run, settings: Any, failed: Callable[[BaseException], None]) -> AsyncIterator[Bound]:
    stop = asyncio.Event()
    bound: asyncio.Future[Bound] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(run(settings, stop=stop, started=bound.set_result))
    either: set[asyncio.Future[Any]] = {bound, task}
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not bound.done():
            await task
        task.add_done_callback(lambda ended: _ended(ended, stop, failed))
        yield bound.result()
    finally:
        stop.set()
        await task


def _ended(task: asyncio.Task[None], stop: asyncio.Event, failed: Callable[[BaseException], None]) -> None:
    if stop.is_set() or task.cancelled():
        return
    failed(task.exception() or RuntimeError("a server ended unexpectedly"))


def _dialled(bound: Bound) -> str:
    """The local address of a server that listens on all interfaces."""
    return f"127.0.0.1:{bound.port}" if bound.host in ("0.0.0.0", "[::]") else bound.address  # noqa: S104 - compared
