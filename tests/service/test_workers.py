"""Several processes that serve one address: what clients see when one dies and when all drain, and starts that fail."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import socket
from contextlib import AsyncExitStack
from pathlib import Path

import grpc
import pytest

from featurama.v1 import online_service_pb2 as online_pb
from featurama.v1 import registry_service_pb2 as registry_pb

from .gateway_fixtures import http_client
from .processes import service_processes
from .requests import DOUBLE, SECOND, column, now_us, register_feature, write_request
from .servers import client_of, online_server, until

CHANNELS = 6
"""Each has a connection of its own, which the kernel gives to one of the workers."""


@pytest.fixture
async def start(tmp_path):
    """Starts a service with two workers over an embedded storage; parents that still run at the end are killed."""
    async with service_processes(tmp_path) as begin:

        def begin_two(service, **settings):
            return begin(
                service, **{"listen": "127.0.0.1:0", "workers": 2, "drain_delay_ms": 0, "log_calls": False} | settings
            )

        yield begin_two


def workers_of(process: asyncio.subprocess.Process) -> list[int]:
    children = [thread / "children" for thread in Path(f"/proc/{process.pid}/task").iterdir()]
    return [int(pid) for each in children for pid in each.read_text().split()]


async def test_a_worker_that_dies_is_replaced_while_clients_are_served(start, unique):
    """A client of the dead worker loses at most the calls in flight; the next one is answered by another worker."""
    process = await start("ingest")
    line = json.loads(await process.stderr.readline())
    failed: list[grpc.StatusCode] = []
    answers = dict.fromkeys(range(CHANNELS), 0)
    over = False

    async def read_on(client, number):
        request = registry_pb.ListFeaturesRequest()
        while not over:
            try:
                await client.registry.ListFeatures(request, wait_for_ready=True)
            except grpc.aio.AioRpcError as error:
                failed.append(error.code())
            else:
                answers[number] += 1

    async def all_answered():
        seen = dict(answers)
        await until(lambda: all(answers[each] > seen[each] + 2 for each in answers))

    async with AsyncExitStack() as clients:
        connected = [await clients.enter_async_context(client_of(line["address"])) for _ in range(CHANNELS)]
        readers = [asyncio.create_task(read_on(client, number)) for number, client in enumerate(connected)]
        await all_answered()
        first, other = workers_of(process)
        os.kill(first, signal.SIGKILL)
        ended = json.loads(await process.stderr.readline())
        await all_answered()
        await until(lambda: len(workers_of(process)) == 2)
        over = True
        await asyncio.gather(*readers)

    assert (line["event"], line["workers"]) == ("serving", 2)
    assert (ended["event"], ended["code"]) == ("worker ended", -signal.SIGKILL)
    assert set(failed) <= {grpc.StatusCode.UNAVAILABLE}
    assert len(failed) <= CHANNELS
    assert other in workers_of(process)


async def test_workers_drain_together_and_every_acknowledged_row_of_one_storage_is_kept(start, tmp_path, unique):
    """Many clients write the same entities through two processes on SQLite; the newest event wins, none is lost."""
    name, ids = unique("speed"), [unique(f"e{n}") for n in range(5)]
    process = await start("ingest")
    line = json.loads(await process.stderr.readline())
    first = now_us() - 3_600 * SECOND
    events = itertools.count()
    acknowledged: set[int] = set()
    sent: set[int] = set()
    verdicts: set[int] = set()
    refused: set[grpc.StatusCode] = set()

    async def write_on(client):
        for event in events:
            request = write_request(
                "", ids, [first + event] * len(ids), column(name, DOUBLE, [float(event)] * len(ids))
            )
            sent.add(event)
            try:
                answer = await client.ingest.WriteFeatures(request)
            except grpc.aio.AioRpcError as error:
                refused.add(error.code())
                return
            verdicts.add(answer.accepted)
            acknowledged.add(event)

    async with AsyncExitStack() as clients:
        connected = [await clients.enter_async_context(client_of(line["address"])) for _ in range(CHANNELS)]
        await register_feature(connected[0], "", name)
        writers = [asyncio.create_task(write_on(client)) for client in connected]
        await until(lambda: len(acknowledged) > 200)
        process.send_signal(signal.SIGTERM)
        log = (await process.stderr.read()).decode()
        await asyncio.gather(*writers)

    events_of_log = [(json.loads(each)["event"], json.loads(each).get("worker")) for each in log.splitlines()]
    assert await process.wait() == 0
    assert {each for each in events_of_log if each[0] == "stopped"} == {("stopped", each) for each in (None, 0, 1)}
    assert verdicts == {len(ids)}
    assert refused <= {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
    for newest, history in await _stored(f"sqlite:///{tmp_path}/store", ids, name):
        assert acknowledged <= history <= sent
        assert newest == max(history)


async def test_the_gateway_serves_with_several_processes(start):
    """Every connection is answered, and all processes end together."""
    process = await start("gateway", online="127.0.0.1:1")
    line = json.loads(await process.stderr.readline())
    statuses = []
    for _ in range(CHANNELS):
        async with http_client(line["address"]) as client:
            statuses.append((await client.get("/health")).json()["status"])
    process.send_signal(signal.SIGINT)
    await process.stderr.read()

    assert await process.wait() == 0
    assert statuses == ["degraded"] * CHANNELS


async def test_workers_that_can_not_start_end_the_service_with_the_reason(start):
    """The reason is given once, and the exit code is that of the worker."""
    process = await start("ingest", tls_cert="/nowhere", tls_key="/nowhere")
    _, log = await process.communicate()

    assert process.returncode == 2
    assert [each for each in log.decode().splitlines() if "{" not in each] == [
        "tls_key: cannot read /nowhere: No such file or directory"
    ]


async def test_workers_do_not_share_a_port_with_another_server(start):
    """Two servers on one port would share its connections silently."""
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        process = await start("ingest", listen=f"127.0.0.1:{taken.getsockname()[1]}")
        _, log = await process.communicate()

    assert "is the port taken?" in log.decode()
    assert process.returncode == 2


async def _stored(storage_url, ids, name) -> list[tuple[int, set[int]]]:
    """(newest event, all events) of each entity, read by a new server."""
    found = []
    async with online_server(storage_url) as server, client_of(server.address) as client:
        request = online_pb.GetOnlineFeaturesRequest(features=[name], entity_ids=ids)
        newest = (await client.features.GetOnlineFeatures(request)).columns[0].double_values
        for entity_id, value in zip(ids, newest, strict=True):
            page = online_pb.GetFeatureHistoryRequest(entity_id=entity_id, feature=name, page_size=10_000)
            history = (await client.features.GetFeatureHistory(page)).column.double_values
            found.append((int(value), {int(each) for each in history}))
    return found
