"""Predictions over gRPC, from entities, request features, or both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featurama import wire
from featurama.client.answers import joined, reading_answer
from featurama.client.splitting import Part, in_parts
from featurama.client.stubs import Stubs
from featurama.v1 import prediction_service_pb2 as pb
from featurama_core.api.models import PredictionQuery
from featurama_core.frames.predictions import Contributions, Predictions, RowError
from featurama_core.types.errors import InvalidInput
from featurama_core.types.sizes import MAX_MESSAGE_BYTES, row_bytes, run_end

MAX_ROWS = 10_000
MAX_EXPLAINED_ROWS = 1_000


async def predict(stubs: Stubs, namespace: str, query: PredictionQuery) -> Predictions:
    """Predictions for any number of rows, with several concurrent calls."""
    most = MAX_EXPLAINED_ROWS if query.include_contributions else MAX_ROWS
    # Messages of request features are expensive to make, so their size is computed before.
    most = min(most, run_end(np.cumsum(row_bytes(query.given, query.rows)), 0, MAX_MESSAGE_BYTES * 9 // 10))

    def pin(first: Predictions) -> Part[Predictions]:
        # The alias may move meanwhile: all parts use the version of the first.
        return partial(_predict_rows, stubs, namespace, replace(query, model=first.model, version=first.version))

    read = partial(_predict_rows, stubs, namespace, query)
    parts = await in_parts(query.rows, most, query.entity_ids, read, pin)
    return _joined(parts, query.entity_ids, stubs.online.target)


async def _predict_rows(stubs: Stubs, namespace: str, query: PredictionQuery, start: int, stop: int) -> Predictions:
    picked = np.arange(start, stop)
    ids = query.entity_ids[start:stop]
    message = pb.PredictRequest(
        namespace=namespace,
        model=query.model,
        version=query.version,
        alias=query.alias,
        include_features=query.include_features,
        include_contributions=query.include_contributions,
        entity_ids=() if query.keys else ids,
        keys=wire.keys_to_proto({name: texts[start:stop] for name, texts in query.keys.items()}),
        given=wire.columns_to_proto([column.take(picked) for column in query.given]),
    )
    data = await stubs.online.call(stubs.predict, message.SerializeToString())
    with reading_answer(stubs.online.target):
        return _read(data, ids, stop - start, explained=query.include_contributions)


def _read(data: bytes, ids: Sequence[str], rows: int, *, explained: bool) -> Predictions:
    answer, values, features, base = wire.parse_predict_response(data, rows)
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
        features=features,
        missing={each.row: tuple(each.features) for each in answer.missing},
        errors=errors,
        as_of_time=wire.from_timestamp(answer.as_of_time),
        contributions=_contributions(answer, base, rows) if explained else None,
        classes=tuple(each.label for each in answer.class_probabilities),
        predicted_classes=tuple(answer.predicted_classes),
        probabilities=probabilities,
    )


def _probabilities(answer: Any, rows: int) -> NDArray[np.float64] | None:
    if not answer.class_probabilities:
        return None
    columns = [np.array(each.values, dtype=np.float64) for each in answer.class_probabilities]
    if len(answer.predicted_classes) != rows or any(len(each) != rows for each in columns):
        raise InvalidInput(f"classes are not of {rows} rows")
    return np.stack(columns, axis=1)


def _contributions(answer: Any, base: NDArray[np.float64], rows: int) -> Contributions:
    columns = [np.array(each.values, dtype=np.float64) for each in answer.contributions]
    if any(len(each) != rows for each in (base, *columns)):
        raise InvalidInput(f"contributions are not of {rows} rows")
    values = np.stack(columns, axis=1) if columns else np.zeros((rows, 0))
    return Contributions(tuple(each.column for each in answer.contributions), values, base)


def _joined(parts: Sequence[Predictions], ids: Sequence[str], target: str) -> Predictions:
    if len(parts) == 1:
        return parts[0]
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
