"""Several connections to one address, as behind it several workers may listen."""

from __future__ import annotations

from typing import Any

import grpc
import pytest

import featurama


class Peers(grpc.GenericRpcHandler):
    """A healthy server that remembers the connections of its calls."""

    def __init__(self) -> None:
        self.seen: set[str] = set()

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        del details
        return grpc.unary_unary_rpc_method_handler(self._answer)

    async def _answer(self, request: bytes, context: Any) -> bytes:
        del request
        self.seen.add(context.peer())
        return b"\x08\x01"


@pytest.mark.parametrize("channels", [1, 3])
async def test_calls_are_spread_over_the_connections_of_a_store(channels):
    """In every namespace, and a call that asks for nothing else takes one of them."""
    peers = Peers()
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((peers,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with featurama.connect(f"grpc://127.0.0.1:{port}?channels={channels}") as store:
            for _ in range(100):
                assert await (await store.in_namespace("moon")).is_serving()
    finally:
        await server.stop(None)

    assert channels == len(peers.seen)
