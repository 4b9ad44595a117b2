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

_INVALID = grpc.StatusCode.INVALID_ARGUMENT
_PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION
_NOT_FOUND = grpc.StatusCode.NOT_FOUND

GRPC_CODES: Final[Mapping[Reason, grpc.StatusCode]] = MappingProxyType(
    {
        Reason.UNSPECIFIED: grpc.StatusCode.UNKNOWN,
        Reason.INVALID_ARGUMENT: _INVALID,
        Reason.INVALID_NAME: _INVALID,
        Reason.INVALID_ENTITY_ID: _INVALID,
        Reason.INVALID_REFERENCE: _INVALID,
        Reason.INVALID_TIME: _INVALID,
        Reason.NAIVE_TIME: _INVALID,
        Reason.INVALID_REQUEST_ID: _INVALID,
        Reason.INVALID_PAGE_TOKEN: _INVALID,
        Reason.INVALID_DEFINITION: _INVALID,
        Reason.INVALID_VALUE: _INVALID,
        Reason.TYPE_MISMATCH: _INVALID,
        Reason.TEXT_TOO_LONG: _INVALID,
        Reason.VECTOR_LENGTH_MISMATCH: _INVALID,
        Reason.EMPTY_REQUEST: _INVALID,
        Reason.LIMIT_EXCEEDED: _INVALID,
        Reason.EVENT_TIME_IN_FUTURE: _INVALID,
        Reason.PAST_RETENTION: _INVALID,
        Reason.CONFLICTING_DUPLICATE: _INVALID,
        Reason.REQUEST_TOO_OLD: _PRECONDITION,
        Reason.REQUEST_IN_FUTURE: _PRECONDITION,
        Reason.KNOWN_AT_NOT_SETTLED: _PRECONDITION,
        Reason.ENTITY_TYPE_MISMATCH: _PRECONDITION,
        Reason.MISSING_FEATURE: _INVALID,
        Reason.UNKNOWN_NAMESPACE: _NOT_FOUND,
        Reason.UNKNOWN_FEATURE: _NOT_FOUND,
        Reason.UNKNOWN_FEATURE_VERSION: _NOT_FOUND,
        Reason.UNKNOWN_FEATURE_GROUP: _NOT_FOUND,
        Reason.UNKNOWN_FEATURE_SERVICE: _NOT_FOUND,
        Reason.UNKNOWN_ENTITY_TYPE: _NOT_FOUND,
        Reason.UNKNOWN_ENTITY: _NOT_FOUND,
        Reason.UNKNOWN_MODEL: _NOT_FOUND,
        Reason.UNKNOWN_RESOURCE: _NOT_FOUND,
        Reason.DEFINITION_CONFLICT: grpc.StatusCode.ALREADY_EXISTS,
        Reason.ENTITY_CONFLICT: grpc.StatusCode.ALREADY_EXISTS,
        Reason.NAMESPACE_EXISTS: grpc.StatusCode.ALREADY_EXISTS,
        Reason.DEPRECATED: _PRECONDITION,
        Reason.STORE_UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
        Reason.UNKNOWN_OUTCOME: grpc.StatusCode.UNAVAILABLE,
        Reason.OVERLOADED: grpc.StatusCode.RESOURCE_EXHAUSTED,
        Reason.DEADLINE_EXCEEDED: grpc.StatusCode.DEADLINE_EXCEEDED,
        Reason.SERVED_BY_INGEST: grpc.StatusCode.UNIMPLEMENTED,
        Reason.SCHEMA_MISMATCH: _PRECONDITION,
        Reason.MODEL_UNUSABLE: _PRECONDITION,
        Reason.CORRUPT_DATA: grpc.StatusCode.DATA_LOSS,
        Reason.INTERNAL: grpc.StatusCode.INTERNAL,
        Reason.UNAUTHENTICATED: grpc.StatusCode.UNAUTHENTICATED,
        Reason.ALIAS_MOVED: grpc.StatusCode.ABORTED,
        Reason.METHOD_NOT_ALLOWED: grpc.StatusCode.UNIMPLEMENTED,
    }
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
