"""Features given to predict: single values, columns, frames."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from featurama.errors import InvalidInput, Reason
from featurama_core.frames.predictions import Predictions, RowError, given_columns
from featurama_core.frames.schemas import named_features
from featurama_core.types.column import column_of
from featurama_core.types.values import Status, ValueType


def test_single_values_stand_for_every_row() -> None:
    """{name: value} with three entities is three rows; without entities, one."""
    columns, rows = given_columns({"distance": 5000.0, "hazard_level": 3, "destination": "planet_mars"}, 3)
    assert rows == 3
    assert [(c.name, c.value_type, c.to_list()) for c in columns] == [
        ("distance", ValueType.DOUBLE, [5000.0] * 3),
        ("hazard_level", ValueType.INT, [3] * 3),
        ("destination", ValueType.TEXT, ["planet_mars"] * 3),
    ]
    assert given_columns({"distance": 1.0}, None)[1] == 1


def test_an_empty_cell_is_not_given() -> None:
    """None and NaN say that the store's value is to be used."""
    ((column,), rows) = given_columns(pd.DataFrame({"distance": [1.0, np.nan]}), None)
    assert rows == 2
    assert column.status.tolist() == [Status.PRESENT, Status.NOT_FOUND]
    assert given_columns({"distance": None}, 2) == ([], 2)


def test_paths_may_be_given() -> None:
    """Named like the model's features."""
    ((column,), _) = given_columns({"destination.traffic_level": [0.5]}, 1)
    assert column.name == "destination.traffic_level"


@pytest.mark.parametrize(
    ("features", "rows"),
    [
        ({"distance": [1.0, 2.0]}, 3),
        ({"entity_id": ["a"]}, 1),
        ({"Not a name": [1.0]}, 1),
        ({"distance": [object()]}, 1),
        ([1.0], 1),
    ],
)
def test_what_is_no_feature_is_refused(features: object, rows: int) -> None:
    with pytest.raises(InvalidInput):
        given_columns(features, rows)


def test_predictions_are_a_table() -> None:
    """A failed row has no prediction and says why."""
    result = Predictions(
        values=np.array([2.5, np.nan]),
        target="actual_duration",
        model="delivery_time",
        version=3,
        entity_ids=["a", "b"],
        features=[column_of("distance", ValueType.DOUBLE, np.array([1.0, 0.0]))],
        missing={},
        errors=[RowError(1, Reason.UNKNOWN_ENTITY, "not there")],
        as_of_time=0,
    )
    assert result.to_dict() == {
        "entity_id": ["a", "b"],
        "prediction": [2.5, None],
        "error": [None, "not there"],
        "distance": [1.0, 0.0],
    }
    frame = result.to_pandas(statuses=True, event_times=True)
    assert frame["prediction"].isna().tolist() == [False, True]
    assert [str(each) for each in frame.dtypes] == [
        "string",
        "float64",
        "string",
        "float64",
        "string",
        "datetime64[us, UTC]",
    ]
    assert pa.table(result).equals(result.to_arrow())
    assert named_features(result.to_arrow().schema)[0]["column"] == "distance"


def test_a_feature_with_the_name_of_a_column_of_predictions_is_refused() -> None:
    """Where its values are asked for in a table; one of them would be lost."""
    result = Predictions(
        values=np.array([2.5]),
        target="y",
        model="m",
        version=1,
        entity_ids=["a"],
        features=[column_of("prediction", ValueType.DOUBLE, np.array([1.0]))],
        missing={},
        errors=[],
        as_of_time=0,
    )
    with pytest.raises(InvalidInput, match="the column 'prediction' and the feature 'prediction' have one name"):
        result.to_dict()
