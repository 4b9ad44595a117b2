"""Results of predictions, and the request features of a caller."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featurama_core.frames.cells import objects, open_frame, read_cells
from featurama_core.frames.naming import FeatureColumns
from featurama_core.frames.results import Result, label_field
from featurama_core.frames.tables import Field
from featurama_core.frames.values import typed
from featurama_core.types.column import Column, Plain
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.references import FeatureRef
from featurama_core.types.times import to_rfc3339
from featurama_core.types.values import Status

_SCALARS = (str, bytes, int, float, np.generic)


@dataclass(frozen=True, slots=True)
class RowError:
    """Why a row has no prediction. field: for MISSING_FEATURE the first feature without a value, else ""."""

    row: int
    reason: Reason
    message: str
    field: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Contributions:
    """Contribution of each column of the model to each prediction (SHAP values).

    columns: names of the k columns. values: float64[n, k]. base: float64[n]. The values of a row and its base add up to
    the prediction, or to its log-odds if the objective is binary:logistic. They are 0 if the row has no prediction.
    """

    columns: Sequence[str]
    values: NDArray[np.float64]
    base: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Predictions(Result):
    """One prediction per row.

    Attributes:
        values: float64[n], NaN for a row in `errors`. For two classes, the probability of the second; for more classes,
            the position of the likeliest one.
        target: Name of the predicted quantity.
        model: Name of the model.
        version: Version of the model.
        entity_ids: The requested ids, "" for a row that names no entity; empty if all rows consist of request features.
        features: Features passed to the model, in its order; () if they were not requested.
        missing: Row -> names of features without a value.
        errors: Rows without a prediction.
        as_of_time: Microseconds since 1970 UTC, the time at which features were read.
        contributions: None unless they were requested.
        classes: Class labels in the order of the model; () for a model that predicts a number.
        predicted_classes: Label of the likeliest class per row, "" for a row in `errors`; () for such a model.
        probabilities: float64[n, classes], NaN for a row in `errors`; None for such a model.
        labels: Name -> n values, the caller's key columns; empty for rows of ids.
    """

    values: NDArray[np.float64]
    target: str
    model: str
    version: int
    entity_ids: Sequence[str]
    features: Sequence[Column]
    missing: Mapping[int, Sequence[str]]
    errors: Sequence[RowError]
    as_of_time: int
    contributions: Contributions | None = None
    classes: Sequence[str] = ()
    predicted_classes: Sequence[str] = ()
    probabilities: NDArray[np.float64] | None = None
    labels: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        failed = f", {len(self.errors)} failed" if self.errors else ""
        return (
            f"Predictions({len(self)} rows of {self.target}{failed}; {self.model} version {self.version}; "
            f"as of {to_rfc3339(self.as_of_time)})"
        )

    def _fields(self, *, statuses: bool, event_times: bool) -> list[Field]:
        """entity_id, prediction, classes and their probabilities (if any), error (if any), and the features used."""
        fields = [label_field(name, values) for name, values in self.labels.items()]
        if self.entity_ids and not self.labels:
            fields.append(Field("entity_id", "text", objects(self.entity_ids)))
        failed = np.zeros(len(self), dtype=np.bool_)
        messages = objects([""] * len(self))
        for error in self.errors:
            failed[error.row] = True
            messages[error.row] = error.message
        fields.append(Field("prediction", "double", self.values, failed if self.errors else None))
        if self.probabilities is not None:
            absent = failed if self.errors else None
            fields.append(Field("predicted_class", "text", objects(self.predicted_classes), absent))
            for label, values in zip(self.classes, self.probabilities.T, strict=True):
                fields.append(Field(f"probability_{label}", "double", np.ascontiguousarray(values), absent))
        if self.errors:
            fields.append(Field("error", "text", messages, ~failed))
        shown = FeatureColumns(statuses, event_times)
        shown.check(
            (column.name for column in self.features),
            [each.name for each in fields],
            word="column",
            fix="read the features with get_online_features",
        )
        return [*fields, *(each for column in self.features for each in shown.fields(column.name, column))]


def given_columns(features: Any, rows: int | None) -> tuple[list[Column], int]:
    """(columns, number of rows) of request features. An empty cell has status NOT_FOUND: the row has no such feature.

    rows: number of requested entities; None if every row consists of request features.
    """
    if features is None:
        return [], rows or 0
    if isinstance(features, list) and features and all(isinstance(each, Column) for each in features):
        return _as_they_are(features, rows)
    if isinstance(features, Mapping) and all(
        value is None or isinstance(value, _SCALARS) for value in features.values()
    ):
        features = {name: [value] * (1 if rows is None else rows) for name, value in features.items()}
    frame = open_frame(features)
    if rows is not None and frame.columns and frame.rows != rows:
        raise InvalidInput(f"features have {frame.rows} rows for {rows} entities", field="features")
    columns: list[Column] = []
    for name, cells in frame.columns.items():
        if name in ("entity_id", "timestamp"):
            raise InvalidInput(f"{name!r} is no feature; drop the column", field=name)
        FeatureRef.parse(name)
        found = typed(read_cells(cells))
        for row, (reason, problem) in sorted(found.problems.items())[:1]:
            raise InvalidInput(f"feature {name!r}, row {row}: {problem}", reason=reason, field=name)
        columns += found.columns(
            name,
            slice(None),
            frame.rows,
            version=0,
            null_status=Status.NOT_FOUND,
            shared=Plain.of(frame.rows),
        )
    return columns, frame.rows if rows is None else rows


def _as_they_are(columns: list[Column], rows: int | None) -> tuple[list[Column], int]:
    rows = len(columns[0]) if rows is None else rows
    for column in columns:
        FeatureRef.parse(column.name)
        if len(column) != rows:
            raise InvalidInput(f"feature {column.name!r} has {len(column)} rows, not {rows}", field=column.name)
    return columns, rows
