"""Rows that a write may not hold: each has its verdict, with reason and field, and the good rows beside it stand."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest

from featurama.v1 import columns_pb2, errors_pb2, ingest_service_pb2, online_service_pb2

from .bad_inputs import INJECTION, request_id_at
from .bad_scene import readable
from .good_requests import YESTERDAY
from .requests import BOOL, DOUBLE, INT, SECOND, TEXT, VECTOR, column, write_request
from .servers import refusal_of
from .test_bad_input_rpcs import INTERNALS

NULL = columns_pb2.FEATURE_STATUS_NULL_VALUE
DAY = 86_400 * SECOND
FRY = "bad_fry"


@dataclass(frozen=True)
class BadRow:
    """A row of one column, and the verdict on it."""

    what: str
    column: columns_pb2.Column
    reason: str
    field: str
    entity_id: str
    event_time: int


def row(
    what: str, of: columns_pb2.Column, reason: str, field: str, entity_id: str = FRY, event_time: int = YESTERDAY
) -> BadRow:
    """A bad row."""
    return BadRow(what, of, reason, field, entity_id, event_time)


ROWS = [
    row("no id", column("bad_speed", DOUBLE, [1.0]), "INVALID_ENTITY_ID", "entity_id", entity_id=""),
    row(
        "a control character", column("bad_speed", DOUBLE, [1.0]), "INVALID_ENTITY_ID", "entity_id", entity_id="a\x1bb"
    ),
    row("NUL", column("bad_speed", DOUBLE, [1.0]), "INVALID_ENTITY_ID", "entity_id", entity_id="a\x00b"),
    row("a long id", column("bad_speed", DOUBLE, [1.0]), "INVALID_ENTITY_ID", "entity_id", entity_id="é" * 129),
    row(
        "tomorrow",
        column("bad_speed", DOUBLE, [1.0]),
        "EVENT_TIME_IN_FUTURE",
        "timestamp",
        event_time=YESTERDAY + 2 * DAY,
    ),
    row("the year 146138514", column("bad_speed", DOUBLE, [1.0]), "INVALID_TIME", "timestamp", event_time=2**62),
    row("before the year 1", column("bad_speed", DOUBLE, [1.0]), "INVALID_TIME", "timestamp", event_time=-(2**62)),
    row("text for a number", column("bad_speed", TEXT, ["fast"]), "TYPE_MISMATCH", "bad_speed"),
    row("digits for a number", column("bad_speed", TEXT, ["1"]), "TYPE_MISMATCH", "bad_speed"),
    row("truth for a number", column("bad_speed", BOOL, [True]), "TYPE_MISMATCH", "bad_speed"),
    row("a vector for a number", column("bad_speed", VECTOR, [1.0], vector_length=1), "TYPE_MISMATCH", "bad_speed"),
    row("an int that no double is", column("bad_speed", INT, [2**53 + 1]), "TYPE_MISMATCH", "bad_speed"),
    row("a fraction for an int", column("bad_count", DOUBLE, [1.5]), "TYPE_MISMATCH", "bad_count"),
    row("NaN for an int", column("bad_count", DOUBLE, [math.nan]), "TYPE_MISMATCH", "bad_count"),
    row("infinity for an int", column("bad_count", DOUBLE, [math.inf]), "TYPE_MISMATCH", "bad_count"),
    row("truth for an int", column("bad_count", BOOL, [True]), "TYPE_MISMATCH", "bad_count"),
    row("a number for truth", column("bad_alive", INT, [1]), "TYPE_MISMATCH", "bad_alive"),
    row("a number for text", column("bad_motto", DOUBLE, [1.0]), "TYPE_MISMATCH", "bad_motto"),
    row("a long text", column("bad_motto", TEXT, ["x" * 8_193]), "TEXT_TOO_LONG", "bad_motto"),
    row("a text long in bytes", column("bad_motto", TEXT, ["é" * 4_097]), "TEXT_TOO_LONG", "bad_motto"),
    row(
        "a vector of two", column("bad_mood", VECTOR, [1.0] * 2, vector_length=2), "VECTOR_LENGTH_MISMATCH", "bad_mood"
    ),
    row(
        "NaN in a vector",
        column("bad_mood", VECTOR, [1.0, math.nan, 1.0], vector_length=3),
        "INVALID_VALUE",
        "bad_mood",
    ),
    row(
        "infinity in a vector",
        column("bad_mood", VECTOR, [1.0, math.inf, 1.0], vector_length=3),
        "INVALID_VALUE",
        "bad_mood",
    ),
    row("a reference that is no id", column("bad_home", TEXT, [""]), "INVALID_VALUE", "bad_home"),
    row("an unknown feature", column("bad_nothing", DOUBLE, [1.0]), "UNKNOWN_FEATURE", "bad_nothing"),
    row(
        "an unknown feature, null",
        column("bad_nothing", DOUBLE, [0.0], statuses=[NULL]),
        "UNKNOWN_FEATURE",
        "bad_nothing",
    ),
    row("an unknown version", column("bad_speed", DOUBLE, [1.0], version=9), "UNKNOWN_FEATURE_VERSION", "bad_speed"),
    row("a negative version", column("bad_speed", DOUBLE, [1.0], version=-1), "UNKNOWN_FEATURE_VERSION", "bad_speed"),
    row("a reserved name", column("timestamp", DOUBLE, [1.0]), "UNKNOWN_FEATURE", "timestamp"),
    row("no name", column("", DOUBLE, [1.0]), "UNKNOWN_FEATURE", ""),
    row("an injection", column(INJECTION, DOUBLE, [1.0]), "UNKNOWN_FEATURE", INJECTION),
    row(
        "another entity type",
        column("bad_size", DOUBLE, [1.0]),
        "ENTITY_TYPE_MISMATCH",
        "bad_size",
        entity_id="bad_bender",
    ),
    row(
        "past its retention",
        column("bad_kept", DOUBLE, [1.0]),
        "PAST_RETENTION",
        "bad_kept",
        event_time=YESTERDAY - 31 * DAY,
    ),
]


@pytest.mark.usefixtures("scene")
@pytest.mark.parametrize("mode", [ingest_service_pb2.WRITE_MODE_ATOMIC, ingest_service_pb2.WRITE_MODE_BULK])
@pytest.mark.parametrize("unit", [ingest_service_pb2.WRITE_UNIT_ROW, ingest_service_pb2.WRITE_UNIT_VALUE])
async def test_a_bad_row_is_rejected_with_its_reason_and_nothing_is_stored(ingest, namespace, store, mode, unit):
    """In every mode, judged by row or by value, alone and in a stream."""
    before = await readable(store)
    complaints = []
    for case in ROWS:
        message = write_request(namespace, [case.entity_id], [case.event_time], case.column, mode=mode, unit=unit)
        chunk = ingest_service_pb2.StreamFeaturesRequest(sequence=1, write=message)
        (streamed,) = [each.result async for each in ingest.ingest.StreamFeatures(iter([chunk]))]
        for answer in (await ingest.ingest.WriteFeatures(message), streamed):
            counts = (answer.accepted, answer.rejected, answer.unknown)
            verdicts = [
                (*each.rows, each.outcome, errors_pb2.ErrorReason.Name(each.reason), each.field)
                for each in answer.verdicts
            ]
            wanted = (0, ingest_service_pb2.WRITE_OUTCOME_REJECTED, f"ERROR_REASON_{case.reason}", case.field)
            told = "".join(each.message for each in answer.verdicts)
            if (counts, verdicts) != ((0, 1, 0), [wanted]):
                complaints.append((case.what, counts, verdicts, wanted))
            if not told or INTERNALS.search(told.replace(INJECTION, "")):
                complaints.append((case.what, told))

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

    assert (answer.accepted, answer.rejected, [list(each.rows) for each in answer.verdicts]) == (2, 1, [[1]])
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
        INJECTION, '" OR 1=1 --', "' OR '1'='1", "$$ BEGIN BATCH", "%", "_", "*", "?", "\\", "/*", "{}", "[0]",
        "';TRUNCATE latest;", "\u2028", "\ufeff", "a\u0301", "á", "ﬀ", "🚀", "x) USING TTL 1 --", "NULL", "null",
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
