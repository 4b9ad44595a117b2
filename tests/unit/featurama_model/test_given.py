"""Given features: how they are named, converted and laid over stored ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.featurama_model.models import MANIFEST

from featurama_core.types.column import Column, column_of
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.values import Status, ValueType
from featurama_model.manifest import ModelFeature
from featurama_model.request_features import given_columns, overlaid

TWO_PLANETS = replace(
    MANIFEST,
    features=(
        ModelFeature("hazard_level", "hazard_level@1", "int"),
        ModelFeature("origin.traffic_level", "origin@1.traffic_level@1", "double"),
        ModelFeature("destination.traffic_level", "destination@1.traffic_level@1", "double"),
        ModelFeature("destination.weather_index", "destination@1.weather_index@1", "double"),
    ),
)


def doubles(name: str, *values: float, status: list[Status] | None = None) -> Column:
    column = column_of(name, ValueType.DOUBLE, np.array(values))
    return column if status is None else replace(column, status=np.array(status, dtype=np.uint8))


@pytest.mark.parametrize("name", ["destination.weather_index", "weather_index", "destination@1.weather_index@1"])
def test_a_path_may_be_named_in_full_pinned_or_by_its_last_step(name: str) -> None:
    assert list(given_columns(TWO_PLANETS, [doubles(name, 0.5)], 1)) == ["destination.weather_index"]


def test_a_last_step_of_two_paths_is_refused_and_both_are_named() -> None:
    with pytest.raises(InvalidInput, match=r"origin\.traffic_level, destination\.traffic_level") as refused:
        given_columns(TWO_PLANETS, [doubles("traffic_level", 0.5)], 1)
    assert refused.value.reason is Reason.UNKNOWN_FEATURE


def test_a_name_that_the_model_does_not_know_is_refused_by_name() -> None:
    with pytest.raises(InvalidInput, match="shoe_size") as refused:
        given_columns(TWO_PLANETS, [doubles("shoe_size", 0.5)], 1)
    assert refused.value.reason is Reason.UNKNOWN_FEATURE
    assert refused.value.metadata["field"] == "shoe_size"


def test_a_feature_given_under_two_names_is_refused() -> None:
    with pytest.raises(InvalidInput, match="twice"):
        given_columns(TWO_PLANETS, [doubles("weather_index", 0.5), doubles("destination.weather_index", 0.5)], 1)


def test_an_integral_double_is_an_int_and_another_is_refused() -> None:
    converted = given_columns(TWO_PLANETS, [doubles("hazard_level", 3.0)], 1)["hazard_level"]
    assert (converted.value_type, converted.to_list()) == (ValueType.INT, [3])
    with pytest.raises(InvalidInput, match="hazard_level") as refused:
        given_columns(TWO_PLANETS, [doubles("hazard_level", 3.0, 3.5)], 2)
    assert refused.value.reason is Reason.TYPE_MISMATCH


def test_a_text_for_a_number_is_refused() -> None:
    text = column_of("weather_index", ValueType.TEXT, np.array(["0.5"], dtype=np.object_))
    with pytest.raises(InvalidInput) as refused:
        given_columns(TWO_PLANETS, [text], 1)
    assert refused.value.reason is Reason.TYPE_MISMATCH


def test_columns_have_as_many_rows_as_the_request() -> None:
    with pytest.raises(InvalidInput, match="2 rows"):
        given_columns(TWO_PLANETS, [doubles("weather_index", 0.5, 0.6)], 3)


@pytest.mark.parametrize("status", [Status.OUTSIDE_MAX_AGE, Status.ERROR])
def test_no_one_can_give_a_status_that_only_the_store_knows(status: Status) -> None:
    with pytest.raises(InvalidInput, match="status"):
        given_columns(TWO_PLANETS, [doubles("weather_index", 0.0, status=[status])], 1)


def test_given_values_and_nulls_count_in_their_rows_only() -> None:
    stored = replace(
        doubles("w", 1.0, 2.0, 3.0, 0.0, status=[Status.PRESENT] * 3 + [Status.ERROR]),
        event_time=np.array([10, 20, 30, 0]),
    )
    states = [Status.PRESENT, Status.NOT_FOUND, Status.NULL_VALUE, Status.PRESENT]
    laid = overlaid(stored, doubles("w", 9.0, 0.0, 0.0, 8.0, status=states))
    assert laid.to_list() == [9.0, 2.0, None, 8.0]
    assert laid.status.tolist() == [Status.PRESENT, Status.PRESENT, Status.NULL_VALUE, Status.PRESENT]
    assert laid.event_time.tolist() == [0, 20, 0, 0]
    assert stored.to_list() == [1.0, 2.0, 3.0, None]
