"""The report of a write as a message."""

from __future__ import annotations

from dataclasses import replace

from featurama import wire
from featurama.v1 import ingest_service_pb2 as pb
from featurama_core.off_loop import off_loop
from featurama_core.types.errors import InvalidInput, OutcomeUnknown
from featurama_core.types.verdicts import Verdicts
from featurama_core.types.writes import WriteReport
from featurama_service.calls import Call

_FEW = 1_000
"""Units that were not accepted, of which a message is made on the event loop."""


async def reported(report: WriteReport, call: Call) -> pb.WriteFeaturesResponse:
    """The response. Verdicts have no text where all texts would make it larger than a chunk."""
    return await off_loop(report.sent - report.accepted > _FEW, _reported, report, call)


def _reported(report: WriteReport, call: Call) -> pb.WriteFeaturesResponse:
    message = wire.write_report_to_proto(report)
    if message.ByteSize() > call.cut_bytes:
        verdicts = Verdicts.of(report.verdicts).without_texts()
        message = wire.write_report_to_proto(replace(report, verdicts=verdicts))
    try:
        call.check_size(message.ByteSize())
    except InvalidInput as error:
        # Rows of the request may be stored, so it is not refused.
        raise OutcomeUnknown(f"the rows are written, but {error.message}") from error
    return message
