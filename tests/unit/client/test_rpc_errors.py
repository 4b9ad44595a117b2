"""A failed call becomes the error that the store raised, or what its code says."""

from __future__ import annotations

import grpc
import pytest
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2

from featurama import error_from_rpc
from featurama.client.rpc_errors import error_of, failure_of, is_transient
from featurama.errors import (
    Conflict,
    CorruptData,
    DeadlineExceeded,
    FailedPrecondition,
    FeaturamaError,
    InvalidInput,
    OutcomeUnknown,
    Overloaded,
    Reason,
    StoreUnavailable,
    Unknown,
)

Code = grpc.StatusCode


def packed(message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed


def failed(code: Code, details: str = "", trailer: bytes | None = None) -> grpc.aio.AioRpcError:
    trailing = grpc.aio.Metadata() if trailer is None else grpc.aio.Metadata(("grpc-status-details-bin", trailer))
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), trailing, details=details)


def status_of(reason: str, *more, domain: str = "featurama") -> bytes:
    info = error_details_pb2.ErrorInfo(reason=reason, domain=domain, metadata={"field": "ttl"})
    details = [packed(each) for each in (info, *more)]
    return status_pb2.Status(code=3, message="ttl is wrong", details=details).SerializeToString()


@pytest.mark.parametrize("reason", [each for each in Reason if each])
def test_every_reason_comes_back_with_its_message_and_metadata(reason: Reason) -> None:
    """The reason is that of ErrorInfo, whatever the gRPC code."""
    error = error_from_rpc(failed(Code.UNKNOWN, "x", status_of(reason.name)))
    assert error.reason is reason
    assert error.message == "ttl is wrong"
    assert error.metadata == {"field": "ttl"}


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        (Reason.INVALID_NAME, InvalidInput),
        (Reason.REQUEST_TOO_OLD, InvalidInput),
        (Reason.KNOWN_AT_NOT_SETTLED, FailedPrecondition),
        (Reason.UNKNOWN_NAMESPACE, Unknown),
        (Reason.UNKNOWN_MODEL, Unknown),
        (Reason.DEFINITION_CONFLICT, Conflict),
        (Reason.NAMESPACE_EXISTS, Conflict),
        (Reason.DEPRECATED, FailedPrecondition),
        (Reason.STORE_UNAVAILABLE, StoreUnavailable),
        (Reason.UNKNOWN_OUTCOME, OutcomeUnknown),
        (Reason.OVERLOADED, Overloaded),
        (Reason.DEADLINE_EXCEEDED, DeadlineExceeded),
        (Reason.SERVED_BY_INGEST, FailedPrecondition),
        (Reason.CORRUPT_DATA, CorruptData),
        (Reason.INTERNAL, FeaturamaError),
        (Reason.UNAUTHENTICATED, FeaturamaError),
    ],
)
def test_a_reason_has_the_class_that_the_store_raises(reason: Reason, kind: type[FeaturamaError]) -> None:
    """So that one `except` serves the embedded store and the client."""
    assert type(error_of(reason, "m")) is kind


@pytest.mark.parametrize(
    ("code", "details", "writes", "kind", "reason"),
    [
        (Code.UNAVAILABLE, "failed to connect to all addresses", True, StoreUnavailable, Reason.STORE_UNAVAILABLE),
        (Code.UNAVAILABLE, "connections to all backends failing", True, StoreUnavailable, Reason.STORE_UNAVAILABLE),
        (Code.UNAVAILABLE, "DNS resolution failed for moon", True, StoreUnavailable, Reason.STORE_UNAVAILABLE),
        (Code.UNAVAILABLE, "Connection reset by peer", False, StoreUnavailable, Reason.STORE_UNAVAILABLE),
        (Code.UNAVAILABLE, "Connection reset by peer", True, OutcomeUnknown, Reason.UNKNOWN_OUTCOME),
        (Code.CANCELLED, "", True, OutcomeUnknown, Reason.UNKNOWN_OUTCOME),
        (Code.DEADLINE_EXCEEDED, "", False, DeadlineExceeded, Reason.DEADLINE_EXCEEDED),
        (Code.RESOURCE_EXHAUSTED, "busy", False, Overloaded, Reason.OVERLOADED),
        (
            Code.RESOURCE_EXHAUSTED,
            "SERVER: Received message larger than max (9 vs. 4)",
            False,
            InvalidInput,
            Reason.LIMIT_EXCEEDED,
        ),
        (Code.INVALID_ARGUMENT, "", False, InvalidInput, Reason.UNSPECIFIED),
        (Code.NOT_FOUND, "", False, Unknown, Reason.UNSPECIFIED),
        (Code.UNAUTHENTICATED, "", False, FeaturamaError, Reason.UNAUTHENTICATED),
        (Code.UNIMPLEMENTED, "Method not found!", False, FeaturamaError, Reason.UNSPECIFIED),
        (Code.INTERNAL, "", False, FeaturamaError, Reason.UNSPECIFIED),
    ],
)
def test_without_our_details_the_code_decides(code, details, writes, kind, reason) -> None:
    """Of a proxy or a foreign server; the address is named."""
    error = error_from_rpc(failed(code, details), "moon:1", writes=writes)
    assert type(error) is kind
    assert error.reason is reason
    assert "moon:1" in error.message or kind is InvalidInput


@pytest.mark.parametrize(
    "trailer",
    [b"\xff\xff", status_of("NO_SUCH_REASON"), status_of("INVALID_NAME", domain="example.com"), b""],
)
def test_details_that_are_not_ours_are_passed_over(trailer: bytes) -> None:
    """Garbage, a reason of a later contract, another domain."""
    error = error_from_rpc(failed(Code.NOT_FOUND, "nope", trailer), "moon:1")
    assert type(error) is Unknown
    assert error.message == "moon:1 answered NOT_FOUND: nope"


def test_retry_advice_is_read() -> None:
    """RetryInfo says how long to wait at least."""
    delay = duration_pb2.Duration(seconds=1, nanos=500_000_000)
    retry = error_details_pb2.RetryInfo(retry_delay=delay)
    failure = failure_of(failed(Code.UNAVAILABLE, "", status_of("OVERLOADED", retry)), "moon:1")
    assert (failure.transient, failure.wait) == (True, 1.5)


def test_only_what_may_pass_is_sent_again() -> None:
    """A deadline that ended, or input that is wrong, is not."""
    assert [reason.name for reason in Reason if is_transient(error_of(reason, ""))] == [
        "STORE_UNAVAILABLE",
        "UNKNOWN_OUTCOME",
        "OVERLOADED",
    ]
