"""A failed call -> the error that the store raised on the server.

Featurama servers send google.rpc.Status with an ErrorInfo, which has the reason and the metadata. Other peers (a proxy,
an unreachable server) send a gRPC code only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from featurama_core.types.errors import (
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
from featurama_core.types.sizes import too_large

_DOMAIN: Final = "featurama"
_DETAILS: Final = "grpc-status-details-bin"
_UNSENT: Final = ("failed to connect", "connections to all backends failing", "DNS resolution failed")
_LARGER: Final = re.compile(r"message larger than max \((\d+) vs\. (\d+)\)")
"""How gRPC itself refuses a message, on either side."""

_LEAVES: Final[tuple[tuple[range, type[FeaturamaError]], ...]] = (
    (range(Reason.INVALID_ARGUMENT, Reason.UNKNOWN_NAMESPACE), InvalidInput),
    (range(Reason.UNKNOWN_NAMESPACE, Reason.DEFINITION_CONFLICT), Unknown),
    (range(Reason.DEFINITION_CONFLICT, Reason.DEPRECATED), Conflict),
)
_LEAF: Final[Mapping[Reason, type[FeaturamaError]]] = MappingProxyType(
    {
        Reason.KNOWN_AT_NOT_SETTLED: FailedPrecondition,
        Reason.DEPRECATED: FailedPrecondition,
        Reason.STORE_UNAVAILABLE: StoreUnavailable,
        Reason.UNKNOWN_OUTCOME: OutcomeUnknown,
        Reason.OVERLOADED: Overloaded,
        Reason.DEADLINE_EXCEEDED: DeadlineExceeded,
        Reason.SERVED_BY_INGEST: FailedPrecondition,
        Reason.SCHEMA_MISMATCH: FailedPrecondition,
        Reason.MODEL_UNUSABLE: FailedPrecondition,
        Reason.CORRUPT_DATA: CorruptData,
        Reason.ALIAS_MOVED: Conflict,
        Reason.DEFINITION_USED: FailedPrecondition,
        Reason.REVISION_CONFLICT: Conflict,
        Reason.VALUES_LOST: FailedPrecondition,
    }
)


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed call: its error, whether a retry may succeed, the minimum waiting time, seconds, and whether the request
    was never sent, because there is no connection.
    """

    error: FeaturamaError
    transient: bool
    wait: float = 0.0
    unsent: bool = False


def error_of(reason: Reason, message: str, metadata: Mapping[str, str] | None = None) -> FeaturamaError:
    """The error class of a reason."""
    kind = _LEAF.get(reason)
    if kind is None:
        kind = next((leaf for reasons, leaf in _LEAVES if reason in reasons), FeaturamaError)
    error = kind(message, reason=reason)
    error.metadata.update(metadata or {})
    return error


def is_transient(error: FeaturamaError) -> bool:
    """Whether the same request may succeed later."""
    return isinstance(error, (StoreUnavailable, OutcomeUnknown, Overloaded))


def error_from_rpc(rpc: grpc.aio.AioRpcError, target: str = "the server", *, writes: bool = False) -> FeaturamaError:
    """The error of a failed call.

    Args:
        rpc: The failure of the call.
        target: Name of the server, for messages.
        writes: Whether the outcome is unknown after a lost connection.
    """
    return failure_of(rpc, target, writes=writes).error


def failure_of(rpc: grpc.aio.AioRpcError, target: str, *, writes: bool = False) -> Failure:
    """The error of a failed call, with the advice of the server on retries."""
    status, info, wait = _details(rpc)
    if info is not None:
        try:
            reason = Reason[info.reason]
        except KeyError:
            reason = Reason.UNSPECIFIED
        if reason is not Reason.UNSPECIFIED:
            error = error_of(reason, status.message or rpc.details() or reason.name, dict(info.metadata))
            return Failure(error, is_transient(error), wait)
    error = _by_code(rpc, target, writes=writes)
    return Failure(error, is_transient(error), wait, _is_unsent(rpc))


def _is_unsent(rpc: grpc.aio.AioRpcError) -> bool:
    return rpc.code() is grpc.StatusCode.UNAVAILABLE and any(each in (rpc.details() or "") for each in _UNSENT)


def _details(
    rpc: grpc.aio.AioRpcError,
) -> tuple[status_pb2.Status, error_details_pb2.ErrorInfo | None, float]:
    """The status, the ErrorInfo of Featurama if there is one, and the seconds to wait by RetryInfo."""
    status, found, wait = status_pb2.Status(), None, 0.0
    data = dict(rpc.trailing_metadata() or ()).get(_DETAILS)
    if not isinstance(data, bytes):
        return status, found, wait
    try:
        status.MergeFromString(data)
        for detail in status.details:
            info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
            if detail.Unpack(info) and info.domain == _DOMAIN:
                found = info
            elif detail.Unpack(retry):
                wait = max(0.0, retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9)
    except DecodeError:
        return status_pb2.Status(), None, 0.0
    return status, found, wait


def _by_code(rpc: grpc.aio.AioRpcError, target: str, *, writes: bool) -> FeaturamaError:
    code, details = rpc.code(), rpc.details() or ""
    said = f"{target} answered {code.name}: {details}" if details else f"{target} answered {code.name}"
    if code is grpc.StatusCode.UNAVAILABLE:
        # After a lost connection the outcome is unknown.
        if writes and not _is_unsent(rpc):
            return OutcomeUnknown(f"the connection to {target} was lost; send the same request again", target=target)
        return StoreUnavailable(f"cannot reach {target}: {details or 'no connection'}", target=target)
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return DeadlineExceeded(f"{target} did not answer in time; allow more time or request less", target=target)
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        if sizes := _LARGER.search(details):
            return too_large(int(sizes[1]), int(sizes[2]), "send or request fewer rows or features")
        return Overloaded(said, target=target)
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return FeaturamaError(
            f"{target} does not serve this call; is it the right Featurama service?",
            reason=Reason.UNSPECIFIED,
            target=target,
        )
    if code in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED):
        return FeaturamaError(said, reason=Reason.UNAUTHENTICATED, target=target)
    if code is grpc.StatusCode.CANCELLED:
        # Cancelled by the server, which is shutting down: a cancellation here raises CancelledError.
        kind = OutcomeUnknown if writes else StoreUnavailable
        return kind(f"{target} ended the call before it was done; send it again", target=target)
    kinds: dict[grpc.StatusCode, type[FeaturamaError]] = {
        grpc.StatusCode.INVALID_ARGUMENT: InvalidInput,
        grpc.StatusCode.OUT_OF_RANGE: InvalidInput,
        grpc.StatusCode.NOT_FOUND: Unknown,
        grpc.StatusCode.ALREADY_EXISTS: Conflict,
        grpc.StatusCode.ABORTED: Conflict,
        grpc.StatusCode.FAILED_PRECONDITION: FailedPrecondition,
        grpc.StatusCode.DATA_LOSS: CorruptData,
    }
    return kinds.get(code, FeaturamaError)(said, reason=Reason.UNSPECIFIED, target=target)
