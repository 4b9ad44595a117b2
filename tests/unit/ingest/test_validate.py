"""What a write refuses, and what it keeps: rows judged as columns."""

from __future__ import annotations

import math

import numpy as np
import pytest
from tests.unit.ingest.judging import FEATURES, NOW, column, doubles, judge, kept, reasons, request, resolve

from featurama_core.ingest.convert import convert
from featurama_core.ingest.validate import check_shape, validate
from featurama_core.types.column import Column
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.times import SECOND
from featurama_core.types.values import Status, ValueType
from featurama_core.types.writes import MAX_ROWS_PER_WRITE, Outcome, WriteRequest, WriteUnit

EXACT = 2**53


@pytest.mark.parametrize(
    ("name", "given", "value", "stored"),
    [
        ("speed", ValueType.INT, EXACT - 1, float(EXACT - 1)),
        ("speed", ValueType.INT, -(EXACT - 1), -float(EXACT - 1)),
        ("speed", ValueType.INT, EXACT, Reason.TYPE_MISMATCH),
        ("speed", ValueType.INT, -EXACT, Reason.TYPE_MISMATCH),
        ("speed", ValueType.INT, -(2**63), Reason.TYPE_MISMATCH),
        ("speed", ValueType.BOOL, True, Reason.TYPE_MISMATCH),
        ("speed", ValueType.TEXT, "1.5", Reason.TYPE_MISMATCH),
        ("speed", ValueType.DOUBLE, math.inf, math.inf),
        ("tally", ValueType.DOUBLE, float(EXACT - 1), EXACT - 1),
        ("tally", ValueType.DOUBLE, float(EXACT), Reason.TYPE_MISMATCH),
        ("tally", ValueType.DOUBLE, -float(EXACT), Reason.TYPE_MISMATCH),
        ("tally", ValueType.DOUBLE, 0.5, Reason.TYPE_MISMATCH),
        ("tally", ValueType.DOUBLE, math.nan, Reason.TYPE_MISMATCH),
        ("tally", ValueType.DOUBLE, math.inf, Reason.TYPE_MISMATCH),
        ("tally", ValueType.DOUBLE, 1e300, Reason.TYPE_MISMATCH),
        ("tally", ValueType.INT, -(2**63), -(2**63)),
        ("tally", ValueType.BOOL, True, Reason.TYPE_MISMATCH),
        ("flag", ValueType.INT, 1, Reason.TYPE_MISMATCH),
        ("note", ValueType.TEXT, "é" * 4_096, "é" * 4_096),
        ("note", ValueType.TEXT, "é" * 4_097, Reason.TEXT_TOO_LONG),
        ("note", ValueType.TEXT, "\ud800", Reason.INVALID_VALUE),
        ("note", ValueType.TEXT, "", ""),
        ("home", ValueType.TEXT, "", Reason.INVALID_VALUE),
        ("home", ValueType.TEXT, "a\nb", Reason.INVALID_VALUE),
        ("home", ValueType.TEXT, "x" * 257, Reason.INVALID_VALUE),
        ("shape", ValueType.VECTOR, (0.5, -1.0), [0.5, -1.0]),
        ("shape", ValueType.VECTOR, (1.0, 2.0, 3.0), Reason.VECTOR_LENGTH_MISMATCH),
        ("shape", ValueType.VECTOR, (1.0, math.nan), Reason.INVALID_VALUE),
        ("shape", ValueType.DOUBLE, 1.0, Reason.TYPE_MISMATCH),
    ],
)
def test_a_value_becomes_one_of_its_feature_or_is_refused(
    name: str, given: ValueType, value: object, stored: object
) -> None:
    """No cast that loses anything; a refused value is not written."""
    converted, problems = convert(column(name, given, [value]), FEATURES[name])
    if isinstance(stored, Reason):
        assert [stored] == [problem.reason for problem in problems.values()]
        assert [Status.NOT_FOUND] == converted.status.tolist()
    else:
        assert ({}, [stored]) == (problems, converted.to_list())


def test_a_null_has_no_type() -> None:
    """It may stand in a column of any type, even one whose values would be refused."""
    for given in ValueType:
        converted, problems = convert(column("tally", given, [None]), FEATURES["tally"])
        assert ({}, [Status.NULL_VALUE]) == (problems, converted.status.tolist())
        assert ValueType.INT is converted.value_type


def test_all_nans_are_stored_with_one_bit_pattern() -> None:
    """A payload or a sign of the caller's NaN would make equal values unequal bytes."""
    odd = np.array([0x7FF8_0000_0000_0001, 0xFFF8_0000_0000_0000], dtype=np.uint64).view(np.float64)
    converted, _ = convert(doubles("speed", *odd), FEATURES["speed"])
    assert 1 == len({each.tobytes() for each in converted.values})


def test_equal_duplicates_are_one_value() -> None:
    """NaN equals NaN; both units are accepted, one row is stored."""
    validated, report = judge(request([doubles("speed", math.nan, math.nan)], entities=["fry", "fry"]))
    assert (2, 0) == (report.accepted, report.rejected)
    assert 1 == len(validated.entity_ids)


def test_zeros_of_different_sign_are_different_values() -> None:
    """Or the order of the rows would decide which is stored."""
    _, report = judge(request([doubles("speed", 0.0, -0.0)], entities=["fry", "fry"]))
    assert [(0, -1, Reason.CONFLICTING_DUPLICATE), (1, -1, Reason.CONFLICTING_DUPLICATE)] == reasons(report)


def test_different_duplicates_are_all_refused() -> None:
    """Also the two equal ones among three, and a null beside a value; other rows stand."""
    sent = request([doubles("speed", 1.0, 1.0, None, 3.0)], entities=["fry", "fry", "fry", "leela"])
    validated, report = judge(sent)
    assert [0, 1, 2] == [row for row, _, _ in reasons(report)]
    assert {"speed": [("leela", NOW, 3.0)]} == kept(validated)


def test_a_conflict_is_judged_among_valid_rows_only() -> None:
    """A row that is refused anyway takes no other with it."""
    columns = [doubles("speed", 1.0, 2.0), column("note", ValueType.TEXT, [..., "x" * 9_000])]
    validated, report = judge(request(columns, entities=["fry", "fry"]))
    assert [(1, -1, Reason.TEXT_TOO_LONG)] == reasons(report)
    assert {"speed": [("fry", NOW, 1.0)]} == kept(validated)


def test_a_conflict_across_columns_of_one_feature_is_found() -> None:
    """A long frame has a column a type: an int and a double may be the same value, or not."""
    same = [doubles("speed", 1.0, ...), column("speed", ValueType.INT, [..., 1])]
    validated, report = judge(request(same, entities=["fry", "fry"], unit=WriteUnit.VALUE))
    assert (2, []) == (report.accepted, reasons(report))
    assert {"speed": [("fry", NOW, 1.0)]} == kept(validated)
    other = [doubles("speed", 1.0, ...), column("speed", ValueType.INT, [..., 2])]
    _, report = judge(request(other, entities=["fry", "fry"], unit=WriteUnit.VALUE))
    assert [(0, 0, Reason.CONFLICTING_DUPLICATE), (1, 1, Reason.CONFLICTING_DUPLICATE)] == reasons(report)


def test_rows_of_one_key_with_different_features_are_one_stored_row() -> None:
    """The long frame's way to say a wide row."""
    columns = [doubles("speed", 1.0, ...), column("tally", ValueType.INT, [..., 2])]
    validated, report = judge(request(columns, entities=["fry", "fry"]))
    assert (2, 1) == (report.accepted, len(validated.entity_ids))
    assert {"speed": [("fry", NOW, 1.0)], "tally": [("fry", NOW, 2)]} == kept(validated)


def test_an_import_keeps_the_ingest_time_of_each_row() -> None:
    """Two features of one event time that were known at different times stay two rows."""
    columns = [doubles("speed", 1.0, ...), column("tally", ValueType.INT, [..., 2])]
    sent = request(columns, entities=["fry", "fry"], ingested_at=[5, 9])
    validated, report = judge(sent)
    assert 2 == report.accepted
    assert sent.ingested_at is not None
    assert [5, 9] == sent.ingested_at[validated.source_row].tolist()


@pytest.mark.parametrize(
    ("unit", "accepted", "refused"),
    [
        (WriteUnit.ROW, 1, [(0, -1, Reason.TYPE_MISMATCH)]),
        (WriteUnit.VALUE, 3, [(0, 1, Reason.TYPE_MISMATCH)]),
    ],
)
def test_the_unit_says_what_a_refused_value_takes_with_it(
    unit: WriteUnit, accepted: int, refused: list[object]
) -> None:
    """A wide row falls as a whole, a value alone."""
    columns = [doubles("speed", 1.0, 2.0), doubles("tally", 0.5, 3.0)]
    validated, report = judge(request(columns, unit=unit))
    assert (accepted, refused) == (report.accepted, reasons(report))
    rows = [entity for entity, _, _ in kept(validated)["speed"]]
    assert (["e1"] if unit is WriteUnit.ROW else ["e0", "e1"]) == rows


def test_every_unit_is_counted_once_whatever_the_store_says() -> None:
    """Accepted, rejected before and by the store, and unknown, add up in both units."""
    outcome = np.array([Outcome.ACCEPTED, Outcome.REJECTED, Outcome.UNKNOWN], dtype=np.uint8)
    for unit, counts in ((WriteUnit.ROW, (1, 2, 1)), (WriteUnit.VALUE, (2, 3, 2))):
        columns = [doubles("speed", 1.0, 2.0, 3.0, 4.0), doubles("tally", 1.0, 2.0, 3.0, 0.5)]
        sent = request(columns, unit=unit, times=[NOW, NOW, NOW, NOW + 6 * SECOND])
        validated = validate(sent, resolve, {}, now=NOW, max_clock_skew=5 * SECOND)
        report = validated.report(outcome, "id")
        # In VALUE both values of the last row are refused for the row's time.
        counted = counts if unit is WriteUnit.ROW else (2, 4, 2)
        assert counted == (report.accepted, report.rejected, report.unknown)
        assert report.rejected + report.unknown == len(report.verdicts)


@pytest.mark.parametrize(
    ("name", "entity", "time", "reason"),
    [
        ("absent", "fry", NOW, Reason.UNKNOWN_FEATURE),
        ("speed", "", NOW, Reason.INVALID_ENTITY_ID),
        ("speed", "x" * 257, NOW, Reason.INVALID_ENTITY_ID),
        ("speed", "a\x7f", NOW, Reason.INVALID_ENTITY_ID),
        ("speed", "\ud800", NOW, Reason.INVALID_ENTITY_ID),
        ("speed", "fry", NOW + 5 * SECOND + 1, Reason.EVENT_TIME_IN_FUTURE),
        ("speed", "fry", NOW + 5 * SECOND, None),
        ("speed", "fry", -(2**62), Reason.INVALID_TIME),
        ("speed", "fry", 2**62, Reason.INVALID_TIME),
        ("heat", "fry", NOW - 60 * SECOND, Reason.PAST_RETENTION),
        ("heat", "fry", NOW - 60 * SECOND + 1, None),
        ("mass", "fry", NOW, Reason.ENTITY_TYPE_MISMATCH),
        ("mass", "mars", NOW, None),
        ("mass", "unregistered", NOW, None),
    ],
)
def test_a_row_is_refused_for_its_id_time_feature_or_type(
    name: str, entity: str, time: int, reason: Reason | None
) -> None:
    """Bounds are inclusive."""
    sent = request([doubles(name, 1.0)], entities=[entity], times=[time])
    _, report = judge(sent, {"fry": "character", "mars": "planet"})
    assert ([] if reason is None else [(0, -1, reason)]) == reasons(report)


def test_a_request_without_rows_or_of_unequal_columns_is_refused_whole() -> None:
    """So is a status that no write has, and a column shorter than its statuses."""
    good = doubles("speed", 1.0)
    odd = doubles("speed", 1.0)
    odd.status[0] = Status.OUTSIDE_MAX_AGE
    short = Column("speed", ValueType.DOUBLE, np.zeros(0), good.status, good.event_time)
    bad = [
        WriteRequest([], np.zeros(0, dtype=np.int64), [good]),
        WriteRequest(["fry"], np.array([NOW]), []),
        WriteRequest(["fry", "leela"], np.array([NOW, NOW]), [good]),
        WriteRequest(["fry"], np.array([NOW, NOW]), [good]),
        WriteRequest(["fry"], np.array([NOW]), [odd]),
        WriteRequest(["fry"], np.array([NOW]), [short]),
        WriteRequest(["fry"] * (MAX_ROWS_PER_WRITE + 1), np.full(MAX_ROWS_PER_WRITE + 1, NOW), [good]),
    ]
    for each in bad:
        with pytest.raises(InvalidInput):
            check_shape(each)
