"""The as-of join on arrays: pure, vectorised, no I/O."""

from featurama_core.point_in_time.as_of import (
    HistoryKeys,
    as_of,
    as_of_many,
    check_sorted,
    sort_history,
    within_ttl,
)

__all__ = ["HistoryKeys", "as_of", "as_of_many", "check_sorted", "sort_history", "within_ttl"]
