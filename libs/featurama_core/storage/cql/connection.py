"""From a storage URL and settings to a session: contact points, credentials, TLS, timeouts, policies."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import acsylla

from featurama_core.model.errors import InvalidInput
from featurama_core.storage.cql.failures import DriverError, told
from featurama_core.storage.settings import StorageSettings, StorageUrl

_DEFAULT_PORT = 9042
_ON = {"1": True, "true": True, "0": False, "false": False, "": False}


async def connect(url: StorageUrl, settings: StorageSettings) -> Any:
    """Open a session on the running loop. Raises InvalidInput for settings that contradict each other,
    StoreUnavailable when no server answers.
    """
    options: dict[str, Any] = {
        "port": url.port or _DEFAULT_PORT,
        "connect_timeout": max(settings.connect_timeout_ms, 1) / 1_000,
        "request_timeout": max(settings.request_timeout_ms, 1) / 1_000,
        "consistency": consistency(settings.consistency),
        "serial_consistency": acsylla.Consistency.LOCAL_SERIAL,
        # Ours knows which statements may run again and what an earlier attempt left open.
        "retry_policy": "fallthrough",
        "exponential_reconnect_base_delay_ms": 100,
        "exponential_reconnect_max_delay_ms": 5_000,
        "coalesce_delay_us": settings.coalesce_delay_us,
        "log_level": "critical",
        **_credentials(url, settings),
        **await asyncio.to_thread(_tls, url, settings),
    }
    if dc := url.option("dc"):
        options["load_balance_dc_aware"] = dc
    # Without a handler its lines would reach stderr, the user's name among them.
    logging.getLogger("acsylla").addHandler(logging.NullHandler())
    try:
        return await acsylla.create_cluster(list(url.hosts), **options).create_session()
    except DriverError as error:
        raise told(error, maybe_done=False) from error


def consistency(level: str) -> Any:
    """The driver's name of a consistency level."""
    return acsylla.Consistency[level]


def _credentials(url: StorageUrl, settings: StorageSettings) -> dict[str, str]:
    if not url.user:
        return {}
    return {"username": url.user, "password": settings.password or url.password}


def _tls(url: StorageUrl, settings: StorageSettings) -> dict[str, Any]:
    asked = url.option("tls").lower()
    if asked not in _ON:
        raise InvalidInput("storage URL: option tls is 1 or 0", field="storage")
    if not (_ON[asked] or settings.tls_ca or settings.tls_cert):
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
