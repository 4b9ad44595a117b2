"""A server that is restarted: calls that begin meanwhile wait for it within their deadline."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any

import grpc
import pytest

import featurama
from featurama.errors import OutcomeUnknown, StoreUnavailable
from featurama_core.types.sizes import MAX_MESSAGE_BYTES

from .test_client_retries import FRAME, Ingest, Peer, no_values


def connect(port: int, timeout: float) -> AbstractAsyncContextManager[featurama.FeatureStore]:
    """A client with two attempts per call: one may meet a connection that has just been lost."""
    return featurama.connect(f"grpc://127.0.0.1:{port}", retries=featurama.Retries(attempts=2), timeout=timeout)


@asynccontextmanager
async def listening(handler: grpc.GenericRpcHandler, port: int = 0) -> AsyncIterator[int]:
    """A server on a port, 0 for a free one."""
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((handler,))
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    try:
        yield bound
    finally:
        await server.stop(None)


async def read(client: featurama.FeatureStore) -> int:
    return len(await client.get_online_features(["a"], ["speed"]))


async def write(client: featurama.FeatureStore) -> int:
    return (await client.write_features(FRAME, batch_size=1)).accepted


def serving(act: Callable[..., Any]) -> grpc.GenericRpcHandler:
    return Peer("GetOnlineFeatures", no_values) if act is read else Ingest(lambda stream, count: None)


@pytest.mark.parametrize(("act", "answer"), [(read, 1), (write, 40)])
async def test_a_call_that_begins_while_its_server_is_away_waits_for_it(
    act: Callable[[featurama.FeatureStore], Awaitable[int]], answer: int
) -> None:
    """Waiting is no attempt: it takes longer than all attempts."""
    async with AsyncExitStack() as stack:
        async with listening(serving(act)) as port:
            store = await stack.enter_async_context(connect(port, timeout=60))
            assert answer == await act(store)
        call = asyncio.ensure_future(act(store))
        done, _ = await asyncio.wait({call}, timeout=0.5)
        assert set() == done
        async with listening(serving(act), port):
            assert answer == await call


@pytest.mark.parametrize("act", [read, write])
async def test_a_server_that_stays_away_fails_the_call_at_its_deadline(
    act: Callable[[featurama.FeatureStore], Awaitable[int]],
) -> None:
    """With the reason, and not with the deadline."""
    async with AsyncExitStack() as stack:
        async with listening(serving(act)) as port:
            store = await stack.enter_async_context(connect(port, timeout=2.0))
            await act(store)
        with pytest.raises(StoreUnavailable, match="cannot reach"):
            await act(store)


async def test_what_was_sent_to_a_server_that_then_stays_away_may_be_stored() -> None:
    """Though it could not be sent again."""
    received = asyncio.Event()

    async def keep(requests: AsyncIterator[bytes], context: Any) -> None:
        await anext(aiter(requests))
        received.set()
        await asyncio.Event().wait()

    async with AsyncExitStack() as stack:
        async with listening(Peer("StreamFeatures", keep, stream=True)) as port:
            store = await stack.enter_async_context(connect(port, timeout=1.0))
            notes = ["x", "x" * MAX_MESSAGE_BYTES]  # the second row is not sent
            frame = {"entity_id": ["a", "b"], "timestamp": ["2026-01-01T00:00:00Z"] * 2, "note": notes}
            call = asyncio.ensure_future(store.write_features(frame, batch_size=1))
            await received.wait()
        with pytest.raises(OutcomeUnknown, match=r"^cannot reach .*; rows sent before may be stored$"):
            await call


@pytest.mark.parametrize("act", [read, write])
async def test_a_server_that_was_never_there_fails_the_call_early(
    act: Callable[[featurama.FeatureStore], Awaitable[int]],
) -> None:
    """A wrong address is said at once: the deadline is longer than the time limit of a test."""
    async with connect(1, timeout=3_600) as store:
        with pytest.raises(StoreUnavailable, match="cannot reach"):
            await act(store)
