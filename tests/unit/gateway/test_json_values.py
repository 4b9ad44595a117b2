"""Feature values as JSON and back: nothing is guessed, nothing is lost."""

from __future__ import annotations

import math

import numpy as np
import orjson
import pytest

from featurama import Status, ValueType
from featurama_gateway.rest.json_values import given_columns, rfc3339, values_of


@pytest.mark.parametrize(
    ("value", "value_type"),
    [
        (0.1, ValueType.DOUBLE),
        (-0.0, ValueType.DOUBLE),
        ("NaN", ValueType.DOUBLE),
        ("Infinity", ValueType.DOUBLE),
        ("-Infinity", ValueType.DOUBLE),
        (2**53, ValueType.INT),
        (-(2**53), ValueType.INT),
        (str(2**53 + 1), ValueType.INT),
        (str(2**63 - 1), ValueType.INT),
        (str(-(2**63)), ValueType.INT),
        (str(2**53), ValueType.TEXT),
        (str(2**63), ValueType.TEXT),
        ("+9007199254740993", ValueType.TEXT),
        ("09007199254740993", ValueType.TEXT),
        (True, ValueType.BOOL),
        ("nan", ValueType.TEXT),
        ("", ValueType.TEXT),
        ([0.5, -1.0], ValueType.VECTOR),
    ],
)
def test_a_given_value_has_the_type_that_json_says_and_reads_back_equal(value, value_type):
    """Only the strings that numbers become are numbers; true is no 1."""
    (column,) = given_columns({"x": value})

    assert (column.name, column.value_type, column.status.tolist()) == ("x", value_type, [Status.PRESENT])
    assert orjson.dumps(values_of(column)) == orjson.dumps([value])


@pytest.mark.parametrize("value", [2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63)])
def test_a_large_integer_is_a_string_unless_a_number_is_asked_for(value):
    """A number is given as it came; both forms keep every digit."""
    (column,) = given_columns({"x": value})

    assert [str(value), str(value), value] == [
        *values_of(column),
        *values_of(column, "string"),
        *values_of(column, "number"),
    ]


def test_null_is_a_null_that_is_given():
    """It overrides a stored value; a name that is left out does not."""
    (column,) = given_columns({"x": None})

    assert column.status.tolist() == [Status.NULL_VALUE]
    assert values_of(column) == [None]


def test_nan_is_given_as_a_value():
    """Not as a gap."""
    (column,) = given_columns({"x": "NaN"})

    assert math.isnan(column.values[0])
    assert np.asarray(column.status).tolist() == [Status.PRESENT]


@pytest.mark.parametrize(
    ("micros", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1, "1970-01-01T00:00:00.000001Z"),
        (-62_135_596_800_000_000, "0001-01-01T00:00:00Z"),
        (253_402_300_799_999_999, "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_times_are_rfc_3339(micros, text):
    """Microseconds, UTC, four digits of year."""
    assert rfc3339(micros) == text
