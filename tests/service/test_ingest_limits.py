"""A stream of writes beside the limits of its server: the write deadline, and the request bytes in flight."""

from __future__ import annotations

import asyncio

import grpc
import pytest

from featurama.v1 import errors_pb2
from featurama_core.stores import Stores
from featurama_ingest.rpc.ingest import IngestServicer

from .requests import DOUBLE, SECOND, column, now_us, register_feature, write_request
from .servers import refusal_of, serving_services, until
from .test_ingest_stream import chunk


async def test_a_chunk_that_the_store_does_not_answer_in_time_costs_only_itself(storage_url, ingest, namespace, unique):
    """It is acknowledged with DEADLINE_EXCEEDED, in its place; the chunks before and after it are written."""
    name, fry = unique("speed"), unique("fry")
    await register_feature(ingest, namespace, name)

    class Late(Stores):
        async def get(self, namespace="default"):
            if namespace == "late":
                raise TimeoutError  # as from the write deadline, which the other chunks need not meet here
            return await super().get(namespace)

    async with Late.open(storage_url) as stores:
        servicer = IngestServicer(stores, write_deadline=30.0, stream_window=3)
        sent = [chunk(number, "late" if number == 1 else namespace, name, [fry]) for number in range(5)]
        async with serving_services(servicer.service()) as client:
            answers = [answer async for answer in client.ingest.StreamFeatures(iter(sent))]

    assert [answer.sequence for answer in answers] == [0, 1, 2, 3, 4]
    assert [errors_pb2.ErrorReason.Name(answer.error.reason) for answer in answers] == [
        "ERROR_REASON_UNSPECIFIED",
        "ERROR_REASON_DEADLINE_EXCEEDED",
        "ERROR_REASON_UNSPECIFIED",
        "ERROR_REASON_UNSPECIFIED",
        "ERROR_REASON_UNSPECIFIED",
    ]
    assert [answer.result.accepted for answer in answers] == [1, 0, 1, 1, 1]


async def test_the_bytes_of_a_chunk_are_held_until_it_is_written(storage_url, ingest, namespace, unique):
    """Meanwhile a call that does not fit beside it is refused, and admitted when the chunk is done."""
    name = unique("speed")
    await register_feature(ingest, namespace, name)
    began, allowed = asyncio.Event(), asyncio.Event()

    class SlowServicer(IngestServicer):
        async def write(self, namespace, rows):
            if len(rows) == 40:
                began.set()
                await allowed.wait()
            return await super().write(namespace, rows)

    large = chunk(7, namespace, name, [unique(f"ship{n}") for n in range(40)])
    ids = [unique(f"boat{n}") for n in range(20)]
    small = write_request(namespace, ids, [now_us() - SECOND] * 20, column(name, DOUBLE, [1.0] * 20))
    fits = large.ByteSize() + small.ByteSize() - 1
    async with Stores.open(storage_url) as stores:
        servicer = SlowServicer(stores, write_deadline=30.0, stream_window=3)
        async with serving_services(servicer.service(), max_request_bytes=fits) as client:
            call = client.ingest.StreamFeatures(iter([large]))
            await began.wait()
            refused = await refusal_of(client.ingest.WriteFeatures(small))
            allowed.set()
            answers = [answer async for answer in call]
            admitted = await client.ingest.WriteFeatures(small)

    assert (refused.code, refused.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
    assert [(answer.sequence, answer.result.accepted) for answer in answers] == [(7, 40)]
    assert admitted.accepted == 20


async def test_a_chunk_waits_for_room_instead_of_being_refused(storage_url, ingest, namespace, unique):
    """The second of two large chunks begins when the first is written; both are acknowledged in order."""
    name = unique("speed")
    await register_feature(ingest, namespace, name)
    began: list[int] = []
    allowed = asyncio.Event()

    class SlowServicer(IngestServicer):
        async def write(self, namespace, rows):
            began.append(len(rows))
            await allowed.wait()
            return await super().write(namespace, rows)

    first = chunk(0, namespace, name, [unique(f"ship{n}") for n in range(40)])
    second = chunk(1, namespace, name, [unique(f"boat{n}") for n in range(30)])
    small = write_request(namespace, [unique("fry")], [now_us() - SECOND], column(name, DOUBLE, [1.0]))
    async with Stores.open(storage_url) as stores:
        servicer = SlowServicer(stores, write_deadline=30.0, stream_window=3)
        room = first.ByteSize() + small.ByteSize()
        async with serving_services(servicer.service(), max_request_bytes=room) as client:
            call = client.ingest.StreamFeatures(iter([first, second]))
            await until(lambda: bool(began))
            fitting = asyncio.ensure_future(_answer(client.ingest.WriteFeatures(small)))
            await until(lambda: len(began) == 2)
            before = list(began)
            allowed.set()
            answers = [answer async for answer in call]
            assert (await fitting).accepted == 1

    assert before == [40, 1]
    assert [(answer.sequence, answer.result.accepted) for answer in answers] == [(0, 40), (1, 30)]


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_write_ends_within_its_deadline_whatever_its_client_allows(storage_url, namespace, unique, streamed):
    """A settled known_at counts on it: the client gave no deadline at all, or one of a minute."""

    class Stalling(Stores):
        async def get(self, namespace="default"):
            await asyncio.Event().wait()

    one = chunk(0, namespace, unique("speed"), [unique("fry")])
    async with Stalling.open(storage_url) as stores:
        servicer = IngestServicer(stores, write_deadline=0.05, stream_window=3)
        async with serving_services(servicer.service()) as client:
            if streamed:
                (answer,) = [each async for each in client.ingest.StreamFeatures(iter([one]))]
                reason = errors_pb2.ErrorReason.Name(answer.error.reason).removeprefix("ERROR_REASON_")
            else:
                reason = (await refusal_of(client.ingest.WriteFeatures(one.write, timeout=60))).reason

    assert reason == "DEADLINE_EXCEEDED"


async def _answer(call):
    return await call
