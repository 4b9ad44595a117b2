"""The errors that clients raise: those of the store, whatever lies between."""

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

__all__ = [
    "Conflict",
    "CorruptData",
    "DeadlineExceeded",
    "FailedPrecondition",
    "FeaturamaError",
    "InvalidInput",
    "OutcomeUnknown",
    "Overloaded",
    "Reason",
    "StoreUnavailable",
    "Unknown",
]
