"""All errors of the store: one base class, one subclass per cause, and a machine-readable reason.

The message is written for the caller: it names the field and the fix, and contains no internals. Transports map
`reason` to their own codes. Adapters raise these `from` the foreign error.
"""

from __future__ import annotations

from enum import IntEnum


class Reason(IntEnum):
    """Why a request or a row was refused. The numbers are those of `featurama.v1.ErrorReason`."""

    UNSPECIFIED = 0
    INVALID_ARGUMENT = 1
    INVALID_NAME = 2
    INVALID_ENTITY_ID = 3
    INVALID_REFERENCE = 4
    INVALID_TIME = 5
    NAIVE_TIME = 6
    INVALID_REQUEST_ID = 7
    INVALID_PAGE_TOKEN = 8
    INVALID_DEFINITION = 9
    INVALID_VALUE = 10
    TYPE_MISMATCH = 11
    TEXT_TOO_LONG = 12
    VECTOR_LENGTH_MISMATCH = 13
    EMPTY_REQUEST = 14
    LIMIT_EXCEEDED = 15
    EVENT_TIME_IN_FUTURE = 16
    PAST_RETENTION = 17
    CONFLICTING_DUPLICATE = 18
    REQUEST_TOO_OLD = 19
    REQUEST_IN_FUTURE = 20
    KNOWN_AT_NOT_SETTLED = 21
    ENTITY_TYPE_MISMATCH = 22
    MISSING_FEATURE = 23
    UNKNOWN_NAMESPACE = 30
    UNKNOWN_FEATURE = 31
    UNKNOWN_FEATURE_VERSION = 32
    UNKNOWN_FEATURE_GROUP = 33
    UNKNOWN_FEATURE_SERVICE = 34
    UNKNOWN_ENTITY_TYPE = 35
    UNKNOWN_ENTITY = 36
    UNKNOWN_MODEL = 37
    DEFINITION_CONFLICT = 40
    ENTITY_CONFLICT = 41
    NAMESPACE_EXISTS = 42
    DEPRECATED = 43
    STORE_UNAVAILABLE = 50
    UNKNOWN_OUTCOME = 51
    OVERLOADED = 52
    DEADLINE_EXCEEDED = 53
    SERVED_BY_INGEST = 54
    SCHEMA_MISMATCH = 55
    MODEL_UNUSABLE = 56
    CORRUPT_DATA = 57
    INTERNAL = 58
    UNAUTHENTICATED = 59
    ALIAS_MOVED = 60


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
