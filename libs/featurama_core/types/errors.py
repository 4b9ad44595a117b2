"""All errors of the store: one base class, one subclass per cause, and a machine-readable reason.

The message is written for the caller: it names the field and the fix, and contains no internals. Transports map
`reason` to their own codes. Adapters raise these `from` the foreign error.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Self


class Reason(IntEnum):
    """Why a request or a row was refused. The numbers are those of `featurama.v1.ErrorReason`."""

    UNSPECIFIED = 0
    """The peer gave no reason that this version knows."""
    INVALID_ARGUMENT = 1
    """The request is invalid."""
    INVALID_NAME = 2
    """A name is reserved or not of the form `[a-z][a-z0-9_]{0,62}`."""
    INVALID_ENTITY_ID = 3
    """An entity id is empty, longer than 256 bytes or holds control characters."""
    INVALID_REFERENCE = 4
    """A feature reference cannot be read."""
    INVALID_TIME = 5
    """A time is missing or outside the years 1 to 9999."""
    NAIVE_TIME = 6
    """A time has no zone."""
    INVALID_REQUEST_ID = 7
    """The request id is not a UUIDv7."""
    INVALID_PAGE_TOKEN = 8
    """The page token is not a token of this call."""
    INVALID_DEFINITION = 9
    """A field of a definition is out of bounds."""
    INVALID_VALUE = 10
    """A value is not allowed, such as NaN in a vector."""
    TYPE_MISMATCH = 11
    """The type of a value is not that of the feature and cannot be converted without loss."""
    TEXT_TOO_LONG = 12
    """A text is longer than 8 KiB."""
    VECTOR_LENGTH_MISMATCH = 13
    """The length of a vector is not that of the feature."""
    EMPTY_REQUEST = 14
    """The request holds no row, id or feature."""
    LIMIT_EXCEEDED = 15
    """The request exceeds a limit of the call."""
    EVENT_TIME_IN_FUTURE = 16
    """An event time is further ahead than max_clock_skew."""
    PAST_RETENTION = 17
    """A value is past the retention of its group."""
    CONFLICTING_DUPLICATE = 18
    """Two rows of one request give different values for one feature and event time."""
    REQUEST_TOO_OLD = 19
    """The request id is older than retry_window."""
    REQUEST_IN_FUTURE = 20
    """The request id is further ahead than max_clock_skew."""
    KNOWN_AT_NOT_SETTLED = 21
    """known_at is too young to be settled."""
    ENTITY_TYPE_MISMATCH = 22
    """The entity is registered with another type."""
    MISSING_FEATURE = 23
    """A feature that the model requires has no value in this row."""
    UNKNOWN_NAMESPACE = 30
    """There is no such namespace."""
    UNKNOWN_FEATURE = 31
    """There is no such feature."""
    UNKNOWN_FEATURE_VERSION = 32
    """The feature has no such version."""
    UNKNOWN_FEATURE_GROUP = 33
    """There is no such feature group."""
    UNKNOWN_FEATURE_SERVICE = 34
    """There is no such feature service."""
    UNKNOWN_ENTITY_TYPE = 35
    """There is no such entity type."""
    UNKNOWN_ENTITY = 36
    """The entity is not registered and has no values."""
    UNKNOWN_MODEL = 37
    """There is no such model, version or alias."""
    UNKNOWN_RESOURCE = 38
    """REST: there is no such path."""
    DEFINITION_CONFLICT = 40
    """A different definition has that name and version already."""
    ENTITY_CONFLICT = 41
    """The entity is registered with another type already."""
    NAMESPACE_EXISTS = 42
    """The namespace exists already."""
    DEPRECATED = 43
    """The definition is deprecated and cannot be used by new definitions."""
    STORE_UNAVAILABLE = 50
    """The store did not carry out the request; retry with the same request id."""
    UNKNOWN_OUTCOME = 51
    """The store may have carried out the request; send it again with the same request id."""
    OVERLOADED = 52
    """The server admits no more calls at the moment; back off."""
    DEADLINE_EXCEEDED = 53
    """The deadline passed before the answer arrived."""
    SERVED_BY_INGEST = 54
    """The call is served by the ingest service."""
    SCHEMA_MISMATCH = 55
    """The schema of the store is not of this version; run featurama migrate."""
    MODEL_UNUSABLE = 56
    """The model cannot be loaded or used."""
    CORRUPT_DATA = 57
    """Stored bytes could not be read."""
    INTERNAL = 58
    """A defect of the server; its log has the details."""
    UNAUTHENTICATED = 59
    """The call carries no valid credentials."""
    ALIAS_MOVED = 60
    """The alias does not name the expected version any more; look at what it names now."""
    DEFINITION_USED = 61
    """The definition to delete is used by others."""
    METHOD_NOT_ALLOWED = 62
    """REST: the path does not support the method."""
    REVISION_CONFLICT = 63
    """The definition has a newer revision than the expected one: someone else changed it."""
    VALUES_LOST = 64
    """A lower retention removes values; look how many, and confirm."""


class FeaturamaError(Exception):
    """Base of all errors raised to callers.

    reason: stable and machine-readable. metadata: short strings such as the name of the invalid field.
    """

    reason: Reason = Reason.INTERNAL

    def __init__(self, message: str, /, *, reason: Reason | None = None, **metadata: object) -> None:
        super().__init__(message)
        if reason is not None:
            self.reason = reason
        self.metadata: dict[str, str] = {key: str(value) for key, value in metadata.items()}

    @property
    def message(self) -> str:
        """The message for the caller."""
        return str(self.args[0])

    def again(self) -> Self:
        """A new copy: a raised error has the traceback of its caller."""
        return type(self)(self.message, reason=self.reason, **self.metadata)


class InvalidInput(FeaturamaError):
    """The request is invalid and will fail again unchanged. The message names the field and the fix."""

    reason = Reason.INVALID_ARGUMENT


class RowsRejected(InvalidInput):
    """Rows of a frame were rejected. report: the `WriteReport`; the accepted rows are stored."""

    reason = Reason.INVALID_VALUE

    def __init__(self, message: str, report: object) -> None:
        super().__init__(message)
        self.report = report


class Unknown(FeaturamaError):
    """The request names something that does not exist."""

    reason = Reason.UNKNOWN_FEATURE


class Conflict(FeaturamaError):
    """The object to create exists with another content, or the object to change was changed concurrently."""

    reason = Reason.DEFINITION_CONFLICT


class StoreUnavailable(FeaturamaError):
    """The storage did not carry out the request. The same request may be sent again."""

    reason = Reason.STORE_UNAVAILABLE


class OutcomeUnknown(FeaturamaError):
    """The storage may have carried out the request. Send the same request again, with the same id."""

    reason = Reason.UNKNOWN_OUTCOME


class DeadlineExceeded(FeaturamaError):
    """The deadline of the caller passed before the answer arrived."""

    reason = Reason.DEADLINE_EXCEEDED


class Overloaded(FeaturamaError):
    """The server admits no more requests at the moment. Back off and send the request again."""

    reason = Reason.OVERLOADED


class FailedPrecondition(FeaturamaError):
    """The installation is not in the state that the request needs (schema, model, service)."""

    reason = Reason.SCHEMA_MISMATCH


class CorruptData(FeaturamaError):
    """Stored bytes cannot be read. They are never replaced by a guessed value."""

    reason = Reason.CORRUPT_DATA


def store_closed() -> FailedPrecondition:
    """The error of every call on a store that its owner has closed: embedded, behind servers, or blocking."""
    return FailedPrecondition("this store is closed; open it again", reason=Reason.INVALID_ARGUMENT)
