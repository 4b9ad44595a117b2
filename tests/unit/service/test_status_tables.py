"""The tables: reason -> gRPC code, gRPC code -> HTTP status; held against the contract's own comments."""

from __future__ import annotations

import re
from pathlib import Path

import grpc
import pytest
from google.rpc import code_pb2

from featurama.v1 import errors_pb2
from featurama_core.types.errors import InvalidInput, Reason
from featurama_service.status import GRPC_CODES, HTTP_STATUS, status_of

CONTRACT = Path(__file__).parents[3] / "proto/featurama/v1/errors.proto"


def promised() -> dict[str, str]:
    """Reason -> code, as the comments of errors.proto promise."""
    found = re.findall(r"// ([^\n]*) ([A-Z_]+)\.\n  ERROR_REASON_([A-Z_]+) = \d+;", CONTRACT.read_text())
    return {reason: code for _, code, reason in found}


def test_every_reason_has_the_code_that_the_contract_promises() -> None:
    promises = promised()
    assert len(promises) >= len(Reason) - 2
    assert {reason: GRPC_CODES[Reason[reason]].name for reason in promises} == promises


def test_every_reason_of_the_contract_has_a_code_and_the_same_number() -> None:
    contract = {name.removeprefix("ERROR_REASON_"): number for name, number in errors_pb2.ErrorReason.items()}
    assert {reason.name: int(reason) for reason in GRPC_CODES} == contract


def test_every_grpc_code_has_an_http_status() -> None:
    assert set(HTTP_STATUS) == set(grpc.StatusCode)


@pytest.mark.parametrize(
    ("code", "status"),
    [("INVALID_ARGUMENT", 400), ("NOT_FOUND", 404), ("RESOURCE_EXHAUSTED", 429), ("UNAVAILABLE", 503)],
)
def test_the_documented_http_statuses(code: str, status: int) -> None:
    assert HTTP_STATUS[grpc.StatusCode[code]] == status


def test_a_status_is_cut_to_what_headers_hold() -> None:
    status = status_of(InvalidInput("x" * 10_000, field="y" * 10_000))
    assert status.code == code_pb2.INVALID_ARGUMENT
    assert status.ByteSize() < 2_000
