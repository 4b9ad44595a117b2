"""The gateway's composition root: settings -> client of the online service -> routes -> HTTP server."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager

import uvicorn
from fastapi import Depends, FastAPI
from fastapi_offline import FastAPIOffline
from structlog.typing import FilteringBoundLogger

from featurama import FeatureStore, Retries, Tls, connect
from featurama_gateway.compression import Compression
from featurama_gateway.head import HeadAsGet
from featurama_gateway.limits import Limits
from featurama_gateway.logged_requests import LoggedRequests
from featurama_gateway.problems import handle_errors
from featurama_gateway.readiness import Readiness
from featurama_gateway.rest.documentation import PROBLEMS, serve_contract
from featurama_gateway.rest.features import features, plain_read
from featurama_gateway.rest.health import health
from featurama_gateway.rest.predictions import predictions
from featurama_gateway.rest.query import check_query
from featurama_gateway.settings import GatewaySettings
from featurama_service.access_log import AccessLog
from featurama_service.logs import open_log
from featurama_service.server import Bound
from featurama_service.settings import SettingsError, started_level


async def run(
    settings: GatewaySettings, *, stop: asyncio.Event, started: Callable[[Bound], None] | None = None
) -> None:
    """Own every resource of the gateway until `stop` is set; then drain and close.

    started: called once, with the address, when the gateway serves.
    """
    async with AsyncExitStack() as resources:
        log = open_log(settings, "gateway")
        access = resources.enter_context(AccessLog(settings, "gateway"))
        store = await resources.enter_async_context(_store(settings))
        listening = resources.enter_context(_listen(settings))
        app = build_app(settings, store, log, access, draining=stop.is_set)
        server = _Server(
            uvicorn.Config(
                app,
                http="httptools",
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                lifespan="off",
                timeout_graceful_shutdown=max(1, settings.grace_ms // 1_000),
            )
        )
        bound = Bound(settings.address[0], listening.getsockname()[1])
        log.log(started_level(settings), "serving", address=bound.address, online=settings.online)
        if started is not None:
            started(bound)
        async with asyncio.TaskGroup() as tasks:
            draining = tasks.create_task(_drain(server, stop, settings, log, access))
            await server.serve(sockets=[listening])
            draining.cancel()
        await asyncio.to_thread(access.flush)
        log.info("stopped")


def build_app(
    settings: GatewaySettings,
    store: FeatureStore,
    log: FilteringBoundLogger,
    access: AccessLog | None = None,
    *,
    draining: Callable[[], bool] = lambda: False,
) -> FastAPI:
    """The application over a client. Swagger UI at /docs uses local files."""
    app = FastAPIOffline(
        title="Featurama gateway",
        description="Features and predictions over REST; the gRPC services do the work.",
        version="1",
        responses=PROBLEMS,
        dependencies=[Depends(check_query)],
        generate_unique_id_function=lambda route: route.name,
        redirect_slashes=False,
        # Otherwise Swagger UI sends the contract to a validator on the internet.
        swagger_ui_parameters={"validatorUrl": None},
    )
    app.router.routes.insert(0, plain_read(store))
    app.include_router(health(Readiness(store, settings.model), draining))
    app.include_router(predictions(store, settings.model))
    app.include_router(features(store))
    handle_errors(app, log)
    serve_contract(app, store, settings.model)
    app.add_middleware(Compression)
    app.add_middleware(
        Limits,
        max_requests=settings.max_requests,
        max_body_bytes=settings.max_body_bytes,
        deadline=settings.deadline_ms / 1_000,
    )
    app.add_middleware(HeadAsGet)
    if access is not None:
        app.add_middleware(LoggedRequests, access=access)
    return app


class _Server(uvicorn.Server):
    """A server that leaves signals to the process."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _drain(
    server: uvicorn.Server,
    stop: asyncio.Event,
    settings: GatewaySettings,
    log: FilteringBoundLogger,
    access: AccessLog,
) -> None:
    """When `stop` is set: health is degraded until load balancers have seen it; then end the requests in flight."""
    await stop.wait()
    await asyncio.to_thread(access.flush)
    log.info("draining")
    await asyncio.sleep(settings.drain_delay_ms / 1_000)
    server.should_exit = True


def _store(settings: GatewaySettings) -> AbstractAsyncContextManager[FeatureStore]:
    tls = None
    if settings.online_tls_ca or settings.online_tls_cert:
        files = (settings.online_tls_ca, settings.online_tls_cert, settings.online_tls_key)
        tls = Tls(*(file or None for file in files))
    url = f"grpc://{settings.online}?channels={settings.channels}"
    return connect(url, timeout=settings.deadline_ms / 1_000, retries=Retries(attempts=2), tls=tls)


@contextmanager
def _listen(settings: GatewaySettings) -> Iterator[socket.socket]:
    host, port = settings.address
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if settings.workers > 1:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            listening.bind((host, port))
        except OSError as error:
            raise SettingsError(f"listen: cannot listen on {settings.listen}; is the port taken?") from error
        listening.listen(1_024)
        listening.setblocking(False)
        yield listening
