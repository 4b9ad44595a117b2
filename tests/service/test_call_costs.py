"""No call ends a server, however large or badly shaped: memory and loop stay within bounds, and others are served.

`FEATURAMA_AT_ONCE=50` sends more calls at once than `make test` does.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from grpc_health.v1 import health_pb2
from tests.opened import open_store

from .predicting_store import define, publish
from .servers import Client, Refusal
from .test_bad_input_rpcs import CONTRACT
from .worst_calls import MIB, WORST, definitions, scattered, streamed, tiny_elements

AT_ONCE = int(os.environ.get("FEATURAMA_AT_ONCE", "3"))
MOST_BYTES = 1024 * MIB
MOST_LAG_MS = 250
"""Fifty milliseconds on a machine of its own. What the calls here cost before they were bounded was seconds."""
FAULTS = {"INTERNAL", "STORE_UNAVAILABLE", "UNKNOWN_OUTCOME", "UNSPECIFIED"}
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Watched:
    """A server in a process of its own, and the file with its peaks."""

    process: subprocess.Popen[str]
    address: str
    file: Path

    def peaks(self) -> dict[str, float]:
        found: dict[str, float] = json.loads(self.file.read_text())
        return found

    async def forget(self) -> None:
        """Begin a new lag."""
        self.file.unlink(missing_ok=True)
        self.process.send_signal(signal.SIGUSR1)
        while not self.file.exists():  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0.005)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Watched]]:
    """Both services over one store with a model and features of every type."""
    folder = tmp_path_factory.mktemp("costs")
    url = f"sqlite:///{folder}/store"
    asyncio.run(_define(url))
    started = {name: _start(name, url, folder) for name in ("online", "ingest")}
    yield started
    for each in started.values():
        each.process.communicate(timeout=30)
    assert [each.process.returncode for each in started.values()] == [0, 0]


async def _define(url: str) -> None:
    async with open_store(url) as store:
        await define(store)
        await publish(store, 0.0, champion=1, name="delivery_time")
        await store.register(definitions())


def _start(name: str, url: str, folder: Path) -> Watched:
    file = folder / f"{name}.json"
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.service.watched_server", name, url, str(file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None
    return Watched(process, process.stdout.readline().strip(), file)


@asynccontextmanager
async def watched(servers: dict[str, Watched], rpc: str) -> AsyncIterator[Client]:
    """A client of the server of an rpc, which is well within its bounds afterwards."""
    is_online = rpc.partition("/")[0] in ("OnlineService", "PredictionService", "ModelService")
    server = servers["online" if is_online else "ingest"]
    await server.forget()
    options = [("grpc.max_receive_message_length", 64 * MIB), ("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(server.address, options=options) as channel:
        client = Client(server.address, channel)
        yield client
        health = await client.health.Check(health_pb2.HealthCheckRequest())
    peaks = server.peaks()
    assert health.status == health_pb2.HealthCheckResponse.SERVING
    assert peaks["rss_bytes"] <= MOST_BYTES, peaks
    assert peaks["lag_ms"] <= MOST_LAG_MS, peaks


async def outcome(client: Client, rpc: str, data: bytes) -> str:
    """OK, or the reason of the refusal."""
    method, path = CONTRACT[rpc], f"/featurama.v1.{rpc}"
    try:
        if method.client_streaming:
            call: Any = client.channel.stream_stream(path)(streamed(data), timeout=150)
        elif method.server_streaming:
            call = client.channel.unary_stream(path)(data, timeout=150)
        else:
            await client.channel.unary_unary(path)(data, timeout=150)
            return "OK"
        async for _ in call:
            pass
    except grpc.aio.AioRpcError as error:
        return Refusal.of(error).reason
    return "OK"


@pytest.mark.parametrize("rpc", sorted(CONTRACT))
async def test_no_rpc_decodes_millions_of_elements(servers, rpc):
    """They are counted before, and refused."""
    async with watched(servers, rpc) as client:
        assert await outcome(client, rpc, tiny_elements(rpc, 4 * MIB)) not in FAULTS


@pytest.mark.parametrize("what", WORST)
async def test_the_worst_call_costs_no_more_than_its_share(servers, what):
    """Alone."""
    rpc, make = WORST[what]
    async with watched(servers, rpc) as client:
        assert await outcome(client, rpc, make()) not in FAULTS


@pytest.mark.parametrize(
    "what",
    [
        "vectors up to a message",
        "10,000 ids of 200 doubles",
        "100,000 label rows",
        "10,000 given rows",
        "10,000 rows of 100 doubles",
        "truth values that are not packed",
        "values of 100 columns that are no features",
        "entities with many texts",
    ],
)
async def test_many_of_the_worst_calls_at_once_take_turns(servers, what):
    """Each is answered, or refused with a reason."""
    rpc, make = WORST[what]
    data = make()
    async with watched(servers, rpc) as client:
        outcomes = await asyncio.gather(*(outcome(client, rpc, data) for _ in range(AT_ONCE)))
    assert FAULTS.isdisjoint(outcomes)


async def test_a_stream_of_large_chunks_is_acknowledged(servers):
    """Chunks wait for room instead of being refused."""
    async with watched(servers, "IngestService/StreamFeatures") as client:
        assert await outcome(client, "IngestService/StreamFeatures", scattered(200)) == "OK"
