"""Writes: rows in columns, and a verdict per row or per value.

A row has one entity and one event time. Several columns may hold values of one feature (a long frame with values of
several types), but each row has at most one value per feature.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from featurama_core.types.column import Column
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.problems import Problem, Problems
from featurama_core.types.schema import FeatureDefinition, FeatureGroup
from featurama_core.types.values import Int64Array, UInt8Array

MAX_ROWS_PER_WRITE = 10_000
MAX_COLUMNS_PER_WRITE = 10_000
MAX_VALUES_PER_WRITE = 4_000_000
"""Rows times columns: the doubles that a message holds."""
_SHOWN_PROBLEMS = 10


class WriteMode(IntEnum):
    """How rows are written to the tables. The numbers are those of `featurama.v1.WriteMode`."""

    ATOMIC = 1
    """All rows of one (entity, event time) become visible together."""
    BULK = 2
    """For backfills: twice as fast on a cluster; tables may differ until the row is acknowledged."""


class WriteUnit(IntEnum):
    """Unit of a verdict. The numbers are those of `featurama.v1.WriteUnit`."""

    ROW = 1
    """Rows of a wide frame: one invalid value rejects the row."""
    VALUE = 2
    """Values of a long frame, each with its own verdict."""


class Outcome(IntEnum):
    """Outcome of a row (or value). The numbers are those of `featurama.v1.WriteOutcome`."""

    ACCEPTED = 1
    REJECTED = 2
    UNKNOWN = 3


@dataclass(frozen=True, slots=True, eq=False)
class WriteRequest:
    """n rows. entity_ids: none if the columns hold the keys of the rows. event_time: int64[n] microseconds.

    ingested_at: int64[n], nanosecond-like, for imports of old history; otherwise the request id determines it. It is
    stored floored to the microsecond and ends in `import_number`, the number of the import.
    """

    entity_ids: Sequence[str]
    event_time: Int64Array
    columns: Sequence[Column]
    request_id: str = ""
    mode: WriteMode = WriteMode.ATOMIC
    unit: WriteUnit = WriteUnit.ROW
    ingested_at: Int64Array | None = None
    import_number: int | None = None

    def __len__(self) -> int:
        return len(self.entity_ids) or len(self.event_time)


@dataclass(frozen=True, slots=True, eq=False)
class StoredColumn:
    """A validated column of a write: values of the type of the definition, status PRESENT, NULL_VALUE or NOT_FOUND."""

    definition: FeatureDefinition
    group: FeatureGroup
    column: Column


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why a unit was not accepted. column: position of the column, -1 for the whole row."""

    row: int
    column: int
    outcome: Outcome
    reason: Reason
    field: str
    message: str


@dataclass(slots=True, repr=False)
class WriteReport:
    """Result of a write: accepted + rejected + unknown = sent. verdicts: one per unit that was not accepted.

    casts: the number of cells that each declared cast of a frame changed.
    """

    request_id: str
    accepted: int = 0
    rejected: int = 0
    unknown: int = 0
    verdicts: Sequence[Verdict] = ()
    casts: dict[str, int] = field(default_factory=dict)

    def __repr__(self) -> str:
        counts = f"accepted={self.accepted:,}, rejected={self.rejected:,}, unknown={self.unknown:,}"
        casts = "".join(f", {count:,} cast {name}" for name, count in self.casts.items())
        shown = [f"\n  {each}" for each in self.problems()[:_SHOWN_PROBLEMS]]
        return f"WriteReport({counts}{casts}){''.join(shown)}"

    def problems(self) -> list[Problem]:
        """The verdicts grouped by reason, field and message, whatever the values in it, the most frequent first."""
        return Problems(self.verdicts).found()

    @property
    def sent(self) -> int:
        """Number of units sent."""
        return self.accepted + self.rejected + self.unknown

    def __iter__(self) -> Iterator[Verdict]:
        return iter(self.verdicts)


@dataclass(frozen=True, slots=True)
class Deletion:
    """Values with event time <= deleted_through (microseconds) are deleted. cleaned: whether their bytes are too.

    found: whether there was any, or a registration of the entity.
    """

    deleted_through: int
    cleaned: bool
    found: bool = True


def check_counts(rows: int, columns: int) -> None:
    """Raise InvalidInput for a request with too many rows, columns or values."""
    if rows > MAX_ROWS_PER_WRITE:
        raise InvalidInput(
            f"the request holds {rows} rows; at most {MAX_ROWS_PER_WRITE} fit one, split it",
            reason=Reason.LIMIT_EXCEEDED,
            field="entity_ids",
        )
    if columns > MAX_COLUMNS_PER_WRITE or rows * columns > MAX_VALUES_PER_WRITE:
        raise InvalidInput(
            f"the request holds {rows} rows of {columns} columns; at most {MAX_COLUMNS_PER_WRITE} columns and"
            f" {MAX_VALUES_PER_WRITE} values fit one, split it",
            reason=Reason.LIMIT_EXCEEDED,
            field="columns",
        )


def all_accepted(rows: int) -> UInt8Array:
    """`Outcome.ACCEPTED` for every row, to be overwritten where a row fails."""
    return np.full(rows, Outcome.ACCEPTED, dtype=np.uint8)
