"""Settings of a server: frozen models that a service combines into one, read from the environment.

The model of a service inherits `ServiceSettings` and the models it needs, and sets the prefix:
`FEATURAMA_ONLINE_LISTEN` is `listen` of the online service. Times are milliseconds, sizes are bytes. Secrets are
`SecretStr`: `repr`, logs, errors and `redacted` never show them.
"""

from __future__ import annotations

import difflib
import logging
import os
from collections.abc import Mapping
from typing import Annotated, ClassVar, Final, Literal, Self, TypeVar

from pydantic import BaseModel, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from featurama_core.types.sizes import MAX_MESSAGE_BYTES

Millis = Annotated[int, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]


class SettingsError(Exception):
    """Invalid settings: one line with the variable and the problem, without its value."""


class LogSettings(BaseModel, frozen=True):
    """Logging. log_format `auto`: pretty on a terminal, JSON lines elsewhere. log_calls: a line per call.
    log_calls_every: a line for every so many of the calls without an error.
    """

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["auto", "json", "pretty"] = "auto"
    log_calls: bool = True
    log_calls_every: Count = 1


class ServiceSettings(BaseSettings, LogSettings):
    """Base of the settings of all services. Constructor arguments override the environment."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", env_ignore_empty=True, hide_input_in_errors=True)


WORKER: Final = "FEATURAMA_WORKER"
"""The variable that holds the number of a worker in its own process."""


class WorkerSettings(BaseModel, frozen=True):
    """Where a server listens, and how many processes do. Limits are those of one process.

    listen: `host:port`; port 0 selects a free one. workers: 1 is one process without a parent.
    """

    FIRST_WORKER_ONLY: ClassVar[Mapping[str, object]] = {}
    """Settings of every worker but the first, for work that one of them does for all."""

    listen: str = "127.0.0.1:0"
    workers: Annotated[int, Field(ge=1, le=256)] = 1


class ServerSettings(ServiceSettings, WorkerSettings):
    """Base of the settings of a server."""


class GrpcSettings(WorkerSettings, frozen=True):
    """A gRPC server.

    tls_cert, tls_key: PEM files. tls_client_ca: requires client certificates of this authority. max_work_bytes:
    estimated memory of the calls at work; others wait until there is room, and a call that needs more works alone.
    drain_delay_ms: until load balancers have seen NOT_SERVING. health_interval_ms: between two pings of the store; 0
    disables them. health_timeout_ms: of a ping.
    """

    tls_cert: str = ""
    tls_key: str = ""
    tls_client_ca: str = ""
    reflection: bool = True
    max_message_bytes: Annotated[int, Field(ge=1024, le=MAX_MESSAGE_BYTES)] = MAX_MESSAGE_BYTES
    max_calls: Count = 512
    max_request_bytes: Count = 256 * 1024 * 1024
    max_work_bytes: Count = 256 * 1024 * 1024
    default_deadline_ms: Count = 10_000
    scan_deadline_ms: Count = 120_000
    deadline_margin_ms: Millis = 10
    drain_delay_ms: Millis = 2_000
    grace_ms: Millis = 15_000
    health_interval_ms: Millis = 5_000
    health_timeout_ms: Count = 5_000
    keepalive_time_ms: Count = 60_000
    keepalive_timeout_ms: Count = 20_000
    max_connection_age_ms: Millis = 0

    @model_validator(mode="after")
    def _check(self) -> Self:
        host, colon, port = self.listen.rpartition(":")
        if not (host and colon and port.isdecimal() and int(port) < 65_536):
            raise ValueError("listen must be host:port, such as 0.0.0.0:50051")
        if bool(self.tls_cert) != bool(self.tls_key):
            raise ValueError("tls_cert and tls_key belong together")
        if self.tls_client_ca and not self.tls_cert:
            raise ValueError("tls_client_ca needs tls_cert and tls_key")
        return self

    @property
    def host(self) -> str:
        """The host of `listen`."""
        return self.listen.rpartition(":")[0]


def started_level(settings: WorkerSettings) -> int:
    """The level of the line that says where a process serves. Of several workers the parent says it once."""
    return logging.DEBUG if settings.workers > 1 else logging.INFO


_Settings = TypeVar("_Settings", bound=ServiceSettings)


def load(kind: type[_Settings]) -> _Settings:
    """Settings from the environment. Raises SettingsError: one line with the variable."""
    prefix = kind.model_config.get("env_prefix", "")
    _refuse_unknown(kind, prefix)
    try:
        return kind()
    except ValidationError as error:
        raise SettingsError("; ".join(_problems(error, prefix))) from None


def redacted(settings: BaseModel) -> dict[str, object]:
    """Every setting with its value, for display. Secrets and passwords in URLs are masked."""
    return {name: _masked(getattr(settings, name)) for name in type(settings).model_fields}


def environment_names(kind: type[ServiceSettings]) -> dict[str, str]:
    """Setting -> the variable that sets it."""
    prefix = kind.model_config.get("env_prefix", "")
    return {name: f"{prefix}{name}".upper() for name in kind.model_fields}


def _refuse_unknown(kind: type[ServiceSettings], prefix: str) -> None:
    known = set(environment_names(kind).values())
    for variable in sorted(os.environ):
        if prefix and variable.upper().startswith(prefix) and variable.upper() not in known:
            close = difflib.get_close_matches(variable.upper(), known, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise SettingsError(f"{variable} is not a setting{hint}")


def _problems(error: ValidationError, prefix: str) -> list[str]:
    problems = []
    for each in error.errors(include_url=False, include_input=False, include_context=False):
        message = each["msg"].removeprefix("Value error, ")
        if each["loc"]:
            problems.append(f"{prefix}{str(each['loc'][0]).upper()}: {message}")
        else:
            # The message of a check of the whole model begins with the name of the setting.
            name, _, rest = message.partition(" ")
            problems.append(f"{prefix}{name.upper()}: {rest}")
    return problems


def _masked(value: object) -> object:
    if isinstance(value, SecretStr):
        return "***" if value.get_secret_value() else ""
    if isinstance(value, str) and "://" in value:
        scheme, _, rest = value.partition("://")
        credentials, at, host = rest.rpartition("@")
        user, colon, _ = credentials.partition(":")
        return f"{scheme}://{user}{':***' if colon else ''}{at}{host}"
    return value
