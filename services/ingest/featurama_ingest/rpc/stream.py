"""A stream of writes: chunks in, acknowledgements out, in order.

At most `window` chunks are read but not yet acknowledged, so a slow store, or a client that does not read its
acknowledgements, slows the sender down. A refused chunk is acknowledged with its error, and the stream continues. When
the server drains, chunks already read are written and acknowledged; then the stream ends with UNAVAILABLE. Chunks
without an acknowledgement were not written by this server and must be sent again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from featurama import wire
from featurama.v1 import errors_pb2
from featurama.v1 import ingest_service_pb2 as pb
from featurama_core.off_loop import off_loop
from featurama_core.types.errors import FeaturamaError
from featurama_core.types.writes import WriteReport, WriteRequest
from featurama_ingest.rpc.reports import reported
from featurama_service.calls import Call, going_down

Write: TypeAlias = Callable[[str, WriteRequest], Awaitable[WriteReport]]


async def acknowledge_chunks(call: Call, write: Write, *, window: int) -> None:
    """Write the client's chunks, several at a time, and acknowledge each chunk."""
    places = asyncio.Semaphore(window)
    written: asyncio.Queue[asyncio.Task[pb.StreamFeaturesResponse] | None] = asyncio.Queue()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_acknowledge(call, written, places))
        while True:
            await places.acquire()
            data = await call.receive()
            if data is None:
                break
            written.put_nowait(tasks.create_task(_chunk(call, write, data)))
        written.put_nowait(None)
    if call.draining.is_set():
        raise going_down()


async def _acknowledge(
    call: Call,
    written: asyncio.Queue[asyncio.Task[pb.StreamFeaturesResponse] | None],
    places: asyncio.Semaphore,
) -> None:
    while (chunk := await written.get()) is not None:
        await call.send(await chunk)
        places.release()


async def _chunk(call: Call, write: Write, data: bytes) -> pb.StreamFeaturesResponse:
    large = len(data) > wire.SMALL_MESSAGE
    weight = await off_loop(large, wire.weigh_write, data, streamed=True)
    async with call.hold(len(data)), call.working(weight):
        chunk = await off_loop(large, wire.parse_stream_features_request, data)
        try:
            if isinstance(chunk.request, FeaturamaError):
                raise chunk.request
            call.rows += len(chunk.request)
            result = await reported(await write(chunk.namespace, chunk.request), call)
        except (FeaturamaError, TimeoutError) as error:
            return pb.StreamFeaturesResponse(sequence=chunk.sequence, error=_stream_error(call.refusal(error)))
        return pb.StreamFeaturesResponse(sequence=chunk.sequence, result=result)


def _stream_error(error: FeaturamaError) -> pb.StreamError:
    return pb.StreamError(
        reason=errors_pb2.ErrorReason.ValueType(error.reason),
        field=error.metadata.get("field", ""),
        message=error.message,
    )
