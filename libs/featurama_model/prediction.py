"""The request and the result of a prediction: the rows of one call, or of a batch of label rows. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from featurama_core.api.primitives import Consistency
from featurama_core.frames.predictions import Contributions, RowError
from featurama_core.types.column import Column
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.names import check_entity_ids
from featurama_core.types.values import BoolArray, Status
from featurama_model.expressions import Float64Array
from featurama_model.manifest import ModelManifest
from featurama_model.registry import CHAMPION

MAX_ROWS = 10_000
MAX_EXPLAINED_ROWS = 1_000


@dataclass(frozen=True, slots=True, eq=False)
class PredictionRequest:
    """Rows by entity, by given features, or both: a given value overrides the stored one in its row.

    version: 0 for the version that `alias` names. given: columns named like the model's features, as many rows as
    `entity_ids` (None for a row that names no entity), or the rows themselves if there are no ids; status NOT_FOUND
    means not given in this row.
    contributions: whether to explain the rows, at most 1,000.
    """

    model: str
    version: int = 0
    alias: str = CHAMPION
    entity_ids: Sequence[str | None] = ()
    given: Sequence[Column] = ()
    consistency: Consistency | None = None
    contributions: bool = False

    def rows(self) -> int:
        """The number of rows. Raises InvalidInput for no rows, too many rows, or an invalid id."""
        by_entity = bool(self.entity_ids) or not self.given
        if by_entity:
            check_entity_ids(self.entity_ids, limit=MAX_ROWS, may_lack=True)
        rows = len(self.entity_ids) if by_entity else len(self.given[0])
        if rows == 0:
            raise InvalidInput("given features have no rows; give one", reason=Reason.EMPTY_REQUEST, field="given")
        if rows > MAX_ROWS:
            raise _too_many(f"given features have {rows} rows", MAX_ROWS, "given")
        if self.contributions and rows > MAX_EXPLAINED_ROWS:
            problem = f"contributions are requested for {rows} rows"
            raise _too_many(problem, MAX_EXPLAINED_ROWS, "include_contributions")
        return rows


def _too_many(problem: str, most: int, field: str) -> InvalidInput:
    message = f"{problem}; at most {most} fit one call, split them"
    return InvalidInput(message, reason=Reason.LIMIT_EXCEEDED, field=field)


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """Predictions of n rows. values: float64[n], 0 where `row_errors` has the row. columns: the features used, in the
    model's order; the event time of a given value is 0. missing: row -> its features that were not PRESENT.
    contributions: None unless requested; 0 where `row_errors` has the row. probabilities: float64[n, classes] in the
    manifest's order of classes, 0 where `row_errors` has the row; None for a regression.
    """

    values: Float64Array
    manifest: ModelManifest
    columns: list[Column]
    row_errors: list[RowError]
    missing: Mapping[int, tuple[str, ...]]
    as_of_time: int
    contributions: Contributions | None = None
    probabilities: Float64Array | None = None

    def classes(self) -> list[str]:
        """Label of the most likely class per row, "" where `row_errors` has the row; [] for a regression."""
        if self.probabilities is None:
            return []
        labels = [self.manifest.class_names[at] for at in self.probabilities.argmax(axis=1).tolist()]
        for error in self.row_errors:
            labels[error.row] = ""
        return labels


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """Scores of n rows. values: float64[n]; probabilities: float64[n, classes], None for a regression; both undefined
    where `errors` has the row. absent: bool[features, n], in the model's order: features that were not PRESENT.
    """

    values: Float64Array
    probabilities: Float64Array | None
    absent: BoolArray
    errors: Sequence[RowError]


def with_refused(
    errors: list[RowError], manifest: ModelManifest, columns: Sequence[Column], rows: int
) -> list[RowError]:
    """The errors, and one more per row that lacks a feature whose policy is `fail` and has no error yet."""
    if not manifest.required:
        return errors
    known = {error.row for error in errors}
    required = [column for column in columns if column.name in manifest.required]
    for row in np.flatnonzero(manifest.refused(columns, rows)).tolist():
        if row not in known:
            absent = [column.name for column in required if column.status[row] != Status.PRESENT]
            message = f"the model needs a value of {', '.join(absent)[:500]}; write or give it"
            errors.append(RowError(row, Reason.MISSING_FEATURE, message, absent[0]))
    return sorted(errors, key=lambda error: error.row)
