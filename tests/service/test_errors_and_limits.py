"""What surrounds every call: the error that a client sees, deadlines, admission, the access log.

The servicers here are faulty on purpose; the server, its guard and the client are real.
"""

from __future__ import annotations

import asyncio
import io
import json

import grpc
import pytest

from featurama.v1 import online_service_pb2
from featurama_core.types.errors import (
    CorruptData,
    Overloaded,
    Reason,
    StoreUnavailable,
    Unknown,
)
from featurama_service.methods import Service, server_stream, unary

from .servers import refusal_of, serving_services, until

SECRET = "password=hunter2 at /srv/secret/place"
ASK = online_service_pb2.GetOnlineFeaturesRequest(entity_ids=["char_fry"], features=["speed"])
STREAM = online_service_pb2.GetHistoricalFeaturesRequest(entity_ids=["char_fry"], event_time_us=[1])


def answering(behaviour, streaming=None):
    """OnlineService whose unary calls all behave like this."""

    async def nothing(_, __):
        return

    return Service(
        online_service_pb2.DESCRIPTOR.services_by_name["OnlineService"],
        {
            "GetOnlineFeatures": unary(online_service_pb2.GetOnlineFeaturesRequest.FromString, behaviour),
            "GetFeatureHistory": unary(online_service_pb2.GetFeatureHistoryRequest.FromString, behaviour),
            "GetHistoricalFeatures": server_stream(
                online_service_pb2.GetHistoricalFeaturesRequest.FromString, streaming or nothing
            ),
        },
    )


def raising(error):
    async def behaviour(_, __):
        raise error

    return answering(behaviour, behaviour)


@pytest.mark.parametrize(
    "error", [ValueError(SECRET), KeyError(SECRET), OSError(5, SECRET), ExceptionGroup(SECRET, [ValueError(SECRET)])]
)
async def test_an_unexpected_exception_shows_an_incident_number_and_never_its_text(error):
    """The client gets INTERNAL and a number; the log has the text under that number. Unary and streaming alike."""
    log = io.StringIO()
    async with serving_services(raising(error), stream=log) as client:
        seen = [
            await refusal_of(client.features.GetOnlineFeatures(ASK)),
            await refusal_of(client.features.GetHistoricalFeatures(STREAM)),
        ]

    incidents = {
        entry["incident"]: entry for entry in map(json.loads, log.getvalue().splitlines()) if "incident" in entry
    }
    for refusal in seen:
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
        assert "hunter2" not in refusal.message + str(refusal.metadata)
        assert refusal.metadata["incident"] in refusal.message
        assert "hunter2" in incidents[refusal.metadata["incident"]]["exception"]


async def test_an_exception_in_the_middle_of_a_stream_ends_it_with_its_status():
    """What was sent before arrives; then the stream ends with code and reason."""

    async def breaking(_, call):
        await call.send(online_service_pb2.GetHistoricalFeaturesResponse(row_count=7))
        raise CorruptData("stored bytes could not be read")

    async with serving_services(answering(breaking, breaking)) as client:
        answers = []
        refusal = await refusal_of(client.features.GetHistoricalFeatures(STREAM), answers)

    assert [answer.row_count for answer in answers] == [7]
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.DATA_LOSS, "CORRUPT_DATA")


@pytest.mark.parametrize(
    ("error", "code", "retried"),
    [
        (StoreUnavailable("the store did not answer"), grpc.StatusCode.UNAVAILABLE, True),
        (Overloaded("too much"), grpc.StatusCode.RESOURCE_EXHAUSTED, True),
        (Unknown("no such feature", field="features"), grpc.StatusCode.NOT_FOUND, False),
    ],
)
async def test_errors_carry_code_reason_field_and_advice_to_retry(error, code, retried):
    """google.rpc.Status with one ErrorInfo, and RetryInfo where sending again can help."""
    async with serving_services(raising(error)) as client:
        refusal = await refusal_of(client.features.GetOnlineFeatures(ASK))

    assert (refusal.code, refusal.reason, refusal.message) == (code, error.reason.name, str(error))
    assert refusal.metadata == error.metadata
    assert (refusal.retry_after_ms is not None) == retried


async def test_an_error_with_an_endless_message_still_arrives():
    """Messages and metadata are cut so that they fit the headers of HTTP/2."""
    error = Unknown("ä" * 100_000, field="ö" * 100_000)
    async with serving_services(raising(error)) as client:
        refusal = await refusal_of(client.features.GetOnlineFeatures(ASK))

    assert (refusal.code, refusal.reason) == (grpc.StatusCode.NOT_FOUND, "UNKNOWN_FEATURE")


async def test_a_call_ends_with_its_clients_deadline():
    """The work is cancelled, and the client gets DEADLINE_EXCEEDED."""
    cancelled = asyncio.Event()

    async def endless(_, __):
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async with serving_services(answering(endless, endless), deadline_margin_ms=150) as client:
        refusal = await refusal_of(client.features.GetOnlineFeatures(ASK, timeout=0.4))
        await cancelled.wait()

    assert (refusal.code, refusal.reason) == (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED")


async def test_a_call_without_a_deadline_gets_the_servers():
    """Nobody waits for ever: unary and streamed calls have a default."""

    async def endless(_, __):
        await asyncio.Event().wait()

    async with serving_services(answering(endless, endless), default_deadline_ms=50, scan_deadline_ms=60) as client:
        seen = [
            await refusal_of(client.features.GetOnlineFeatures(ASK)),
            await refusal_of(client.features.GetHistoricalFeatures(STREAM)),
        ]

    assert [each.reason for each in seen] == ["DEADLINE_EXCEEDED"] * 2


async def test_a_client_that_leaves_cancels_its_call():
    """The handler is cancelled; nothing is logged as a fault."""
    began, cancelled = asyncio.Event(), asyncio.Event()
    log = io.StringIO()

    async def endless(_, __):
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async with serving_services(answering(endless), stream=log, level="info") as client:
        call = client.features.GetOnlineFeatures(ASK)
        await began.wait()
        call.cancel()
        await cancelled.wait()
        await until(lambda: '"CANCELLED"' in log.getvalue())

    assert "incident" not in log.getvalue()


async def test_calls_beyond_the_limit_are_refused_at_once_and_admitted_again_later():
    """Two in flight of two: the third is OVERLOADED with a time to wait; when one ends, the next is served."""
    waiting, allowed = [], asyncio.Event()

    async def slow(request, __):
        waiting.append(request)
        await allowed.wait()
        return online_service_pb2.GetOnlineFeaturesResponse()

    async with serving_services(answering(slow), max_calls=2) as client:
        held = [asyncio.ensure_future(_await(client.features.GetOnlineFeatures(ASK))) for _ in range(2)]
        await until(lambda: len(waiting) == 2)
        refusal = await refusal_of(client.features.GetOnlineFeatures(ASK))
        allowed.set()
        await asyncio.gather(*held)
        await client.features.GetOnlineFeatures(ASK)

    assert (refusal.code, refusal.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
    assert refusal.retry_after_ms
    assert len(waiting) == 3


async def test_request_bytes_in_flight_are_bounded():
    """While a large request is in flight a second large one is refused, a small one is served."""
    waiting, allowed = [], asyncio.Event()

    async def slow(request, __):
        waiting.append(request)
        if len(request.entity_ids) > 1:
            await allowed.wait()
        return online_service_pb2.GetOnlineFeaturesResponse()

    large = online_service_pb2.GetOnlineFeaturesRequest(entity_ids=["x" * 100] * 10)
    async with serving_services(answering(slow), max_request_bytes=1_500) as client:
        held = asyncio.ensure_future(_await(client.features.GetOnlineFeatures(large)))
        await until(lambda: bool(waiting))
        refusal = await refusal_of(client.features.GetOnlineFeatures(large))
        await client.features.GetOnlineFeatures(ASK)
        allowed.set()
        await held

    assert refusal.reason == "OVERLOADED"


async def test_an_answer_larger_than_a_message_may_be_is_a_reason_not_a_broken_call():
    """The client learns that it asked for too much."""

    async def huge(_, __):
        return online_service_pb2.GetOnlineFeaturesResponse(columns=[{"text_values": ["x" * 8_000]}])

    async with serving_services(answering(huge), max_message_bytes=4_096) as client:
        refusal = await refusal_of(client.features.GetOnlineFeatures(ASK))

    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "LIMIT_EXCEEDED")


async def test_the_access_log_names_method_code_reason_and_rows_but_no_ids_and_no_values():
    """One JSON line a call."""
    log = io.StringIO()

    async def counting(request, call):
        call.rows = len(request.entity_ids)
        raise Unknown("no such feature", reason=Reason.UNKNOWN_FEATURE)

    async with serving_services(answering(counting), stream=log, level="info") as client:
        await refusal_of(client.features.GetOnlineFeatures(ASK))

    (entry,) = [line for line in map(json.loads, log.getvalue().splitlines()) if line["event"] == "call"]
    assert entry["method"] == "OnlineService/GetOnlineFeatures"
    assert (entry["code"], entry["reason"], entry["rows"]) == ("NOT_FOUND", "UNKNOWN_FEATURE", 1)
    assert entry["ms"] >= 0
    assert "char_fry" not in log.getvalue()


async def _await(call):
    return await call
