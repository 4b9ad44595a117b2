"""Services on loopback for tests, and gRPC clients as a stranger would write them: with the public stubs only.

`online_server` and `ingest_server` run the real `app.run` of a service in this process, on a free port.
"""

from __future__ import annotations

import asyncio
import atexit
import functools
import io
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TextIO

import grpc
import grpc.aio
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2_grpc
from grpc_status import rpc_status

from featurama.v1 import (
    ingest_service_pb2_grpc,
    model_service_pb2_grpc,
    online_service_pb2_grpc,
    prediction_service_pb2_grpc,
    registry_service_pb2_grpc,
)
from featurama_ingest import app as ingest_app
from featurama_ingest.settings import IngestSettings
from featurama_model.model_checker import ModelChecker
from featurama_online import app as online_app
from featurama_online.settings import OnlineSettings
from featurama_service.access_log import AccessLog
from featurama_service.logs import open_log
from featurama_service.methods import Service
from featurama_service.server import Bound, serving
from featurama_service.settings import GrpcSettings, LogSettings

QUIET = {"listen": "127.0.0.1:0", "drain_delay_ms": 0, "grace_ms": 10_000, "log_level": "error"}


@dataclass(frozen=True)
class Client:
    """Every public stub over one channel."""

    address: str
    channel: grpc.aio.Channel

    @property
    def features(self) -> Any:
        return online_service_pb2_grpc.OnlineServiceStub(self.channel)

    @property
    def predictions(self) -> Any:
        return prediction_service_pb2_grpc.PredictionServiceStub(self.channel)

    @property
    def models(self) -> Any:
        return model_service_pb2_grpc.ModelServiceStub(self.channel)

    @property
    def registry(self) -> Any:
        return registry_service_pb2_grpc.RegistryServiceStub(self.channel)

    @property
    def ingest(self) -> Any:
        return ingest_service_pb2_grpc.IngestServiceStub(self.channel)

    @property
    def health(self) -> Any:
        return health_pb2_grpc.HealthStub(self.channel)


@asynccontextmanager
async def client_of(address: str) -> AsyncIterator[Client]:
    """A client of the server at `address`, with a connection of its own."""
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", 64 * 1024 * 1024)]
    async with grpc.aio.insecure_channel(address, options=options) as channel:
        yield Client(address, channel)


@dataclass
class RunningServer:
    """A service in this process. `stop` begins its drain; `ended` waits until all of it is closed."""

    address: str
    stop: asyncio.Event
    _task: asyncio.Task[None] = field(repr=False)

    async def ended(self) -> None:
        await asyncio.shield(self._task)


@asynccontextmanager
async def running(
    run: Callable[..., Coroutine[Any, Any, None]], settings: Any, **more: Any
) -> AsyncIterator[RunningServer]:
    """Run a service's `run` until the context ends, then drain it."""
    stop = asyncio.Event()
    bound: asyncio.Future[Bound] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(run(settings, stop=stop, started=bound.set_result, **more))
    await asyncio.wait((bound, task), return_when=asyncio.FIRST_COMPLETED)
    if not bound.done():
        await task
    try:
        yield RunningServer(bound.result().address, stop, task)
    finally:
        stop.set()
        await task


@functools.cache
def shared_checker() -> ModelChecker:
    """One process that tries models, for all servers of the session: each of its own takes a second to start."""
    checker = ModelChecker()
    atexit.register(checker.close)
    return checker


def online_server(storage_url: str, **settings: Any) -> Any:
    """The online service over a storage; an async context manager of RunningServer."""
    settings = {"storage": storage_url, **QUIET, **settings}
    return running(online_app.run, OnlineSettings(**settings), checker=shared_checker())


def ingest_server(storage_url: str, **settings: Any) -> Any:
    """The ingest service over a storage; an async context manager of RunningServer."""
    quiet = {**QUIET, "purge_interval_ms": 0}
    return running(ingest_app.run, IngestSettings(**{"storage": storage_url, **quiet, **settings}))


@dataclass(frozen=True)
class Refusal:
    """What a client learns of a failed call."""

    code: grpc.StatusCode
    reason: str
    message: str
    metadata: dict[str, str]
    retry_after_ms: int | None

    @classmethod
    def of(cls, error: grpc.aio.AioRpcError) -> Refusal:
        """Read google.rpc.Status out of an error, as a foreign client does."""
        status = rpc_status.from_call(error)
        assert status is not None, error
        infos, retries = [], []
        for detail in status.details:
            for kind, found in ((error_details_pb2.ErrorInfo, infos), (error_details_pb2.RetryInfo, retries)):
                message = kind()
                if detail.Is(kind.DESCRIPTOR):
                    detail.Unpack(message)
                    found.append(message)
        (info,) = infos
        assert info.domain == "featurama"
        return cls(
            error.code(),
            info.reason,
            status.message,
            dict(info.metadata),
            retries[0].retry_delay.ToMilliseconds() if retries else None,
        )


async def refusal_of(call: Any, answers: list[Any] | None = None) -> Refusal:
    """Await a call that must fail: a unary one, or a stream that is read to its end (into `answers`)."""
    try:
        if hasattr(call, "__aiter__"):
            async for answer in call:
                if answers is not None:
                    answers.append(answer)
        else:
            await call
    except grpc.aio.AioRpcError as error:
        return Refusal.of(error)
    raise AssertionError("the call was answered")


@asynccontextmanager
async def serving_services(
    *services: Service, stream: TextIO | None = None, level: str = "error", **settings: Any
) -> AsyncIterator[Client]:
    """A client of a server that serves just these services, under the real guard; its log goes to `stream`."""
    quiet = {name: value for name, value in QUIET.items() if name != "log_level"}
    logged, stream = LogSettings(log_level=level, log_format="json"), stream or io.StringIO()
    log = open_log(logged, "test", stream)
    with AccessLog(logged, "test", stream) as access:
        async with (
            serving(services, GrpcSettings(**{**quiet, **settings}), log=log, access=access) as bound,
            client_of(bound.address) as client,
        ):
            yield client


async def until(holds: Callable[[], bool]) -> None:
    """Let the loop run until something holds; the test's own timeout ends a wait in vain."""
    while not holds():  # noqa: ASYNC110 - what is waited for happens inside a server, which knows no test's event
        await asyncio.sleep(0.001)
