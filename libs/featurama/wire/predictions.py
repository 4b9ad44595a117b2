"""The answers of PredictionService: numbers and the features used as the twin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featurama.v1 import prediction_service_pb2
from featurama.wire.parsing import Encoding, read_either
from featurama.wire.shapes import Unreadable
from featurama.wire.twin import columns_to_wire
from featurama.wire.v1 import twin_pb2
from featurama_core.types.column import Column

_Float64Array = NDArray[np.float64]


def predict_response_to_wire(
    predictions: _Float64Array, features: Sequence[Column], base_values: _Float64Array | None, **fields: Any
) -> bytes:
    """The bytes of a PredictResponse. features: with statuses and event times; fields: the others of the message."""
    message = twin_pb2.PredictResponse(
        predictions=[predictions.tobytes()],
        features=columns_to_wire(features, statuses=True, event_times=True),
        base_values=() if base_values is None else [base_values.astype(np.float64).tobytes()],
        **fields,
    )
    return message.SerializeToString()


def parse_predict_response(data: bytes, rows: int) -> tuple[Any, _Float64Array, list[Column], _Float64Array]:
    """(the message, the predictions float64[rows], the features used, the base values float64[rows] if it explains) of
    a PredictResponse.
    """

    def read(message: Any, encoding: Encoding) -> tuple[Any, _Float64Array, list[Column], _Float64Array]:
        predictions, base = _doubles(message.predictions), _doubles(message.base_values)
        if len(predictions) != rows:
            raise Unreadable(f"{len(predictions)} predictions for {rows} rows")
        if message.contributions and len(base) != rows:
            raise Unreadable(f"{len(base)} base values for {rows} rows")
        return message, predictions, encoding.columns(message.features, rows), base

    return read_either(data, twin_pb2.PredictResponse, prediction_service_pb2.PredictResponse, read)


def _doubles(numbers: Sequence[Any]) -> _Float64Array:
    """float64[n], writable, of chunks of a packed array or of its numbers."""
    if not numbers or not isinstance(numbers[0], bytes):
        return np.array(numbers, dtype=np.float64)
    data = b"".join(numbers)
    if len(data) % 8:
        raise Unreadable(f"{len(data)} bytes are not whole numbers")
    return np.frombuffer(data, dtype=np.float64).copy()
