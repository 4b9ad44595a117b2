"""The client's writes and deletions. Every write has a request id from the start, so that it can be sent again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice
from typing import Any, Literal

from featurama import wire
from featurama.client.reading import ReadingMethods
from featurama.client.settings import MAX_MESSAGE_BYTES
from featurama.client.streaming import ChunkStream
from featurama.v1 import ingest_service_pb2 as pb
from featurama_core.frames.writes import FrameReport, FrameWrite, PreparedWrite, write_requests
from featurama_core.types.errors import (
    DeadlineExceeded,
    FeaturamaError,
    InvalidInput,
    OutcomeUnknown,
    Reason,
)
from featurama_core.types.imports import ImportScope
from featurama_core.types.names import check_entity_ids
from featurama_core.types.request_ids import RequestIds
from featurama_core.types.times import Time, TimeUnit, to_micros
from featurama_core.types.writes import Deletion, Outcome, WriteMode, WriteReport, WriteRequest

Progress = Callable[[int, int], None]
"""Called with (rows settled, rows of the frame) after every acknowledgement."""


class WritingMethods(ReadingMethods):
    """Writing frames, requests in columns, and deleting."""

    def __init__(self, namespace: str) -> None:
        super().__init__(namespace)
        self._request_ids = RequestIds()

    async def write(self, request: WriteRequest) -> WriteReport:
        """Write up to 10,000 rows in columns; every row (or value) is accepted, rejected or unknown, with a reason."""
        if not request.request_id:
            request = replace(request, request_id=str(self._request_ids.next()))
        try:
            data = wire.write_request_to_wire(request, self._namespace).SerializeToString()
        except UnicodeEncodeError as error:
            raise InvalidInput("an id or a text is not valid Unicode") from error
        if len(data) > MAX_MESSAGE_BYTES:
            raise InvalidInput(
                f"{len(request)} rows make a message of {len(data)} bytes; send fewer",
                reason=Reason.LIMIT_EXCEEDED,
            )
        answer = await self._open.ingest.call(self._open.write_features, data, writes=True)
        return wire.write_report_from_proto(answer)

    async def begin_import(self, scope: ImportScope, import_id: str = "") -> int:
        """Begin an import of old history. -> its number, 0 to 999, which every write of it names.

        `write_features` does it for a frame of its own; several frames of one import name its number. The ingest times
        of the import end in it, so that of imports with equal times the later one is a correction. An audit record
        names the import's features and times. import_id: a UUIDv7; beginning again with it gives the same number.
        """
        request = wire.import_scope_to_proto(scope, import_id or str(self._request_ids.next()), self._namespace)
        answer = await self._open.ingest.call(self._open.imports.BeginImport, request, writes=True)
        return answer.import_number

    async def write_features(
        self,
        df: Any,
        version: int | None = None,
        batch_size: int = 1_000,
        *,
        mode: WriteMode = WriteMode.ATOMIC,
        nulls: Literal["write", "skip"] = "write",
        timezone: str | None = None,
        ingested_at_unit: TimeUnit | None = None,
        import_number: int | None = None,
        progress: Progress | None = None,
    ) -> WriteReport:
        """Write a long frame (entity_id, feature_name, value, timestamp) or a wide one (entity_id, timestamp, ...).

        pandas, polars, Arrow or a dict of columns; never changed. `batch_size` rows go in a message; larger frames
        are streamed. An empty cell of a wide frame is a null that is written, unless `nulls="skip"`.
        A frame with a column ingested_at is an import of old history (mode BULK); ingested_at_unit: what its numbers
        count. import_number: the frame is a part of an import that began with `begin_import`; else it is one itself.
        The report's verdicts name rows of the frame. Raises only if nothing was stored, as far as we know; what
        fails later is in the report, to be sent again.
        """
        frame = write_requests(
            df,
            version=version,
            batch_size=batch_size,
            mode=mode,
            nulls=nulls,
            timezone=timezone,
            ingested_at_unit=ingested_at_unit,
            request_ids=self._request_ids,
        )
        if frame.scope is not None:
            frame = frame.numbered(await self.begin_import(frame.scope) if import_number is None else import_number)
        sending = _FrameSending(frame, progress)
        requests = iter(frame)
        head = list(islice(requests, 2))
        if len(head) == 1:
            sending.settle(head[0], await self.write(head[0].request))
        elif head:
            await self._stream(chain(head, requests), sending)
        return sending.report.result()

    async def delete_entity(self, entity_id: str, deleted_through: Time | None = None) -> Deletion:
        """Delete all values of an entity for ever; it may live again with later event times."""
        check_entity_ids([entity_id])
        request = pb.DeleteEntityRequest(
            namespace=self._namespace,
            entity_id=entity_id,
            deleted_through_time=None
            if deleted_through is None
            else wire.to_timestamp(to_micros(deleted_through, "deleted_through_time")),
        )
        answer = await self._open.ingest.call(self._open.deletes.DeleteEntity, request, writes=True)
        return Deletion(wire.from_timestamp(answer.deleted_through_time), answer.cleaned)

    async def delete_feature_values(
        self, entity_id: str, features: Sequence[str], deleted_through: Time | None = None
    ) -> Deletion:
        """Delete the values of some features of an entity, all their versions, for ever."""
        check_entity_ids([entity_id])
        request = pb.DeleteFeatureValuesRequest(
            namespace=self._namespace,
            entity_id=entity_id,
            features=[features] if isinstance(features, str) else list(features),
            deleted_through_time=None
            if deleted_through is None
            else wire.to_timestamp(to_micros(deleted_through, "deleted_through_time")),
        )
        answer = await self._open.ingest.call(self._open.deletes.DeleteFeatureValues, request, writes=True)
        return Deletion(wire.from_timestamp(answer.deleted_through_time), answer.cleaned)

    async def _stream(self, requests: Iterator[PreparedWrite], sending: _FrameSending) -> None:
        stubs = self._open
        chunks = ChunkStream(stubs.ingest, stubs.stream_features, self._namespace, requests, sending.settle)
        try:
            await chunks.run()
        except FeaturamaError as error:
            if not sending.stored:
                raise
            sending.give_up(chunks.unsettled, requests, error)


class _FrameSending:
    """What became of a frame so far."""

    def __init__(self, frame: FrameWrite, progress: Progress | None) -> None:
        self.report = FrameReport(frame)
        self.stored = False
        self._progress = progress
        self._total = frame.rows
        self._done = 0

    def settle(self, prepared: PreparedWrite, answer: WriteReport | FeaturamaError) -> None:
        """A request's report, or its refusal: raised while nothing of the frame is stored."""
        if isinstance(answer, WriteReport):
            self.report.add(prepared, answer)
            self.stored = self.stored or bool(answer.accepted or answer.unknown)
        elif not self.stored:
            raise answer
        else:
            self.report.add_failure(prepared, _outcome(answer), answer.reason, answer.message)
        self._done += len(prepared.frame_rows())
        if self._progress is not None:
            self._progress(self._done, self._total)

    def give_up(
        self, unsettled: Sequence[PreparedWrite], unsent: Iterator[PreparedWrite], error: FeaturamaError
    ) -> None:
        """The stream is gone for good: what was sent is unknown, the rest was surely not stored."""
        for prepared in unsettled:
            self.report.add_failure(prepared, Outcome.UNKNOWN, Reason.UNKNOWN_OUTCOME, error.message)
        for prepared in unsent:
            self.report.add_failure(prepared, Outcome.REJECTED, Reason.STORE_UNAVAILABLE, f"not sent: {error.message}")


def _outcome(error: FeaturamaError) -> Outcome:
    # A chunk that was sent before, unheard, may be stored although its id is too old now.
    unknown = isinstance(error, (OutcomeUnknown, DeadlineExceeded)) or error.reason is Reason.REQUEST_TOO_OLD
    return Outcome.UNKNOWN if unknown else Outcome.REJECTED
