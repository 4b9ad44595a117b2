"""Ask a server of this container for its health; exit 0 when it serves. Used by HEALTHCHECK in deploy/Dockerfile.

    healthcheck.py grpc HOST:PORT    grpc.health.v1, the server as a whole
    healthcheck.py http HOST:PORT    GET /health of the gateway; `degraded` counts as serving

With FEATURAMA_HEALTHCHECK_CA (a PEM file) gRPC is asked over TLS; FEATURAMA_HEALTHCHECK_CERT and _KEY are shown to a
server that wants mTLS, and FEATURAMA_HEALTHCHECK_NAME is the name in the server's certificate.
"""

from __future__ import annotations

import os
import sys
import urllib.error
import urllib.request
from pathlib import Path

_TIMEOUT_S = 4.0


def grpc_serves(address: str) -> bool:
    """Whether the gRPC server at `address` says SERVING."""
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    ca, cert, key = (_pem(f"FEATURAMA_HEALTHCHECK_{name}") for name in ("CA", "CERT", "KEY"))
    if ca is None:
        channel = grpc.insecure_channel(address)
    else:
        name = os.environ.get("FEATURAMA_HEALTHCHECK_NAME")
        options = [("grpc.ssl_target_name_override", name)] if name else []
        channel = grpc.secure_channel(address, grpc.ssl_channel_credentials(ca, key, cert), options)
    with channel:
        try:
            reply = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=_TIMEOUT_S)
        except grpc.RpcError:
            return False
    return bool(reply.status == health_pb2.HealthCheckResponse.SERVING)


def http_serves(address: str) -> bool:
    """Whether GET /health at `address` answers 200."""
    try:
        with urllib.request.urlopen(f"http://{address}/health", timeout=_TIMEOUT_S) as reply:
            return bool(reply.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _pem(variable: str) -> bytes | None:
    path = os.environ.get(variable)
    return Path(path).read_bytes() if path else None


if __name__ == "__main__":
    _, protocol, where = sys.argv
    sys.exit(0 if {"grpc": grpc_serves, "http": http_serves}[protocol](where) else 1)
