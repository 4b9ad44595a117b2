"""What a report says of each unit that was not accepted: row, column, reason, field and words; and whole refusals."""

from __future__ import annotations

import numpy as np
import pytest
from tests.unit.ingest.judging import NOW, column, doubles, judge, kept, request, resolve

from featurama_core.ingest.validate import check_shape, validate
from featurama_core.types.column import Column
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.times import MAX_EVENT_TIME, MIN_EVENT_TIME, SECOND
from featurama_core.types.values import Status, ValueType
from featurama_core.types.writes import MAX_ROWS_PER_WRITE, Outcome, Verdict, WriteRequest, WriteUnit


def verdict(row: int, reason: Reason, field: str, message: str, *, at: int = -1) -> Verdict:
    return Verdict(row, at, Outcome.REJECTED, reason, field, message)


def refused(sent: WriteRequest, entity_types: dict[str, str] | None = None) -> list[Verdict]:
    _, report = judge(sent, entity_types)
    return report.verdicts


def test_an_id_that_is_none_is_refused_with_its_own_words() -> None:
    """Each row by itself; those between stand."""
    sent = request([doubles("speed", 1.0, 2.0, 3.0, 4.0)], entities=["fry", "", "leela", "a\nb"])
    assert [
        verdict(1, Reason.INVALID_ENTITY_ID, "entity_id", "entity_id is empty; give 1-256 bytes of UTF-8"),
        verdict(3, Reason.INVALID_ENTITY_ID, "entity_id", "entity_id holds a control character; remove it"),
    ] == refused(sent)


def test_a_time_that_no_event_has_is_refused() -> None:
    """Beyond the years that times have, which is said of the far future too; the ends themselves are times."""
    times = [MIN_EVENT_TIME - 1, MIN_EVENT_TIME, NOW + 6 * SECOND, MAX_EVENT_TIME, MAX_EVENT_TIME + 1]
    lies = "timestamp lies outside the years 1 to 9999; give microseconds since 1970 UTC"
    late = "timestamp 2026-10-26T07:33:26.000000Z is in the future; check the writer's clock"
    ends = "timestamp 9999-12-31T23:59:59.999999Z is in the future; check the writer's clock"
    assert [
        verdict(0, Reason.INVALID_TIME, "timestamp", lies),
        verdict(2, Reason.EVENT_TIME_IN_FUTURE, "timestamp", late),
        verdict(3, Reason.EVENT_TIME_IN_FUTURE, "timestamp", ends),
        verdict(4, Reason.INVALID_TIME, "timestamp", lies),
    ] == refused(request([doubles("speed", *[1.0] * 5)], times=times))


def test_of_several_problems_of_a_row_the_first_is_reported() -> None:
    """Its id, then its time, then its values from left to right."""
    columns = [doubles("tally", 0.5, 0.5, 0.5, 1.0), doubles("absent", 1.0, 1.0, 1.0, 1.0)]
    sent = request(columns, entities=["", "fry", "leela", "amy"], times=[2**62, 2**62, NOW, NOW])
    lossy = "tally 0.5 is not an int"
    assert [
        (0, Reason.INVALID_ENTITY_ID, "entity_id"),
        (1, Reason.INVALID_TIME, "timestamp"),
        (2, Reason.TYPE_MISMATCH, "tally"),
        (3, Reason.UNKNOWN_FEATURE, "absent"),
    ] == [(each.row, each.reason, each.field) for each in refused(sent)]
    assert [lossy, "not registered"] == [each.message for each in refused(sent)[2:]]


def test_each_value_has_its_own_verdict_where_values_are_judged_alone() -> None:
    """In the order of rows, then columns; a row's problem is one of each value that it has and that has none of
    its own.
    """
    columns = [doubles("absent", 1.0, 2.0, ...), doubles("tally", 0.5, ..., 0.5), doubles("speed", 1.0, 2.0, ...)]
    sent = request(columns, entities=["fry", "", "leela"], unit=WriteUnit.VALUE)
    validated, report = judge(sent)
    assert [
        (0, 0, Reason.UNKNOWN_FEATURE),
        (0, 1, Reason.TYPE_MISMATCH),
        (1, 0, Reason.UNKNOWN_FEATURE),
        (1, 2, Reason.INVALID_ENTITY_ID),
        (2, 1, Reason.TYPE_MISMATCH),
    ] == [(each.row, each.column, each.reason) for each in report.verdicts]
    assert {"speed": [("fry", NOW, 1.0)]} == kept(validated)
    assert [0, -1, -1] == validated.kept_row.tolist()
    assert (1, 5) == (report.accepted, report.rejected)


def test_an_entity_of_another_type_takes_no_value_of_the_feature() -> None:
    """A null is a value too; a value that is not written is not judged; what is no type of itself is let through."""
    sent = request([doubles("mass", 1.0, None, ..., 4.0, 5.0)], entities=["fry", "leela", "amy", "mars", "new"])
    kinds = {"fry": "character", "leela": "character", "amy": "character", "mars": "planet"}
    words = "mass describes a planet, this entity is a character"
    assert [verdict(row, Reason.ENTITY_TYPE_MISMATCH, "mass", words) for row in (0, 1)] == refused(sent, kinds)
    assert [] == refused(request([doubles("speed", 1.0)], entities=["fry"]), kinds)
    assert [] == refused(sent, {})


def test_what_retention_would_delete_at_once_is_refused() -> None:
    """Each written value of the group, nulls too; other groups take the row."""
    old = NOW - 60 * SECOND
    columns = [doubles("heat", 1.0, None, ..., 1.0), doubles("speed", 1.0, 1.0, 1.0, 1.0)]
    sent = request(columns, times=[old, old, old, old + 1], unit=WriteUnit.VALUE)
    words = "timestamp lies further back than the retention of group kept; it would be deleted at once"
    assert [verdict(row, Reason.PAST_RETENTION, "heat", words, at=0) for row in (0, 1)] == refused(sent)
    assert Reason.TYPE_MISMATCH == refused(request([column("heat", ValueType.TEXT, ["x"])], times=[old]))[0].reason


def test_a_feature_twice_in_one_row_refuses_both_values() -> None:
    """Also where one is a null; where the row has one of them it is taken, from whichever column."""
    columns = [doubles("heat", *[0.5] * 4), doubles("speed", 1.0, ..., 3.0, None), doubles("speed", 1.0, 2.0, ..., 4.0)]
    validated, report = judge(request(columns, unit=WriteUnit.VALUE))
    words = "speed is given twice in this row; give it once"
    assert [
        verdict(row, Reason.CONFLICTING_DUPLICATE, "speed", words, at=at) for row in (0, 3) for at in (1, 2)
    ] == report.verdicts
    assert [("e1", NOW, 2.0), ("e2", NOW, 3.0)] == kept(validated)["speed"]
    assert 4 == len(kept(validated)["heat"])


def test_rows_of_one_key_that_disagree_are_all_refused() -> None:
    """A first row that is not the first of the request; vectors and texts as numbers; equal ones stand."""
    columns = [
        column("shape", ValueType.VECTOR, [(9.0, 9.0), (1.0, 2.0), (1.0, 3.0), (5.0, 6.0), (5.0, 6.0)]),
        column("note", ValueType.TEXT, ["z", ..., ..., "a", "a"]),
    ]
    entities = ["amy", "fry", "fry", "leela", "leela"]
    validated, report = judge(request(columns, entities=entities, unit=WriteUnit.VALUE))
    words = "shape has different values for one entity and timestamp; keep one"
    assert [verdict(row, Reason.CONFLICTING_DUPLICATE, "shape", words, at=0) for row in (1, 2)] == report.verdicts
    assert {
        "shape": [("amy", NOW, [9.0, 9.0]), ("leela", NOW, [5.0, 6.0])],
        "note": [("amy", NOW, "z"), ("leela", NOW, "a")],
    } == kept(validated)
    _, report = judge(request([column("note", ValueType.TEXT, ["a", "b", "a"])], entities=["fry"] * 3))
    assert [0, 1, 2] == [each.row for each in report.verdicts]


def test_a_null_and_a_zero_of_one_key_disagree() -> None:
    """Two nulls agree."""
    _, report = judge(request([doubles("speed", None, 0.0)], entities=["fry", "fry"]))
    assert [0, 1] == [each.row for each in report.verdicts]
    validated, report = judge(request([doubles("speed", None, None)], entities=["fry", "fry"]))
    assert ([], {"speed": [("fry", NOW, None)]}) == (report.verdicts, kept(validated))


def test_vectors_agree_bit_for_bit() -> None:
    """As numbers do: 0.0 is not -0.0."""
    values = [(0.0, -0.0), (0.0, 0.0), (1.0, 2.0), (1.0, 2.0)]
    sent = request([column("shape", ValueType.VECTOR, values)], entities=["fry", "fry", "leela", "leela"])
    assert [0, 1] == [each.row for each in refused(sent)]


def test_an_imports_rows_of_one_ingest_time_are_told_apart_by_their_event_times() -> None:
    """And those of one event time by their ingest times."""
    sent = request(
        [doubles("speed", 1.0, 2.0, 3.0)], entities=["fry"] * 3, times=[NOW - 1, NOW, NOW], ingested_at=[9, 9, 10]
    )
    validated, _ = judge(sent)
    assert [("fry", NOW - 1, 1.0), ("fry", NOW, 2.0), ("fry", NOW, 3.0)] == kept(validated)["speed"]


def test_what_is_kept_is_whole_and_in_the_order_of_the_request() -> None:
    """Distinct keys as they first come, features by name, the first row of a key as its source."""
    columns = [column("tally", ValueType.INT, [1, 2, ..., 4]), column("note", ValueType.TEXT, [..., "b", "c", ""])]
    sent = request(columns, entities=["leela", "fry", "leela", "amy"], times=[NOW, NOW, NOW, NOW - 1])
    validated, _ = judge(sent)
    assert ["note", "tally"] == [stored.definition.name for stored in validated.columns]
    assert ["leela", "fry", "amy"] == validated.entity_ids
    assert [NOW, NOW, NOW - 1] == validated.event_time.tolist()
    assert [0, 1, 3] == validated.source_row.tolist()
    assert [0, 1, 0, 2] == validated.kept_row.tolist()
    note, tally = (stored.column for stored in validated.columns)
    assert (["c", "b", ""], [1, 2, 4]) == (note.values.tolist(), tally.values.tolist())
    assert (np.object_, np.int64, np.uint8) == (note.values.dtype, tally.values.dtype, note.status.dtype)
    assert 3 == len(note.event_time)


def test_a_value_that_is_not_kept_leaves_zeros_behind() -> None:
    """Of a key that has another feature's value only."""
    columns = [
        column("shape", ValueType.VECTOR, [(1.0, 2.0), ...]),
        column("note", ValueType.TEXT, ["a", ...]),
        doubles("speed", ..., 1.0),
    ]
    validated, _ = judge(request(columns, entities=["fry", "leela"]))
    found = {stored.definition.name: stored.column.values.tolist() for stored in validated.columns}
    assert {"shape": [[1.0, 2.0], [0.0, 0.0]], "note": ["a", ""], "speed": [0.0, 1.0]} == found


def test_the_store_has_the_last_word_on_what_was_valid() -> None:
    """A row whose key it did not take, or may have taken; refused rows keep their own verdict."""
    sent = request(
        [doubles("speed", 1.0, 2.0, 3.0, 3.0)], entities=["fry", "leela", "", "fry"], times=[NOW, NOW, NOW, 5]
    )
    validated = validate(sent, resolve, {}, now=NOW, max_clock_skew=0)
    outcome = np.array([Outcome.UNKNOWN, Outcome.REJECTED, Outcome.ACCEPTED], dtype=np.uint8)
    report = validated.report(outcome, "the id")
    assert ("the id", 1, 2, 1) == (report.request_id, report.accepted, report.rejected, report.unknown)
    again = "send the same request again with the same request_id"
    unknown = f"the store did not answer in time and may hold it; {again}"
    rejected = f"the store did not take it; {again}"
    assert [
        Verdict(0, -1, Outcome.UNKNOWN, Reason.UNKNOWN_OUTCOME, "", unknown),
        Verdict(1, -1, Outcome.REJECTED, Reason.STORE_UNAVAILABLE, "", rejected),
        verdict(2, Reason.INVALID_ENTITY_ID, "entity_id", "entity_id is empty; give 1-256 bytes of UTF-8"),
    ] == report.verdicts


GOOD = doubles("speed", 1.0)
ODD = Column("speed", ValueType.DOUBLE, GOOD.values, np.array([Status.ERROR], dtype=np.uint8), GOOD.event_time)
UNNAMED = Column("", ValueType.DOUBLE, np.zeros(2), np.full(2, Status.PRESENT, np.uint8), np.zeros(2, np.int64))
SHORT = Column("speed", ValueType.DOUBLE, np.zeros(0), GOOD.status, GOOD.event_time)
ONE = np.array([NOW])


@pytest.mark.parametrize(
    ("sent", "reason", "field", "message"),
    [
        (WriteRequest([], ONE[:0], [GOOD]), Reason.EMPTY_REQUEST, "entity_ids", "entity_ids is empty; send at least"),
        (WriteRequest(["fry"], ONE, []), Reason.EMPTY_REQUEST, "columns", "columns is empty; send at least"),
        (
            WriteRequest(["fry"] * (MAX_ROWS_PER_WRITE + 1), np.full(MAX_ROWS_PER_WRITE + 1, NOW), [GOOD]),
            Reason.LIMIT_EXCEEDED,
            "entity_ids",
            "the request holds 10001 rows; at most 10000",
        ),
        (WriteRequest(["fry"], np.full(2, NOW), [GOOD]), None, "event_time_us", "event_time_us holds 2 elements for 1"),
        (WriteRequest(["fry"] * 2, np.full(2, NOW), [GOOD]), None, "speed", "speed holds 1 elements for 2"),
        (WriteRequest(["fry"], ONE, [UNNAMED]), None, "columns", "columns holds 2 elements for 1"),
        (
            WriteRequest(["fry"], ONE, [GOOD], ingested_at=np.zeros(2, np.int64)),
            None,
            "ingested_at",
            "ingested_at holds 2",
        ),
        (WriteRequest(["fry"], ONE, [ODD]), None, "speed", "speed must hold a value and a status"),
        (WriteRequest(["fry"], ONE, [SHORT]), None, "speed", "speed must hold a value and a status"),
    ],
    ids=["rows", "columns", "many", "times", "column", "unnamed", "ingested", "status", "values"],
)
def test_a_request_of_a_wrong_shape_is_refused_by_the_name_of_what_is_wrong(
    sent: WriteRequest, reason: Reason | None, field: str, message: str
) -> None:
    """Before any row is looked at."""
    with pytest.raises(InvalidInput, match=message) as refusal:
        check_shape(sent)
    assert (reason or InvalidInput.reason, field) == (refusal.value.reason, refusal.value.metadata["field"])


def test_a_request_of_the_largest_size_is_taken() -> None:
    """The bound is within the bounds."""
    rows = MAX_ROWS_PER_WRITE
    check_shape(request([doubles("speed", *[1.0] * rows)], entities=["fry"] * rows))
