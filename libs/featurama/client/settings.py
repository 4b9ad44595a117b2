"""URL and settings of servers. Secrets never appear in a repr."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from featurama_core.types.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Retries:
    """Retries of calls to an unreachable or overloaded server, within the deadline of the call.

    Attributes:
        attempts: Maximum number of attempts.
        first_delay: Seconds before the first retry. The delay doubles with each retry, less a random part.
        longest_delay: Maximum delay, seconds.
    """

    attempts: int = 5
    first_delay: float = 0.05
    longest_delay: float = 2.0


@dataclass(frozen=True, slots=True)
class Tls:
    """TLS settings. All files are PEM files.

    Attributes:
        ca_file: Trusted authorities; None for those of the system.
        certificate_file: Own certificate, for mutual TLS.
        key_file: Key of the own certificate.
        server_name: Name in the certificate of the server, if it is not the host of the target.
    """

    ca_file: str | Path | None = None
    certificate_file: str | Path | None = None
    key_file: str | Path | None = None
    server_name: str | None = None


@dataclass(frozen=True, slots=True)
class CallSettings:
    """Settings of every call of a client. timeout: seconds, for all attempts of one call."""

    timeout: float = 10.0
    retries: Retries = field(default_factory=Retries)
    metadata: tuple[tuple[str, str], ...] = field(default=(), repr=False)


DEFAULT_PORT = 50051
DEFAULT_INGEST_PORT = 50052
MAX_CHANNELS = 64
_OPTIONS = ("ingest", "timeout", "tls", "channels")
_SWITCH = {"1": True, "true": True, "0": False, "false": False}


@dataclass(frozen=True, slots=True)
class ServerUrl:
    """A parsed URL `grpc://host:port[,host:port...]?ingest=host:port[,...]`. Each target is `host:port`.

    online: replicas for reads. ingest: replicas for writes and registrations, by default those of `online`. timeout:
    seconds, None if the URL has none. tls: whether connections are encrypted. channels: connections to each address.
    """

    online: tuple[str, ...]
    ingest: tuple[str, ...]
    timeout: float | None = None
    tls: bool = False
    channels: int = 1

    @classmethod
    def parse(cls, url: str) -> ServerUrl:
        """Parse a URL. InvalidInput names the invalid part."""
        parts = urlsplit(url)
        if parts.scheme != "grpc" or parts.path not in ("", "/") or "@" in parts.netloc:
            raise _invalid("write grpc://host:port or grpc://host1:port,host2:port?ingest=host:port")
        options: dict[str, str] = {}
        for name, value in parse_qsl(parts.query, keep_blank_values=True):
            if name not in _OPTIONS:
                raise _invalid(f"option {name!r} is not one of {', '.join(_OPTIONS)}")
            options[name] = value
        online = _targets(parts.netloc, DEFAULT_PORT)
        ingest = _targets(options["ingest"], DEFAULT_INGEST_PORT) if "ingest" in options else online
        timeout = options.get("timeout")
        if timeout is not None and not (timeout.replace(".", "", 1).isdecimal() and float(timeout) > 0):
            raise _invalid(f"option timeout is {timeout!r}; it must be a number of seconds above zero")
        tls = options.get("tls", "0").lower()
        if tls not in _SWITCH:
            raise _invalid("option tls is 1 or 0")
        channels = options.get("channels", "1")
        if not (channels.isdecimal() and 1 <= int(channels) <= MAX_CHANNELS):
            raise _invalid(f"option channels is {channels!r}; it must be a whole number from 1 to {MAX_CHANNELS}")
        return cls(online, ingest, None if timeout is None else float(timeout), _SWITCH[tls], int(channels))


def _targets(text: str, port: int) -> tuple[str, ...]:
    found = []
    for each in text.split(","):
        bare = each.strip()
        # An IPv6 address without a port is in brackets.
        host, colon, digits = bare.rpartition(":") if not bare.endswith("]") else (bare, "", "")
        if not colon:
            host, digits = bare, str(port)
        if not host or not digits.isdecimal() or not 0 < int(digits) < 65_536:
            raise _invalid(f"{bare!r} is not host:port")
        found.append(f"{host}:{digits}")
    return tuple(found)


def _invalid(problem: str) -> InvalidInput:
    return InvalidInput(f"server URL: {problem}", field="url")
