"""kill -9 of the ingest service in the middle of streams of writes, then a count: on SQLite and on a CQL server.

The server is a process of its own. Every chunk has one entity, ten event times, and features of two groups.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import numpy as np
import pytest

from featurama import Retries, connect
from featurama.v1 import ingest_service_pb2, online_service_pb2, registry_service_pb2
from featurama_core.types.request_ids import RequestIds

from .requests import DOUBLE, SECOND, column, now_us, register_feature, write_request
from .servers import Client, client_of, online_server

ROWS = 10
PRELOADED = 200
"""Chunks that a client may send: more than the server can have written when it is killed."""


@asynccontextmanager
async def ingest_process(storage_url: str, port: int = 0) -> AsyncIterator[tuple[str, asyncio.subprocess.Process]]:
    """`python -m featurama_ingest`. -> (its address, the process), which is killed in the end if it still runs."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FEATURAMA_")}
    environment |= {
        "FEATURAMA_INGEST_STORAGE": storage_url,
        "FEATURAMA_INGEST_LISTEN": f"127.0.0.1:{port}",
        "FEATURAMA_INGEST_LOG_CALLS": "false",
        "FEATURAMA_INGEST_PURGE_INTERVAL_MS": "0",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "featurama_ingest", env=environment, stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr is not None
    try:
        yield json.loads(await process.stderr.readline())["address"], process
    finally:
        if process.returncode is None:
            process.kill()
        await process.stderr.read()
        await process.wait()


async def register(client: Client, namespace: str, unique: Callable[[str], str]) -> tuple[str, str]:
    """Two features, in groups of their own."""
    for group in ("slow", "quick"):
        await client.registry.RegisterFeatureGroup(
            registry_service_pb2.RegisterFeatureGroupRequest(namespace=namespace, feature_group={"name": unique(group)})
        )
        await register_feature(client, namespace, unique(f"{group}_speed"), group=unique(group))
    return unique("slow_speed"), unique("quick_speed")


def chunks_of(namespace: str, features: tuple[str, str], unique: Callable[[str], str]) -> list[Any]:
    """Chunks, each with an id of its own, made now: within the retry window for two minutes."""
    ids, first = RequestIds(), now_us() - 3_600 * SECOND
    return [
        ingest_service_pb2.StreamFeaturesRequest(
            sequence=n,
            write=write_request(
                namespace,
                [unique(f"ship{n}")] * ROWS,
                [first + row * SECOND for row in range(ROWS)],
                *(column(name, DOUBLE, [float(n * ROWS + row) for row in range(ROWS)]) for name in features),
                request_id=str(ids.next()),
            ),
        )
        for n in range(PRELOADED)
    ]


async def send_until_killed(
    address: str, process: asyncio.subprocess.Process, chunks: list[Any], after: int
) -> tuple[list[int], list[int]]:
    """Stream chunks; kill -9 the server at the `after`-th acknowledgement. -> (sent, acknowledged) sequences."""
    sent: list[int] = []
    acknowledged: list[int] = []

    async def sending() -> AsyncIterator[Any]:
        for chunk in chunks:
            sent.append(chunk.sequence)
            yield chunk
        await asyncio.Event().wait()

    async with client_of(address) as client:
        call = client.ingest.StreamFeatures(sending())
        with suppress(grpc.aio.AioRpcError):
            async for answer in call:
                assert answer.result.accepted == ROWS
                acknowledged.append(answer.sequence)
                if len(acknowledged) == after:
                    process.kill()
        # INTERNAL: what grpc makes of a stream that breaks under a write.
        assert await call.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL)
    assert await process.wait() == -9
    return sent, acknowledged


async def stored(online: Client, namespace: str, feature: str, entity: str) -> tuple[float | None, list[float]]:
    """(the newest value, all values with all corrections, newest first)."""
    latest = await online.features.GetOnlineFeatures(
        online_service_pb2.GetOnlineFeaturesRequest(
            namespace=namespace, features=[feature], entity_ids=[entity], include_statuses=True
        )
    )
    (found,) = latest.columns
    history = await online.features.GetFeatureHistory(
        online_service_pb2.GetFeatureHistoryRequest(
            namespace=namespace, feature=feature, entity_id=entity, include_corrections=True
        )
    )
    newest = found.double_values[0] if found.statuses[0] == 1 else None
    return newest, list(history.column.double_values)


def whole(sequence: int) -> tuple[float, list[float]]:
    """What `stored` says of a chunk that is stored exactly once."""
    values = [float(sequence * ROWS + row) for row in reversed(range(ROWS))]
    return values[0], values


@pytest.mark.parametrize("after", [1, 40])
async def test_every_acknowledged_row_survives_kill_9_and_the_others_can_be_sent_again(
    storage_url, namespace, unique, after
):
    """Acknowledged: in latest and in history, of both groups. Not acknowledged: there exactly once when sent again."""
    async with ingest_process(storage_url) as (address, process):
        async with client_of(address) as client:
            features = await register(client, namespace, unique)
        chunks = chunks_of(namespace, features, unique)
        sent, acknowledged = await send_until_killed(address, process, chunks, after)
    lost = sorted(set(sent) - set(acknowledged))

    async with online_server(storage_url) as reading, client_of(reading.address) as online:
        kept = [await stored(online, namespace, name, unique(f"ship{n}")) for n in acknowledged for name in features]
        async with ingest_process(storage_url) as (address, _), client_of(address) as client:
            again = [answer async for answer in client.ingest.StreamFeatures(iter([chunks[n] for n in lost]))]
        resent = [await stored(online, namespace, name, unique(f"ship{n}")) for n in lost for name in features]

    assert len(acknowledged) >= after
    assert lost
    assert kept == [whole(n) for n in acknowledged for _ in features]
    assert [(answer.sequence, answer.result.accepted) for answer in again] == [(n, ROWS) for n in lost]
    assert resent == [whole(n) for n in lost for _ in features]


async def test_acknowledged_chunks_sent_again_after_the_kill_change_nothing(storage_url, namespace, unique):
    """A client that lost its own notes may send everything again, with the same ids."""
    async with ingest_process(storage_url) as (address, process):
        async with client_of(address) as client:
            features = await register(client, namespace, unique)
        chunks = chunks_of(namespace, features, unique)
        sent, _ = await send_until_killed(address, process, chunks, 10)

    async with (
        ingest_process(storage_url) as (address, _),
        client_of(address) as client,
        online_server(storage_url) as reading,
        client_of(reading.address) as online,
    ):
        for _ in range(2):
            answers = [answer async for answer in client.ingest.StreamFeatures(iter([chunks[n] for n in sent]))]
            assert [answer.result.accepted for answer in answers] == [ROWS] * len(sent)
        found = [await stored(online, namespace, name, unique(f"ship{n}")) for n in sent for name in features]

    assert found == [whole(n) for n in sent for _ in features]


async def test_the_client_rides_through_a_kill_and_writes_every_row_once(storage_url, namespace, unique):
    """A frame is being written when the server is killed; another takes its address before the client has lost its
    patience: the report counts every row as accepted, and each is stored once.
    """
    rows, port = 20_000, _free_port()
    feature = unique("speed")
    frame = {
        "entity_id": [unique(f"ship{n % 500}") for n in range(rows)],
        "timestamp": [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=n) for n in range(rows)],
        feature: np.arange(rows, dtype=np.float64),
    }
    done = itertools.count()
    killed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def progress(*_: object) -> None:
        if next(done) == 3 and not killed.done():
            first.kill()
            killed.set_result(None)

    patient = Retries(attempts=1_000, longest_delay=0.2)
    async with connect(f"grpc://127.0.0.1:{port}", namespace=namespace, timeout=60.0, retries=patient) as client:
        async with ingest_process(storage_url, port) as (_, first):
            await client.register_feature(feature, "double")
            writing = asyncio.create_task(client.write_features(frame, batch_size=200, progress=progress))
            await asyncio.wait((killed, writing), return_when=asyncio.FIRST_COMPLETED)
        async with ingest_process(storage_url, port):
            report = await writing
    async with online_server(storage_url) as reading, client_of(reading.address) as online:
        found = [await stored(online, namespace, feature, unique(f"ship{n}")) for n in range(0, 500, 25)]

    assert killed.done()
    assert (report.accepted, report.rejected, report.unknown) == (rows, 0, 0)
    assert found == [
        (float(rows - 500 + n), [float(value) for value in range(rows - 500 + n, -1, -500)]) for n in range(0, 500, 25)
    ]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
