"""What a streamed write sends with its chunks, and what it makes of streams that end early, with scripted peers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import pytest

import featurama
from featurama import wire
from featurama.client.connection import Connection
from featurama.client.settings import CallSettings
from featurama.errors import FeaturamaError, InvalidInput, OutcomeUnknown, Reason
from featurama.v1 import ingest_service_pb2 as pb
from featurama_core.types.errors import Overloaded
from featurama_core.types.sizes import MAX_MESSAGE_BYTES
from featurama_core.types.writes import WriteReport

from .test_client_outcomes import asking_to_wait
from .test_client_retries import FRAME, QUICK, Ingest, Peer, aborting, client_of, refusing

PAIR = {"entity_id": ["a", "b"], "timestamp": ["2026-01-01T00:00:00Z"] * 2, "speed": [1.0, 2.0]}
"""Two chunks of a row each."""
Requests = AsyncIterator[bytes]
Ending = Callable[[Any, Any], Awaitable[Any]]


def accepted(data: bytes) -> bytes:
    chunk = wire.parse_stream_features_request(data)
    return pb.StreamFeaturesResponse(
        sequence=chunk.sequence, result=pb.WriteFeaturesResponse(accepted=1)
    ).SerializeToString()


async def accepting(requests: Requests, context: Any) -> None:
    async for data in requests:
        await context.write(accepted(data))


async def quiet(requests: Requests, context: Any) -> None:
    """The stream ends as if all were well."""


def after_both(ending: Ending) -> Ending:
    """Ends once both chunks are there, so that the client waits for an answer then."""

    async def step(requests: Requests, context: Any) -> None:
        await anext(requests)
        await anext(requests)
        await ending(requests, context)

    return step


def after_refusing_for_now(ending: Ending) -> Ending:
    """Ends while the client waits to send the first chunk again."""

    async def step(requests: Requests, context: Any) -> None:
        error = pb.StreamError(reason=int(Reason.OVERLOADED), message="busy")
        await context.write(pb.StreamFeaturesResponse(sequence=0, error=error).SerializeToString())
        await ending(requests, context)

    return after_both(step)


async def test_a_stream_carries_the_metadata_and_its_chunks_the_namespace_in_order() -> None:
    """Chunks are numbered from 0, as a log of a server shows them."""
    chunks: list[tuple[str, int]] = []
    metadata: list[str] = []

    async def look(requests: Requests, context: Any) -> None:
        metadata.append(dict(context.invocation_metadata())["x-team"])
        async for data in requests:
            chunk = pb.StreamFeaturesRequest.FromString(data)
            chunks.append((chunk.write.namespace, chunk.sequence))
            await context.write(accepted(data))

    peer = Peer("StreamFeatures", look, stream=True)
    async with client_of(peer, namespace="moon", metadata={"X-Team": "planet"}) as client:
        report = await client.write_features(FRAME, batch_size=1)
    assert 40 == report.accepted
    assert ["planet"] == metadata
    assert [("moon", sequence) for sequence in range(40)] == chunks


async def test_an_error_after_the_last_acknowledgement_is_ignored() -> None:
    """Everything is stored by then."""

    async def late(requests: Requests, context: Any) -> None:
        await accepting(requests, context)
        await context.abort(grpc.StatusCode.INTERNAL, "too late")

    peer = Peer("StreamFeatures", late, stream=True)
    async with client_of(peer) as client:
        report = await client.write_features(PAIR, batch_size=1)
    assert (2, 1) == (report.accepted, peer.calls)


async def test_losses_without_an_acknowledgement_between_them_are_counted() -> None:
    """The first of them may follow one: four in all end the write."""
    ingest = Ingest(lambda stream, count: "gone" if stream or count >= 10 else None)
    async with client_of(ingest) as client:
        report = await client.write_features(FRAME, batch_size=1)
    assert report.unknown
    assert 4 == ingest.streams


async def test_a_server_that_ends_streams_before_it_acknowledged_is_named() -> None:
    """It may have stored what it read; another stream is tried as often as after an error."""
    peer = Peer("StreamFeatures", after_both(quiet), stream=True)
    async with client_of(peer) as client:
        with pytest.raises(OutcomeUnknown, match=r"^127\.0\.0\.1:\d+ ended the stream") as failed:
            await client.write_features(PAIR, batch_size=1)
    assert failed.value.message.startswith(failed.value.metadata["target"])
    assert 4 == peer.calls


async def test_a_connection_that_breaks_while_an_answer_is_awaited_leaves_the_outcome_unknown() -> None:
    """With the address that was lost."""
    peer = Peer("StreamFeatures", after_both(aborting(grpc.StatusCode.UNAVAILABLE)), stream=True)
    async with client_of(peer) as client:
        with pytest.raises(OutcomeUnknown, match=r"connection to 127\.0\.0\.1:\d+ was lost"):
            await client.write_features(PAIR, batch_size=1)
    assert 4 == peer.calls


async def test_a_frame_for_a_server_that_is_not_there_names_the_server() -> None:
    """No stream was there to break."""
    async with featurama.connect("grpc://127.0.0.1:1", retries=QUICK) as client:
        with pytest.raises(FeaturamaError, match=r"127\.0\.0\.1:1") as failed:
            await client.write_features(PAIR, batch_size=1)
    assert "the stream" not in failed.value.message


async def test_an_answer_in_a_stream_that_can_not_be_read_names_the_server() -> None:
    """The caller did nothing wrong."""

    async def garbage(requests: Requests, context: Any) -> None:
        await context.write(b"\xff\xff")

    async with client_of(Peer("StreamFeatures", after_both(garbage), stream=True)) as client:
        with pytest.raises(FeaturamaError, match=r"answer of 127\.0\.0\.1:\d+ cannot be read") as failed:
            await client.write_features(PAIR, batch_size=1)
    assert Reason.INTERNAL is failed.value.reason


@pytest.mark.parametrize("field", ["request_id", ""])
async def test_the_error_of_a_refused_chunk_has_the_field_that_the_server_names(field: str) -> None:
    """And none where the server names none."""

    async def refuse(requests: Requests, context: Any) -> None:
        error = pb.StreamError(reason=int(Reason.INVALID_REQUEST_ID), message="odd", field=field)
        for sequence in (0, 1):
            await context.write(pb.StreamFeaturesResponse(sequence=sequence, error=error).SerializeToString())

    async with client_of(Peer("StreamFeatures", after_both(refuse), stream=True)) as client:
        with pytest.raises(InvalidInput, match="odd") as failed:
            await client.write_features(PAIR, batch_size=1)
    assert ({"field": field} if field else {}) == failed.value.metadata


async def test_a_chunk_may_be_as_large_as_a_message() -> None:
    """The row of a larger one is rejected here, by name: the server would end the stream."""
    largest = 0

    async def look(requests: Requests, context: Any) -> None:
        nonlocal largest
        async for data in requests:
            largest = max(largest, len(data))
            await context.write(accepted(data))

    async def write(length: int) -> WriteReport:
        frame = {"entity_id": ["a", "b"], "timestamp": ["2026-01-01T00:00:00Z"] * 2, "note": ["x" * length, "x"]}
        return await client.write_features(frame, batch_size=1)

    async with client_of(Peer("StreamFeatures", look, stream=True)) as client:
        await write(MAX_MESSAGE_BYTES - 1_000)
        fits = MAX_MESSAGE_BYTES - 1_000 + MAX_MESSAGE_BYTES - largest
        assert (2, MAX_MESSAGE_BYTES) == ((await write(fits)).accepted, largest)
        report = await write(fits + 1)
    assert (1, 1) == (report.accepted, report.rejected)
    (verdict,) = report.verdicts
    assert (0, Reason.LIMIT_EXCEEDED) == (verdict.row, verdict.reason)
    assert "row of entity 'a', most of it 'note'" in verdict.message


PATIENT = featurama.Retries(attempts=3, first_delay=0.1, longest_delay=0.1)
"""The end of a stream arrives before a chunk is sent again on it."""


async def test_a_stream_that_ends_before_a_chunk_is_sent_again_raises_its_reason() -> None:
    """As the server gives it, and that the chunk without an answer may be stored."""
    wrong = InvalidInput("no such place", reason=Reason.INVALID_REFERENCE)
    peer = Peer("StreamFeatures", after_refusing_for_now(refusing(wrong)), stream=True)
    async with client_of(peer, retries=PATIENT) as client:
        with pytest.raises(OutcomeUnknown, match=r"^no such place; rows sent before may be stored$") as unknown:
            await client.write_features(PAIR, batch_size=1)
    assert unknown.value.metadata["target"].startswith("127.0.0.1:")
    assert 1 == peer.calls


@pytest.mark.parametrize("ending", [quiet, refusing(Overloaded("busy")), aborting(grpc.StatusCode.UNAVAILABLE)])
async def test_a_chunk_that_waits_while_its_stream_ends_is_sent_on_the_next(ending: Ending) -> None:
    """Nothing is lost."""
    peer = Peer("StreamFeatures", after_refusing_for_now(ending), accepting, stream=True)
    async with client_of(peer, retries=PATIENT) as client:
        report = await client.write_features(PAIR, batch_size=1)
    assert (2, 2) == (report.accepted, peer.calls)


async def test_a_pause_that_the_server_asks_for_is_kept_between_streams() -> None:
    """However short the client's own would be: here it is not over when the caller gives up."""
    peer = Peer("StreamFeatures", after_both(asking_to_wait(30)), accepting, stream=True)
    async with client_of(peer) as client:
        call = asyncio.ensure_future(client.write_features(PAIR, batch_size=1))
        done, _ = await asyncio.wait({call}, timeout=0.3)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    assert set() == done
    assert peer.calls <= 1


def test_pauses_double_from_the_first_to_the_longest_and_never_undercut_the_server() -> None:
    """A random part of at most half is taken off, so that clients do not come back all at once."""
    settings = CallSettings(retries=featurama.Retries(first_delay=1.0, longest_delay=6.0))
    connection = Connection(None, "moon:1", settings)  # type: ignore[arg-type]  # no call is made
    for failed, longest in ((1, 1.0), (2, 2.0), (3, 4.0), (4, 6.0), (9, 6.0)):
        pauses = [connection.pause(failed) for _ in range(50)]
        assert longest / 2 <= min(pauses) <= max(pauses) <= longest
        assert len(set(pauses)) > 1
    assert 7.5 == connection.pause(1, 7.5)
