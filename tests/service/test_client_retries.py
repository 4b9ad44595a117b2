"""How the client meets servers that are away, busy or lose a stream: scripted peers on loopback, real gRPC."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest

import featurama
from featurama import wire
from featurama.errors import DeadlineExceeded, InvalidInput, OutcomeUnknown, Reason, StoreUnavailable
from featurama.v1 import ingest_service_pb2 as pb
from featurama.wire.v1 import twin_pb2
from featurama_core.types.errors import FeaturamaError, Overloaded
from featurama_core.types.writes import Outcome
from featurama_service.status import grpc_status

QUICK = featurama.Retries(attempts=4, first_delay=0.001, longest_delay=0.01)
Step = Callable[[Any, Any], Awaitable[Any]]


class Peer(grpc.GenericRpcHandler):
    """A server that answers the calls of one method one after another, as its script says."""

    def __init__(self, method: str, *script: Step, stream: bool = False) -> None:
        self._method = method
        self._script = list(script)
        self._stream = stream
        self.calls = 0

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        if not details.method.endswith(f"/{self._method}"):
            return None
        return (grpc.stream_stream_rpc_method_handler if self._stream else grpc.unary_unary_rpc_method_handler)(
            self._answer
        )

    async def _answer(self, request: Any, context: Any) -> Any:
        step = self._script[min(self.calls, len(self._script) - 1)]
        self.calls += 1
        return await step(request, context)


@asynccontextmanager
async def client_of(peer: Peer, **arguments: Any) -> AsyncIterator[featurama.FeatureStore]:
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", -1)])
    server.add_generic_rpc_handlers((peer,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with featurama.connect(f"grpc://127.0.0.1:{port}", **{"retries": QUICK} | arguments) as client:
            yield client
    finally:
        await server.stop(None)


def refusing(error: FeaturamaError) -> Step:
    async def step(request: Any, context: Any) -> Any:
        status = grpc_status(error)
        await context.abort(status.code, status.details, tuple(status.trailing_metadata))

    return step


def aborting(code: grpc.StatusCode) -> Step:
    async def step(request: Any, context: Any) -> Any:
        await context.abort(code, "the wire broke")

    return step


async def silent(request: Any, context: Any) -> Any:
    await asyncio.Event().wait()


async def no_values(request: bytes, context: Any) -> bytes:
    return twin_pb2.GetOnlineFeaturesResponse().SerializeToString()


async def test_a_read_is_sent_again_while_the_server_is_busy_or_away():
    """OVERLOADED, STORE_UNAVAILABLE and a broken connection may pass."""
    peer = Peer(
        "GetOnlineFeatures",
        refusing(Overloaded("busy")),
        refusing(StoreUnavailable("away")),
        aborting(grpc.StatusCode.UNAVAILABLE),
        no_values,
    )
    async with client_of(peer) as client:
        answer = await client.get_online_features(["a"], ["speed"])
    assert len(answer) == 1
    assert peer.calls == 4


async def test_after_its_last_attempt_a_call_fails_with_the_last_error():
    """Four attempts were allowed."""
    peer = Peer("GetOnlineFeatures", aborting(grpc.StatusCode.UNAVAILABLE))
    async with client_of(peer) as client:
        with pytest.raises(StoreUnavailable, match="the wire broke"):
            await client.get_online_features(["a"], ["speed"])
    assert peer.calls == 4


async def test_what_can_not_pass_is_not_sent_again():
    peer = Peer("GetOnlineFeatures", refusing(InvalidInput("wrong", reason=Reason.INVALID_REFERENCE)))
    async with client_of(peer) as client:
        with pytest.raises(InvalidInput, match="wrong"):
            await client.get_online_features(["a"], ["speed"])
    assert peer.calls == 1


async def test_the_timeout_ends_a_call_that_is_not_answered():
    """As an error of ours, with no second attempt."""
    peer = Peer("GetOnlineFeatures", silent)
    async with client_of(peer, timeout=0.2) as client:
        with pytest.raises(DeadlineExceeded):
            await client.get_online_features(["a"], ["speed"])
    assert peer.calls == 1


async def test_the_callers_own_timeout_cancels_the_call():
    """Deadlines of asyncio hold as everywhere."""
    peer = Peer("GetOnlineFeatures", silent)
    async with client_of(peer) as client:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await client.get_online_features(["a"], ["speed"])


async def test_a_server_that_is_not_there_is_named():
    """Which address, and that nothing was done."""
    async with featurama.connect("grpc://127.0.0.1:1", retries=QUICK) as client:
        with pytest.raises(StoreUnavailable, match=r"cannot reach 127\.0\.0\.1:1"):
            await client.list_features()


async def test_an_answer_that_can_not_be_read_is_the_servers_fault():
    """Not InvalidInput: the caller did nothing wrong."""

    async def garbage(request: bytes, context: Any) -> bytes:
        return b"\xff\xff"

    async with client_of(Peer("GetOnlineFeatures", garbage)) as client:
        with pytest.raises(FeaturamaError, match="cannot be read") as failed:
            await client.get_online_features(["a"], ["speed"])
    assert failed.value.reason is Reason.INTERNAL


async def test_metadata_travels_with_every_call():
    """Names in lower case, as HTTP/2 wants them."""
    seen: dict[str, Any] = {}

    async def look(request: bytes, context: Any) -> bytes:
        seen.update(dict(context.invocation_metadata()))
        return await no_values(request, context)

    async with client_of(
        Peer("GetOnlineFeatures", look), metadata={"X-Team": "planet"}, authorization="Bearer t"
    ) as client:
        await client.get_online_features(["a"], ["speed"])
    assert (seen["x-team"], seen["authorization"]) == ("planet", "Bearer t")


async def test_a_write_is_sent_again_with_the_same_request_id():
    """So that it is written once, whatever became of the first attempt."""
    ids: list[str] = []

    def note(step: Step) -> Step:
        async def noting(request: bytes, context: Any) -> Any:
            ids.append(wire.parse_write_features_request(request)[1].request_id)
            return await step(request, context)

        return noting

    async def accept(request: bytes, context: Any) -> bytes:
        return pb.WriteFeaturesResponse(request_id=ids[-1], accepted=1).SerializeToString()

    peer = Peer("WriteFeatures", note(aborting(grpc.StatusCode.UNAVAILABLE)), note(accept))
    async with client_of(peer) as client:
        report = await client.write_features({"entity_id": ["a"], "timestamp": [1], "speed": [1.0]}, time_unit="us")
    assert report.accepted == 1
    assert len(ids) == 2
    assert len(set(ids)) == 1


async def test_a_write_whose_connection_breaks_has_an_unknown_outcome():
    """The server may have done it."""
    peer = Peer("WriteFeatures", aborting(grpc.StatusCode.UNAVAILABLE))
    async with client_of(peer) as client:
        with pytest.raises(OutcomeUnknown):
            await client.write_features({"entity_id": ["a"], "timestamp": [1], "speed": [1.0]}, time_unit="us")


FRAME = {"entity_id": [f"e{row}" for row in range(40)], "timestamp": ["2026-01-01T00:00:00Z"] * 40, "speed": [1.0] * 40}
"""40 chunks of a row each."""


class Ingest(grpc.GenericRpcHandler):
    """Acknowledges a stream's chunks until `broken` says how the n-th chunk of the m-th stream breaks it."""

    def __init__(self, broken: Callable[[int, int], FeaturamaError | str | None]) -> None:
        self._broken = broken
        self.streams = 0
        self.received: list[str] = []
        self.stored: set[str] = set()
        self.most_unacknowledged = 0

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        return grpc.stream_stream_rpc_method_handler(self._answer)

    async def _answer(self, requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        stream, count = self.streams, 0
        self.streams += 1
        async for data in requests:
            chunk = wire.parse_stream_features_request(data)
            assert not isinstance(chunk.request, InvalidInput)
            request_id = chunk.request.request_id
            self.received.append(request_id)
            self.most_unacknowledged = max(
                self.most_unacknowledged, len(set(self.received)) - len(self.stored - {request_id})
            )
            breaks = self._broken(stream, count)
            count += 1
            if breaks == "stored, then lost":
                self.stored.add(request_id)
            if isinstance(breaks, str):
                await context.abort(grpc.StatusCode.UNAVAILABLE, breaks)
            if breaks is not None:
                error = pb.StreamError(reason=int(breaks.reason), message=breaks.message)
                yield pb.StreamFeaturesResponse(sequence=chunk.sequence, error=error).SerializeToString()
                continue
            self.stored.add(request_id)
            result = pb.WriteFeaturesResponse(request_id=request_id, accepted=1)
            yield pb.StreamFeaturesResponse(sequence=chunk.sequence, result=result).SerializeToString()


async def test_a_lost_stream_is_opened_again_and_every_row_arrives_once():
    """Lost after every fifth chunk, stored or not: what was not acknowledged is sent again with the same id."""

    def broken(stream: int, count: int) -> str | None:
        return None if count < 5 else ("stored, then lost" if stream % 2 else "lost")

    ingest = Ingest(broken)
    async with client_of(ingest) as client:
        report = await client.write_features(FRAME, batch_size=1, time_unit="us")
    assert (report.accepted, report.rejected, report.unknown) == (40, 0, 0)
    assert len(ingest.stored) == 40
    assert ingest.streams > 5
    assert len(set(ingest.received)) == 40


async def test_the_window_of_unacknowledged_chunks_is_bounded():
    """However long the frame."""
    ingest = Ingest(lambda stream, count: None)
    async with client_of(ingest) as client:
        await client.write_features(FRAME, batch_size=1, time_unit="us")
    assert ingest.most_unacknowledged <= 8


async def test_a_chunk_that_is_refused_for_the_moment_is_sent_again_on_the_same_stream():
    """The stream goes on."""
    ingest = Ingest(lambda stream, count: Overloaded("busy") if count in (3, 7) else None)
    async with client_of(ingest) as client:
        report = await client.write_features(FRAME, batch_size=1, time_unit="us")
    assert report.accepted == 40
    assert ingest.streams == 1
    assert len(ingest.received) == 42


async def test_a_chunk_that_is_refused_for_good_costs_only_its_rows():
    """Once something is stored the rest of the frame is sent, and the report says what is missing."""
    refused = InvalidInput("too odd")
    ingest = Ingest(lambda stream, count: refused if count == 20 else None)
    async with client_of(ingest) as client:
        report = await client.write_features(FRAME, batch_size=1, time_unit="us")
    assert (report.accepted, report.rejected, report.unknown) == (39, 1, 0)
    (verdict,) = report.verdicts
    assert (verdict.row, verdict.reason, verdict.message) == (20, Reason.INVALID_ARGUMENT, "too odd")


async def test_a_server_that_stays_away_leaves_a_true_account():
    """Acknowledged rows are accepted, those in flight unknown, the rest surely not stored."""
    ingest = Ingest(lambda stream, count: "gone" if stream or count >= 10 else None)
    async with client_of(ingest) as client:
        report = await client.write_features(FRAME, batch_size=1, time_unit="us")
    assert report.accepted + report.rejected + report.unknown == 40
    # What was stored is accepted, or unknown where its acknowledgement was lost with the stream.
    assert report.accepted <= len(ingest.stored) == 10 <= report.accepted + report.unknown
    assert 1 <= report.unknown <= 8
    assert {v.outcome for v in report if v.row >= 20} == {Outcome.REJECTED}


async def test_when_nothing_was_stored_the_error_is_raised():
    """A frame that went nowhere is no report."""
    ingest = Ingest(lambda stream, count: "gone")
    async with client_of(ingest) as client:
        with pytest.raises(OutcomeUnknown):
            await client.write_features(FRAME, batch_size=1, time_unit="us")
    assert ingest.streams == 4


async def test_a_silent_stream_is_given_up_after_the_timeout():
    """No acknowledgement for `timeout` seconds counts as a lost stream."""

    async def mute(requests: AsyncIterator[bytes], context: Any) -> None:
        await asyncio.Event().wait()

    peer = Peer("StreamFeatures", mute, stream=True)
    async with client_of(peer, timeout=0.1) as client:
        with pytest.raises(OutcomeUnknown, match="acknowledged nothing"):
            await client.write_features(FRAME, batch_size=1, time_unit="us")
    assert peer.calls == 4
