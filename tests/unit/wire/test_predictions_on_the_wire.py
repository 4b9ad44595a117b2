"""The answer of Predict: the bytes of the public message, read back from any encoding of it."""

from __future__ import annotations

import numpy as np
import pytest

from featurama import wire
from featurama.v1 import prediction_service_pb2 as pb
from featurama_core.types.column import column_of
from featurama_core.types.errors import InvalidInput
from featurama_core.types.values import Status, ValueType

pytestmark = pytest.mark.unit

VALUES = np.array([0.5, -1.0])


def sent(**changes: object) -> bytes:
    """Two rows with one feature, and what they are explained from."""
    feature = column_of("distance", ValueType.DOUBLE, np.array([1.0, 2.0]), version=3)
    contributions = [pb.Contribution(column="distance", features=["distance"], values=[1.0, 2.0])]
    return wire.predict_response_to_wire(
        VALUES, [feature], np.array([0.25, 0.75], dtype=np.float32), model="m", contributions=contributions, **changes
    )


def unpacked(field: int, *numbers: float) -> bytes:
    """Doubles as a sender may write them: a tag before each."""
    return b"".join(bytes([field << 3 | 1]) + np.float64(number).tobytes() for number in numbers)


def test_the_bytes_are_those_of_the_public_message():
    """Numbers, statuses and event times are where any client reads them."""
    message = pb.PredictResponse.FromString(sent(version=7))

    assert ([0.5, -1.0], [0.25, 0.75], "m", 7) == (
        list(message.predictions),
        list(message.base_values),
        message.model,
        message.version,
    )
    (feature,) = message.features
    assert ([1.0, 2.0], [Status.PRESENT] * 2, [0, 0]) == (
        list(feature.double_values),
        list(feature.statuses),
        list(feature.event_time_us),
    )


def test_an_answer_is_read_back():
    """Predictions may be written to: a failed row becomes NaN."""
    message, values, (feature,), base = wire.parse_predict_response(sent(), 2)

    assert ("m", [0.5, -1.0], "distance", [1.0, 2.0], [0.25, 0.75]) == (
        message.model,
        values.tolist(),
        feature.name,
        feature.values.tolist(),
        base.tolist(),
    )
    assert values.flags.writeable


def test_an_answer_with_unpacked_numbers_is_read_as_well():
    """Another server may send the same message so."""
    contribution = pb.PredictResponse(contributions=[pb.Contribution(values=[1.0, 2.0])]).SerializeToString()

    message, values, features, base = wire.parse_predict_response(
        unpacked(1, 0.5, -1.0) + contribution + unpacked(10, 0.25, 0.75), 2
    )

    assert ([0.5, -1.0], [], [0.25, 0.75]) == (values.tolist(), features, base.tolist())
    assert [1.0, 2.0] == list(message.contributions[0].values)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (sent(), "2 predictions for 3 rows"),
        (pb.PredictResponse(predictions=[1.0] * 3, contributions=[pb.Contribution()]).SerializeToString(), "base val"),
        (b"\x0a\x03abc", "are not a featurama.v1.PredictResponse"),
    ],
)
def test_an_answer_of_other_rows_is_refused(data, problem):
    """Too few numbers, no base values, and bytes that are no numbers."""
    with pytest.raises(InvalidInput, match=problem):
        wire.parse_predict_response(data, 3)
