"""A gRPC server, from listening to the end of its drain.

Drain: health reports NOT_SERVING -> wait until load balancers have seen it -> send GOAWAY, so that clients call others
-> let calls in flight finish within the grace period -> cancel the rest. No call is refused. The context ends after the
drain, so stores can then be closed.
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
from featurama_service.access_log import AccessLog
from featurama_service.calls import Guard
from featurama_service.methods import Service
from featurama_service.reflection import reflect
from featurama_service.settings import GrpcSettings, SettingsError, started_level

DEFINITIONS_HEALTH: Final = "featurama.definitions"
"""A health name in addition to the services': NOT_SERVING while the definitions cannot be read and are older than the
lead of revisions. The services go on with the last known ones.
"""
_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
_HEALTH: Final[str] = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
_CLEANUP_S = 5.0
_MOMENT_S = 0.02
_SHORTEST_MOMENT_S = 0.002
_LONGEST_HOLD_S = 0.3


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
    access: AccessLog | None = None,
    ping: Callable[[], Awaitable[None]] | None = None,
    reports: Mapping[str, Callable[[], bool]] | None = None,
) -> AsyncIterator[Bound]:
    """Serve until the context ends, which drains.

    access: where calls are logged. ping: raises when the services cannot work. It sets the health of the services, not
    that of the server itself. reports: further health names with their checks, independent of the services. Raises
    SettingsError if the address is taken or a certificate cannot be read.
    """
    guard = Guard(settings, log, access)
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
    log.log(started_level(settings), "serving", address=bound.address, services=names)
    try:
        yield bound
    finally:
        watching.cancel()
        reporting.cancel()
        await asyncio.gather(watching, reporting, return_exceptions=True)
        flush = access.flush if access is not None else bool
        await asyncio.to_thread(flush)
        await _drain(server, health, guard, settings, log)
        await asyncio.to_thread(flush)
        log.info("stopped")


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
    with guard.holding():
        await _quiet(guard)
        stopping = asyncio.create_task(server.stop(settings.grace_ms / 1_000))
        await asyncio.sleep(_SHORTEST_MOMENT_S)
    guard.draining.set()
    finished = asyncio.create_task(_finished(guard))
    await asyncio.wait((stopping, finished), return_when=asyncio.FIRST_COMPLETED)
    # Health watchers and reflection streams do not end by themselves, so they are not awaited.
    await server.stop(None)
    await stopping
    # grpc does not wait for cancelled handlers, whose cleanup still needs the stores.
    await asyncio.wait((finished,), timeout=_CLEANUP_S)
    finished.cancel()


async def _quiet(guard: Guard) -> None:
    """Return when no call has arrived for a moment, a shorter one the longer it takes.

    grpc cancels calls that it has queued, or that arrive before the client has seen GOAWAY. Meanwhile answers are held:
    a client that waits for one sends nothing, and reads GOAWAY before the answer.
    """
    loop = asyncio.get_running_loop()
    ends, moment, seen = loop.time() + _LONGEST_HOLD_S, _MOMENT_S, -1
    while guard.seen != seen and loop.time() < ends:
        seen = guard.seen
        await asyncio.sleep(moment)
        moment = max(_SHORTEST_MOMENT_S, 0.8 * moment)


async def _finished(guard: Guard) -> None:
    """Return when no call is in flight and no call accepted by grpc before its stop is pending."""
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
    """Set the health of the services by `ping`. The timeout is independent of the interval: taking a busy store out of
    service increases the load of the others.
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
    """Set the health of each name by its report."""
    while reports and interval:
        for name, well in reports.items():
            await health.set(name, _SERVING if well() else _NOT_SERVING)
        await asyncio.sleep(interval)


def _options(settings: GrpcSettings) -> list[tuple[str, int]]:
    options = [
        ("grpc.max_receive_message_length", settings.max_message_bytes),
        ("grpc.max_send_message_length", settings.max_message_bytes),
        # Without reuse a taken port is an error; otherwise two servers would silently share its calls. The parent of
        # several workers sees to that.
        ("grpc.so_reuseport", int(settings.workers > 1)),
        ("grpc.keepalive_time_ms", settings.keepalive_time_ms),
        ("grpc.keepalive_timeout_ms", settings.keepalive_timeout_ms),
        ("grpc.keepalive_permit_without_calls", 1),
        # grpc ends a connection that pings more often than this. Clients ping idle channels every 10 s or less often.
        ("grpc.http2.min_ping_interval_without_data_ms", 1_000),
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
