"""Imports of old history over real gRPC: with the public stubs, and with our client."""

from __future__ import annotations

import asyncio
import uuid

import numpy as np
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

import featurama
from featurama.errors import FailedPrecondition, InvalidInput, Reason
from featurama.v1 import errors_pb2, ingest_service_pb2, online_service_pb2
from featurama_core.types.request_ids import RequestIds

from .requests import DOUBLE, SECOND, column, now_us, register_feature, write_request
from .servers import refusal_of

BULK = ingest_service_pb2.WRITE_MODE_BULK


def moment(micros: int) -> Timestamp:
    return Timestamp(seconds=micros // SECOND, nanos=micros % SECOND * 1_000)


class Import:
    """Rows of one entity with one event and one ingest time, as a stranger's client sends them."""

    def __init__(self, ingest, namespace, feature, entity):
        self.ingest, self.namespace, self.feature, self.entity = ingest, namespace, feature, entity
        self.event, self.known = now_us() - 7_200 * SECOND, now_us() - 3_600 * SECOND

    async def begin(self, import_id: str = "") -> int:
        request = ingest_service_pb2.BeginImportRequest(
            namespace=self.namespace,
            import_id=import_id,
            features=[self.feature],
            first_event_time=moment(self.event),
            last_event_time=moment(self.event),
            first_ingested_time=moment(self.known),
            last_ingested_time=moment(self.known),
        )
        return (await self.ingest.ingest.BeginImport(request)).import_number

    def rows(self, value: float, **fields) -> ingest_service_pb2.WriteFeaturesRequest:
        return write_request(
            self.namespace,
            [self.entity],
            [self.event],
            column(self.feature, DOUBLE, [value]),
            mode=BULK,
            ingested_time_ns=[self.known * 1_000 + 123],
            **fields,
        )

    async def history(self, online) -> list[tuple[float, int]]:
        """(value, ingest time) of every correction, the newest first."""
        answer = await online.features.GetFeatureHistory(
            online_service_pb2.GetFeatureHistoryRequest(
                namespace=self.namespace, feature=self.feature, entity_id=self.entity, include_corrections=True
            )
        )
        return list(zip(answer.column.double_values, answer.ingested_time_ns, strict=True))


@pytest.fixture
async def old(ingest, namespace, unique) -> Import:
    made = Import(ingest, namespace, unique("speed"), unique("fry"))
    await register_feature(ingest, namespace, made.feature)
    return made


@pytest.fixture
async def client(online_at, ingest_at, namespace):
    url = f"grpc://{online_at.address}?ingest={ingest_at.address}"
    async with featurama.connect(url, namespace=namespace, timeout=30) as opened:
        yield opened


async def test_rows_with_ingest_times_and_no_number_are_refused(ingest, old):
    """The message says how to get one."""
    refusal = await refusal_of(ingest.ingest.WriteFeatures(old.rows(1.0)))
    assert ("INVALID_ARGUMENT", "import_number") == (refusal.reason, refusal.metadata["field"])
    assert "BeginImport" in refusal.message


async def test_a_later_import_of_equal_times_is_a_correction(online, ingest, old):
    """Its ingest times are floored and end in its number, whichever import's rows arrive first."""
    assert (await old.begin(), await old.begin()) == (0, 1)
    for value, number in ((2.0, 1), (9.0, 0), (2.0, 1)):
        answer = await ingest.ingest.WriteFeatures(old.rows(value, import_number=number))
        assert answer.accepted == 1
    assert [(2.0, old.known * 1_000 + 1), (9.0, old.known * 1_000)] == await old.history(online)


async def test_an_import_that_begins_again_with_its_id_has_its_number(old):
    """The answer to the first call was lost."""
    import_id = str(RequestIds().next())
    assert [0, 0] == [await old.begin(import_id) for _ in range(2)]
    assert await old.begin() == 1
    assert await old.begin(import_id) == 0


async def test_chunks_of_a_stream_carry_the_number(online, ingest, old):
    """A chunk without it is acknowledged with its error; the stream goes on."""
    number = await old.begin()
    chunks = [
        ingest_service_pb2.StreamFeaturesRequest(sequence=1, write=old.rows(1.0)),
        ingest_service_pb2.StreamFeaturesRequest(sequence=2, write=old.rows(3.0, import_number=number)),
    ]
    refused, stored = [answer async for answer in ingest.ingest.StreamFeatures(iter(chunks))]
    assert refused.error.reason == errors_pb2.ERROR_REASON_INVALID_ARGUMENT
    assert refused.error.field == "import_number"
    assert stored.result.accepted == 1
    assert [(3.0, old.known * 1_000 + number)] == await old.history(online)


async def test_each_frame_of_a_client_is_an_import_of_its_own(client, unique):
    """In one message and in a stream; the later one wins for every row, and each is told apart by its number."""
    speed = unique("speed")
    await client.register_feature(speed, "double")
    ids = [unique(f"e{row}") for row in range(25)]
    known = now_us() - 3_600 * SECOND
    for value, batch_size in ((3.0, 1_000), (1.0, 4), (2.0, 10)):
        frame = {
            "entity_id": ids,
            "timestamp": [known] * 25,
            "ingested_at": np.full(25, known // SECOND),
            speed: [value] * 25,
        }
        report = await client.write_features(
            frame, batch_size=batch_size, mode=featurama.WriteMode.BULK, ingested_at_unit="s", time_unit="us"
        )
        assert (report.accepted, report.rejected) == (25, 0)
    assert [2.0] * 25 == (await client.get_online_features(ids, [speed])).to_dict()[speed]
    history = await client.get_feature_history(ids[7], speed, corrections=True)
    assert [2.0, 1.0, 3.0] == history.to_dict()["value"]
    assert [known // SECOND * 10**9 + number for number in (2, 1, 0)] == history.ingested_at.tolist()


async def test_frames_of_one_import_name_its_number(client, unique):
    """They are one import, however many calls: nothing of it corrects anything of it."""
    speed, fry, leela = unique("speed"), unique("fry"), unique("leela")
    await client.register_feature(speed, "double")
    known = now_us() - 3_600 * SECOND
    scope = featurama.ImportScope((speed,), known, known + 1, known, known)
    number = await client.begin_import(scope)
    for entity, event in ((fry, known), (leela, known + 1)):
        frame = {"entity_id": [entity], "timestamp": [event], "ingested_at": [known], speed: [1.0]}
        await client.write_features(
            frame, mode=featurama.WriteMode.BULK, ingested_at_unit="us", import_number=number, time_unit="us"
        )
    histories = [await client.get_feature_history(each, speed) for each in (fry, leela)]
    assert [[known * 1_000], [known * 1_000]] == [each.ingested_at.tolist() for each in histories]
    assert await client.begin_import(scope) == 1


async def test_a_frame_that_cannot_be_an_import_begins_none(client, unique):
    """Numbers without a unit, times that are not settled: refused before anything is sent."""
    speed, fry = unique("speed"), unique("fry")
    await client.register_feature(speed, "double")
    known = now_us() - 3_600 * SECOND
    frame = {"entity_id": [fry], "timestamp": [known], "ingested_at": [known], speed: [1.0]}
    bulk = featurama.WriteMode.BULK
    with pytest.raises(InvalidInput, match="ingested_at_unit="):
        await client.write_features(frame, mode=bulk, time_unit="us")
    with pytest.raises(FailedPrecondition) as young:
        await client.write_features(
            frame | {"ingested_at": [now_us()]}, mode=bulk, ingested_at_unit="us", time_unit="us"
        )
    assert young.value.reason is Reason.KNOWN_AT_NOT_SETTLED
    with pytest.raises(InvalidInput) as unknown:
        await client.begin_import(featurama.ImportScope((speed,), 0, 0, 0, 0), str(uuid.uuid4()))
    assert unknown.value.reason is Reason.INVALID_REQUEST_ID
    assert await client.begin_import(featurama.ImportScope((speed,), known, known, known, known)) == 0


async def test_the_blocking_client_imports_too(online_at, ingest_at, namespace, unique):
    speed, fry = unique("speed"), unique("fry")
    known = now_us() - 3_600 * SECOND

    def write() -> list[object]:
        url = f"grpc://{online_at.address}?ingest={ingest_at.address}"
        with featurama.sync.connect(url, namespace=namespace) as blocking:
            blocking.register_feature(speed, "double")
            for value in (2.0, 1.0):
                frame = {"entity_id": [fry], "timestamp": [known], "ingested_at": [known * 1_000], speed: [value]}
                blocking.write_features(frame, mode=featurama.WriteMode.BULK, ingested_at_unit="ns", time_unit="us")
            number = blocking.begin_import(featurama.ImportScope((speed,), known, known, known, known))
            return [number, *blocking.get_online_features([fry], [speed]).to_dict()[speed]]

    assert [2, 1.0] == await asyncio.to_thread(write)
