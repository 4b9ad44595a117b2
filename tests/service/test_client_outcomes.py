"""What the client makes of a server's last word: unknown where something may be stored, and no waiting in vain."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

import featurama
from featurama import wire
from featurama.errors import InvalidInput, OutcomeUnknown, Overloaded, Reason, StoreUnavailable
from featurama.v1 import ingest_service_pb2 as pb
from featurama_core.types.errors import FeaturamaError
from featurama_core.types.writes import Outcome

from .test_client_retries import FRAME, QUICK, Ingest, Peer, Step, client_of, no_values


def too_old() -> InvalidInput:
    return InvalidInput("request_id is older than the retry window", reason=Reason.REQUEST_TOO_OLD)


async def test_a_chunk_that_was_sent_unheard_and_is_too_old_now_is_unknown() -> None:
    """It was stored, its acknowledgement was lost, and the server takes its id no more: not a rejection."""

    def broken(stream: int, count: int) -> FeaturamaError | str | None:
        if stream == 0:
            return "stored, then lost" if count == 20 else None
        return too_old() if count == 0 else None

    ingest = Ingest(broken)
    async with client_of(ingest) as client:
        report = await client.write_features(FRAME, batch_size=1, time_unit="us")
    assert (39, 0, 1) == (report.accepted, report.rejected, report.unknown)
    (verdict,) = report.verdicts
    assert (Outcome.UNKNOWN, Reason.REQUEST_TOO_OLD) == (verdict.outcome, verdict.reason)
    assert 2 == ingest.streams


@pytest.mark.parametrize("reason", [Reason.DEADLINE_EXCEEDED, Reason.UNKNOWN_OUTCOME])
async def test_a_chunk_whose_outcome_the_server_does_not_know_is_unknown(reason: Reason) -> None:
    """However often it was sent: its rows are not counted as rejected."""

    def broken(stream: int, count: int) -> FeaturamaError | None:
        lost = len(ingest.received) > 20 and ingest.received[-1] == ingest.received[20]
        return FeaturamaError("late", reason=reason) if lost else None

    ingest = Ingest(broken)
    async with client_of(ingest) as client:
        report = await client.write_features(FRAME, batch_size=1, time_unit="us")
    assert (39, 0, 1) == (report.accepted, report.rejected, report.unknown)
    assert [(20, Outcome.UNKNOWN)] == [(verdict.row, verdict.outcome) for verdict in report.verdicts]


async def test_a_chunk_that_is_refused_every_time_is_rejected_after_its_last_attempt() -> None:
    """Four attempts are allowed: the rows were surely not stored, and the stream goes on."""
    refused: set[str] = set()

    def broken(stream: int, count: int) -> FeaturamaError | None:
        victim = ingest.received[20] if len(ingest.received) > 20 else None
        if ingest.received[-1] == victim:
            refused.add(ingest.received[-1])
            return StoreUnavailable("away")
        return None

    ingest = Ingest(broken)
    async with client_of(ingest) as client:
        report = await client.write_features(FRAME, batch_size=1, time_unit="us")
    assert (39, 1, 0) == (report.accepted, report.rejected, report.unknown)
    assert [(20, Outcome.REJECTED, Reason.STORE_UNAVAILABLE)] == [
        (verdict.row, verdict.outcome, verdict.reason) for verdict in report.verdicts
    ]
    assert 4 == ingest.received.count(*refused)
    assert 1 == ingest.streams


def asking_to_wait(seconds: int) -> Step:
    """Refuses as overloaded, and asks to be left alone for so long."""

    async def step(request: Any, context: Any) -> Any:
        details = [
            error_details_pb2.ErrorInfo(reason="OVERLOADED", domain="featurama"),
            error_details_pb2.RetryInfo(retry_delay={"seconds": seconds}),
        ]
        packed = [AnyMessage() for _ in details]
        for each, detail in zip(packed, details, strict=True):
            each.Pack(detail)
        status = rpc_status.to_status(
            status_pb2.Status(code=code_pb2.RESOURCE_EXHAUSTED, message="busy", details=packed)
        )
        await context.abort(status.code, status.details, tuple(status.trailing_metadata))

    return step


async def test_a_call_is_not_sent_again_when_the_pause_would_outlast_its_deadline() -> None:
    """The error is the server's own, and is raised at once."""
    peer = Peer("GetOnlineFeatures", asking_to_wait(30), no_values)
    async with client_of(peer, timeout=20.0) as client, asyncio.timeout(10):
        with pytest.raises(Overloaded, match="busy"):
            await client.get_online_features(["a"], ["speed"])
    assert 1 == peer.calls


async def test_a_pause_that_the_server_asks_for_is_kept() -> None:
    """However short the client's own would be: here it is not over when the caller gives up."""
    peer = Peer("GetOnlineFeatures", asking_to_wait(30), no_values)
    async with client_of(peer, timeout=600.0) as client:
        call = asyncio.ensure_future(client.get_online_features(["a"], ["speed"]))
        done, _ = await asyncio.wait({call}, timeout=0.3)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    assert set() == done
    assert peer.calls <= 1


async def test_a_server_that_ends_a_write_of_its_own_accord_leaves_its_outcome_unknown() -> None:
    """CANCELLED, as from one that goes down: of a read it is only away."""

    async def cancelling(request: Any, context: Any) -> Any:
        await context.abort(grpc.StatusCode.CANCELLED, "going down")

    async with client_of(Peer("DeleteEntity", cancelling)) as client:
        with pytest.raises(FeaturamaError) as written:
            await client.delete_entity("fry")
    async with client_of(Peer("GetOnlineFeatures", cancelling)) as client:
        with pytest.raises(FeaturamaError) as read:
            await client.get_online_features(["a"], ["speed"])
    assert [Reason.UNKNOWN_OUTCOME, Reason.STORE_UNAVAILABLE] == [written.value.reason, read.value.reason]


async def test_a_frame_of_which_something_may_be_stored_is_reported_and_not_raised() -> None:
    """The first chunk is unknown, the second refused as a whole: the caller learns both, row by row."""

    async def unknown_then_refused(requests: Any, context: Any) -> None:
        async for data in requests:
            sequence = wire.parse_stream_features_request(data).sequence
            answer = pb.StreamFeaturesResponse(sequence=sequence)
            if sequence == 0:
                answer.result.unknown = 1
                answer.result.verdicts.add(rows=[0], column=-1, outcome=int(Outcome.UNKNOWN))
            else:
                answer.error.reason = int(Reason.INVALID_ARGUMENT)
            await context.write(answer.SerializeToString())

    frame = {"entity_id": ["a", "b"], "timestamp": [1, 1], "speed": [1.0, 2.0]}
    async with client_of(Peer("StreamFeatures", unknown_then_refused, stream=True)) as client:
        report = await client.write_features(frame, batch_size=1, time_unit="us")
    assert (0, 1, 1) == (report.accepted, report.rejected, report.unknown)
    assert [Outcome.UNKNOWN, Outcome.REJECTED] == [verdict.outcome for verdict in report.verdicts]


def lost_once_then(refusal: FeaturamaError | None) -> Ingest:
    """The chunk of row 20 is stored by a stream that breaks before its answer; then it is refused each time."""

    def broken(stream: int, count: int) -> FeaturamaError | str | None:
        if stream == 0:
            return "stored, then lost" if count == 20 else None
        return refusal if ingest.received[-1] == ingest.received[20] else None

    ingest = Ingest(broken)
    return ingest


@pytest.mark.parametrize(
    ("refusal", "outcome"),
    [
        (StoreUnavailable("away"), Outcome.UNKNOWN),
        (Overloaded("busy"), Outcome.UNKNOWN),
        (FeaturamaError("failed"), Outcome.UNKNOWN),
        (InvalidInput("too odd"), Outcome.REJECTED),
    ],
)
async def test_a_chunk_that_was_sent_unheard_is_rejected_only_for_what_it_says(
    refusal: FeaturamaError, outcome: Outcome
) -> None:
    """A store that is away now may have stored it before; a request that is invalid never was stored."""
    async with client_of(lost_once_then(refusal)) as client:
        report = await client.write_features(FRAME, batch_size=1, time_unit="us")
    assert (39, [(20, outcome)]) == (report.accepted, [(each.row, each.outcome) for each in report])


async def test_a_row_that_was_sent_unheard_and_finds_the_store_away_is_unknown() -> None:
    """The server refuses the row, and not the chunk."""
    streams = 0

    async def lost_then_away(requests: Any, context: Any) -> None:
        nonlocal streams
        streams += 1
        async for data in requests:
            sequence = wire.parse_stream_features_request(data).sequence
            answer = pb.StreamFeaturesResponse(sequence=sequence)
            if sequence != 1:
                answer.result.accepted = 1
            elif streams == 1:
                await context.abort(grpc.StatusCode.UNAVAILABLE, "lost")
            else:
                answer.result.rejected = 1
                answer.result.verdicts.add(rows=[0], column=-1, outcome=2, reason=int(Reason.STORE_UNAVAILABLE))
            await context.write(answer.SerializeToString())

    frame = {"entity_id": ["a", "b", "c"], "timestamp": [1] * 3, "speed": [1.0] * 3}
    async with client_of(Peer("StreamFeatures", lost_then_away, stream=True)) as client:
        report = await client.write_features(frame, batch_size=1, time_unit="us")
    assert (2, 0, 1) == (report.accepted, report.rejected, report.unknown)


async def test_a_frame_whose_first_chunk_is_refused_is_raised_only_if_nothing_in_flight_was_stored() -> None:
    """The answers of the chunks in flight are awaited; a later chunk is not sent in vain."""
    refusal = InvalidInput("too odd")
    ingest = Ingest(lambda stream, count: refusal if count == 0 else None)
    async with client_of(ingest) as client:
        report = await client.write_features(FRAME, batch_size=1, time_unit="us")
    assert (39, 1, 0) == (report.accepted, report.rejected, report.unknown)
    ingest = Ingest(lambda stream, count: refusal)
    async with client_of(ingest) as client:
        with pytest.raises(InvalidInput, match="too odd"):
            await client.write_features(FRAME, batch_size=1, time_unit="us")
    assert len(ingest.received) <= 8


async def test_a_frame_that_was_sent_unheard_and_finds_no_server_is_unknown() -> None:
    """The last attempts do not connect, but the first one may have been stored."""
    server = grpc.aio.server()

    async def going(requests: Any, context: Any) -> None:
        async for _ in requests:
            break
        stopping.append(asyncio.ensure_future(server.stop(None)))
        await asyncio.Event().wait()

    stopping: list[asyncio.Future[None]] = []
    server.add_generic_rpc_handlers((Peer("StreamFeatures", going, stream=True),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with featurama.connect(f"grpc://127.0.0.1:{port}", retries=QUICK, timeout=0.2) as client:
        with pytest.raises(OutcomeUnknown):
            await client.write_features(FRAME, batch_size=1, time_unit="us")
    await asyncio.gather(*stopping)
