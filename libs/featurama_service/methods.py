"""Servicer methods as gRPC handlers.

gRPC passes bytes; requests are parsed and answers are serialised inside the guard. A (de)serialiser given to grpc would
run outside the guard, and the text of its exceptions would reach clients. A method can also use the wire twin: it gives
its own `parse` and answers with any message or with bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import DecodeError

from featurama_core.off_loop import off_loop
from featurama_core.types.errors import InvalidInput
from featurama_service.calls import Call, Context, Guard, Reply
from featurama_service.settings import GrpcSettings

_Request = TypeVar("_Request")


@dataclass(frozen=True, slots=True)
class Method:
    """One rpc: whether its request and answer are streams, and the binding to a guard."""

    request_streaming: bool
    response_streaming: bool
    bind: Callable[[str, Guard, GrpcSettings], grpc.RpcMethodHandler[Any, Any]]


def unary(
    parse: Callable[[bytes], _Request],
    behaviour: Callable[[_Request, Call], Coroutine[Any, Any, Reply]],
    *,
    weigh: Callable[[bytes], int] | None = None,
) -> Method:
    """One request, one answer. weigh: the memory that a request takes, from its bytes; without it `behaviour` holds
    what its work takes (`Call.working`).
    """

    async def answer(request: _Request, call: Call) -> bytes:
        reply = await behaviour(request, call)
        return call.encode(reply) if not call.is_large else await off_loop(True, call.encode, reply)

    return _one_request(parse, answer, response_streaming=False, weigh=weigh)


def server_stream(
    parse: Callable[[bytes], _Request], behaviour: Callable[[_Request, Call], Coroutine[Any, Any, None]]
) -> Method:
    """One request, a stream of answers that `behaviour` sends with `call.send`."""
    return _one_request(parse, behaviour, response_streaming=True)


def bidirectional(behaviour: Callable[[Call], Coroutine[Any, Any, None]]) -> Method:
    """Streams in both directions: `behaviour` uses `call.receive` and `call.send`. Only the client sets a deadline."""

    def bind(name: str, guard: Guard, _: GrpcSettings) -> grpc.RpcMethodHandler[Any, Any]:
        async def answer(_: object, context: Context) -> None:
            await guard.run(Call(name, context, guard), context, behaviour, size=0, default_deadline_ms=None)

        return grpc.stream_stream_rpc_method_handler(answer)

    return Method(request_streaming=True, response_streaming=True, bind=bind)


def _one_request(
    parse: Callable[[bytes], _Request],
    behaviour: Callable[[_Request, Call], Coroutine[Any, Any, Any]],
    *,
    response_streaming: bool,
    weigh: Callable[[bytes], int] | None = None,
) -> Method:
    def bind(name: str, guard: Guard, settings: GrpcSettings) -> grpc.RpcMethodHandler[Any, Any]:
        deadline_ms = settings.scan_deadline_ms if response_streaming else settings.default_deadline_ms

        async def answer(data: bytes, context: Context) -> Any:
            async def read(call: Call) -> Any:
                try:
                    request = parse(data) if not call.is_large else await off_loop(True, parse, data)
                except DecodeError as error:
                    raise InvalidInput("the request is not a message of this method") from error
                return await behaviour(request, call)

            async def weighed(call: Call) -> Any:
                assert weigh is not None
                async with call.working(await off_loop(call.is_large, weigh, data)):
                    return await read(call)

            size = len(data)
            call = Call(name, context, guard, size=size)
            body = read if weigh is None else weighed
            return await guard.run(call, context, body, size=size, default_deadline_ms=deadline_ms)

        if response_streaming:
            return grpc.unary_stream_rpc_method_handler(answer)
        return grpc.unary_unary_rpc_method_handler(answer)

    return Method(request_streaming=False, response_streaming=response_streaming, bind=bind)


@dataclass(frozen=True)
class Service:
    """A gRPC service with a method for every rpc of its contract."""

    descriptor: ServiceDescriptor
    methods: Mapping[str, Method]

    def __post_init__(self) -> None:
        contract = {m.name: (m.client_streaming, m.server_streaming) for m in self.descriptor.methods}
        built = {name: (m.request_streaming, m.response_streaming) for name, m in self.methods.items()}
        if built != contract:
            wrong = sorted({name for name, _ in contract.items() ^ built.items()})
            raise TypeError(f"the methods of {self.name} differ from its contract: {', '.join(wrong)}")

    @property
    def name(self) -> str:
        """Full name, `featurama.v1.OnlineService`."""
        return str(self.descriptor.full_name)

    def handler(self, guard: Guard, settings: GrpcSettings) -> grpc.GenericRpcHandler:
        """All methods, bound."""
        bound = {
            name: method.bind(f"{self.descriptor.name}/{name}", guard, settings)
            for name, method in self.methods.items()
        }
        return grpc.method_handlers_generic_handler(self.name, bound)
