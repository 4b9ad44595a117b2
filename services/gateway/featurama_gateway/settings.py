"""Settings of the gateway: `FEATURAMA_GATEWAY_...`. Times in milliseconds, sizes in bytes."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_settings import SettingsConfigDict

from featurama_service.settings import Count, Millis, ServerSettings


class GatewaySettings(ServerSettings):
    """online: `host:port` of the online service. channels: connections to it, so that it may have several workers.

    model: for requests to /predict that name none; empty for the default model of the online service. online_tls_*: PEM
    files, for an online service behind TLS.
    deadline_ms: for the arrival of a body, and again for the answer. max_requests: in flight; more requests get 429.
    drain_delay_ms: until load balancers have seen /health degraded.
    """

    model_config = SettingsConfigDict(env_prefix="FEATURAMA_GATEWAY_")

    listen: str = "127.0.0.1:8080"
    online: str = "127.0.0.1:50051"
    channels: Annotated[int, Field(ge=1, le=64)] = 4
    online_tls_ca: str = ""
    online_tls_cert: str = ""
    online_tls_key: str = ""
    model: str = ""
    deadline_ms: Count = 10_000
    max_requests: Count = 256
    max_body_bytes: Count = 1024 * 1024
    drain_delay_ms: Millis = 1_000
    grace_ms: Count = 10_000

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name in ("listen", "online"):
            host, _, port = getattr(self, name).rpartition(":")
            if not (host and port.isdecimal() and int(port) < 65_536):
                raise ValueError(f"{name} must be host:port, such as 127.0.0.1:8080")
        return self

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of `listen`."""
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]"), int(port)
