"""IngestService over real gRPC: verdicts, retries, modes, deletions."""

from __future__ import annotations

import uuid

import grpc
import pytest

from featurama import wire
from featurama.v1 import (
    columns_pb2,
    errors_pb2,
    ingest_service_pb2,
    online_service_pb2,
    registry_service_pb2,
)
from featurama_core.types.request_ids import RequestIds

from .requests import DOUBLE, SECOND, TEXT, column, now_us, register_feature, write_request
from .servers import refusal_of

NOT_FOUND = columns_pb2.FEATURE_STATUS_NOT_FOUND
PRESENT = columns_pb2.FEATURE_STATUS_PRESENT


async def newest(online, namespace, feature, entity_id):
    """(value or None) that the online service reads."""
    answer = await online.features.GetOnlineFeatures(
        online_service_pb2.GetOnlineFeaturesRequest(
            namespace=namespace, features=[feature], entity_ids=[entity_id], include_statuses=True
        )
    )
    (found,) = answer.columns
    return found.double_values[0] if found.statuses[0] == PRESENT else None


async def test_every_row_of_a_write_gets_its_own_verdict(online, ingest, namespace, unique):
    """Good rows are stored, bad ones named with row, column, reason and field; the sum is what was sent."""
    name, fry = unique("speed"), unique("fry")
    await register_feature(ingest, namespace, name)
    time = now_us() - SECOND
    day = 86_400 * SECOND

    answer = await ingest.ingest.WriteFeatures(
        write_request(
            namespace,
            [fry, "bad\x00id", fry],
            [time, time, time + day],
            column(name, DOUBLE, [4.5, 5.5, 6.5]),
        )
    )

    assert (answer.accepted, answer.rejected, answer.unknown) == (1, 2, 0)
    verdicts = {each.rows[0]: errors_pb2.ErrorReason.Name(each.reason) for each in answer.verdicts}
    assert verdicts == {1: "ERROR_REASON_INVALID_ENTITY_ID", 2: "ERROR_REASON_EVENT_TIME_IN_FUTURE"}
    assert all(each.outcome == ingest_service_pb2.WRITE_OUTCOME_REJECTED for each in answer.verdicts)
    assert await newest(online, namespace, name, fry) == 4.5


async def test_a_write_sent_again_with_its_id_changes_nothing(online, ingest, namespace, unique):
    """The same request twice is one stored value, even with corrections shown."""
    name, fry = unique("speed"), unique("fry")
    await register_feature(ingest, namespace, name)
    request = write_request(
        namespace,
        [fry],
        [now_us() - SECOND],
        column(name, DOUBLE, [1.0]),
        request_id=str(RequestIds().next()),
    )

    first = await ingest.ingest.WriteFeatures(request)
    second = await ingest.ingest.WriteFeatures(request)
    history = await online.features.GetFeatureHistory(
        online_service_pb2.GetFeatureHistoryRequest(
            namespace=namespace, feature=name, entity_id=fry, include_corrections=True
        )
    )

    assert (first.accepted, second.accepted) == (1, 1)
    assert first.request_id == second.request_id == request.request_id
    assert list(history.column.double_values) == [1.0]


async def test_a_correction_wins_and_a_late_value_does_not(online, ingest, namespace, unique):
    """Same event time, later request: the correction is read. An earlier event time changes nothing online."""
    name, fry = unique("speed"), unique("fry")
    await register_feature(ingest, namespace, name)
    time = now_us() - SECOND
    for value, moment in ((1.0, time), (2.0, time), (9.0, time - 10 * SECOND)):
        await ingest.ingest.WriteFeatures(write_request(namespace, [fry], [moment], column(name, DOUBLE, [value])))

    assert await newest(online, namespace, name, fry) == 2.0


@pytest.mark.parametrize(
    "mode", [ingest_service_pb2.WRITE_MODE_ATOMIC, ingest_service_pb2.WRITE_MODE_BULK], ids=["atomic", "bulk"]
)
async def test_a_write_of_many_rows_is_readable_when_it_is_acknowledged(online, ingest, namespace, unique, mode):
    """1,000 entities in one request, in either mode."""
    name = unique("speed")
    await register_feature(ingest, namespace, name)
    ids = [unique(f"ship{n}") for n in range(1_000)]
    values = [float(n) for n in range(1_000)]

    written = await ingest.ingest.WriteFeatures(
        write_request(namespace, ids, [now_us() - SECOND] * 1_000, column(name, DOUBLE, values), mode=mode)
    )
    answer = await online.features.GetOnlineFeatures(
        online_service_pb2.GetOnlineFeaturesRequest(namespace=namespace, features=[name], entity_ids=ids)
    )

    assert written.accepted == 1_000
    assert list(answer.columns[0].double_values) == values


async def test_a_long_frame_is_judged_value_by_value(ingest, namespace, unique):
    """Unit VALUE: columns that hold nothing in a row are not counted; a bad value does not take its row along."""
    good, bad, fry = unique("speed"), unique("motto"), unique("fry")
    await register_feature(ingest, namespace, good)
    await register_feature(ingest, namespace, bad, TEXT)
    time = now_us() - SECOND

    answer = await ingest.ingest.WriteFeatures(
        write_request(
            namespace,
            [fry, fry],
            [time, time],
            column(good, DOUBLE, [1.0, 0.0], statuses=[PRESENT, NOT_FOUND]),
            column(bad, TEXT, ["", "x" * 9_000], statuses=[NOT_FOUND, PRESENT]),
            unit=ingest_service_pb2.WRITE_UNIT_VALUE,
        )
    )

    assert (answer.accepted, answer.rejected, answer.unknown) == (1, 1, 0)
    (verdict,) = answer.verdicts
    assert (list(verdict.rows), verdict.column) == ([1], 1)
    assert verdict.reason == errors_pb2.ERROR_REASON_TEXT_TOO_LONG


@pytest.mark.parametrize(
    ("fields", "code", "reason"),
    [
        (
            {"entity_ids": [], "event_time_us": [], "columns": [column("speed", DOUBLE, [])]},
            "INVALID_ARGUMENT",
            "EMPTY_REQUEST",
        ),
        ({"columns": []}, "INVALID_ARGUMENT", "EMPTY_REQUEST"),
        (
            {
                "entity_ids": ["a"] * 10_001,
                "event_time_us": [1] * 10_001,
                "columns": [column("speed", DOUBLE, [1.0] * 10_001)],
            },
            "INVALID_ARGUMENT",
            "LIMIT_EXCEEDED",
        ),
        ({"event_time_us": []}, "INVALID_ARGUMENT", "INVALID_ARGUMENT"),
        ({"request_id": "not-a-uuid"}, "INVALID_ARGUMENT", "INVALID_REQUEST_ID"),
        ({"request_id": str(uuid.uuid4())}, "INVALID_ARGUMENT", "INVALID_REQUEST_ID"),
        ({"request_id": "01890000-0000-7000-8000-000000000000"}, "FAILED_PRECONDITION", "REQUEST_TOO_OLD"),
        ({"request_id": "7fffffff-ffff-7000-8000-000000000000"}, "FAILED_PRECONDITION", "REQUEST_IN_FUTURE"),
        ({"namespace": "no_such_place"}, "NOT_FOUND", "UNKNOWN_NAMESPACE"),
        ({"mode": 9}, "INVALID_ARGUMENT", "INVALID_ARGUMENT"),
        ({"ingested_time_ns": [1]}, "INVALID_ARGUMENT", "INVALID_ARGUMENT"),
    ],
)
async def test_a_write_that_is_refused_as_a_whole_says_why(ingest, namespace, fields, code, reason):
    """Code and reason of every bad request."""
    good = {
        "namespace": namespace,
        "entity_ids": ["fry"],
        "event_time_us": [1],
        "columns": [column("speed", DOUBLE, [1.0])],
    }
    request = ingest_service_pb2.WriteFeaturesRequest(**{**good, **fields})

    refusal = await refusal_of(ingest.ingest.WriteFeatures(request))

    assert (refusal.code, refusal.reason) == (grpc.StatusCode[code], reason)


async def test_bytes_that_are_no_message_are_refused_as_such(ingest):
    """A broken client learns that its bytes cannot be parsed, not an exception's text."""
    call = ingest.channel.unary_unary("/featurama.v1.IngestService/WriteFeatures")

    refusal = await refusal_of(call(b"\xff\xff\xff"))

    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT")


async def test_a_deleted_feature_stays_deleted_through_a_replay_and_lives_again_later(
    online, ingest, namespace, unique
):
    """DeleteFeatureValues hides one feature only; the replay of an old write shows nothing; new times do."""
    gone, kept, fry = unique("gone"), unique("kept"), unique("fry")
    for name in (gone, kept):
        await register_feature(ingest, namespace, name)
    time = now_us() - 10 * SECOND
    request = write_request(
        namespace,
        [fry],
        [time],
        column(gone, DOUBLE, [1.0]),
        column(kept, DOUBLE, [2.0]),
        request_id=str(RequestIds().next()),
    )
    await ingest.ingest.WriteFeatures(request)

    deleted = await ingest.ingest.DeleteFeatureValues(
        ingest_service_pb2.DeleteFeatureValuesRequest(
            namespace=namespace,
            entity_id=fry,
            features=[gone],
            deleted_through_time=wire.to_timestamp(time + SECOND),
        )
    )
    await ingest.ingest.WriteFeatures(request)

    assert deleted.deleted_through_time.ToMicroseconds() == time + SECOND
    assert await newest(online, namespace, gone, fry) is None
    assert await newest(online, namespace, kept, fry) == 2.0
    await ingest.ingest.WriteFeatures(write_request(namespace, [fry], [time + 2 * SECOND], column(gone, DOUBLE, [3.0])))
    assert await newest(online, namespace, gone, fry) == 3.0


@pytest.mark.parametrize(
    ("method", "fields", "reason"),
    [
        ("DeleteEntity", {"entity_id": ""}, "INVALID_ENTITY_ID"),
        ("DeleteEntity", {"deleted_through_time": {"seconds": 10**11}}, "EVENT_TIME_IN_FUTURE"),
        ("DeleteEntity", {"deleted_through_time": {"seconds": 10**13}}, "INVALID_TIME"),
        ("DeleteEntity", {"namespace": "no_such_place"}, "UNKNOWN_NAMESPACE"),
        ("DeleteFeatureValues", {"features": []}, "EMPTY_REQUEST"),
        ("DeleteFeatureValues", {"features": ["nothing_like_it"]}, "UNKNOWN_FEATURE"),
        ("DeleteFeatureValues", {"features": ["speed@1"]}, "INVALID_REFERENCE"),
    ],
)
async def test_a_deletion_that_can_not_be_done_says_why(ingest, namespace, method, fields, reason):
    """The reason of every bad deletion."""
    kind = getattr(ingest_service_pb2, f"{method}Request")

    refusal = await refusal_of(
        getattr(ingest.ingest, method)(kind(**{"namespace": namespace, "entity_id": "fry", **fields}))
    )

    assert refusal.reason == reason


async def test_an_entity_of_another_type_rejects_its_row(ingest, namespace, unique):
    """A feature of a registered type takes the ids of that type only."""
    kind, other, name = unique("planet"), unique("robot"), unique("size")
    for each in (kind, other):
        await ingest.registry.RegisterEntityType(
            registry_service_pb2.RegisterEntityTypeRequest(namespace=namespace, entity_type={"name": each})
        )
    await register_feature(ingest, namespace, name, entity_type=kind)
    mars, bender = unique("mars"), unique("bender")
    await ingest.registry.RegisterEntities(
        registry_service_pb2.RegisterEntitiesRequest(
            namespace=namespace,
            entities=[
                {"entity_id": mars, "entity_type": kind},
                {"entity_id": bender, "entity_type": other},
            ],
        )
    )

    answer = await ingest.ingest.WriteFeatures(
        write_request(namespace, [mars, bender], [now_us() - SECOND] * 2, column(name, DOUBLE, [1.0, 2.0]))
    )

    assert answer.accepted == 1
    (verdict,) = answer.verdicts
    assert (list(verdict.rows), verdict.reason) == ([1], errors_pb2.ERROR_REASON_ENTITY_TYPE_MISMATCH)
