"""Server reflection, as used by `grpcurl list` and `grpcurl describe`. It also finds methods by name."""

from __future__ import annotations

from collections.abc import Sequence

import grpc
from google.protobuf import descriptor, descriptor_pool
from grpc_reflection.v1alpha import reflection


class _Symbols:
    """The default pool, extended by a look-up of methods: the pool itself finds services only."""

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
    """Register reflection of these services and of reflection itself."""
    reflection.enable_server_reflection([*services, reflection.SERVICE_NAME], server, pool=_Symbols())
