"""A gRPC server, from its first listening to the end of its drain.

Drain: health says NOT_SERVING -> wait until balancers saw it -> refuse new calls, let those in flight finish
within the grace period -> cancel the rest. Only then does the context end, and stores may be closed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio
from structlog.typing import FilteringBoundLogger

from featurama_core.types.errors import FeaturamaError
from featurama_service.calls import Guard
from featurama_service.methods import Service
from featurama_service.reflection import reflect
from featurama_service.settings import GrpcSettings, SettingsError

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
_HEALTH: Final[str] = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
_CLEANUP_S = 5.0
_MOMENT_S = 0.02
_QUIET_MOMENTS = 50


@dataclass(frozen=True, slots=True)
class Bound:
    """Where a server listens."""

    host: str
    port: int

    @property
    def address(self) -> str:
        """`host:port`, as a client dials it."""
        return f"{self.host}:{self.port}"


@asynccontextmanager
async def serving(
    services: Sequence[Service],
    settings: GrpcSettings,
    *,
    log: FilteringBoundLogger,
    log_calls: bool = True,
    ping: Callable[[], Awaitable[None]] | None = None,
    reports: Mapping[str, Callable[[], bool]] | None = None,
) -> AsyncIterator[Bound]:
    """Serve from now on; leaving the context drains.

    ping: raises when the services can not do their work; their health follows it, the server's own does not.
    reports: further names whose health says whether something is well, and which no service's depends on.
    Raises SettingsError when the address is taken or a certificate cannot be read.
    """
    guard = Guard(settings, log, log_calls=log_calls)
    server = grpc.aio.server(options=_options(settings))
    server.add_generic_rpc_handlers(tuple(service.handler(guard, settings) for service in services))
    names = [service.name for service in services]
    health = health_aio.HealthServicer()
    for name in (*names, *(reports or {})):
        await health.set(name, _SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    if settings.reflection:
        reflect([*names, _HEALTH], server)
    bound = Bound(settings.host, _listen(server, settings))
    await server.start()
    interval = settings.health_interval_ms / 1_000
    watching = asyncio.create_task(_follow(ping, health, names, settings, log))
    reporting = asyncio.create_task(_report(reports or {}, health, interval))
    log.info("serving", address=bound.address, services=names)
    try:
        yield bound
    finally:
        watching.cancel()
        reporting.cancel()
        await asyncio.gather(watching, reporting, return_exceptions=True)
        await _drain(server, health, guard, settings, log)


async def _drain(
    server: grpc.aio.Server,
    health: health_aio.HealthServicer,
    guard: Guard,
    settings: GrpcSettings,
    log: FilteringBoundLogger,
) -> None:
    log.info("draining", calls=guard.admission.calls)
    await health.enter_graceful_shutdown()
    await asyncio.sleep(settings.drain_delay_ms / 1_000)
    guard.draining.set()
    await _quiet(guard)
    stopping = asyncio.create_task(server.stop(settings.grace_ms / 1_000))
    finished = asyncio.create_task(_finished(guard))
    await asyncio.wait((stopping, finished), return_when=asyncio.FIRST_COMPLETED)
    # Health watchers and reflection streams never end by themselves: they are not waited for.
    await server.stop(None)
    await stopping
    # grpc does not wait for the handlers that it cancelled; their cleaning up still needs the stores.
    await asyncio.wait((finished,), timeout=_CLEANUP_S)
    finished.cancel()
    log.info("stopped")


async def _quiet(guard: Guard) -> None:
    """Refuse calls until none comes for a moment, but not for long: what grpc has queued when it stops ends as
    CANCELLED, without a reason.
    """
    for _ in range(_QUIET_MOMENTS):
        seen = guard.seen
        await asyncio.sleep(_MOMENT_S)
        if guard.seen == seen and not guard.admission.calls:
            return


async def _finished(guard: Guard) -> None:
    """Return when no call is in flight and none that grpc had accepted before it refused new ones comes any more."""
    while True:
        await guard.admission.idle()
        await asyncio.sleep(_MOMENT_S)
        if not guard.admission.calls:
            return


async def _follow(
    ping: Callable[[], Awaitable[None]] | None,
    health: health_aio.HealthServicer,
    names: Sequence[str],
    settings: GrpcSettings,
    log: FilteringBoundLogger,
) -> None:
    """Let the health of the services follow `ping`. However often it is looked at, a store has the whole timeout to
    answer: a busy one that is taken out of service makes the others busier.
    """
    well = True
    while ping is not None and settings.health_interval_ms:
        await asyncio.sleep(settings.health_interval_ms / 1_000)
        try:
            async with asyncio.timeout(settings.health_timeout_ms / 1_000):
                await ping()
            answers = True
        except (FeaturamaError, TimeoutError):
            answers = False
        if answers != well:
            well = answers
            log.warning("health", serving=well)
            for name in names:
                await health.set(name, _SERVING if well else _NOT_SERVING)


async def _report(
    reports: Mapping[str, Callable[[], bool]], health: health_aio.HealthServicer, interval: float
) -> None:
    """Let the health of each report's name follow what it says."""
    while reports and interval:
        for name, well in reports.items():
            await health.set(name, _SERVING if well() else _NOT_SERVING)
        await asyncio.sleep(interval)


def _options(settings: GrpcSettings) -> list[tuple[str, int]]:
    options = [
        ("grpc.max_receive_message_length", settings.max_message_bytes),
        ("grpc.max_send_message_length", settings.max_message_bytes),
        # Two servers on one port would share its calls silently; a port that is taken is an error.
        ("grpc.so_reuseport", 0),
        ("grpc.keepalive_time_ms", settings.keepalive_time_ms),
        ("grpc.keepalive_timeout_ms", settings.keepalive_timeout_ms),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
    ]
    if settings.max_connection_age_ms:
        options.append(("grpc.max_connection_age_ms", settings.max_connection_age_ms))
        options.append(("grpc.max_connection_age_grace_ms", settings.grace_ms))
    return options


def _listen(server: grpc.aio.Server, settings: GrpcSettings) -> int:
    try:
        if not settings.tls_cert:
            return server.add_insecure_port(settings.listen)
        return server.add_secure_port(settings.listen, _credentials(settings))
    except RuntimeError as error:
        raise SettingsError(f"listen: cannot listen on {settings.listen}; is the port taken?") from error


def _credentials(settings: GrpcSettings) -> grpc.ServerCredentials:
    ca = _pem("tls_client_ca", settings.tls_client_ca) if settings.tls_client_ca else None
    pair = (_pem("tls_key", settings.tls_key), _pem("tls_cert", settings.tls_cert))
    return grpc.ssl_server_credentials([pair], root_certificates=ca, require_client_auth=ca is not None)


def _pem(name: str, path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise SettingsError(f"{name}: cannot read {path}: {error.strerror}") from error
