"""The errors of feature stores, the same for embedded stores and servers."""

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
    RowsRejected,
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
    "RowsRejected",
    "StoreUnavailable",
    "Unknown",
]
