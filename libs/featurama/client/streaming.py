"""Writing many chunks over StreamFeatures with a bounded number of unacknowledged chunks.

After a lost stream, unacknowledged chunks are sent again with the same ids, so that nothing is written twice. Every
chunk ends with a report or an error. Chunks are sent in the order of the requests. Rows that fit no message are
rejected, and do not affect the others.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Iterator
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import grpc

from featurama import wire
from featurama.client.answers import reading_answer
from featurama.client.connection import Connection
from featurama.client.fitting import FittedWrite, fitted
from featurama.client.rpc_errors import Failure, error_of, failure_of, is_transient
from featurama.v1 import ingest_service_pb2
from featurama.wire.parsing import parsed
from featurama_core.frames.report import FrameSending, PreparedWrite
from featurama_core.types.errors import FeaturamaError, OutcomeUnknown
from featurama_core.types.writes import WriteRequest

WINDOW = 8
"""Chunks in flight."""

_INTERNAL = grpc.StatusCode.INTERNAL

T = TypeVar("T")
Stream: TypeAlias = "grpc.aio.StreamStreamCall[bytes, bytes]"
StreamMethod: TypeAlias = "grpc.aio.StreamStreamMultiCallable[bytes, bytes]"


@dataclass(slots=True)
class Chunk:
    """A request in flight. tries: number of transient refusals by the server. sent: whether it may have reached the
    server; doubted: whether it may be stored by an attempt without an answer.
    """

    sequence: int
    prepared: PreparedWrite
    data: bytes
    tries: int = 0
    sent: bool = False
    doubted: bool = False


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
        sending: FrameSending,
    ) -> None:
        self._connection = connection
        self._method = method
        self._namespace = namespace
        self._requests = requests
        self._sending = sending
        self._pending: dict[int, Chunk] = {}
        self._sequence = 0
        self._exhausted = False

    async def run(self) -> None:
        """Send all chunks. Raises the failure of a chunk if nothing of the frame is stored.

        Raises the error of the last stream if all attempts failed; then the outcome of the chunks in `unsettled` is
        unknown.
        """
        retries, timeout = self._connection.settings.retries, self._connection.settings.timeout
        losses, patient_until = 0, time.monotonic() + timeout
        while self._pending or not self._exhausted:
            acknowledged = self._sequence - len(self._pending)
            try:
                await self._one_stream()
            except StreamLost as lost:
                for chunk in self._pending.values():
                    chunk.doubted = chunk.sent
                if self._connection.learn_limit(lost.failure.error):
                    self._fit_again()
                    continue
                if self._sequence - len(self._pending) > acknowledged:
                    losses = 0  # only losses without an acknowledgement between them are counted
                if not self._connection.is_reconnecting(lost.failure) or time.monotonic() > patient_until:
                    losses, patient_until = losses + 1, time.monotonic() + timeout
                if not lost.failure.transient or losses >= retries.attempts:
                    raise self._last_word(lost.failure.error) from lost
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
                # After a failure with nothing stored, chunks in flight decide whether the rest is sent.
                while not self._sending.failure and len(self._pending) < WINDOW and (chunk := self._next()) is not None:
                    await self._send(stream, chunk)
                if not self._pending:
                    self._sending.check()
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
        for prepared in self._requests:
            found = self._fitted(prepared, self._sequence)
            if found.prepared is not None:
                chunk = self._pending[self._sequence] = Chunk(self._sequence, found.prepared, found.data)
                self._sequence += 1
                return chunk
        self._exhausted = True
        return None

    def _fit_again(self) -> None:
        """Leave rows out of the chunks that are above a limit of the server."""
        for chunk in list(self._pending.values()):
            found = self._fitted(chunk.prepared, chunk.sequence)
            if found.prepared is None:
                del self._pending[chunk.sequence]
            else:
                chunk.prepared, chunk.data = found.prepared, found.data

    def _fitted(self, prepared: PreparedWrite, sequence: int) -> FittedWrite:
        def encode(request: WriteRequest) -> bytes:
            return wire.stream_request_to_wire(sequence, request, self._namespace).SerializeToString()

        found = fitted(prepared, encode, self._connection.max_message_bytes)
        for rows, error in found.refused:
            self._sending.reject(rows, error)
        return found

    def _last_word(self, error: FeaturamaError) -> FeaturamaError:
        """The error of a stream that is given up."""
        if isinstance(error, OutcomeUnknown) or not any(chunk.doubted for chunk in self._pending.values()):
            return error
        return OutcomeUnknown(f"{error.message}; rows sent before may be stored", target=self._connection.target)

    async def _send(self, stream: Stream, chunk: Chunk) -> None:
        try:
            await self._guarded(stream.write(chunk.data))
            chunk.sent = True
        except StreamLost as lost:
            chunk.sent = chunk.sent or not lost.failure.unsent
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
        self._connection.reached = True
        with reading_answer(self._connection.target):
            answer = parsed(ingest_service_pb2.StreamFeaturesResponse, data)
        chunk = self._pending.get(answer.sequence)
        if chunk is None:
            return
        if answer.HasField("result"):
            del self._pending[answer.sequence]
            report = wire.write_report_from_proto(answer.result)
            self._sending.settle(chunk.prepared, report, sent_before=chunk.doubted)
            return
        metadata = {"field": answer.error.field} if answer.error.field else {}
        error = error_of(wire.reason_from_proto(answer.error.reason), answer.error.message, metadata)
        chunk.tries += 1
        chunk.doubted = chunk.doubted or isinstance(error, OutcomeUnknown)
        if is_transient(error) and chunk.tries < self._connection.settings.retries.attempts:
            await asyncio.sleep(self._connection.pause(chunk.tries))
            await self._send(stream, chunk)
            return
        del self._pending[answer.sequence]
        self._sending.settle(chunk.prepared, error, sent_before=chunk.doubted)

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
