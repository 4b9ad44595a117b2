"""The report of a write as a message."""

from __future__ import annotations

from featurama import wire
from featurama.v1 import ingest_service_pb2 as pb
from featurama_core.types.errors import InvalidInput, OutcomeUnknown
from featurama_core.types.writes import WriteReport
from featurama_service.calls import Call


def reported(report: WriteReport, call: Call) -> pb.WriteFeaturesResponse:
    """The response. Verdicts have no text where all texts would make it larger than a chunk."""
    message = wire.write_report_to_proto(report)
    if message.ByteSize() > call.cut_bytes:
        for verdict in message.verdicts:
            verdict.ClearField("message")
    try:
        call.check_size(message.ByteSize())
    except InvalidInput as error:
        # Rows of the request may be stored, so it is not refused.
        raise OutcomeUnknown(f"the rows are written, but {error.message}") from error
    return message
