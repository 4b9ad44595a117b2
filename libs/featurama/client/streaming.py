"""Writing many chunks over StreamFeatures with a bounded number of unacknowledged chunks.

After a lost stream, unacknowledged chunks are sent again with the same ids, so that nothing is written twice. Every
chunk ends with a report or an error. Chunks are sent in the order of the requests.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import grpc

from featurama import wire
from featurama.client.answers import reading_answer
from featurama.client.connection import Connection
from featurama.client.rpc_errors import Failure, error_of, failure_of, is_transient
from featurama.client.settings import MAX_MESSAGE_BYTES
from featurama.v1 import ingest_service_pb2
from featurama.wire.parsing import parsed
from featurama_core.frames.report import PreparedWrite
from featurama_core.types.errors import FeaturamaError, InvalidInput, OutcomeUnknown, Reason
from featurama_core.types.writes import WriteReport

WINDOW = 8
"""Chunks in flight."""

_INTERNAL = grpc.StatusCode.INTERNAL

T = TypeVar("T")
Stream: TypeAlias = "grpc.aio.StreamStreamCall[bytes, bytes]"
StreamMethod: TypeAlias = "grpc.aio.StreamStreamMultiCallable[bytes, bytes]"


@dataclass(slots=True)
class Chunk:
    """A request in flight. tries: number of transient refusals by the server."""

    sequence: int
    prepared: PreparedWrite
    data: bytes
    tries: int = 0


Settled = Callable[[PreparedWrite, WriteReport | FeaturamaError], None]
"""Called once per chunk, with its report or with the error by which it was refused as a whole."""


class StreamLost(Exception):
    """The stream ended before all chunks were acknowledged."""

    def __init__(self, failure: Failure) -> None:
        self.failure = failure


class ChunkStream:
    """Sends the chunks of one frame."""

    def __init__(
        self,
        connection: Connection,
        method: StreamMethod,
        namespace: str,
        requests: Iterator[PreparedWrite],
        settled: Settled,
    ) -> None:
        self._connection = connection
        self._method = method
        self._namespace = namespace
        self._requests = requests
        self._settled = settled
        self._pending: dict[int, Chunk] = {}
        self._sequence = 0
        self._exhausted = False

    async def run(self) -> None:
        """Send all chunks. Raises the error of the last stream if all attempts failed.

        Then the outcome of the chunks in `unsettled` is unknown.
        """
        losses = 0
        while self._pending or not self._exhausted:
            acknowledged = self._sequence - len(self._pending)
            try:
                await self._one_stream()
            except StreamLost as lost:
                # Only losses without an acknowledgement between them are counted.
                losses = 1 if self._sequence - len(self._pending) > acknowledged else losses + 1
                if not lost.failure.transient or losses >= self._connection.settings.retries.attempts:
                    raise lost.failure.error from lost
                await asyncio.sleep(self._connection.pause(losses, lost.failure.wait))

    @property
    def unsettled(self) -> list[PreparedWrite]:
        """Requests sent and not acknowledged."""
        return [chunk.prepared for chunk in self._pending.values()]

    async def _one_stream(self) -> None:
        stream = self._method(metadata=self._connection.settings.metadata)
        try:
            for unsure in list(self._pending.values()):
                await self._send(stream, unsure)
            while True:
                while len(self._pending) < WINDOW and (chunk := self._next()) is not None:
                    await self._send(stream, chunk)
                if not self._pending:
                    await self._end(stream)
                    return
                await self._acknowledge(stream, await self._guarded(stream.read()))
        finally:
            stream.cancel()  # has no effect on a finished stream

    async def _end(self, stream: Stream) -> None:
        # All chunks are acknowledged, so an error at the end is ignored.
        with contextlib.suppress(StreamLost):
            await self._guarded(stream.done_writing())
            await self._guarded(stream.read())

    def _next(self) -> Chunk | None:
        prepared = next(self._requests, None)
        if prepared is None:
            self._exhausted = True
            return None
        message = wire.stream_request_to_wire(self._sequence, prepared.request, self._namespace)
        chunk = Chunk(self._sequence, prepared, message.SerializeToString())
        if len(chunk.data) > MAX_MESSAGE_BYTES:
            raise InvalidInput(
                f"{len(prepared.request)} rows make a message of {len(chunk.data)} bytes; lower batch_size",
                reason=Reason.LIMIT_EXCEEDED,
                field="batch_size",
            )
        self._sequence += 1
        self._pending[chunk.sequence] = chunk
        return chunk

    async def _send(self, stream: Stream, chunk: Chunk) -> None:
        try:
            await self._guarded(stream.write(chunk.data))
        except StreamLost as lost:
            # grpc replaces the status of a stream that breaks during a write by INTERNAL.
            if isinstance(lost.__cause__, grpc.aio.AioRpcError) and lost.__cause__.code() is _INTERNAL:
                raise self._lost("broke the stream") from lost
            raise
        except asyncio.InvalidStateError as error:
            # The stream is finished. Reading it raises the reason, if there is one.
            await self._guarded(stream.read())
            raise self._lost("ended the stream") from error

    async def _acknowledge(self, stream: Stream, data: object) -> None:
        if not isinstance(data, bytes):
            # The server ended the stream: it is shutting down.
            raise self._lost("ended the stream")
        with reading_answer(self._connection.target):
            answer = parsed(ingest_service_pb2.StreamFeaturesResponse, data)
        chunk = self._pending.get(answer.sequence)
        if chunk is None:
            return
        if answer.HasField("result"):
            del self._pending[answer.sequence]
            self._settled(chunk.prepared, wire.write_report_from_proto(answer.result))
            return
        metadata = {"field": answer.error.field} if answer.error.field else {}
        error = error_of(wire.reason_from_proto(answer.error.reason), answer.error.message, metadata)
        chunk.tries += 1
        if is_transient(error) and chunk.tries < self._connection.settings.retries.attempts:
            await asyncio.sleep(self._connection.pause(chunk.tries))
            await self._send(stream, chunk)
            return
        del self._pending[answer.sequence]
        self._settled(chunk.prepared, error)

    async def _guarded(self, step: Awaitable[T]) -> T:
        """One step of a stream within the timeout. Raises StreamLost for a broken stream."""
        try:
            async with asyncio.timeout(self._connection.settings.timeout):
                return await step
        except TimeoutError as error:
            raise self._lost(f"acknowledged nothing for {self._connection.settings.timeout:g} s") from error
        except grpc.aio.AioRpcError as error:
            raise StreamLost(failure_of(error, self._connection.target, writes=True)) from error

    def _lost(self, what: str) -> StreamLost:
        target = self._connection.target
        error = OutcomeUnknown(f"{target} {what}; send what is unknown again", target=target)
        return StreamLost(Failure(error, transient=True))
