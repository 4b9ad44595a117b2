"""OnlineService over real gRPC: newest values, history in pages, rows as they were."""

from __future__ import annotations

import grpc
import pytest

from featurama import wire
from featurama.v1 import columns_pb2, ingest_service_pb2, online_service_pb2, registry_service_pb2

from .requests import (
    BOOL,
    DOUBLE,
    INT,
    SECOND,
    TEXT,
    VECTOR,
    column,
    now_us,
    register_feature,
    write_request,
)
from .servers import refusal_of

PRESENT = columns_pb2.FEATURE_STATUS_PRESENT
NULL = columns_pb2.FEATURE_STATUS_NULL_VALUE
NOT_FOUND = columns_pb2.FEATURE_STATUS_NOT_FOUND


async def test_online_columns_carry_every_value_type_and_the_status_of_each_row(online, ingest, namespace, unique):
    """What a stranger's client wrote in typed arrays comes back in typed arrays, a row an asked id."""
    kinds = {"d": DOUBLE, "i": INT, "t": TEXT, "b": BOOL, "v": VECTOR}
    names = {kind: unique(kind) for kind in kinds}
    for kind, value_type in kinds.items():
        length = 2 if kind == "v" else 0
        await register_feature(ingest, namespace, names[kind], value_type, vector_length=length)
    fry, leela, nobody = unique("fry"), unique("leela"), unique("nobody")
    time = now_us() - SECOND
    written = await ingest.ingest.WriteFeatures(
        write_request(
            namespace,
            [fry, leela],
            [time, time],
            column(names["d"], DOUBLE, [1.5, 0.0], statuses=[PRESENT, NULL]),
            column(names["i"], INT, [-7, 8]),
            column(names["t"], TEXT, ["Philip J.", "Turanga"]),
            column(names["b"], BOOL, [True, False]),
            column(names["v"], VECTOR, [1.0, 2.0, 3.0, 4.0], vector_length=2),
        )
    )
    assert (written.accepted, written.rejected, written.unknown) == (2, 0, 0)

    answer = await online.features.GetOnlineFeatures(
        online_service_pb2.GetOnlineFeaturesRequest(
            namespace=namespace,
            features=list(names.values()),
            entity_ids=[leela, nobody, fry],
            include_event_times=True,
        )
    )

    d, i, t, b, v = answer.columns
    assert [each.reference for each in answer.columns] == [f"{name}@1" for name in names.values()]
    assert list(d.double_values) == [0.0, 0.0, 1.5]
    assert list(d.statuses) == [NULL, NOT_FOUND, PRESENT]
    assert list(i.int_values) == [8, 0, -7]
    assert list(t.text_values) == ["Turanga", "", "Philip J."]
    assert list(b.bool_values) == [False, False, True]
    assert list(v.vector_values) == [3.0, 4.0, 0.0, 0.0, 1.0, 2.0]
    assert list(i.event_time_us) == [time, 0, time]
    assert abs(answer.as_of_time.ToMicroseconds() - now_us()) < 60 * SECOND


async def test_statuses_travel_only_when_asked_for_or_when_a_row_is_not_present(online, ingest, namespace, unique):
    """A column that is wholly PRESENT leaves its statuses out unless the request wants them."""
    name, fry = unique("speed"), unique("fry")
    await register_feature(ingest, namespace, name)
    await ingest.ingest.WriteFeatures(write_request(namespace, [fry], [now_us() - SECOND], column(name, DOUBLE, [1.0])))
    request = online_service_pb2.GetOnlineFeaturesRequest(namespace=namespace, features=[name], entity_ids=[fry])

    silent = await online.features.GetOnlineFeatures(request)
    request.include_statuses = True
    told = await online.features.GetOnlineFeatures(request)

    assert list(silent.columns[0].statuses) == []
    assert list(silent.columns[0].event_time_us) == []
    assert list(told.columns[0].statuses) == [PRESENT]


async def test_a_feature_service_is_read_in_its_own_order(online, ingest, namespace, unique):
    """The columns of a feature service are its pinned features, in the order in which they were registered."""
    second, first, service = unique("b"), unique("a"), unique("model")
    for name in (second, first):
        await register_feature(ingest, namespace, name)
    await ingest.registry.RegisterFeatureService(
        registry_service_pb2.RegisterFeatureServiceRequest(
            namespace=namespace, feature_service={"name": service, "features": [second, first]}
        )
    )

    answer = await online.features.GetOnlineFeatures(
        online_service_pb2.GetOnlineFeaturesRequest(
            namespace=namespace, feature_service=service, entity_ids=[unique("fry")]
        )
    )

    assert [each.reference for each in answer.columns] == [f"{second}@1", f"{first}@1"]


async def test_history_comes_newest_first_in_pages_up_to_the_limit(online, ingest, namespace, unique):
    """Pages of two, a limit of five over all of them: the newest five of seven values, each once."""
    name, fry = unique("speed"), unique("fry")
    await register_feature(ingest, namespace, name)
    base = now_us() - 100 * SECOND
    times = [base + n * SECOND for n in range(7)]
    await ingest.ingest.WriteFeatures(
        write_request(namespace, [fry] * 7, times, column(name, DOUBLE, [float(n) for n in range(7)]))
    )
    request = online_service_pb2.GetFeatureHistoryRequest(
        namespace=namespace, entity_id=fry, feature=name, limit=5, page_size=2
    )

    values: list[float] = []
    seen: list[int] = []
    pages = 0
    while True:
        page = await online.features.GetFeatureHistory(request)
        pages += 1
        values += page.column.double_values
        seen += page.column.event_time_us
        assert len(page.ingested_time_ns) == len(page.column.double_values)
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token

    assert values == [6.0, 5.0, 4.0, 3.0, 2.0]
    assert seen == times[:1:-1]
    assert pages == 3


async def test_rows_as_they_were_stream_in_chunks_that_cover_every_label_row_in_order(
    online, ingest, namespace, unique
):
    """25,000 label rows come back as runs of at most 10,000, each value the newest at or before its row's time."""
    name, fry = unique("speed"), unique("fry")
    await register_feature(ingest, namespace, name)
    start = now_us() - 1_000 * SECOND
    await ingest.ingest.WriteFeatures(
        write_request(namespace, [fry, fry], [start, start + 100 * SECOND], column(name, DOUBLE, [1.0, 2.0]))
    )
    times = [start - SECOND, start, start + 99 * SECOND, start + 100 * SECOND, start + 500 * SECOND] * 5_000

    rows, values, statuses, as_of = 0, [], [], set()
    async for chunk in online.features.GetHistoricalFeatures(
        online_service_pb2.GetHistoricalFeaturesRequest(
            namespace=namespace,
            features=[name],
            entity_ids=[fry] * len(times),
            event_time_us=times,
            include_statuses=True,
        )
    ):
        assert chunk.first_row == rows
        assert chunk.row_count <= 10_000
        rows += chunk.row_count
        values += chunk.columns[0].double_values
        statuses += chunk.columns[0].statuses
        as_of.add(chunk.as_of_time.ToMicroseconds())

    assert rows == len(times)
    assert values == [0.0, 1.0, 1.0, 2.0, 2.0] * 5_000
    assert statuses == [NOT_FOUND, PRESENT, PRESENT, PRESENT, PRESENT] * 5_000
    assert len(as_of) == 1


async def test_a_deleted_value_is_gone_from_every_reading_call(online, ingest, namespace, unique):
    """After DeleteEntity online, history and point-in-time reads find nothing."""
    name, fry = unique("speed"), unique("fry")
    await register_feature(ingest, namespace, name)
    time = now_us() - SECOND
    await ingest.ingest.WriteFeatures(write_request(namespace, [fry], [time], column(name, DOUBLE, [1.0])))
    await ingest.ingest.DeleteEntity(ingest_service_pb2.DeleteEntityRequest(namespace=namespace, entity_id=fry))

    now = await online.features.GetOnlineFeatures(
        online_service_pb2.GetOnlineFeaturesRequest(namespace=namespace, features=[name], entity_ids=[fry])
    )
    history = await online.features.GetFeatureHistory(
        online_service_pb2.GetFeatureHistoryRequest(namespace=namespace, feature=name, entity_id=fry)
    )
    chunks = [
        chunk
        async for chunk in online.features.GetHistoricalFeatures(
            online_service_pb2.GetHistoricalFeaturesRequest(
                namespace=namespace,
                features=[name],
                entity_ids=[fry],
                event_time_us=[time],
                include_statuses=True,
            )
        )
    ]

    assert list(now.columns[0].statuses) == [NOT_FOUND]
    assert list(history.column.double_values) == []
    assert list(chunks[0].columns[0].statuses) == [NOT_FOUND]


@pytest.mark.parametrize(
    ("fields", "code", "reason", "field"),
    [
        ({"entity_ids": []}, "INVALID_ARGUMENT", "EMPTY_REQUEST", "entity_ids"),
        ({"features": []}, "INVALID_ARGUMENT", "EMPTY_REQUEST", "features"),
        ({"features": ["a"] * 1_001}, "INVALID_ARGUMENT", "LIMIT_EXCEEDED", "features"),
        ({"feature_service": "both"}, "INVALID_ARGUMENT", "INVALID_ARGUMENT", "feature_service"),
        ({"entity_ids": ["x"] * 10_001}, "INVALID_ARGUMENT", "LIMIT_EXCEEDED", "entity_ids"),
        ({"entity_ids": ["ok", ""]}, "INVALID_ARGUMENT", "INVALID_ENTITY_ID", "entity_ids[1]"),
        ({"entity_ids": ["a\nb"]}, "INVALID_ARGUMENT", "INVALID_ENTITY_ID", "entity_ids[0]"),
        ({"features": ["a.b.c"]}, "INVALID_ARGUMENT", "INVALID_REFERENCE", "features"),
        ({"features": ["nothing_like_it"]}, "NOT_FOUND", "UNKNOWN_FEATURE", None),
        ({"features": [], "feature_service": "nothing"}, "NOT_FOUND", "UNKNOWN_FEATURE_SERVICE", None),
        ({"namespace": "no_such_place"}, "NOT_FOUND", "UNKNOWN_NAMESPACE", None),
        ({"namespace": "'; DROP"}, "INVALID_ARGUMENT", "INVALID_NAME", "namespace"),
        ({"consistency": 99}, "INVALID_ARGUMENT", "INVALID_ARGUMENT", "consistency"),
    ],
)
async def test_a_read_that_can_not_be_answered_says_why(online, namespace, fields, code, reason, field):
    """Code, reason and offending field of every bad request."""
    good = {"namespace": namespace, "features": ["speed"], "entity_ids": ["fry"]}
    request = online_service_pb2.GetOnlineFeaturesRequest(**{**good, **fields})

    refusal = await refusal_of(online.features.GetOnlineFeatures(request))

    assert (refusal.code, refusal.reason) == (grpc.StatusCode[code], reason)
    if field is not None:
        assert refusal.metadata["field"] == field


@pytest.mark.parametrize(
    ("fields", "code", "reason"),
    [
        ({"page_token": "zzz"}, "INVALID_ARGUMENT", "INVALID_PAGE_TOKEN"),
        ({"page_size": 10_001}, "INVALID_ARGUMENT", "LIMIT_EXCEEDED"),
        ({"page_size": -1}, "INVALID_ARGUMENT", "LIMIT_EXCEEDED"),
        ({"limit": -1}, "INVALID_ARGUMENT", "INVALID_ARGUMENT"),
        ({"start_time": {"seconds": 10**15}}, "INVALID_ARGUMENT", "INVALID_TIME"),
        ({"entity_id": ""}, "INVALID_ARGUMENT", "INVALID_ENTITY_ID"),
        ({"feature": "nothing_like_it"}, "NOT_FOUND", "UNKNOWN_FEATURE"),
    ],
)
async def test_a_history_that_can_not_be_read_says_why(online, ingest, namespace, unique, fields, code, reason):
    """Code and reason of every bad history request."""
    name = unique("speed")
    await register_feature(ingest, namespace, name)
    request = online_service_pb2.GetFeatureHistoryRequest(
        **{"namespace": namespace, "feature": name, "entity_id": "fry", **fields}
    )

    refusal = await refusal_of(online.features.GetFeatureHistory(request))

    assert (refusal.code, refusal.reason) == (grpc.StatusCode[code], reason)


async def test_label_rows_are_refused_when_they_are_too_many_uneven_or_too_young(online, ingest, namespace, unique):
    """100,001 rows, a time missing, a known_at that is not settled."""
    name = unique("speed")
    await register_feature(ingest, namespace, name)
    good = {"namespace": namespace, "features": [name], "entity_ids": ["fry"], "event_time_us": [now_us()]}
    bad = [
        ({"entity_ids": ["fry"] * 100_001, "event_time_us": [1] * 100_001}, "LIMIT_EXCEEDED"),
        ({"entity_ids": ["fry", "leela"]}, "INVALID_ARGUMENT"),
        ({"known_at_time": wire.to_timestamp(now_us())}, "KNOWN_AT_NOT_SETTLED"),
        ({"known_at_label": True}, "KNOWN_AT_NOT_SETTLED"),
        ({"entity_ids": [], "event_time_us": []}, "EMPTY_REQUEST"),
    ]

    reasons = []
    for fields, _ in bad:
        request = online_service_pb2.GetHistoricalFeaturesRequest(**{**good, **fields})
        reasons.append((await refusal_of(online.features.GetHistoricalFeatures(request))).reason)

    assert reasons == [reason for _, reason in bad]
