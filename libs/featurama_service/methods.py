"""How a servicer's methods become gRPC handlers.

gRPC hands bytes through; requests are parsed and answers serialised inside the guard. A (de)serialiser given
to grpc would run outside it, and its exceptions would reach clients as text. So a method may also parse and
answer with the wire twin: it gives its own `parse`, and may answer with any message, or with bytes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import DecodeError

from featurama_core.types.errors import InvalidInput
from featurama_service.calls import Call, Context, Guard, Reply
from featurama_service.settings import GrpcSettings

_Request = TypeVar("_Request")


@dataclass(frozen=True, slots=True)
class Method:
    """One rpc: whether its request and answer are streams, and how it is bound to a guard."""

    request_streaming: bool
    response_streaming: bool
    bind: Callable[[str, Guard, GrpcSettings], grpc.RpcMethodHandler[Any, Any]]


def unary(parse: Callable[[bytes], _Request], behaviour: Callable[[_Request, Call], Awaitable[Reply]]) -> Method:
    """One request, one answer."""

    def bind(name: str, guard: Guard, settings: GrpcSettings) -> grpc.RpcMethodHandler[Any, Any]:
        async def answer(data: bytes, context: Context) -> bytes:
            async def body(call: Call) -> bytes:
                return call.encode(await behaviour(parsed(parse, data), call))

            return await guard.run(
                Call(name, context, guard),
                context,
                body,
                size=len(data),
                default_deadline_ms=settings.default_deadline_ms,
            )

        return grpc.unary_unary_rpc_method_handler(answer)

    return Method(request_streaming=False, response_streaming=False, bind=bind)


def server_stream(parse: Callable[[bytes], _Request], behaviour: Callable[[_Request, Call], Awaitable[None]]) -> Method:
    """One request, a stream of answers that `behaviour` sends with `call.send`."""

    def bind(name: str, guard: Guard, settings: GrpcSettings) -> grpc.RpcMethodHandler[Any, Any]:
        async def answer(data: bytes, context: Context) -> None:
            async def body(call: Call) -> None:
                await behaviour(parsed(parse, data), call)

            await guard.run(
                Call(name, context, guard),
                context,
                body,
                size=len(data),
                default_deadline_ms=settings.scan_deadline_ms,
            )

        return grpc.unary_stream_rpc_method_handler(answer)

    return Method(request_streaming=False, response_streaming=True, bind=bind)


def bidirectional(behaviour: Callable[[Call], Awaitable[None]]) -> Method:
    """Streams both ways: `behaviour` uses `call.receive` and `call.send`. No deadline but the client's."""

    def bind(name: str, guard: Guard, _: GrpcSettings) -> grpc.RpcMethodHandler[Any, Any]:
        async def answer(_: object, context: Context) -> None:
            await guard.run(Call(name, context, guard), context, behaviour, size=0, default_deadline_ms=None)

        return grpc.stream_stream_rpc_method_handler(answer)

    return Method(request_streaming=True, response_streaming=True, bind=bind)


def parsed(parse: Callable[[bytes], _Request], data: bytes) -> _Request:
    """The request in `data`; InvalidInput if there is none."""
    try:
        return parse(data)
    except DecodeError as error:
        raise InvalidInput("the request is not a message of this method") from error


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
            raise TypeError(f"{self.name} is not served as its contract says: {', '.join(wrong)}")

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
