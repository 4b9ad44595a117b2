"""Rows that a write may not hold: each has its verdict, with reason and field, and the good rows beside it stand."""

from __future__ import annotations

import math

import pytest

from featurama.v1 import columns_pb2, errors_pb2, ingest_service_pb2, online_service_pb2

from .bad_inputs import INJECTION, YESTERDAY, request_id_at
from .requests import BOOL, DOUBLE, INT, SECOND, TEXT, VECTOR, column, write_request
from .servers import refusal_of
from .test_bad_input_rpcs import INTERNALS, readable, scene  # noqa: F401 - a fixture

NULL = columns_pb2.FEATURE_STATUS_NULL_VALUE
DAY = 86_400 * SECOND
FRY = "bad_fry"

ROWS = [
    # what is wrong: entity id, event time, column, reason, field
    ("no id", "", YESTERDAY, column("bad_speed", DOUBLE, [1.0]), "INVALID_ENTITY_ID", "entity_id"),
    ("a control character", "a\x1bb", YESTERDAY, column("bad_speed", DOUBLE, [1.0]), "INVALID_ENTITY_ID", "entity_id"),
    ("NUL", "a\x00b", YESTERDAY, column("bad_speed", DOUBLE, [1.0]), "INVALID_ENTITY_ID", "entity_id"),
    ("a long id", "é" * 129, YESTERDAY, column("bad_speed", DOUBLE, [1.0]), "INVALID_ENTITY_ID", "entity_id"),
    ("tomorrow", FRY, YESTERDAY + 2 * DAY, column("bad_speed", DOUBLE, [1.0]), "EVENT_TIME_IN_FUTURE", "timestamp"),
    ("the year 146138514", FRY, 2**62, column("bad_speed", DOUBLE, [1.0]), "INVALID_TIME", "timestamp"),
    ("before the year 1", FRY, -(2**62), column("bad_speed", DOUBLE, [1.0]), "INVALID_TIME", "timestamp"),
    ("text for a number", FRY, YESTERDAY, column("bad_speed", TEXT, ["fast"]), "TYPE_MISMATCH", "bad_speed"),
    ("digits for a number", FRY, YESTERDAY, column("bad_speed", TEXT, ["1"]), "TYPE_MISMATCH", "bad_speed"),
    ("truth for a number", FRY, YESTERDAY, column("bad_speed", BOOL, [True]), "TYPE_MISMATCH", "bad_speed"),
    ("a vector for a number", FRY, YESTERDAY, column("bad_speed", VECTOR, [1.0], vector_length=1), "TYPE_MISMATCH", "bad_speed"),
    ("an int that no double is", FRY, YESTERDAY, column("bad_speed", INT, [2**53 + 1]), "TYPE_MISMATCH", "bad_speed"),
    ("a fraction for an int", FRY, YESTERDAY, column("bad_count", DOUBLE, [1.5]), "TYPE_MISMATCH", "bad_count"),
    ("NaN for an int", FRY, YESTERDAY, column("bad_count", DOUBLE, [math.nan]), "TYPE_MISMATCH", "bad_count"),
    ("infinity for an int", FRY, YESTERDAY, column("bad_count", DOUBLE, [math.inf]), "TYPE_MISMATCH", "bad_count"),
    ("truth for an int", FRY, YESTERDAY, column("bad_count", BOOL, [True]), "TYPE_MISMATCH", "bad_count"),
    ("a number for truth", FRY, YESTERDAY, column("bad_alive", INT, [1]), "TYPE_MISMATCH", "bad_alive"),
    ("a number for text", FRY, YESTERDAY, column("bad_motto", DOUBLE, [1.0]), "TYPE_MISMATCH", "bad_motto"),
    ("a long text", FRY, YESTERDAY, column("bad_motto", TEXT, ["x" * 8_193]), "TEXT_TOO_LONG", "bad_motto"),
    ("a text long in bytes", FRY, YESTERDAY, column("bad_motto", TEXT, ["é" * 4_097]), "TEXT_TOO_LONG", "bad_motto"),
    ("a vector of two", FRY, YESTERDAY, column("bad_mood", VECTOR, [1.0] * 2, vector_length=2), "VECTOR_LENGTH_MISMATCH", "bad_mood"),
    ("NaN in a vector", FRY, YESTERDAY, column("bad_mood", VECTOR, [1.0, math.nan, 1.0], vector_length=3), "INVALID_VALUE", "bad_mood"),
    ("infinity in a vector", FRY, YESTERDAY, column("bad_mood", VECTOR, [1.0, math.inf, 1.0], vector_length=3), "INVALID_VALUE", "bad_mood"),
    ("a reference that is no id", FRY, YESTERDAY, column("bad_home", TEXT, [""]), "INVALID_VALUE", "bad_home"),
    ("an unknown feature", FRY, YESTERDAY, column("bad_nothing", DOUBLE, [1.0]), "UNKNOWN_FEATURE", "bad_nothing"),
    ("an unknown feature, null", FRY, YESTERDAY, column("bad_nothing", DOUBLE, [0.0], statuses=[NULL]), "UNKNOWN_FEATURE", "bad_nothing"),
    ("an unknown version", FRY, YESTERDAY, column("bad_speed", DOUBLE, [1.0], version=9), "UNKNOWN_FEATURE_VERSION", "bad_speed"),
    ("a negative version", FRY, YESTERDAY, column("bad_speed", DOUBLE, [1.0], version=-1), "UNKNOWN_FEATURE_VERSION", "bad_speed"),
    ("a reserved name", FRY, YESTERDAY, column("timestamp", DOUBLE, [1.0]), "UNKNOWN_FEATURE", "timestamp"),
    ("no name", FRY, YESTERDAY, column("", DOUBLE, [1.0]), "UNKNOWN_FEATURE", ""),
    ("an injection", FRY, YESTERDAY, column(INJECTION, DOUBLE, [1.0]), "UNKNOWN_FEATURE", INJECTION),
    ("another entity type", "bad_bender", YESTERDAY, column("bad_size", DOUBLE, [1.0]), "ENTITY_TYPE_MISMATCH", "bad_size"),
    ("past its retention", FRY, YESTERDAY - 31 * DAY, column("bad_kept", DOUBLE, [1.0]), "PAST_RETENTION", "bad_kept"),
]  # fmt: skip


def request(namespace, entity_id, event_time, bad_column, **fields):
    """One row; its id is of now."""
    return write_request(namespace, [entity_id], [event_time], bad_column, request_id=request_id_at(0), **fields)


@pytest.mark.usefixtures("scene")
@pytest.mark.parametrize("mode", [ingest_service_pb2.WRITE_MODE_ATOMIC, ingest_service_pb2.WRITE_MODE_BULK])
@pytest.mark.parametrize("unit", [ingest_service_pb2.WRITE_UNIT_ROW, ingest_service_pb2.WRITE_UNIT_VALUE])
async def test_a_bad_row_is_rejected_with_its_reason_and_nothing_is_stored(ingest, namespace, store, mode, unit):
    """In every mode, judged by row or by value, alone and in a stream."""
    before = await readable(store)
    complaints = []
    for what, entity_id, event_time, bad_column, reason, field in ROWS:
        message = request(namespace, entity_id, event_time, bad_column, mode=mode, unit=unit)
        chunk = ingest_service_pb2.StreamFeaturesRequest(sequence=1, write=message)
        (streamed,) = [each.result async for each in ingest.ingest.StreamFeatures(iter([chunk]))]
        for answer in (await ingest.ingest.WriteFeatures(message), streamed):
            counts = (answer.accepted, answer.rejected, answer.unknown)
            verdicts = [
                (each.row, each.outcome, errors_pb2.ErrorReason.Name(each.reason), each.field)
                for each in answer.verdicts
            ]
            wanted = (0, ingest_service_pb2.WRITE_OUTCOME_REJECTED, f"ERROR_REASON_{reason}", field)
            told = "".join(each.message for each in answer.verdicts)
            if (counts, verdicts) != ((0, 1, 0), [wanted]):
                complaints.append((what, counts, verdicts, wanted))
            if not told or INTERNALS.search(told.replace(INJECTION, "")):
                complaints.append((what, told))

    assert complaints == []
    assert await readable(store) == before


@pytest.mark.usefixtures("scene")
async def test_a_row_with_one_bad_value_stores_nothing_of_itself_and_takes_no_other_row_along(
    online, ingest, namespace, unique
):
    """Two columns, three rows: the middle one has one bad value of two."""
    ids = [unique(name) for name in ("fry", "leela", "bender")]
    answer = await ingest.ingest.WriteFeatures(
        write_request(
            namespace,
            ids,
            [YESTERDAY] * 3,
            column("bad_speed", DOUBLE, [1.0, 2.0, 3.0]),
            column("bad_motto", TEXT, ["a", "x" * 9_000, "c"]),
        )
    )
    read = await online.features.GetOnlineFeatures(
        online_service_pb2.GetOnlineFeaturesRequest(
            namespace=namespace, features=["bad_speed", "bad_motto"], entity_ids=ids
        )
    )

    assert (answer.accepted, answer.rejected, [each.row for each in answer.verdicts]) == (2, 1, [1])
    assert [list(each.statuses) for each in read.columns] == [[1, 3, 1], [1, 3, 1]]


@pytest.mark.usefixtures("scene")
async def test_contradicting_duplicates_are_all_rejected(ingest, namespace, store):
    """Same entity, feature and event time, different values, in one request: neither is stored."""
    before = await readable(store)
    answer = await ingest.ingest.WriteFeatures(
        write_request(namespace, ["bad_leela"] * 2, [YESTERDAY] * 2, column("bad_speed", DOUBLE, [1.0, 2.0]))
    )

    assert (answer.accepted, answer.rejected) == (0, 2)
    assert {each.reason for each in answer.verdicts} == {errors_pb2.ERROR_REASON_CONFLICTING_DUPLICATE}
    assert await readable(store) == before


@pytest.mark.usefixtures("scene")
async def test_query_metacharacters_in_ids_and_texts_are_only_characters(online, ingest, namespace, unique):
    """Each id has its own value back and no other's; deleting one deletes that one; texts return as they were."""
    marks = [
        INJECTION, '" OR 1=1 --', "' OR '1'='1", "$$ BEGIN BATCH", "%", "_", "*", "?", "\\", "/*", "{}", "[0]", ":x",
        "';TRUNCATE latest;", "\u2028", "\ufeff", "a\u0301", "á", "ﬀ", "🚀", "x) USING TTL 1 --", "NULL", "null", "None",
    ]  # fmt: skip
    ids = [unique(each) for each in marks]
    values = [float(n) for n in range(len(ids))]

    async def read():
        answer = await online.features.GetOnlineFeatures(
            online_service_pb2.GetOnlineFeaturesRequest(
                namespace=namespace, features=["bad_speed", "bad_motto"], entity_ids=ids, include_statuses=True
            )
        )
        return list(answer.columns[0].double_values), list(answer.columns[1].text_values), answer.columns[0].statuses

    written = await ingest.ingest.WriteFeatures(
        write_request(
            namespace,
            ids,
            [YESTERDAY] * len(ids),
            column("bad_speed", DOUBLE, values),
            column("bad_motto", TEXT, marks),
        )
    )
    before = await read()
    await ingest.ingest.DeleteEntity(ingest_service_pb2.DeleteEntityRequest(namespace=namespace, entity_id=ids[2]))
    after = await read()

    assert written.accepted == len(ids)
    assert before[:2] == (values, marks)
    assert [n for n, status in enumerate(after[2]) if status != 1] == [2]


@pytest.mark.usefixtures("scene")
async def test_a_request_id_counts_from_the_servers_clock(ingest, namespace):
    """Within the retry window and the skew it is taken, beyond it is not."""
    seen = {}
    for seconds in (-3_600, -130, -60, 0, 60):
        message = write_request(
            namespace, [FRY], [YESTERDAY], column("bad_speed", DOUBLE, [1.0]), request_id=request_id_at(seconds)
        )
        if seconds in (-60, 0):
            seen[seconds] = (await ingest.ingest.WriteFeatures(message)).accepted
        else:
            seen[seconds] = (await refusal_of(ingest.ingest.WriteFeatures(message))).reason

    assert seen == {-3_600: "REQUEST_TOO_OLD", -130: "REQUEST_TOO_OLD", -60: 1, 0: 1, 60: "REQUEST_IN_FUTURE"}
