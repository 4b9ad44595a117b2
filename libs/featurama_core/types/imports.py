"""Imports of old history: their scope, and the number that their ingest times end in.

The rows of an import have their own ingest times. These are floored to the microsecond, and their last three digits are
the number of the import, so that of two imports with equal times the later one is a correction. The number is one more
than the largest number of the earlier imports that share a feature, event times and ingest times with it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.times import MAX_TIME, MIN_TIME, to_rfc3339
from featurama_core.types.values import Int64Array

MAX_IMPORT_NUMBER = 999


@dataclass(frozen=True, slots=True)
class ImportScope:
    """Upper bound of the content of an import. features: names, in all versions; () for all features.

    Times are microseconds, first and last inclusive.
    """

    features: tuple[str, ...]
    first_event: int
    last_event: int
    first_ingested: int
    last_ingested: int

    def overlaps(self, other: ImportScope) -> bool:
        """Whether both may contain a value with the same feature, event time and ingest time."""
        return (
            self.first_event <= other.last_event
            and other.first_event <= self.last_event
            and self.first_ingested <= other.last_ingested
            and other.first_ingested <= self.last_ingested
            and (not self.features or not other.features or not set(self.features).isdisjoint(other.features))
        )

    def joined(self, other: ImportScope) -> ImportScope:
        """The smallest scope that contains both."""
        return ImportScope(
            tuple(sorted({*self.features, *other.features})),
            min(self.first_event, other.first_event),
            max(self.last_event, other.last_event),
            min(self.first_ingested, other.first_ingested),
            max(self.last_ingested, other.last_ingested),
        )


@dataclass(frozen=True, slots=True)
class ImportRecord:
    """An import that has begun. import_id: chosen by the client, so that a repeated beginning changes nothing."""

    import_id: str
    number: int
    scope: ImportScope

    @classmethod
    def of_row(cls, import_id: str, number: int, features: str, *times: int) -> ImportRecord:
        """The inverse of `row`."""
        return cls(import_id, number, ImportScope(tuple(json.loads(features)), *times))

    def row(self) -> tuple[str | int, ...]:
        """(import_id, number, features, first_event, last_event, first_ingested, last_ingested)."""
        scope = self.scope
        times = (scope.first_event, scope.last_event, scope.first_ingested, scope.last_ingested)
        return (self.import_id, self.number, json.dumps(list(scope.features)), *times)


UNNUMBERED = ImportRecord("", 0, ImportScope((), MIN_TIME, MAX_TIME, MIN_TIME, MAX_TIME))
"""All imports of a release without import numbers: their times end in zeros."""


def known_import(begun: Iterable[ImportRecord], import_id: str, scope: ImportScope) -> ImportRecord | None:
    """The import with this id, None if it has not begun. InvalidInput if it began with another scope."""
    for record in begun:
        if record.import_id == import_id:
            if record.scope != scope:
                raise InvalidInput(
                    "import_id names an import of other features or times; make a new id for each import",
                    reason=Reason.INVALID_REQUEST_ID,
                    field="import_id",
                )
            return record
    return None


def next_number(begun: Iterable[ImportRecord], scope: ImportScope) -> int:
    """The number of an import that begins after all of `begun`. InvalidInput if none is left."""
    number = max((record.number + 1 for record in begun if record.scope.overlaps(scope)), default=0)
    if number > MAX_IMPORT_NUMBER:
        raise InvalidInput(
            f"{MAX_IMPORT_NUMBER + 1} imports share features, event times and ingest times with this one "
            f"({to_rfc3339(scope.first_ingested)} to {to_rfc3339(scope.last_ingested)}), no further number is left; "
            "give later ingest times, or write the corrections without ingested_at",
            reason=Reason.LIMIT_EXCEEDED,
            field="ingested_at",
        )
    return number


def numbered_times(ingested_at: Int64Array, number: int) -> Int64Array:
    """int64[n] nanoseconds -> the same, floored to the microsecond and ending in the number."""
    times: Int64Array = ingested_at // 1_000 * 1_000 + number
    return times
