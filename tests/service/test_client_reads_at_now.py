"""Reads at now through servers: now is the time of the servers, whatever the clock of the client says."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd  # noqa: F401 - pyarrow loads it when it first converts, which must not be on a loop
import pytest

import featurama
from featurama.errors import InvalidInput
from featurama.v1 import online_service_pb2 as pb
from featurama_core.stores import Stores
from featurama_online.rpc.online import OnlineServicer
from featurama_service.rpc.registry import reading_registry_service

from .requests import SECOND, now_us
from .servers import refusal_of, serving_services

MINUTE = 60 * SECOND


@pytest.fixture
async def ahead(storage_url, namespace, unique):
    """(client, feature, entity, its type): the clock of the server is an hour ahead, the value half an hour."""
    speed, fry, kind = unique("speed"), unique("fry"), unique("kind")
    minutes = 0
    async with Stores.open(storage_url, clock=lambda: time.time_ns() + minutes * 60 * 10**9) as stores:
        store = await stores.get(namespace)
        await store.register_entity_type(kind)
        await store.register_feature(speed, "double", entity_type=kind)
        await store.register_entity(fry, kind)
        minutes = 30
        await store.write_features({"entity_id": [fry], "timestamp": [store.now()], speed: [2.5]}, time_unit="us")
        minutes = 60
        services = OnlineServicer(stores).service(), reading_registry_service(stores)
        async with (
            serving_services(*services) as stranger,
            featurama.connect(f"grpc://{stranger.address}", namespace=namespace) as client,
        ):
            yield client, speed, fry, kind


async def test_a_past_read_at_now_is_at_the_servers_now(ahead):
    """Also with known_at; its timestamp is the time of the read."""
    client, speed, fry, _ = ahead
    for known_at in (None, now_us() + 45 * MINUTE):
        read = await client.get_historical_features([fry], [speed], known_at=known_at)
        assert [2.5] == read.columns[0].to_list()
        assert [read.as_of_time] == read.labels["timestamp"].tolist()
        assert now_us() + 59 * MINUTE < read.as_of_time
    before = await client.get_historical_features([fry], [speed], known_at=now_us() + 15 * MINUTE)
    assert [None] == before.columns[0].to_list()


async def test_a_set_of_newest_values_is_at_the_servers_now_and_has_a_known_at(ahead):
    """Every entity, as values were known then."""
    client, speed, fry, kind = ahead
    for known_at, expected in ((None, 2.5), (now_us() + 45 * MINUTE, 2.5), (now_us() + 15 * MINUTE, None)):
        made = await client.training_set(entity_type=kind, features=[speed], known_at=known_at)
        found = (await made.to_arrow()).to_pydict()
        assert ([fry], [expected]) == (found["entity_id"], found[speed])


async def test_a_read_at_now_has_no_times(ahead):
    """Neither times of rows nor a known_at of rows; the error says which."""
    client, speed, fry, _ = ahead
    with pytest.raises(InvalidInput, match="needs a timestamp for every label row"):
        await client.get_historical_features([fry], [speed], known_at="label")
    with pytest.raises(InvalidInput, match="every label row needs"):
        await client.point_in_time([fry], np.array([1, 2]), features=[speed])


@pytest.mark.parametrize(
    ("fields", "field"), [({"event_time_us": [1]}, "at_now"), ({"known_at_label": True}, "known_at")]
)
async def test_a_request_at_now_with_times_is_refused(online, namespace, fields, field):
    """A foreign client is told which field to leave out."""
    request = pb.GetHistoricalFeaturesRequest(
        namespace=namespace, features=["speed"], entity_ids=["fry"], at_now=True, **fields
    )
    refused = await refusal_of(online.features.GetHistoricalFeatures(request), [])
    assert ("INVALID_ARGUMENT", field) == (refused.reason, refused.metadata["field"])
