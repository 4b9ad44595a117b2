"""The column that a feature stores, and the words and the row of each refusal."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from featurama_core.ingest.convert import RowError, convert
from featurama_core.types.column import Column
from featurama_core.types.errors import Reason
from featurama_core.types.schema import FeatureDefinition
from featurama_core.types.values import MAX_TEXT_BYTES, Status, ValueType, empty_values

P, N, A = Status.PRESENT, Status.NULL_VALUE, Status.NOT_FOUND
LENGTHS = {ValueType.VECTOR: 2}


def feature(value_type: ValueType, references: str | None = None) -> FeatureDefinition:
    return FeatureDefinition(
        "mood", value_type, version=4, vector_length=LENGTHS.get(value_type, 0), references=references
    )


def column(value_type: ValueType, values: Sequence[object], status: Sequence[Status] = ()) -> Column:
    length = len(values[0]) if isinstance(values[0], tuple) else LENGTHS.get(value_type, 0)
    array = empty_values(value_type, len(values), length)
    array[:] = np.array(values, dtype=array.dtype)
    found = np.array(status or [P] * len(values), dtype=np.uint8)
    return Column("given", value_type, array, found, np.zeros(len(values), dtype=np.int64), 1)


@pytest.mark.parametrize(
    ("definition", "given", "reason", "message"),
    [
        (
            feature(ValueType.INT),
            column(ValueType.DOUBLE, [0.5]),
            Reason.TYPE_MISMATCH,
            "mood 0.5 is not an int",
        ),
        (
            feature(ValueType.VECTOR),
            column(ValueType.TEXT, ["x"]),
            Reason.TYPE_MISMATCH,
            "mood 'x' is not a vector[2]",
        ),
        (
            feature(ValueType.INT),
            column(ValueType.TEXT, ["x" * 58]),
            Reason.TYPE_MISMATCH,
            f"mood '{'x' * 58}' is not an int",
        ),
        (
            feature(ValueType.INT),
            column(ValueType.TEXT, ["x" * 59]),
            Reason.TYPE_MISMATCH,
            f"mood '{'x' * 59}... is not an int",
        ),
        (
            feature(ValueType.BOOL),
            column(ValueType.VECTOR, [(1.0, 2.0, 3.0)]),
            Reason.TYPE_MISMATCH,
            "mood vector[3] is not a bool, true or false",
        ),
        (
            feature(ValueType.VECTOR),
            column(ValueType.VECTOR, [(1.0, 2.0, 3.0)]),
            Reason.VECTOR_LENGTH_MISMATCH,
            "mood holds vectors of length 2, not 3",
        ),
        (
            feature(ValueType.VECTOR),
            column(ValueType.VECTOR, [(1.0, np.inf)]),
            Reason.INVALID_VALUE,
            "mood holds NaN or an infinity; vectors hold finite numbers only",
        ),
        (
            feature(ValueType.TEXT, references="planet"),
            column(ValueType.TEXT, [""]),
            Reason.INVALID_VALUE,
            "mood refers to a planet: entity_id is empty; give 1-256 bytes of UTF-8",
        ),
        (
            feature(ValueType.TEXT),
            column(ValueType.TEXT, ["\ud800"]),
            Reason.INVALID_VALUE,
            "mood is not valid Unicode text",
        ),
        (
            feature(ValueType.TEXT),
            column(ValueType.TEXT, ["é" * 5_000]),
            Reason.TEXT_TOO_LONG,
            "mood has 10000 bytes; at most 8192 are allowed",
        ),
    ],
    ids=["lossy", "text", "whole", "cut", "vector", "length", "infinity", "reference", "unicode", "long"],
)
def test_a_refusal_names_the_feature_and_says_what_is_wrong(
    definition: FeatureDefinition, given: Column, reason: Reason, message: str
) -> None:
    """In words that say what would be right."""
    _, problems = convert(given, definition)
    assert {0: RowError(reason, "mood", message)} == problems


@pytest.mark.parametrize("target", list(ValueType))
@pytest.mark.parametrize("given", list(ValueType))
def test_the_stored_column_is_that_of_its_feature(given: ValueType, target: ValueType) -> None:
    """Its name, version, type and dtype, whether its values are taken, cast or refused."""
    value = (1.0, 2.0) if given is ValueType.VECTOR else "1" if given is ValueType.TEXT else 1
    converted, problems = convert(column(given, [value, value], [P, N]), feature(target))
    assert ("mood", 4, target) == (converted.name, converted.version, converted.value_type)
    expected = empty_values(target, 2, LENGTHS.get(target, 0))
    assert (expected.dtype, expected.shape) == (converted.values.dtype, converted.values.shape)
    taken = given is target or {given, target} == {ValueType.INT, ValueType.DOUBLE}
    assert ([] if taken else [0]) == list(problems)
    assert [P if taken else A, N] == converted.status.tolist()
    assert np.array_equal(expected[1], converted.values[1])


def test_only_wrong_rows_are_refused_and_every_one() -> None:
    """The rows between and after them are kept; a null is never judged."""
    texts = column(ValueType.TEXT, ["a", "\ud800", "b", "x" * (MAX_TEXT_BYTES + 1), "\ud800", "c"], [P, P, P, P, N, P])
    converted, problems = convert(texts, feature(ValueType.TEXT))
    assert [1, 3] == list(problems)
    assert ["a", "", "b", "", "", "c"] == converted.values.tolist()
    assert [P, A, P, A, N, P] == converted.status.tolist()
    assert P == texts.status[1]

    ids = column(ValueType.TEXT, ["mars", "", "a\nb", "pluto"], [P, P, P, P])
    converted, problems = convert(ids, feature(ValueType.TEXT, references="planet"))
    assert ([1, 2], ["mars", "", "", "pluto"]) == (list(problems), converted.values.tolist())

    vectors = column(ValueType.VECTOR, [(1.0, 2.0), (np.nan, 1.0), (3.0, 4.0), (5.0, np.nan)], [P, P, P, N])
    converted, problems = convert(vectors, feature(ValueType.VECTOR))
    assert [1] == list(problems)
    assert [[1.0, 2.0], [0.0, 0.0], [3.0, 4.0], [0.0, 0.0]] == converted.values.tolist()

    doubles = column(ValueType.DOUBLE, [1.0, 0.5, -3.0, np.nan])
    converted, problems = convert(doubles, feature(ValueType.INT))
    assert ([1, 3], [1, 0, -3, 0]) == (list(problems), converted.values.tolist())
