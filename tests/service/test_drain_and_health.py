"""The life of a server: health, reflection, drain under load, signals, settings that cannot be used."""

from __future__ import annotations

import asyncio
import io
import itertools
import json
import signal
import socket
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import grpc
import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from featurama.v1 import ingest_service_pb2, online_service_pb2
from featurama_core.types.errors import StoreUnavailable
from featurama_service.logs import open_log
from featurama_service.server import serving
from featurama_service.settings import GrpcSettings, LogSettings

from .processes import service_processes
from .requests import DOUBLE, SECOND, column, now_us, register_feature, write_request
from .servers import Client, client_of, ingest_server, online_server, refusal_of, serving_services, until
from .test_errors_and_limits import ASK, answering

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
ONLINE_HEALTH = health_pb2.HealthCheckRequest(service="featurama.v1.OnlineService")


@pytest.fixture
async def start(tmp_path):
    """Starts a service as a process over an embedded storage; whatever still runs at the end is killed."""
    async with service_processes(tmp_path) as begin:
        yield begin


async def test_health_is_told_for_the_server_and_for_each_service(online, ingest):
    """grpc.health.v1: SERVING for "" and every service; a stranger's service is NOT_FOUND."""
    names = {
        online: ["", "featurama.v1.OnlineService", "featurama.v1.PredictionService"],
        ingest: ["featurama.v1.IngestService"],
    }
    told = [
        (await client.health.Check(health_pb2.HealthCheckRequest(service=name))).status
        for client, services in names.items()
        for name in [*services, "featurama.v1.RegistryService"]
    ]

    with pytest.raises(grpc.aio.AioRpcError) as unknown:
        await online.health.Check(health_pb2.HealthCheckRequest(service="someone.Else"))

    assert told == [SERVING] * 6
    assert unknown.value.code() is grpc.StatusCode.NOT_FOUND


async def test_reflection_lists_and_describes_the_public_services(online_at, storage_url, namespace):
    """A reflection client finds services and files, though handlers take bytes; the switch turns it off."""
    async with client_of(online_at.address) as client:
        stub = reflection_pb2_grpc.ServerReflectionStub(client.channel)
        asked = [
            reflection_pb2.ServerReflectionRequest(list_services=""),
            reflection_pb2.ServerReflectionRequest(file_containing_symbol="featurama.v1.OnlineService"),
        ]
        services, file = [answer async for answer in stub.ServerReflectionInfo(iter(asked))]
    async with online_server(storage_url, reflection=False) as server, client_of(server.address) as client:
        stub = reflection_pb2_grpc.ServerReflectionStub(client.channel)
        off = await stub.ServerReflectionInfo().code()

    assert {each.name for each in services.list_services_response.service} == {
        "featurama.v1.ModelService",
        "featurama.v1.OnlineService",
        "featurama.v1.PredictionService",
        "featurama.v1.RegistryService",
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    }
    assert b"GetHistoricalFeatures" in b"".join(file.file_descriptor_response.file_descriptor_proto)
    assert off is grpc.StatusCode.UNIMPLEMENTED


async def test_reflection_describes_every_method_by_its_name(online_at):
    """`grpcurl describe featurama.v1.OnlineService.GetFeatureHistory` answers, and a wrong name is not found."""
    service = online_service_pb2.DESCRIPTOR.services_by_name["OnlineService"]
    symbols = [method.full_name for method in service.methods] + ["featurama.v1.OnlineService.Nothing", "nothing"]
    asked = [reflection_pb2.ServerReflectionRequest(file_containing_symbol=each) for each in symbols]
    async with client_of(online_at.address) as client:
        stub = reflection_pb2_grpc.ServerReflectionStub(client.channel)
        answers = [answer async for answer in stub.ServerReflectionInfo(iter(asked))]

    assert [answer.WhichOneof("message_response") for answer in answers] == (
        ["file_descriptor_response"] * len(service.methods) + ["error_response"] * 2
    )


@asynccontextmanager
async def followed(ping: Callable[[], Awaitable[None]], **settings: int) -> AsyncIterator[Client]:
    """A client of a server whose health follows `ping`, which it asks for every 10 ms."""

    async def nothing(_, __):
        return online_service_pb2.GetOnlineFeaturesResponse()

    bounds = GrpcSettings(listen="127.0.0.1:0", drain_delay_ms=0, health_interval_ms=10, **settings)
    log = open_log(LogSettings(), "test", io.StringIO())
    async with serving([answering(nothing)], bounds, log=log, ping=ping) as bound, client_of(bound.address) as client:
        yield client


async def test_health_of_the_services_follows_the_store():
    """While the ping fails services are NOT_SERVING, the process stays SERVING; it recovers by itself."""
    down = False

    async def ping():
        if down:
            raise StoreUnavailable("gone")

    async with followed(ping) as client:
        watch = client.health.Watch(ONLINE_HEALTH)
        seen = [(await watch.read()).status]
        down = True
        seen.append((await watch.read()).status)
        whole = (await client.health.Check(health_pb2.HealthCheckRequest())).status
        down = False
        seen.append((await watch.read()).status)
        watch.cancel()

    assert seen == [SERVING, NOT_SERVING, SERVING]
    assert whole == SERVING


async def test_a_store_that_does_not_answer_in_time_is_down():
    """The timeout is the ping's own: it ends a ping that hangs."""

    async def hanging():
        await asyncio.Event().wait()

    async with followed(hanging, health_timeout_ms=20) as client:
        watch = client.health.Watch(ONLINE_HEALTH)
        seen = [(await watch.read()).status, (await watch.read()).status]
        watch.cancel()

    assert seen == [SERVING, NOT_SERVING]


async def test_a_store_that_is_slower_than_the_interval_is_not_down():
    """A ping that takes many intervals ends well, and the service never said otherwise."""
    asked = 0

    async def slow():
        nonlocal asked
        await asyncio.sleep(0.1)
        asked += 1

    async with followed(slow) as client:
        watch = client.health.Watch(ONLINE_HEALTH)
        assert (await watch.read()).status == SERVING
        changed = asyncio.ensure_future(_await(watch.read()))
        await until(lambda: asked >= 2)
        assert not changed.done()
        watch.cancel()
        with pytest.raises(asyncio.CancelledError):
            await changed


async def test_a_drain_says_not_serving_finishes_calls_in_flight_and_refuses_new_ones():
    """A watcher sees NOT_SERVING while a call is still in flight; the call is answered; then the port is closed."""
    began, allowed = asyncio.Event(), asyncio.Event()

    async def slow(_, __):
        began.set()
        await allowed.wait()
        return online_service_pb2.GetOnlineFeaturesResponse(columns=[{"name": "done"}])

    context = serving_services(answering(slow))
    client = await context.__aenter__()
    async with client_of(client.address) as other:
        call = asyncio.ensure_future(_await(other.features.GetOnlineFeatures(ASK)))
        watch = other.health.Watch(health_pb2.HealthCheckRequest())
        assert (await watch.read()).status == SERVING
        await began.wait()
        leaving = asyncio.ensure_future(context.__aexit__(None, None, None))
        assert (await watch.read()).status == NOT_SERVING
        allowed.set()
        answer = await call
        await leaving
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await other.features.GetOnlineFeatures(ASK, timeout=2)

    assert answer.columns[0].name == "done"
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_drain_ends_calls_that_outlast_the_grace_period_and_waits_for_their_cleaning_up():
    """A call that never ends is cancelled; its `finally` has run when the server's context has ended."""
    began, cleaned = asyncio.Event(), asyncio.Event()

    async def endless(_, __):
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.set()

    context = serving_services(answering(endless), grace_ms=20)
    client = await context.__aenter__()
    async with client_of(client.address) as other:
        call = asyncio.ensure_future(_await(other.features.GetOnlineFeatures(ASK)))
        await began.wait()
        await context.__aexit__(None, None, None)
        with pytest.raises(grpc.aio.AioRpcError):
            await call

    assert cleaned.is_set()


async def test_no_acknowledged_write_is_lost_by_a_drain_under_load(storage_url, namespace, unique):
    """Many clients write while the server drains: every row that was acknowledged is read from a new server."""
    name = unique("speed")
    acknowledged: list[str] = []
    refused: list[grpc.StatusCode] = []

    async def write_on(client, writer):
        for n in range(10_000):
            ids = [unique(f"w{writer}n{n}r{row}") for row in range(20)]
            request = write_request(namespace, ids, [now_us() - SECOND] * 20, column(name, DOUBLE, [1.0] * 20))
            try:
                answer = await client.ingest.WriteFeatures(request)
            except grpc.aio.AioRpcError as error:
                refused.append(error.code())
                return
            assert answer.accepted == 20
            acknowledged.extend(ids)

    async with ingest_server(storage_url) as server, client_of(server.address) as client:
        await register_feature(client, namespace, name)
        writers = asyncio.gather(*(write_on(client, writer) for writer in range(8)))
        await until(lambda: len(acknowledged) > 500)
        server.stop.set()
        await server.ended()
        await writers

    async with online_server(storage_url) as server, client_of(server.address) as client:
        answer = await client.features.GetOnlineFeatures(
            online_service_pb2.GetOnlineFeaturesRequest(
                namespace=namespace, features=[name], entity_ids=acknowledged[:10_000]
            )
        )

    # grpc itself cancels a call that it has queued when it stops, on a machine too busy to read it before.
    assert grpc.StatusCode.UNAVAILABLE in refused
    assert set(refused) <= {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
    assert list(answer.columns[0].double_values) == [1.0] * len(acknowledged)


async def test_a_stream_is_drained_with_every_chunk_that_was_read_acknowledged(storage_url, namespace, unique):
    """The stream ends with UNAVAILABLE and the advice to resend; acknowledged chunks are stored."""
    name = unique("speed")
    answers: list[ingest_service_pb2.StreamFeaturesResponse] = []

    async def chunks(stop):
        for n in itertools.count():
            if stop.is_set():
                # grpc.aio reports a write after the server's end as INTERNAL of its own: pause, do not half-close.
                await asyncio.Event().wait()
            ids = [unique(f"s{n}r{row}") for row in range(20)]
            write = write_request(namespace, ids, [now_us() - SECOND] * 20, column(name, DOUBLE, [1.0] * 20))
            yield ingest_service_pb2.StreamFeaturesRequest(sequence=n, write=write)

    async with ingest_server(storage_url) as server, client_of(server.address) as client:
        await register_feature(client, namespace, name)
        ended = asyncio.ensure_future(refusal_of(client.ingest.StreamFeatures(chunks(server.stop)), answers))
        await until(lambda: len(answers) > 20)
        server.stop.set()
        await server.ended()
        refusal = await ended

    acknowledged = [unique(f"s{n}r{row}") for n in range(len(answers)) for row in range(20)]
    async with online_server(storage_url) as server, client_of(server.address) as client:
        answer = await client.features.GetOnlineFeatures(
            online_service_pb2.GetOnlineFeaturesRequest(
                namespace=namespace, features=[name], entity_ids=acknowledged[:10_000]
            )
        )

    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")
    assert refusal.retry_after_ms
    assert [each.sequence for each in answers] == list(range(len(answers)))
    assert set(answer.columns[0].double_values) == {1.0}


async def test_a_service_is_a_process_that_serves_until_sigterm(start):
    """`python -m featurama_ingest`, settings from the environment: it serves, drains on SIGTERM and exits 0."""
    port = _free_port()
    process = await start("ingest", listen=f"127.0.0.1:{port}", drain_delay_ms=0)
    line = json.loads(await process.stderr.readline())
    async with client_of(line["address"]) as client:
        feature = await register_feature(client, "", f"f{uuid.uuid4().hex[:8]}")
        process.send_signal(signal.SIGTERM)
        log = (await process.stderr.read()).decode()
        code = await process.wait()

    assert (line["event"], line["address"]) == ("serving", f"127.0.0.1:{port}")
    assert feature.version == 1
    assert [json.loads(each)["event"] for each in log.splitlines()][-2:] == ["draining", "stopped"]
    assert code == 0


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"listen": "nowhere"}, "FEATURAMA_ONLINE_LISTEN: must be host:port, such as 0.0.0.0:50051"),
        ({"max_calls": "many"}, "FEATURAMA_ONLINE_MAX_CALLS: Input should be a valid integer"),
        (
            {"listn": "x"},
            "FEATURAMA_ONLINE_LISTN is not a setting; did you mean FEATURAMA_ONLINE_LISTEN?",
        ),
        ({"storage": "mysql://u:geheim@h"}, "FEATURAMA_ONLINE_STORAGE: storage URL: scheme 'mysql'"),
        ({"tls_cert": "/nowhere"}, "FEATURAMA_ONLINE_TLS_CERT: and tls_key belong together"),
    ],
)
async def test_settings_that_can_not_be_used_end_the_process_with_one_line_that_names_the_variable(
    start, settings, said
):
    """Exit code 2, one line, no value of a secret."""
    process = await start("online", **settings)

    _, errors = await process.communicate()

    (line,) = errors.decode().splitlines()
    assert line.startswith(said)
    assert "geheim" not in line
    assert process.returncode == 2


@pytest.mark.parametrize("service", ["online", "ingest"])
async def test_a_port_that_is_taken_is_an_error_not_a_shared_port(start, service):
    """Two servers on one port would share its calls silently."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = await start(service, listen=f"127.0.0.1:{port}")
        _, errors = await process.communicate()

    assert f"cannot listen on 127.0.0.1:{port}" in errors.decode().splitlines()[-1]
    assert process.returncode == 2


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def _await(call):
    return await call
