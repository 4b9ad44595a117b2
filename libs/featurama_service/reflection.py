"""Server reflection: what `grpcurl list` and `grpcurl describe` read. It finds methods by name, too."""

from __future__ import annotations

from collections.abc import Sequence

import grpc
from google.protobuf import descriptor, descriptor_pool
from grpc_reflection.v1alpha import reflection


class _Symbols:
    """The default pool, in which a method is found as well: the pool itself knows its service only."""

    def __init__(self) -> None:
        self._pool = descriptor_pool.Default()

    def FindFileContainingSymbol(self, symbol: str) -> descriptor.FileDescriptor:  # noqa: N802  the pool's interface
        try:
            return self._pool.FindFileContainingSymbol(symbol)
        except KeyError:
            service, _, method = symbol.rpartition(".")
            return self._pool.FindServiceByName(service).methods_by_name[method].containing_service.file

    def __getattr__(self, name: str) -> object:
        return getattr(self._pool, name)


def reflect(services: Sequence[str], server: grpc.aio.Server) -> None:
    """Let clients look these services up, and reflection itself."""
    reflection.enable_server_reflection([*services, reflection.SERVICE_NAME], server, pool=_Symbols())
