"""Engineered columns: what each expression computes, what is missing, what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from featurama_core.types.column import Column, column_of
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.values import Status, ValueType
from featurama_model.engineered import EngineeredSpec, matrix
from featurama_model.expressions import Feature, Power, Product, Ratio

LARGEST = np.finfo(np.float32).max


def doubles(name: str, *values: float | None) -> Column:
    """A double column; None is a null."""
    status = [Status.NULL_VALUE if value is None else Status.PRESENT for value in values]
    return Column(
        name=name,
        value_type=ValueType.DOUBLE,
        values=np.array([0.0 if value is None else value for value in values]),
        status=np.array(status, dtype=np.uint8),
        event_time=np.zeros(len(values), dtype=np.int64),
    )


def test_every_expression_computes_its_column_in_the_order_of_the_spec() -> None:
    spec = EngineeredSpec((Ratio("r", "a", "b"), Feature("a", "a"), Power("p", "a", 3), Product("x", ("a", "b", "b"))))
    built = matrix([doubles("b", 2.0, -4.0), doubles("a", 3.0, 8.0)], spec)
    expected = np.array([[1.5, 3.0, 27.0, 12.0], [-2.0, 8.0, 512.0, 128.0]], dtype=np.float32)
    assert built.dtype == np.float32
    assert built.flags.c_contiguous
    np.testing.assert_array_equal(built, expected)


def test_int_and_bool_features_are_numbers() -> None:
    columns = [
        column_of("i", ValueType.INT, np.array([3, -2])),
        column_of("b", ValueType.BOOL, np.array([True, False])),
    ]
    built = matrix(columns, EngineeredSpec.of_features(["i", "b"], Product("ib", ("i", "b"))))
    np.testing.assert_array_equal(built, np.array([[3, 1, 3], [-2, 0, 0]], dtype=np.float32))


@pytest.mark.parametrize("status", [each for each in Status if each is not Status.PRESENT])
def test_whatever_is_not_present_is_missing_and_so_is_all_that_is_computed_from_it(status: Status) -> None:
    absent = Column(
        "a", ValueType.DOUBLE, np.array([5.0]), np.array([status], dtype=np.uint8), np.zeros(1, dtype=np.int64)
    )
    spec = EngineeredSpec.of_features(
        ["a", "b"], Product("x", ("b", "a")), Ratio("r", "b", "a"), Power("p", "a", 2), Power("q", "b", 2)
    )
    built = matrix([absent, doubles("b", 2.0)], spec)
    np.testing.assert_array_equal(np.isnan(built), [[True, False, True, True, True, False]])


def test_a_ratio_by_zero_is_missing() -> None:
    built = matrix([doubles("a", 1.0, 0.0, 1.0), doubles("b", 0.0, -0.0, 4.0)], EngineeredSpec((Ratio("r", "a", "b"),)))
    np.testing.assert_array_equal(built[:, 0], np.array([np.nan, np.nan, 0.25], dtype=np.float32))


def test_infinities_and_what_float32_cannot_hold_become_its_largest_value() -> None:
    column = doubles("a", np.inf, -np.inf, 1e300, -1e300, np.nan)
    built = matrix([column], EngineeredSpec.of_features(["a"], Power("p", "a", 2)))
    np.testing.assert_array_equal(built[:, 0], np.array([LARGEST, -LARGEST, LARGEST, -LARGEST, np.nan]))
    np.testing.assert_array_equal(built[:, 1], np.array([LARGEST, LARGEST, LARGEST, LARGEST, np.nan]))


def test_no_rows_give_an_empty_matrix_of_the_right_width() -> None:
    assert matrix([doubles("a")], EngineeredSpec.of_features(["a"])).shape == (0, 1)


def test_a_text_feature_may_stand_by_but_not_be_computed_with() -> None:
    text = column_of("destination", ValueType.TEXT, np.array(["planet_mars"], dtype=np.object_))
    assert matrix([text, doubles("a", 1.0)], EngineeredSpec.of_features(["a"])).shape == (1, 1)
    with pytest.raises(InvalidInput, match="destination") as refused:
        matrix([text], EngineeredSpec.of_features(["destination"]))
    assert refused.value.reason is Reason.TYPE_MISMATCH


def test_a_feature_that_is_not_there_is_named() -> None:
    with pytest.raises(InvalidInput, match="'b'") as refused:
        matrix([doubles("a", 1.0)], EngineeredSpec((Product("x", ("a", "b")),)))
    assert refused.value.reason is Reason.UNKNOWN_FEATURE


@pytest.mark.parametrize(
    "spec",
    [
        EngineeredSpec(()),
        EngineeredSpec((Feature("a", "a"), Power("a", "a", 2))),
        EngineeredSpec((Feature("A b", "a"),)),
        EngineeredSpec((Product("x", ("a",)),)),
        EngineeredSpec((Product("x", ("a",) * 9),)),
        EngineeredSpec((Power("p", "a", 1),)),
        EngineeredSpec((Power("p", "a", 9),)),
        EngineeredSpec((Ratio("r", "a", "unknown"),)),
        EngineeredSpec((Feature("t", "t"),)),
        EngineeredSpec((Feature("v", "v"),)),
        EngineeredSpec(tuple(Feature(f"c{n}", "a") for n in range(1_025))),
    ],
)
def test_a_spec_that_cannot_be_computed_is_refused_when_it_is_checked(spec: EngineeredSpec) -> None:
    with pytest.raises(InvalidInput):
        spec.check({"a": ValueType.DOUBLE, "t": ValueType.TEXT, "v": ValueType.VECTOR})


@given(
    st.lists(
        st.tuples(*[st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True))] * 3),
        min_size=1,
        max_size=70,
    )
)
def test_a_row_computed_alone_is_the_same_bytes_as_in_a_batch(rows: list[tuple[float | None, ...]]) -> None:
    """Training computes many rows together, serving one: they must agree in every bit."""
    spec = EngineeredSpec.of_features(
        ["a", "b", "c"], Product("x", ("a", "b", "c")), Ratio("r", "a", "b"), Power("p", "c", 5)
    )
    together = matrix([doubles(name, *values) for name, values in zip("abc", zip(*rows), strict=True)], spec)  # noqa: B905
    for number, row in enumerate(rows):
        alone = matrix([doubles(name, value) for name, value in zip("abc", row, strict=True)], spec)
        assert alone.tobytes() == together[number : number + 1].tobytes()
