"""The matches of joins in memory, in the order of the rows."""

from __future__ import annotations

from collections.abc import Sequence

from featurama_core.retrieval.answer import Stored, Winners
from featurama_core.types.column import Column
from featurama_core.types.references import ResolvedFeature
from featurama_core.types.values import Int64Array


class Matches:
    """The winners of some features for n rows; a `MatchSink`."""

    def __init__(self, features: Sequence[ResolvedFeature], rows: int) -> None:
        self._found = [Stored.nothing([each], rows) for each in features]

    def add(self, features: tuple[int, ...], rows: Int64Array, event_time: Int64Array, columns: list[Column]) -> None:
        """See `MatchSink.add`."""
        for feature, column in zip(features, columns, strict=True):
            found = self._found[feature]
            found.values[0][rows] = column.values
            found.status[0, rows] = column.status
            found.event_time[rows] = event_time

    def winners(self) -> Winners:
        """The winners of each feature."""
        return [([at], stored) for at, stored in enumerate(self._found)]


def taken(stored: Stored, rows: Int64Array) -> Stored:
    """The given rows, in the given order."""
    return Stored([each[rows] for each in stored.values], stored.status[:, rows], stored.event_time[rows])
