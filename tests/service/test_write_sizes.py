"""Writes above a message: what fits is stored, the largest rows are named, and every row is accounted for."""

from __future__ import annotations

from collections.abc import AsyncIterator

import numpy as np
import pytest

import featurama
from featurama import wire
from featurama.client.fitting import fitted
from featurama.errors import Reason
from featurama.v1 import errors_pb2
from featurama_core.frames.report import PreparedWrite
from featurama_core.types.column import column_of
from featurama_core.types.values import ValueType
from featurama_core.types.writes import Outcome, WriteReport, WriteRequest

from .requests import DOUBLE, SECOND, column, now_us, write_request
from .servers import client_of, ingest_server, online_server

LIMIT = 64 * 1024
"""Bytes of a message of the servers of these tests. The client learns it."""
REFUSED = (Outcome.REJECTED, Reason.LIMIT_EXCEEDED)


@pytest.fixture
async def store(storage_url: str, namespace: str) -> AsyncIterator[featurama.FeatureStore]:
    async with (
        online_server(storage_url) as online,
        ingest_server(storage_url, max_message_bytes=LIMIT) as ingest,
        featurama.connect(
            f"grpc://{online.address}?ingest={ingest.address}", namespace=namespace, timeout=60
        ) as client,
    ):
        yield client


async def stored(store: featurama.FeatureStore, ids: list[str], feature: str) -> list[bool]:
    """Whether each entity has a value."""
    return [each is not None for each in (await store.get_online_features(ids, [feature])).columns[0].to_list()]


def accounted(report: WriteReport, rows: int) -> list[bool]:
    """Whether each row is accepted. All others are named, because they were too large."""
    assert rows == report.sent
    assert {REFUSED} >= {(each.outcome, each.reason) for each in report}
    refused = {each.row for each in report}
    assert report.rejected == len(refused)
    return [row not in refused for row in range(rows)]


@pytest.mark.parametrize("before", [0, 30])
async def test_a_chunk_above_a_message_costs_only_rows_of_its_own(store, unique, before):
    """What is said to be stored is stored, whatever was stored before; the chunks after it are sent."""
    note = unique("note")
    await store.register_feature(note, "text")
    texts = ["s"] * before + ["x" * 7_000] * 10 + ["s"] * 30
    ids = [unique(f"ship{at}") for at in range(len(texts))]
    frame = {"entity_id": ids, "timestamp": [now_us() - SECOND] * len(ids), note: texts}
    report = await store.write_features(frame, batch_size=10, time_unit="us")
    expected = [True] * (before + 9) + [False] + [True] * 30
    assert expected == accounted(report, len(ids)) == await stored(store, ids, note)
    assert "a batch of 10 rows has" in report.verdicts[0].message
    assert report.verdicts[0].message.endswith("lower batch_size")


@pytest.mark.parametrize("batch_size", [1, 3, 1_000])
@pytest.mark.parametrize("shape", ["wide", "long"])
async def test_a_row_above_a_message_is_named_with_its_largest_feature(store, unique, batch_size, shape):
    """Also as the first row, alone in its chunk, or in the only chunk; the other rows are stored."""
    note, speed = unique("note"), unique("speed")
    await store.register_feature(note, "text")
    await store.register_feature(speed, "double")
    ids, texts = [unique(f"ship{at}") for at in range(4)], ["x" * LIMIT, "s", "s", "s"]
    times = [now_us() - SECOND] * 4
    frame = {"entity_id": ids, "timestamp": times, note: texts, speed: [1.5] * 4}
    if shape == "long":
        frame = {"entity_id": ids, "timestamp": times, "feature_name": [note] * 4, "value": texts}
    report = await store.write_features(frame, batch_size=batch_size, time_unit="us")
    assert [False, True, True, True] == accounted(report, 4) == await stored(store, ids, note)
    assert f"row of entity '{ids[0]}', most of it '{note}', has" in report.verdicts[0].message


async def test_a_frame_of_which_no_row_fits_is_rejected_row_by_row(store, unique):
    """Nothing is sent."""
    note = unique("note")
    frame = {"entity_id": ["a", "b"], "timestamp": [1, 1], note: ["x" * LIMIT] * 2}
    for batch_size in (1, 2):
        assert [False, False] == accounted(await store.write_features(frame, batch_size=batch_size, time_unit="us"), 2)


async def test_verdicts_above_a_chunk_are_sent_without_their_texts(storage_url, namespace, unique):
    """Each still has its reason and its field, and each row is in one."""
    ids = [f"ship{at}" for at in range(1_500)]
    late = [now_us() + 3_600 * SECOND + at for at in range(1_500)]
    request = write_request(namespace, ids, late, column(unique("speed"), DOUBLE, [1.5] * 1_500))
    async with (
        ingest_server(storage_url, max_message_bytes=2 * LIMIT) as server,
        client_of(server.address) as client,
    ):
        answer = await client.ingest.WriteFeatures(request)
    assert 1_500 == answer.rejected
    (verdict,) = answer.verdicts
    assert list(range(1_500)) == list(verdict.rows)
    reason = errors_pb2.ERROR_REASON_EVENT_TIME_IN_FUTURE
    assert (reason, "timestamp", "") == (verdict.reason, verdict.field, verdict.message)


async def test_rows_that_are_refused_for_one_reason_share_its_words(storage_url, namespace, unique):
    """10,000 rows of a column that is no feature: its name stands once in the answer."""
    name = "x" * 63
    request = write_request(namespace, ["fry"] * 10_000, list(range(10_000)), column(name, DOUBLE, [1.5] * 10_000))
    async with ingest_server(storage_url) as server, client_of(server.address) as client:
        answer = await client.ingest.WriteFeatures(request)
        report = wire.write_report_from_proto(answer)
    (verdict,) = answer.verdicts
    assert (10_000, name) == (len(verdict.rows), verdict.field)
    assert answer.ByteSize() < 32 * 1024
    assert list(range(10_000)) == [each.row for each in report]


def test_rows_of_one_entity_and_time_stay_together():
    """Else the server could accept one of two rows that conflict."""
    ids, texts = ["a", "b", "a", "c"], ["x" * 100, "y" * 150, "z" * 100, "s"]
    values = np.array(texts, dtype=np.object_)
    request = WriteRequest(ids, np.ones(4, dtype=np.int64), [column_of("note", ValueType.TEXT, values)])
    prepared = PreparedWrite(request, np.arange(4), np.zeros(1, dtype=np.int64))
    found = fitted(prepared, lambda part: b"x" * sum(map(len, part.columns[0].values)), 300)
    assert found.prepared is not None
    assert ["b", "c"] == found.prepared.request.entity_ids
    assert [["a", "a"]] == [list(rows.request.entity_ids) for rows, _ in found.refused]
    assert [0, 2] == found.refused[0][0].rows.tolist()
