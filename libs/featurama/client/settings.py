"""How servers are reached. Values only; secrets never show in a repr."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from featurama_core.types.errors import InvalidInput

MAX_MESSAGE_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Retries:
    """How safe calls are sent again when the server is away or busy: at most `attempts` in all, within the call's
    deadline, waiting `first_delay` seconds, then twice as long each time up to `longest_delay`, less a random part.
    """

    attempts: int = 5
    first_delay: float = 0.05
    longest_delay: float = 2.0


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM files. `ca_file`: whom to trust (default: the system's roots); certificate and key: who we are (mTLS);
    `server_name`: the name in the server's certificate, where it is not the target's host.
    """

    ca_file: str | Path | None = None
    certificate_file: str | Path | None = None
    key_file: str | Path | None = None
    server_name: str | None = None


@dataclass(frozen=True, slots=True)
class CallSettings:
    """What every call of a client shares. timeout: seconds, over all attempts of one call."""

    timeout: float = 10.0
    retries: Retries = field(default_factory=Retries)
    metadata: tuple[tuple[str, str], ...] = field(default=(), repr=False)


DEFAULT_PORT = 50051
DEFAULT_INGEST_PORT = 50052
_OPTIONS = ("ingest", "timeout", "tls")
_SWITCH = {"1": True, "true": True, "0": False, "false": False}


@dataclass(frozen=True, slots=True)
class ServerUrl:
    """`grpc://host:port[,host:port...]?ingest=host:port[,...]`, taken apart. Each target is `host:port`.

    online: replicas that answer reads; ingest: replicas that write and register, the same where the URL names none.
    timeout: seconds, None where the URL does not say; tls: whether connections are encrypted.
    """

    online: tuple[str, ...]
    ingest: tuple[str, ...]
    timeout: float | None = None
    tls: bool = False

    @classmethod
    def parse(cls, url: str) -> ServerUrl:
        """Take a URL apart; InvalidInput names the part that is wrong."""
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
        return cls(online, ingest, None if timeout is None else float(timeout), _SWITCH[tls])


def _targets(text: str, port: int) -> tuple[str, ...]:
    found = []
    for each in text.split(","):
        bare = each.strip()
        # A bare IPv6 address stands in brackets: its colons are no port.
        host, colon, digits = bare.rpartition(":") if not bare.endswith("]") else (bare, "", "")
        if not colon:
            host, digits = bare, str(port)
        if not host or not digits.isdecimal() or not 0 < int(digits) < 65_536:
            raise _invalid(f"{bare!r} is no host:port")
        found.append(f"{host}:{digits}")
    return tuple(found)


def _invalid(problem: str) -> InvalidInput:
    return InvalidInput(f"server URL: {problem}", field="url")
