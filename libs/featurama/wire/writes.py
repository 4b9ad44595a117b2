"""The calls of IngestService: writes as the twin, with the public message as the fallback; reports and imports."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from itertools import islice
from typing import Any, TypeVar

from google.protobuf.message import DecodeError

from featurama.v1 import errors_pb2, ingest_service_pb2
from featurama.wire.bounds import MOST_IN_ONE, SMALL_MESSAGE, fields_in, number_in
from featurama.wire.parsing import Encoding, read_request
from featurama.wire.shapes import number_problem
from featurama.wire.times import from_timestamp, to_timestamp
from featurama.wire.twin import columns_to_wire, times_to_wire
from featurama.wire.v1 import twin_pb2
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.imports import ImportScope
from featurama_core.types.names import DEFAULT_NAMESPACE
from featurama_core.types.verdicts import Judgement, Verdicts
from featurama_core.types.writes import (
    MAX_VALUES_PER_WRITE,
    Outcome,
    WriteMode,
    WriteReport,
    WriteRequest,
    WriteUnit,
    check_counts,
)

E = TypeVar("E", bound=IntEnum)

_BYTES_PER_BYTE, _BYTES_PER_VALUE = 12, 40


@dataclass(frozen=True, slots=True)
class StreamChunk:
    """One chunk of a stream: its rows, or the error if they are invalid (the stream continues)."""

    sequence: int
    namespace: str
    request: WriteRequest | InvalidInput


def write_request_to_wire(request: WriteRequest, namespace: str) -> twin_pb2.WriteFeaturesRequest:
    """The twin message of a write."""
    message = twin_pb2.WriteFeaturesRequest(
        namespace=namespace,
        request_id=request.request_id,
        mode=ingest_service_pb2.WriteMode.ValueType(request.mode),
        unit=ingest_service_pb2.WriteUnit.ValueType(request.unit),
        event_time_us=times_to_wire(request.event_time),
        columns=columns_to_wire(request.columns),
    )
    message.entity_ids.extend(request.entity_ids)
    if request.import_number is not None:
        message.import_number = request.import_number
    if request.ingested_at is not None:
        message.ingested_time_ns.extend(times_to_wire(request.ingested_at))
    return message


def stream_request_to_wire(sequence: int, request: WriteRequest, namespace: str) -> twin_pb2.StreamFeaturesRequest:
    """The twin message of a chunk of a stream."""
    return twin_pb2.StreamFeaturesRequest(sequence=sequence, write=write_request_to_wire(request, namespace))


def weigh_write(data: bytes, *, streamed: bool = False) -> int:
    """About the bytes of memory that a WriteFeaturesRequest takes: its texts and packed cells take many times their
    bytes on the wire. streamed: whether it is in a StreamFeaturesRequest.
    """
    values = len(data) if len(data) <= SMALL_MESSAGE else _most_values(data, streamed=streamed)
    return _BYTES_PER_BYTE * len(data) + _BYTES_PER_VALUE * min(values, MAX_VALUES_PER_WRITE)


def parse_write_features_request(data: bytes) -> tuple[str, WriteRequest]:
    """(namespace, rows) of a WriteFeaturesRequest, with packed or unpacked arrays."""
    return read_request(data, twin_pb2.WriteFeaturesRequest, ingest_service_pb2.WriteFeaturesRequest, _request)


def parse_stream_features_request(data: bytes) -> StreamChunk:
    """A StreamFeaturesRequest. InvalidInput only if its sequence cannot be read."""
    public = ingest_service_pb2.StreamFeaturesRequest
    try:
        return read_request(data, twin_pb2.StreamFeaturesRequest, public, _chunk)
    except InvalidInput as error:
        number = public.DESCRIPTOR.fields_by_name["sequence"].number
        try:
            return StreamChunk(number_in(data, number), "", error)
        except DecodeError:
            raise error from None


def import_scope_to_proto(scope: ImportScope, import_id: str, namespace: str) -> ingest_service_pb2.BeginImportRequest:
    """The request that begins an import."""
    return ingest_service_pb2.BeginImportRequest(
        namespace=namespace,
        import_id=import_id,
        features=scope.features,
        first_event_time=to_timestamp(scope.first_event),
        last_event_time=to_timestamp(scope.last_event),
        first_ingested_time=to_timestamp(scope.first_ingested),
        last_ingested_time=to_timestamp(scope.last_ingested),
    )


def import_scope_from_proto(message: ingest_service_pb2.BeginImportRequest) -> ImportScope:
    """The scope of an import. InvalidInput (INVALID_TIME) for a missing time."""
    times = []
    for field in ("first_event_time", "last_event_time", "first_ingested_time", "last_ingested_time"):
        if not message.HasField(field):
            raise InvalidInput(f"{field} is missing; give it", reason=Reason.INVALID_TIME, field=field)
        times.append(from_timestamp(getattr(message, field), field))
    return ImportScope(tuple(message.features), *times)


def write_report_to_proto(report: WriteReport) -> ingest_service_pb2.WriteFeaturesResponse:
    """The answer to a write."""
    return ingest_service_pb2.WriteFeaturesResponse(
        request_id=report.request_id,
        accepted=report.accepted,
        rejected=report.rejected,
        unknown=report.unknown,
        verdicts=[
            ingest_service_pb2.WriteVerdict(
                rows=verdict.rows,
                column=verdict.column,
                outcome=ingest_service_pb2.WriteOutcome.ValueType(verdict.outcome),
                reason=errors_pb2.ErrorReason.ValueType(verdict.reason),
                field=verdict.field,
                message=verdict.message,
            )
            for verdict in Verdicts.of(report.verdicts).judgements
        ],
    )


def write_report_from_proto(message: ingest_service_pb2.WriteFeaturesResponse) -> WriteReport:
    """The report in the answer to a write."""
    return WriteReport(
        request_id=message.request_id,
        accepted=message.accepted,
        rejected=message.rejected,
        unknown=message.unknown,
        verdicts=Verdicts(
            Judgement(
                rows=list(verdict.rows),
                column=verdict.column,
                # An outcome of a later server that this client does not know is never a success.
                outcome=Outcome.REJECTED if int(verdict.outcome) == Outcome.REJECTED else Outcome.UNKNOWN,
                reason=reason_from_proto(verdict.reason),
                field=verdict.field,
                message=verdict.message,
            )
            for verdict in message.verdicts
        ),
    )


def reason_from_proto(number: int) -> Reason:
    """The reason with this number; UNSPECIFIED for a reason of a later version of the contract."""
    try:
        return Reason(number)
    except ValueError:
        return Reason.UNSPECIFIED


def _most_values(data: bytes, *, streamed: bool) -> int:
    """Rows times columns of a write, by the number of its elements; as many as it has bytes, if it is invalid."""
    names = ingest_service_pb2.WriteFeaturesRequest.DESCRIPTOR.fields_by_name
    ids, times, columns = (names[each].number for each in ("entity_ids", "event_time_us", "columns"))
    counts = {ids: 0, times: 0, columns: 0}
    at, end = 0, len(data)
    try:
        if streamed:
            write = ingest_service_pb2.StreamFeaturesRequest.DESCRIPTOR.fields_by_name["write"].number
            head = islice(fields_in(data, at, end), len(counts))
            at, end = next((start, stop) for number, _, start, stop in head if number == write)
        # What has more elements is refused.
        for number, _, start, stop in islice(fields_in(data, at, end), MOST_IN_ONE):
            if number in counts:
                counts[number] += stop - start if number == times else 1
    except (DecodeError, StopIteration):
        return len(data)
    return (counts[ids] or counts[times] // 8) * counts[columns]


def _chunk(message: Any, encoding: Encoding) -> StreamChunk:
    return StreamChunk(message.sequence, *_request(message.write, encoding))


def _request(message: Any, encoding: Encoding) -> tuple[str, WriteRequest]:
    rows = len(message.entity_ids) or encoding.count(message.event_time_us)
    check_counts(rows, len(message.columns))
    return message.namespace or DEFAULT_NAMESPACE, WriteRequest(
        entity_ids=list(message.entity_ids),
        columns=encoding.columns(message.columns, rows, written=True),
        event_time=encoding.times(message, rows, "event_time_us"),
        request_id=message.request_id,
        mode=_choice(WriteMode, message.mode, "mode"),
        unit=_choice(WriteUnit, message.unit, "unit"),
        ingested_at=encoding.times(message, rows, "ingested_time_ns") if message.ingested_time_ns else None,
        import_number=message.import_number if message.HasField("import_number") else None,
    )


def _choice(kind: type[E], number: int, field: str) -> E:
    """The member with this number; 0 stands for the first one."""
    try:
        return kind(number or 1)
    except ValueError as error:
        raise InvalidInput(number_problem(field, number, kind), field=field) from error
