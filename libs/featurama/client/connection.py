"""One channel to one server or several replicas: deadlines, retries, and translation of errors.

Every call of this contract can be repeated: reads and registrations are idempotent, and writes have a request id.
"""

from __future__ import annotations

import asyncio
import json
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import grpc

from featurama.client.rpc_errors import Failure, failure_of
from featurama.client.settings import CallSettings, Tls
from featurama_core.types.errors import FeaturamaError, InvalidInput, StoreUnavailable
from featurama_core.types.sizes import MAX_MESSAGE_BYTES, excess

Request = TypeVar("Request")
Answer = TypeVar("Answer")

_OPTIONS: list[tuple[str, Any]] = [
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    # `Connection` retries: it knows the reasons and the deadline of all attempts. Two loops of retries would multiply.
    ("grpc.enable_retries", 0),
    # Channels to one address would share a connection, and so one of the workers that listen there.
    ("grpc.use_local_subchannel_pool", 1),
]

_ROUND_ROBIN = json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})


class Connection:
    """An open channel, opened and closed by `connected`."""

    def __init__(self, channel: grpc.aio.Channel, target: str, settings: CallSettings) -> None:
        self.channel = channel
        self.target = target
        self.settings = settings
        self.max_message_bytes = MAX_MESSAGE_BYTES
        """Bytes of a request that the servers receive, as far as it is known."""
        self.reached = False
        """Whether a server has answered."""

    async def call(
        self,
        method: grpc.aio.UnaryUnaryMultiCallable[Request, Answer],
        request: Request,
        *,
        writes: bool = False,
    ) -> Answer:
        """The response to one request. writes: whether the outcome is unknown after a lost connection."""

        async def attempt(seconds: float) -> Answer:
            return await method(request, timeout=seconds, metadata=self.settings.metadata)

        return await self._retrying(attempt, writes=writes)

    async def collect(
        self, method: grpc.aio.UnaryStreamMultiCallable[Request, Answer], request: Request
    ) -> list[Answer]:
        """All messages of a streamed response. A lost stream is repeated from the beginning."""

        async def attempt(seconds: float) -> list[Answer]:
            return [each async for each in method(request, timeout=seconds, metadata=self.settings.metadata)]

        return await self._retrying(attempt, writes=False)

    def learn_limit(self, error: FeaturamaError) -> bool:
        """Whether a request was refused because it is above a lower limit than the known one, which it replaces."""
        found = excess(error)
        if found is None or found[1] >= self.max_message_bytes:
            return False
        self.max_message_bytes = found[1]
        return True

    def is_reconnecting(self, failure: Failure) -> bool:
        """Whether a request was not sent because a connection that existed before is down. This is no attempt."""
        self.reached = self.reached or not failure.unsent
        return failure.unsent and self.reached

    def pause(self, failed: int, advised: float = 0.0) -> float:
        """Seconds to wait after `failed` attempts, with jitter. advised: at least these, by the server."""
        retries = self.settings.retries
        delay = min(retries.longest_delay, retries.first_delay * 2 ** max(0, failed - 1))
        return max(advised, random.uniform(delay / 2, delay))

    async def _retrying(self, attempt: Callable[[float], Awaitable[Answer]], *, writes: bool) -> Answer:
        loop = asyncio.get_running_loop()
        ends = loop.time() + self.settings.timeout
        failed = 0
        while True:
            try:
                answer = await attempt(max(0.001, ends - loop.time()))
            except grpc.aio.AioRpcError as error:
                failure, cause = failure_of(error, self.target, writes=writes), error
            else:
                self.reached = True
                return answer
            failed += not self.is_reconnecting(failure)
            pause = self.pause(failed, failure.wait)
            if not failure.transient or failed >= self.settings.retries.attempts or loop.time() + pause >= ends:
                raise failure.error from cause
            await asyncio.sleep(pause)


@asynccontextmanager
async def connected(targets: Sequence[str], settings: CallSettings, tls: Tls | None) -> AsyncIterator[Connection]:
    """One channel to all targets, closed with the context. It connects with the first call.

    Calls are distributed over the targets that answer. A lost target gets no calls until it is back.
    """
    options = [*_OPTIONS, ("grpc.service_config", _ROUND_ROBIN)]
    address = targets[0]
    if len(targets) > 1:
        address = await _addresses(targets)
        # With several addresses the channel would use the list as the name of the servers.
        options.append(("grpc.default_authority", targets[0]))
    if tls is None:
        channel = grpc.aio.insecure_channel(address, options=options)
    else:
        if tls.server_name is not None:
            options.append(("grpc.ssl_target_name_override", tls.server_name))
        channel = grpc.aio.secure_channel(address, await asyncio.to_thread(_credentials, tls), options=options)
    async with channel:
        yield Connection(channel, ",".join(targets), settings)


async def _addresses(targets: Sequence[str]) -> str:
    """A gRPC target of several servers. It accepts addresses only, so names are resolved here, once.

    A single name with changing addresses is resolved repeatedly by gRPC itself.
    """
    loop = asyncio.get_running_loop()
    # As keys: a name may have an address several times.
    four: dict[str, None] = {}
    six: dict[str, None] = {}
    for target in targets:
        host, _, port = target.rpartition(":")
        try:
            answers = await loop.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            raise StoreUnavailable(f"cannot look up {host}: {error.strerror}", target=target) from error
        for family, _, _, _, address in answers:
            if family == socket.AF_INET:
                four[f"{address[0]}:{port}"] = None
            elif family == socket.AF_INET6:
                six[f"[{address[0]}]:{port}"] = None
    return f"ipv4:{','.join(four)}" if four else f"ipv6:{','.join(six)}"


def _credentials(tls: Tls) -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials(
        root_certificates=_read(tls.ca_file, "ca_file"),
        private_key=_read(tls.key_file, "key_file"),
        certificate_chain=_read(tls.certificate_file, "certificate_file"),
    )


def _read(path: str | Path | None, field: str) -> bytes | None:
    if path is None:
        return None
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InvalidInput(f"{field} {str(path)!r} cannot be read: {error.strerror}", field=field) from error
