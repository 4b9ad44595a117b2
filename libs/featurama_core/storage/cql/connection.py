"""From a storage URL and settings to a session: contact points, credentials, TLS, timeouts, policies."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import acsylla

from featurama_core.storage.cql.failures import DriverError, translated
from featurama_core.storage.settings import StorageSettings, StorageUrl, invalid_url
from featurama_core.types.errors import InvalidInput

_DEFAULT_PORT = 9042
_LAST_WAKE = 0.005
_ON = {"1": True, "true": True, "0": False, "false": False, "": False}


@asynccontextmanager
async def connected(url: StorageUrl, settings: StorageSettings) -> AsyncIterator[Any]:
    """A session on the running loop. Leaving the context closes it. Raises InvalidInput for contradicting settings,
    StoreUnavailable if no server answers.
    """
    options: dict[str, Any] = {
        "port": url.port or _DEFAULT_PORT,
        "connect_timeout": max(settings.connect_timeout_ms, 1) / 1_000,
        "request_timeout": max(settings.request_timeout_ms, 1) / 1_000,
        "consistency": consistency(settings.consistency),
        "serial_consistency": acsylla.Consistency.LOCAL_SERIAL,
        # `Driver` retries: it knows which statements may be repeated and whether an earlier attempt had an effect.
        "retry_policy": "fallthrough",
        "exponential_reconnect_base_delay_ms": 100,
        "exponential_reconnect_max_delay_ms": 5_000,
        "coalesce_delay_us": settings.coalesce_delay_us,
        # The driver's copy of the schema is not used here, and fetching it for all namespaces is slow. Token-aware
        # routing needs the keyspaces only, which are still fetched.
        "use_schema": False,
        "log_level": "disabled",
        **_credentials(url, settings),
        **await asyncio.to_thread(_tls, url, settings),
    }
    if dc := url.option("dc"):
        options["load_balance_dc_aware"] = dc
    # The lines of the driver contain user names, and would be written to stderr without a handler.
    logging.getLogger("acsylla").addHandler(logging.NullHandler())
    cluster = acsylla.create_cluster(list(url.hosts), **options)
    try:
        session = await _session(cluster)
        try:
            yield session
        finally:
            # Shielded from cancellation, because only this ends the threads of the driver.
            await asyncio.shield(session.close())
    finally:
        await _release(cluster)


async def _session(cluster: Any) -> Any:
    try:
        return await cluster.create_session()
    except DriverError as error:
        raise translated(error, maybe_done=False) from error


async def _release(cluster: Any) -> None:
    """Close the socket pairs through which the threads of the driver wake the loop. acsylla 1.2 leaves them to the
    garbage collector, and the loop keeps references to them.
    """
    # A thread may still be about to wake the loop for the last time.
    await asyncio.sleep(_LAST_WAKE)
    parts = [cluster, *(part for part in gc.get_referents(cluster) if type(part).__module__.startswith("acsylla"))]
    loop = asyncio.get_running_loop()
    for end in {end for part in parts for end in gc.get_referents(part) if isinstance(end, socket.socket)}:
        if end.fileno() >= 0:
            loop.remove_reader(end.fileno())
            end.close()


def consistency(level: str) -> Any:
    """The driver's name of a consistency level."""
    return acsylla.Consistency[level]


def _credentials(url: StorageUrl, settings: StorageSettings) -> dict[str, str]:
    if not url.user:
        return {}
    return {"username": url.user, "password": settings.password or url.password}


def _tls(url: StorageUrl, settings: StorageSettings) -> dict[str, Any]:
    switch = url.option("tls").lower()
    if switch not in _ON:
        raise invalid_url("option tls is 1 or 0")
    if not (_ON[switch] or settings.tls_ca or settings.tls_cert):
        return {}
    if settings.tls_verify and not settings.tls_ca:
        raise InvalidInput("tls_ca is empty; give the authority's PEM file, or turn tls_verify off", field="tls_ca")
    if bool(settings.tls_cert) != bool(settings.tls_key):
        raise InvalidInput("tls_cert and tls_key belong together; give both or neither", field="tls_cert")
    verify = acsylla.SSLVerifyFlags.PEER_IDENTITY if settings.tls_verify else acsylla.SSLVerifyFlags.NONE
    options: dict[str, Any] = {"ssl_enabled": True, "ssl_verify_flags": verify}
    for option, field in (("ssl_trusted_cert", "tls_ca"), ("ssl_cert", "tls_cert"), ("ssl_private_key", "tls_key")):
        if path := getattr(settings, field):
            options[option] = _pem(path, field)
    return options


def _pem(path: str, field: str) -> str:
    try:
        return Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(
            f"{field} cannot be read; give a PEM file that this process may read", field=field
        ) from error
