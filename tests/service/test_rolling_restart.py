"""What clients of replicas see when one after another is stopped and started again, and of pings on an idle channel."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any

import grpc
import pytest

from featurama.v1 import online_service_pb2 as pb

from .load import CALLERS
from .servers import Client, serving_services, until
from .test_errors_and_limits import ASK, answering

OPTIONS = [
    ("grpc.service_config", json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_retries", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
]
RESTARTS = 3


async def test_a_rolling_restart_of_two_replicas_loses_no_call_of_a_plain_client():
    """A plain channel with round_robin, without retries, keeps calling while each replica is stopped and started."""
    listens = [f"127.0.0.1:{_free_port()}" for _ in range(2)]
    answered = dict.fromkeys(listens, 0)
    errors: list[grpc.aio.AioRpcError] = []
    over = False

    def replica(listen: str) -> Any:
        async def answer(_, __):
            answered[listen] += 1
            return pb.GetOnlineFeaturesResponse()

        return serving_services(answering(answer), listen=listen)

    async def call(client: Client) -> None:
        while not over:
            try:
                await client.features.GetOnlineFeatures(ASK)
            except grpc.aio.AioRpcError as error:
                errors.append(error)
                return

    async def serves(listen: str) -> None:
        seen = answered[listen]
        await until(lambda: bool(errors) or answered[listen] > seen + 2 * CALLERS)

    running = {listen: replica(listen) for listen in listens}
    for each in running.values():
        await each.__aenter__()
    async with grpc.aio.insecure_channel(f"ipv4:{','.join(listens)}", options=OPTIONS) as channel:
        callers = [asyncio.create_task(call(Client("", channel))) for _ in range(CALLERS)]
        for listen in listens * RESTARTS:
            await serves(listen)
            await running[listen].__aexit__(None, None, None)
            running[listen] = replica(listen)
            await running[listen].__aenter__()
            await serves(listen)
        over = True
        await asyncio.gather(*callers)
    for each in running.values():
        await each.__aexit__(None, None, None)

    assert [(error.code(), error.details()) for error in errors] == []


async def test_a_client_may_ping_an_idle_channel():
    """Pings that are further apart than a second do not end the connection; grpc allows two that come too early."""
    pings = [
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.keepalive_time_ms", 1_200),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
    ]

    async def answer(_, __):
        return pb.GetOnlineFeaturesResponse()

    async with (
        serving_services(answering(answer)) as client,
        grpc.aio.insecure_channel(client.address, options=pings) as channel,
    ):
        await Client("", channel).features.GetOnlineFeatures(ASK)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(channel.wait_for_state_change(grpc.ChannelConnectivity.READY), 6)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
