"""Errors on the wire: the tables from reason to gRPC code and from gRPC code to HTTP status, and google.rpc.Status.

Clients see the message and the metadata of an error; nothing else of an exception leaves the server.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from featurama_core.types.errors import FeaturamaError, Reason

DOMAIN: Final = "featurama"
"""`domain` of every ErrorInfo."""

_GROUPS: Final = (
    (range(Reason.INVALID_ARGUMENT, Reason.UNKNOWN_NAMESPACE), grpc.StatusCode.INVALID_ARGUMENT),
    (range(Reason.UNKNOWN_NAMESPACE, Reason.DEFINITION_CONFLICT), grpc.StatusCode.NOT_FOUND),
    (range(Reason.DEFINITION_CONFLICT, Reason.DEPRECATED), grpc.StatusCode.ALREADY_EXISTS),
)
_CODES: Final = {
    Reason.UNSPECIFIED: grpc.StatusCode.UNKNOWN,
    Reason.REQUEST_TOO_OLD: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.REQUEST_IN_FUTURE: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.KNOWN_AT_NOT_SETTLED: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.ENTITY_TYPE_MISMATCH: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.DEPRECATED: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.STORE_UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    Reason.UNKNOWN_OUTCOME: grpc.StatusCode.UNAVAILABLE,
    Reason.OVERLOADED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Reason.DEADLINE_EXCEEDED: grpc.StatusCode.DEADLINE_EXCEEDED,
    Reason.SERVED_BY_INGEST: grpc.StatusCode.UNIMPLEMENTED,
    Reason.SCHEMA_MISMATCH: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.MODEL_UNUSABLE: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.CORRUPT_DATA: grpc.StatusCode.DATA_LOSS,
    Reason.INTERNAL: grpc.StatusCode.INTERNAL,
    Reason.UNAUTHENTICATED: grpc.StatusCode.UNAUTHENTICATED,
    Reason.ALIAS_MOVED: grpc.StatusCode.ABORTED,
    Reason.DEFINITION_USED: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.METHOD_NOT_ALLOWED: grpc.StatusCode.UNIMPLEMENTED,
    Reason.REVISION_CONFLICT: grpc.StatusCode.ABORTED,
    Reason.VALUES_LOST: grpc.StatusCode.FAILED_PRECONDITION,
}
"""The code of each reason that has none from its group."""
GRPC_CODES: Final[Mapping[Reason, grpc.StatusCode]] = MappingProxyType(
    {reason: _CODES.get(reason) or next(code for reasons, code in _GROUPS if reason in reasons) for reason in Reason}
)

HTTP_STATUS: Final[Mapping[grpc.StatusCode, int]] = MappingProxyType(
    {
        grpc.StatusCode.OK: 200,
        grpc.StatusCode.INVALID_ARGUMENT: 400,
        grpc.StatusCode.OUT_OF_RANGE: 400,
        grpc.StatusCode.UNAUTHENTICATED: 401,
        grpc.StatusCode.PERMISSION_DENIED: 403,
        grpc.StatusCode.NOT_FOUND: 404,
        grpc.StatusCode.ALREADY_EXISTS: 409,
        grpc.StatusCode.ABORTED: 409,
        # A model that is not loaded or a schema that is not migrated: the request is valid, the installation not ready.
        grpc.StatusCode.FAILED_PRECONDITION: 503,
        grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
        grpc.StatusCode.CANCELLED: 499,
        grpc.StatusCode.UNKNOWN: 500,
        grpc.StatusCode.INTERNAL: 500,
        grpc.StatusCode.DATA_LOSS: 500,
        grpc.StatusCode.UNIMPLEMENTED: 501,
        grpc.StatusCode.UNAVAILABLE: 503,
        grpc.StatusCode.DEADLINE_EXCEEDED: 504,
    }
)

_RETRY_AFTER_MS: Final[Mapping[Reason, int]] = MappingProxyType(
    {Reason.STORE_UNAVAILABLE: 500, Reason.UNKNOWN_OUTCOME: 500, Reason.OVERLOADED: 100}
)
"""Retry advice: reasons after which the same request may succeed, and how long to wait first."""
# A status is sent as HTTP/2 headers, limited to 8 KiB by default, and twice: as text and as details.
_MAX_MESSAGE_CHARS: Final = 600
_MAX_METADATA_CHARS: Final = 200


def grpc_code(error: FeaturamaError) -> grpc.StatusCode:
    """The gRPC code of the error's reason."""
    return GRPC_CODES[error.reason]


def status_of(error: FeaturamaError) -> status_pb2.Status:
    """google.rpc.Status with one ErrorInfo, and a RetryInfo if a retry can succeed."""
    metadata = {key: value[:_MAX_METADATA_CHARS] for key, value in error.metadata.items()}
    info = error_details_pb2.ErrorInfo(reason=error.reason.name, domain=DOMAIN, metadata=metadata)
    details = [_packed(info)]
    if (wait_ms := _RETRY_AFTER_MS.get(error.reason)) is not None:
        delay = duration_pb2.Duration(nanos=wait_ms * 1_000_000)
        details.append(_packed(error_details_pb2.RetryInfo(retry_delay=delay)))
    code: int = grpc_code(error).value[0]
    return status_pb2.Status(code=code, message=error.message[:_MAX_MESSAGE_CHARS], details=details)


def grpc_status(error: FeaturamaError) -> grpc.Status:
    """The status that a handler aborts with: code, message, and the Status in the trailing metadata."""
    status: grpc.Status = rpc_status.to_status(status_of(error))
    return status


def _packed(message: error_details_pb2.ErrorInfo | error_details_pb2.RetryInfo) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed
