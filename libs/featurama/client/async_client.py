"""AsyncClient: the store's methods over gRPC. It owns its channels from entering its context to leaving it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from featurama.client.connection import connected
from featurama.client.models import ModelMethods
from featurama.client.settings import CallSettings, Retries, Tls
from featurama.client.stubs import Stubs
from featurama_core.types.errors import FeaturamaError, InvalidInput
from featurama_core.types.names import DEFAULT_NAMESPACE, check_namespace


class AsyncClient(ModelMethods):
    """A client of one namespace: `async with AsyncClient("localhost:50051") as client`.

    target: `host:port` of the online service. ingest_target: of the ingest service, which writes and registers;
    None: the same address. timeout: seconds a call may take, over all its attempts; in a stream of writes, how long
    an acknowledgement may take. metadata: headers of every call; authorization: the header of that name.
    Safe to use from any number of tasks of one loop. Errors: `featurama.errors`.
    """

    def __init__(
        self,
        target: str = "localhost:50051",
        *,
        ingest_target: str | None = None,
        namespace: str = DEFAULT_NAMESPACE,
        timeout: float = 10.0,
        retries: Retries | None = None,
        tls: Tls | None = None,
        metadata: Mapping[str, str] | None = None,
        authorization: str | None = None,
    ) -> None:
        super().__init__(check_namespace(namespace))
        if not timeout > 0:
            raise InvalidInput("timeout must be longer than zero", field="timeout")
        headers = {name.lower(): value for name, value in (metadata or {}).items()}
        if authorization is not None:
            headers["authorization"] = authorization
        self._target = target
        self._ingest_target = ingest_target or target
        self._tls = tls
        self._settings = CallSettings(timeout, retries or Retries(), tuple(headers.items()))
        self._resources: AsyncExitStack | None = None

    def __repr__(self) -> str:
        return f"AsyncClient({self._target!r}, ingest_target={self._ingest_target!r}, namespace={self._namespace!r})"

    async def __aenter__(self) -> Self:
        if self._resources is not None:
            raise RuntimeError("the client is open already")
        async with AsyncExitStack() as resources:
            online = await resources.enter_async_context(connected(self._target, self._settings, self._tls))
            ingest = online
            if self._ingest_target != self._target:
                ingest = await resources.enter_async_context(connected(self._ingest_target, self._settings, self._tls))
            self._stubs = Stubs(online, ingest)
            self._resources = resources.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def in_namespace(self, namespace: str) -> AsyncClient:
        """The same open client on another namespace. Closing it closes nothing; it lives as long as this one."""
        view = copy.copy(self)
        view._namespace = check_namespace(namespace)  # noqa: SLF001  a copy of its own kind
        view._resources = None  # noqa: SLF001
        return view

    async def is_serving(self, service: str = "") -> bool:
        """Whether the online server's health says SERVING: of a service such as "featurama.v1.OnlineService", or of
        the server as a whole. False when it does not answer.
        """
        stubs = self._open
        name = service.encode()
        try:
            # grpc.health.v1: `service` is field 1 of the request, `status` of the answer, 1 is SERVING. Written out,
            # because the client does not need the health package for anything else.
            answer = await stubs.online.call(stubs.health, b"\x0a" + bytes([len(name)]) + name if name else b"")
        except FeaturamaError:
            return False
        return answer == b"\x08\x01"

    async def close(self) -> None:
        """Close the channels; calls in flight end. Safe to call again."""
        resources, self._resources, self._stubs = self._resources, None, None
        if resources is not None:
            await resources.aclose()
