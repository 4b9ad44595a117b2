"""How a client reaches its servers. Values only; secrets never show in a repr."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

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
