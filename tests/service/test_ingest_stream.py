"""StreamFeatures over real gRPC: acknowledgements in order, refused chunks, back-pressure, vanished clients."""

from __future__ import annotations

import asyncio

import grpc
from grpc_health.v1 import health_pb2

from featurama.v1 import errors_pb2, ingest_service_pb2, online_service_pb2
from featurama_core.stores import Stores
from featurama_ingest.rpc.ingest import IngestServicer

from .requests import DOUBLE, SECOND, column, now_us, register_feature, write_request
from .servers import client_of, serving_services, until


def chunk(sequence, namespace, name, entity_ids, value=1.0):
    """A chunk of one column."""
    rows = len(entity_ids)
    return ingest_service_pb2.StreamFeaturesRequest(
        sequence=sequence,
        write=write_request(namespace, entity_ids, [now_us() - SECOND] * rows, column(name, DOUBLE, [value] * rows)),
    )


async def read_values(online, namespace, name, entity_ids):
    answer = await online.features.GetOnlineFeatures(
        online_service_pb2.GetOnlineFeaturesRequest(namespace=namespace, features=[name], entity_ids=entity_ids)
    )
    return list(answer.columns[0].double_values)


async def test_every_chunk_is_acknowledged_in_order_and_readable_then(online, ingest, namespace, unique):
    """Forty chunks, more than the window holds: forty acknowledgements, in the order of sending."""
    name = unique("speed")
    await register_feature(ingest, namespace, name)
    ids = [[unique(f"ship{n}_{m}") for m in range(25)] for n in range(40)]

    call = ingest.ingest.StreamFeatures(chunk(100 + n, namespace, name, each, float(n)) for n, each in enumerate(ids))
    answers = [answer async for answer in call]

    assert [answer.sequence for answer in answers] == list(range(100, 140))
    assert [answer.result.accepted for answer in answers] == [25] * 40
    assert await read_values(online, namespace, name, [each[0] for each in ids]) == [float(n) for n in range(40)]


async def test_a_refused_chunk_is_acknowledged_with_its_error_and_the_stream_goes_on(ingest, namespace, unique):
    """An empty chunk, a bad namespace, a column that is too short: each its reason; good ones between are stored."""
    name, fry = unique("speed"), unique("fry")
    await register_feature(ingest, namespace, name)
    short = chunk(4, namespace, name, [fry])
    short.write.entity_ids.append("leela")
    sent = [
        chunk(1, namespace, name, [fry]),
        ingest_service_pb2.StreamFeaturesRequest(sequence=2, write={"namespace": namespace}),
        chunk(3, "no_such_place", name, [fry]),
        short,
        chunk(5, namespace, name, [fry]),
    ]

    answers = [answer async for answer in ingest.ingest.StreamFeatures(iter(sent))]

    assert [answer.sequence for answer in answers] == [1, 2, 3, 4, 5]
    assert [answer.HasField("error") for answer in answers] == [
        False,
        True,
        True,
        True,
        False,
    ]
    assert [errors_pb2.ErrorReason.Name(answers[n].error.reason) for n in (1, 2, 3)] == [
        "ERROR_REASON_EMPTY_REQUEST",
        "ERROR_REASON_UNKNOWN_NAMESPACE",
        "ERROR_REASON_INVALID_ARGUMENT",
    ]
    assert answers[4].result.accepted == 1


async def test_a_slow_store_holds_the_sender_back_by_the_window(storage_url, ingest, namespace, unique):
    """While the store does not answer, no more chunks are read than the window allows; later all are written."""
    name = unique("speed")
    await register_feature(ingest, namespace, name)
    began, allowed = [], asyncio.Event()

    class SlowServicer(IngestServicer):
        async def write(self, namespace, rows):
            began.append(rows)
            await allowed.wait()
            return await super().write(namespace, rows)

    async with Stores.open(storage_url) as stores:
        servicer = SlowServicer(stores, write_deadline=10.0, stream_window=3)
        async with serving_services(servicer.service()) as client:
            call = client.ingest.StreamFeatures(chunk(n, namespace, name, [unique("fry")]) for n in range(20))
            await until(lambda: len(began) >= 3)
            for _ in range(20):  # chances for the server to read on, which it must not take
                await client.health.Check(health_pb2.HealthCheckRequest())
            in_flight = len(began)
            allowed.set()
            answers = [answer async for answer in call]

    assert in_flight == 3
    assert [answer.sequence for answer in answers] == list(range(20))
    assert all(answer.result.accepted == 1 for answer in answers)


async def test_a_client_that_vanishes_leaves_no_trace_but_what_was_acknowledged(
    online, ingest_at, ingest, namespace, unique
):
    """A cancelled stream does not disturb the server; what was acknowledged is there, the rest can be sent again."""
    name = unique("speed")
    await register_feature(ingest, namespace, name)
    ids = [unique(f"ship{n}") for n in range(5)]
    never = asyncio.Event()

    async def chunks():
        for n, each in enumerate(ids):
            yield chunk(n, namespace, name, [each], float(n))
        await never.wait()

    async with client_of(ingest_at.address) as doomed:
        call = doomed.ingest.StreamFeatures(chunks())
        for _ in ids:
            assert (await call.read()).result.accepted == 1
        call.cancel()
        assert await call.code() is grpc.StatusCode.CANCELLED

    assert await read_values(online, namespace, name, ids) == [0.0, 1.0, 2.0, 3.0, 4.0]
    again = [answer async for answer in ingest.ingest.StreamFeatures(iter([chunk(9, namespace, name, ids)]))]
    assert [answer.result.accepted for answer in again] == [5]
