"""Reads whose requests or answers are above a message: the client splits them, and servers cut what is streamed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import numpy as np
import pandas as pd  # noqa: F401 - pyarrow loads it when it first converts, which must not be on a loop
import pytest
from tests.opened import open_store

import featurama
from featurama.errors import InvalidInput, Reason
from featurama.v1 import online_service_pb2 as pb
from featurama_core.types.schema import Entity, FeatureDefinition, FeatureGroup
from featurama_core.types.values import ValueType

from .predicting_store import define, publish
from .requests import SECOND, now_us
from .servers import Client, ingest_server, online_server, refusal_of

LIMIT = 64 * 1024
"""Bytes of a message of the servers of these tests."""
LONG = 8_000
DEFAULT_RECEIVED = 4 * 1024 * 1024
"""What gRPC receives unless told otherwise, in every language."""


@pytest.fixture
async def store(storage_url: str, namespace: str) -> AsyncIterator[featurama.FeatureStore]:
    """A store behind servers whose messages are small."""
    async with (
        online_server(storage_url, max_message_bytes=LIMIT) as online,
        ingest_server(storage_url) as ingest,
        featurama.connect(
            f"grpc://{online.address}?ingest={ingest.address}", namespace=namespace, timeout=60
        ) as client,
    ):
        yield client


@asynccontextmanager
async def foreign(address: str) -> AsyncIterator[Client]:
    """A client that keeps the limit of received messages."""
    async with grpc.aio.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        yield Client(address, channel)


async def long_texts(store: featurama.FeatureStore, note: str, ids: list[str]) -> list[str]:
    """A long text per entity, the length of which differs."""
    await store.register_feature(note, "text")
    texts = [f"{at:04}" + "x" * (LONG if at % 3 else at) for at in range(len(ids))]
    await store.write_features(
        {"entity_id": ids, "timestamp": [now_us() - SECOND] * len(ids), note: texts}, time_unit="us"
    )
    return texts


async def test_newest_values_above_a_message_are_read_by_several_calls(store, unique):
    """In order, with repeated ids; a set of newest values too."""
    note, kind = unique("note"), unique("kind")
    await store.register_entity_type(kind)
    ids = sorted(unique(f"ship{at:03}") for at in range(40))
    await store.register_entities([Entity(each, kind) for each in ids])
    texts = await long_texts(store, note, ids)
    asked = ids + ids[::-1]
    read = await store.get_online_features(asked, [note])
    assert texts + texts[::-1] == read.columns[0].to_list()
    made = await store.training_set(entity_type=kind, features=[note])
    assert texts == (await made.to_arrow()).column(note).to_pylist()


async def test_label_rows_whose_request_is_above_a_message_are_sent_by_several_calls(store, unique):
    """gRPC itself refuses the request, before the server sees it."""
    speed = unique("speed")
    await store.register_feature(speed, "double")
    fry = unique("fry")
    await store.write_features({"entity_id": [fry], "timestamp": [now_us() - SECOND], speed: [2.5]}, time_unit="us")
    ids = [fry, *("nobody" * 30 for _ in range(1_000)), fry]
    read = await store.point_in_time(ids, np.full(len(ids), now_us()), features=[speed])
    assert [2.5, *[None] * 1_000, 2.5] == read.columns[0].to_list()


async def test_a_history_above_a_message_is_read_in_pages(store, unique):
    """Newest first, also every correction of one event time."""
    note, fry = unique("note"), unique("fry")
    await store.register_feature(note, "text")
    times = [now_us() - (60 - at) * SECOND for at in range(30)]
    texts = [f"{at:02}" + "x" * LONG for at in range(30)]
    await store.write_features({"entity_id": [fry] * 30, "timestamp": times, note: texts}, time_unit="us")
    assert texts[::-1] == (await store.get_feature_history(fry, note)).column.to_list()
    for at in range(20):
        await store.write_features(
            {"entity_id": [fry], "timestamp": times[:1], note: [f"{at:02}" + "y" * LONG]}, time_unit="us"
        )
    corrected = await store.get_feature_history(fry, note, end_time=times[0], corrections=True)
    assert [*reversed([f"{at:02}" for at in range(20)]), "00"] == [each[:2] for each in corrected.column.values]


async def test_predictions_above_a_message_are_made_by_several_calls(tmp_path):
    """With the features of stored rows and with given ones."""
    url = f"sqlite:///{tmp_path}/store"
    async with open_store(url) as opened:
        await define(opened)
        await publish(opened, 0.0, champion=1)
    rows = 2_001
    ids = ["delivery_1", "delivery_2", "delivery_1"] * (rows // 3)
    async with (
        online_server(url, max_message_bytes=LIMIT) as server,
        featurama.connect(f"grpc://{server.address}") as client,
    ):
        one = await client.predict(ids[:3])
        many = await client.predict(ids)
        given = await client.predict(ids, {"distance": np.full(rows, 77.0)})
    assert one.values.tolist() * (rows // 3) == many.values.tolist()
    assert {name: values * (rows // 3) for name, values in one.to_dict().items()} == many.to_dict()
    assert {77.0} == set(given.to_dict()["distance"])


@pytest.mark.parametrize("call", ["named", "all"])
async def test_one_row_above_a_message_is_named(store, unique, call):
    """It can't be split: the error says which entity, how large, and what to do."""
    fry, notes = unique("fry"), [unique(f"note{at}") for at in range(10)]
    for note in notes:
        await store.register_feature(note, "text")
    await store.write_features(
        {"entity_id": [fry], "timestamp": [now_us() - SECOND], **{note: ["x" * LONG] for note in notes}},
        time_unit="us",
    )
    with pytest.raises(
        InvalidInput, match=f"{fry}' alone has .* bytes, a message at most {LIMIT}; name fewer"
    ) as failed:
        await (store.get_all_features(fry) if call == "all" else store.get_online_features([fry, "leela"], notes))
    assert Reason.LIMIT_EXCEEDED == failed.value.reason


async def test_entities_above_a_message_are_registered_and_listed(unique, storage_url, namespace):
    """Both servers have small messages."""
    kind = unique("kind")
    entities = [Entity(unique(f"e{at:02}"), kind, metadata=f'{{"note": "{"x" * 5_000}"}}') for at in range(40)]
    async with (
        online_server(storage_url, max_message_bytes=LIMIT) as online,
        ingest_server(storage_url, max_message_bytes=LIMIT) as ingest,
        featurama.connect(f"grpc://{online.address}?ingest={ingest.address}", namespace=namespace) as client,
    ):
        await client.register_entity_type(kind)
        assert entities == await client.register_entities(entities)
        assert entities == sorted(await client.list_entities(kind), key=lambda each: each.entity_id)


async def test_vectors_above_a_message_are_refused_before_they_are_read(online, ingest_at, namespace, unique):
    """A foreign client learns the size, to request so many fewer entities."""
    shape = unique("shape")
    async with featurama.connect(f"grpc://{ingest_at.address}", namespace=namespace) as client:
        await client.register_feature(shape, "vector[2048]")
    request = pb.GetOnlineFeaturesRequest(namespace=namespace, features=[shape], entity_ids=["fry"] * 10_000)
    refused = await refusal_of(online.features.GetOnlineFeatures(request))
    assert "LIMIT_EXCEEDED" == refused.reason
    assert {"message_bytes": str(10_000 * 2_048 * 4), "max_message_bytes": str(32 * 1024 * 1024)} == refused.metadata


async def test_pages_and_chunks_are_below_the_limit_of_other_clients(online_at, ingest_at, namespace, unique):
    """Default pages of long vectors and texts, with every correction; rows of many features."""
    fry = unique("fry")
    kinds: dict[str, Any] = {"shape": "vector[2048]", "note": "text"}
    values: dict[str, Any] = {"shape": np.ones((600, 2_048), dtype=np.float32), "note": ["ö" * 4_000] * 600}
    names = {each: unique(each) for each in kinds}
    times = [now_us() - (1_000 - at) * SECOND for at in range(600)]
    async with featurama.connect(f"grpc://{ingest_at.address}", namespace=namespace) as client:
        for each, kind in kinds.items():
            await client.register_feature(names[each], kind)
            await client.write_features(
                {"entity_id": [fry] * 600, "timestamp": times, names[each]: values[each]}, time_unit="us"
            )
    async with foreign(online_at.address) as client:
        for name in names.values():
            request = pb.GetFeatureHistoryRequest(
                namespace=namespace, entity_id=fry, feature=name, include_corrections=True
            )
            pages = [await client.features.GetFeatureHistory(request)]
            while pages[-1].next_page_token:
                request.page_token = pages[-1].next_page_token
                pages.append(await client.features.GetFeatureHistory(request))
            assert times[::-1] == [time for page in pages for time in page.column.event_time_us]
            assert max(page.ByteSize() for page in pages) < DEFAULT_RECEIVED
        rows = pb.GetHistoricalFeaturesRequest(
            namespace=namespace, features=names.values(), entity_ids=[fry] * 600, event_time_us=times
        )
        chunks = [chunk async for chunk in client.features.GetHistoricalFeatures(rows)]
    assert 600 == sum(chunk.row_count for chunk in chunks)
    assert DEFAULT_RECEIVED // 2 < max(chunk.ByteSize() for chunk in chunks) < DEFAULT_RECEIVED


async def test_lists_of_definitions_above_a_message_are_split(storage_url: str, own_namespace: str) -> None:
    """What a definition names is stored before it, however many requests there are."""
    async with (
        ingest_server(storage_url, max_message_bytes=LIMIT) as ingest,
        featurama.connect(f"grpc://{ingest.address}", namespace=own_namespace, timeout=60) as client,
    ):
        groups = [FeatureGroup(f"g{number}", description="x" * 1_000) for number in range(90)]
        features = [FeatureDefinition(f"f{at}", ValueType.INT, group=f"g{at}", owner="y" * 2_000) for at in range(90)]
        assert [*features, *groups] == await client.register([*features, *groups])
        assert [*features, *groups] == await client.register([*features, *groups])
