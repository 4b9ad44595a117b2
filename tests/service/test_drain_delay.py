"""What a server still does while balancers learn that it goes down, and how much of a deadline it leaves unused."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from grpc_health.v1 import health_pb2

from featurama.v1 import online_service_pb2
from featurama_gateway import app as gateway_app
from featurama_gateway.settings import GatewaySettings
from featurama_service.server import Bound

from .gateway_fixtures import http_client
from .servers import QUIET, client_of, refusal_of, serving_services
from .test_errors_and_limits import ASK, STREAM, answering

NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
DELAY_MS = 500
"""Long enough for one call on a busy machine."""


async def test_calls_are_answered_until_the_drain_delay_is_over():
    """Health says NOT_SERVING at once, and a balancer that has not seen it yet loses no call."""

    async def named(_, __):
        return online_service_pb2.GetOnlineFeaturesResponse(columns=[{"name": "answered"}])

    context = serving_services(answering(named), drain_delay_ms=DELAY_MS)
    client = await context.__aenter__()
    async with client_of(client.address) as other:
        watch = other.health.Watch(health_pb2.HealthCheckRequest())
        await watch.read()
        leaving = asyncio.ensure_future(context.__aexit__(None, None, None))
        assert (await watch.read()).status == NOT_SERVING
        answer = await other.features.GetOnlineFeatures(ASK)
        await leaving
        with pytest.raises(grpc.aio.AioRpcError):
            await other.features.GetOnlineFeatures(ASK, timeout=2)

    assert answer.columns[0].name == "answered"


async def test_the_gateway_takes_new_connections_until_its_drain_delay_is_over():
    """Health is degraded at once; a caller that connects later is still answered."""

    async def slow(_, __):
        # Longer than the tenth of a second in which the HTTP server notices that it is to stop.
        await asyncio.sleep(0.15)
        return online_service_pb2.GetOnlineFeaturesResponse()

    async with serving_services(answering(slow)) as online:
        settings = GatewaySettings(**{"online": online.address, **QUIET, "drain_delay_ms": 600_000})
        stop = asyncio.Event()
        bound: asyncio.Future[Bound] = asyncio.get_running_loop().create_future()
        serving = asyncio.create_task(gateway_app.run(settings, stop=stop, started=bound.set_result))
        address = (await bound).address
        async with http_client(address) as early, http_client(address) as late:
            held = asyncio.ensure_future(early.get("/features/char_fry"))
            stop.set()
            assert (await early.get("/health")).json()["status"] == "degraded"
            answers = [(await held).status_code, (await late.get("/features/char_leela")).status_code]
        # Its delay is never over: what follows it is the subject of other tests.
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving

    assert answers == [200, 200]


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_call_ends_before_its_clients_deadline_by_the_margin(streamed):
    """So that the client gets the server's reason: here the margin is nearly all of the deadline."""

    async def endless(_, __):
        await asyncio.Event().wait()

    async with (
        serving_services(answering(endless, endless), deadline_margin_ms=59_900) as client,
        asyncio.timeout(20),
    ):
        call = client.features.GetHistoricalFeatures if streamed else client.features.GetOnlineFeatures
        refusal = await refusal_of(call(STREAM if streamed else ASK, timeout=60))

    assert (refusal.code, refusal.reason) == (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED")
