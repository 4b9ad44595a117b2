"""RemoteStore: the primitives of `FeatureStore` over gRPC."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from featurama.client.connection import connected
from featurama.client.models import RemoteModels
from featurama.client.reading import ReadCalls
from featurama.client.registry import RegistryCalls
from featurama.client.settings import CallSettings, ServerUrl, Tls
from featurama.client.stubs import Servers, Stubs
from featurama.client.writing import WriteCalls
from featurama_core.api import FeatureStore
from featurama_core.types.errors import FeaturamaError
from featurama_core.types.names import check_namespace


class RemoteStore(RegistryCalls, ReadCalls, WriteCalls):
    """A `FeatureStore` of one namespace behind servers."""

    def __repr__(self) -> str:
        return f"FeatureStore({self._servers.text}, namespace={self.namespace!r})"

    async def in_namespace(self, namespace: str) -> FeatureStore:
        """A store on another namespace; see `FeatureStore`."""
        self._servers.stubs  # noqa: B018 - raises once they are closed
        return RemoteStore(self._servers, check_namespace(namespace))

    async def is_serving(self, service: str = "") -> bool:
        """Whether the health check of the online server returns SERVING; see `FeatureStore`."""
        name = service.encode()
        try:
            stubs = self._open
            # grpc.health.v1: `service` is field 1 of the request, `status` is field 1 of the response, 1 is SERVING.
            # Encoded here to avoid a dependency on the health package.
            answer = await stubs.online.call(stubs.health, b"\x0a" + bytes([len(name)]) + name if name else b"")
        except FeaturamaError:
            return False
        return answer == b"\x08\x01"

    def _model_server(self, method: str) -> RemoteModels:
        del method  # all methods are served
        return RemoteModels(self._open, self.namespace)


@asynccontextmanager
async def open_remote(
    url: ServerUrl, namespace: str, settings: CallSettings, tls: Tls | None
) -> AsyncIterator[RemoteStore]:
    """A store behind the servers of a URL. Leaving the context closes its channels and ends calls in flight."""
    check_namespace(namespace)
    async with AsyncExitStack() as resources:
        pool = []
        for _ in range(url.channels):
            online = await resources.enter_async_context(connected(url.online, settings, tls))
            ingest = online
            if url.ingest != url.online:
                ingest = await resources.enter_async_context(connected(url.ingest, settings, tls))
            pool.append(Stubs(online, ingest))
        servers = Servers(pool)
        resources.callback(servers.close)
        yield RemoteStore(servers, namespace)
