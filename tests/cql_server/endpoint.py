"""Where a CQL server listens."""

from __future__ import annotations

import os
from dataclasses import dataclass

DEFAULT_PORT = 9042
ENDPOINT_VARIABLE = "FEATURAMA_TEST_CQL"


@dataclass(frozen=True, slots=True)
class CqlEndpoint:
    """Host and native-protocol port of a CQL server without authentication."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> CqlEndpoint:
        """Read `host` or `host:port`; ValueError names what is wrong."""
        host, colon, port = text.strip().partition(":")
        if not host or (colon and not port.isdecimal()):
            raise ValueError(f"{text!r} is not host or host:port")
        return cls(host, int(port) if colon else DEFAULT_PORT)

    @property
    def url(self) -> str:
        """The storage URL, e.g. `scylla://127.0.0.1:9042`."""
        return f"scylla://{self}"

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def server_stays() -> bool:
    """Whether the server is the user's, so that fixtures must remove the namespaces they made for many tests. A node
    of the session ends with all it holds, and dropping them took a second of its time each.
    """
    return bool(os.environ.get(ENDPOINT_VARIABLE))
