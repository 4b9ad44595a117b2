"""Predictions: asked for by entity, by given features, or both; answered as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featurama import wire
from featurama.client.answers import concurrently, joined, reading_answer
from featurama.client.writing import WritingMethods
from featurama.v1 import prediction_service_pb2 as pb
from featurama_core.frames.cells import open_frame, read_cells
from featurama_core.frames.results import Result
from featurama_core.frames.tables import Field, status_field, time_field, value_field
from featurama_core.frames.values import Shared, typed
from featurama_core.types.column import Column
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.names import check_entity_ids
from featurama_core.types.references import FeatureRef
from featurama_core.types.times import to_rfc3339
from featurama_core.types.values import Status

MAX_ROWS = 10_000
MAX_EXPLAINED_ROWS = 1_000

_SCALARS = (str, bytes, int, float, np.generic)


@dataclass(frozen=True, slots=True)
class RowError:
    """Why a row has no prediction. field: for MISSING_FEATURE the first feature that lacks a value, else ""."""

    row: int
    reason: Reason
    message: str
    field: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Contributions:
    """What each of the model's columns added to each prediction (SHAP values): values float64[n, k], base float64[n].

    columns: names of the k. A row's values and its base add up to the prediction, or to its log-odds where the model's
    objective is binary:logistic; they are 0 where the row has no prediction.
    """

    columns: Sequence[str]
    values: NDArray[np.float64]
    base: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Predictions(Result):
    """A prediction a row. values: float64[n], NaN where `errors` names the row; target: the quantity predicted.

    features: what the model was given, in its order; missing: row -> names of the features it lacked.
    entity_ids: as asked, empty if only features were given. as_of_time: microseconds, when features were read.
    contributions: None unless asked for.
    Of a model of classes: classes are their labels in the model's order, predicted_classes the likeliest, one a row (""
    where `errors` names it), probabilities float64[n, classes] (NaN there); values are the probability of the second of
    two classes, or the position of the likeliest of several. (), () and None of a model that predicts a number.
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

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        failed = f", {len(self.errors)} failed" if self.errors else ""
        return (
            f"Predictions({len(self)} rows of {self.target}{failed}; {self.model} version {self.version}; "
            f"as of {to_rfc3339(self.as_of_time)})"
        )

    def _fields(self, *, statuses: bool, event_times: bool) -> list[Field]:
        """entity_id, prediction, the class and how likely each is (if any), error (if any), and the features used."""
        fields: list[Field] = []
        if self.entity_ids:
            fields.append(Field("entity_id", "text", _texts(self.entity_ids)))
        failed = np.zeros(len(self), dtype=np.bool_)
        messages = _texts([""] * len(self))
        for error in self.errors:
            failed[error.row] = True
            messages[error.row] = error.message
        fields.append(Field("prediction", "double", self.values, failed if self.errors else None))
        if self.probabilities is not None:
            absent = failed if self.errors else None
            fields.append(Field("predicted_class", "text", _texts(self.predicted_classes), absent))
            for label, values in zip(self.classes, self.probabilities.T, strict=True):
                fields.append(Field(f"probability_{label}", "double", np.ascontiguousarray(values), absent))
        if self.errors:
            fields.append(Field("error", "text", messages, ~failed))
        for column in self.features:
            fields.append(value_field(column.name, column))
            if statuses:
                fields.append(status_field(f"{column.name}__status", column))
            if event_times:
                fields.append(time_field(f"{column.name}__event_time", column))
        return fields


class PredictingMethods(WritingMethods):
    """Predictions by a model of the store."""

    async def predict(
        self,
        entity_ids: Sequence[str] | None = None,
        features: Any = None,
        *,
        model: str | None = None,
        version: int | None = None,
        alias: str | None = None,
        include_features: bool = True,
        include_contributions: bool = False,
    ) -> Predictions:
        """Predict a row an entity, on its newest features, on given `features`, or both: the given ones override.

        features: a frame or mapping of columns with as many rows, or a mapping of single values for every row; an
        empty cell is not given. Or a list of `Column`, sent as they are: status NULL_VALUE gives a null.
        model: default the server's; version: default what `alias` ("champion") names.
        One bad row never fails the rest: see `errors`. include_contributions: whether to explain each row, which
        costs many times the prediction itself.
        """
        if isinstance(entity_ids, str):
            entity_ids = [entity_ids]
        ids = list(entity_ids or ())
        given, rows = given_columns(features, len(ids) if entity_ids is not None else None)
        if entity_ids is not None:
            check_entity_ids(ids)
        if not rows:
            raise InvalidInput("name entities, or give features", reason=Reason.EMPTY_REQUEST, field="entity_ids")
        request = pb.PredictRequest(
            namespace=self._namespace,
            model=model or "",
            version=version or 0,
            alias=alias or "",
            include_features=include_features,
            include_contributions=include_contributions,
        )
        step = MAX_EXPLAINED_ROWS if include_contributions else MAX_ROWS
        first = await self._predict(request, ids, given, 0, min(rows, step))
        if rows <= step:
            return first
        # The alias may move meanwhile: all parts are predicted by the version that took the first.
        request.model, request.version = first.model, first.version

        def part(at: int) -> Any:
            return lambda: self._predict(request, ids, given, at, min(at + step, rows))

        rest: list[Predictions] = await concurrently([part(at) for at in range(step, rows, step)])
        return _joined([first, *rest], ids, self._open.online.target)

    async def _predict(
        self, request: pb.PredictRequest, ids: Sequence[str], given: Sequence[Column], start: int, stop: int
    ) -> Predictions:
        message = pb.PredictRequest()
        message.CopyFrom(request)
        message.entity_ids.extend(ids[start:stop])
        picked = np.arange(start, stop)
        message.given.extend(wire.columns_to_proto([column.take(picked) for column in given]))
        stubs = self._open
        answer = await stubs.online.call(stubs.predictions.Predict, message)
        with reading_answer(stubs.online.target):
            return _read(answer, ids[start:stop], stop - start, explained=request.include_contributions)


def given_columns(features: Any, rows: int | None) -> tuple[list[Column], int]:
    """(columns, number of rows) of given features; empty cells have status NOT_FOUND: not given in that row.

    rows: of the entities asked for; None if the features are the rows themselves.
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
            shared=Shared.of(frame.rows),
        )
    return columns, frame.rows if rows is None else rows


def _as_they_are(columns: list[Column], rows: int | None) -> tuple[list[Column], int]:
    rows = len(columns[0]) if rows is None else rows
    for column in columns:
        FeatureRef.parse(column.name)
        if len(column) != rows:
            raise InvalidInput(f"feature {column.name!r} has {len(column)} rows, not {rows}", field=column.name)
    return columns, rows


def _read(answer: pb.PredictResponse, ids: Sequence[str], rows: int, *, explained: bool) -> Predictions:
    values = np.array(answer.predictions, dtype=np.float64)
    if len(values) != rows:
        raise InvalidInput(f"{len(values)} predictions for {rows} rows")
    errors = [
        RowError(error.row, wire.reason_from_proto(error.reason), error.message, error.field)
        for error in answer.row_errors
    ]
    probabilities = _probabilities(answer, rows)
    for error in errors:
        if not 0 <= error.row < rows:
            raise InvalidInput(f"an error names row {error.row} of {rows}")
        values[error.row] = np.nan
        if probabilities is not None:
            probabilities[error.row] = np.nan
    return Predictions(
        values=values,
        target=answer.target,
        model=answer.model,
        version=answer.version,
        entity_ids=ids,
        features=wire.columns_from_proto(answer.features, rows),
        missing={each.row: tuple(each.features) for each in answer.missing},
        errors=errors,
        as_of_time=wire.from_timestamp(answer.as_of_time),
        contributions=_contributions(answer, rows) if explained else None,
        classes=tuple(each.label for each in answer.class_probabilities),
        predicted_classes=tuple(answer.predicted_classes),
        probabilities=probabilities,
    )


def _probabilities(answer: pb.PredictResponse, rows: int) -> NDArray[np.float64] | None:
    if not answer.class_probabilities:
        return None
    columns = [np.array(each.values, dtype=np.float64) for each in answer.class_probabilities]
    if len(answer.predicted_classes) != rows or any(len(each) != rows for each in columns):
        raise InvalidInput(f"classes are not of {rows} rows")
    return np.stack(columns, axis=1)


def _contributions(answer: pb.PredictResponse, rows: int) -> Contributions:
    columns = [np.array(each.values, dtype=np.float64) for each in answer.contributions]
    base = np.array(answer.base_values, dtype=np.float64)
    if any(len(each) != rows for each in (base, *columns)):
        raise InvalidInput(f"contributions are not of {rows} rows")
    values = np.stack(columns, axis=1) if columns else np.zeros((rows, 0))
    return Contributions(tuple(each.column for each in answer.contributions), values, base)


def _joined(parts: Sequence[Predictions], ids: Sequence[str], target: str) -> Predictions:
    errors: list[RowError] = []
    missing: dict[int, Sequence[str]] = {}
    explained = [part.contributions for part in parts if part.contributions is not None]
    likely = [part.probabilities for part in parts if part.probabilities is not None]
    start = 0
    for part in parts:
        errors += [replace(each, row=start + each.row) for each in part.errors]
        missing |= {start + row: names for row, names in part.missing.items()}
        start += len(part)
    return Predictions(
        values=np.concatenate([part.values for part in parts]),
        target=parts[0].target,
        model=parts[0].model,
        version=parts[0].version,
        entity_ids=ids,
        features=joined([part.features for part in parts], target),
        missing=missing,
        errors=errors,
        as_of_time=min(part.as_of_time for part in parts),
        contributions=Contributions(
            explained[0].columns,
            np.concatenate([each.values for each in explained]),
            np.concatenate([each.base for each in explained]),
        )
        if explained
        else None,
        classes=parts[0].classes,
        predicted_classes=tuple(label for part in parts for label in part.predicted_classes),
        probabilities=np.concatenate(likely) if likely else None,
    )


def _texts(values: Sequence[str]) -> NDArray[np.object_]:
    return np.fromiter(values, dtype=np.object_, count=len(values))
