"""Entity types with keys behind servers: what any gRPC client sends, and what the Python client does with frames."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.contract.store.keyed import AT, Films, make_films

import featurama
from featurama.v1 import columns_pb2, errors_pb2, ingest_service_pb2, online_service_pb2, registry_service_pb2
from featurama_core.api import FeatureStore
from featurama_core.types.errors import InvalidInput, Reason, Unknown

from .requests import DOUBLE, INT, SECOND, TEXT, column, now_us, write_request
from .servers import refusal_of

MISSING = [columns_pb2.FEATURE_STATUS_PRESENT, columns_pb2.FEATURE_STATUS_NULL_VALUE]


@pytest.fixture
async def client(online_at, ingest_at, namespace):
    async with featurama.connect(
        f"grpc://{online_at.address}?ingest={ingest_at.address}", namespace=namespace, timeout=30
    ) as client:
        yield client


@pytest.fixture
async def films(client: FeatureStore, unique: Callable[[str], str]) -> Films:
    return await make_films(client, unique)


async def test_a_type_has_its_keys_on_the_wire(ingest, online, namespace, unique):
    """With the bytes that are left for them; and the types of a request's features can be listed alone."""
    entity_type = {"name": unique("shop"), "keys": [{"name": "chain"}, {"name": "number", "value_type": INT}]}
    request = registry_service_pb2.RegisterEntityTypeRequest(namespace=namespace, entity_type=entity_type)
    stored = (await ingest.registry.RegisterEntityType(request)).entity_type
    assert [TEXT, INT] == [each.value_type for each in stored.keys]
    assert 256 - len(stored.name) - 2 == stored.key_bytes
    found = await online.registry.GetEntityType(
        registry_service_pb2.GetEntityTypeRequest(namespace=namespace, name=stored.name)
    )
    assert stored == found.entity_type


async def test_the_types_of_features_are_listed(client, films, unique):
    """Of features, paths and services; what is no feature is left out, and so is `entity`."""
    await client.register_feature(mood := unique("mood"), "int")
    wanted = [f"{films.sequel}.{films.size}", films.nights, f"{films.size}@1", mood, "noise", "what is this"]
    assert sorted([films.film, films.stay, films.planet]) == [
        each.name for each in await client.list_entity_types(features=wanted)
    ]
    assert [] == await client.list_entity_types(features=["noise"])
    await client.register_feature_service(service := unique("view"), [films.nights, mood])
    (stay,) = await client.list_entity_types(service=service)
    assert (films.stay, ("guest_id", "city")) == (stay.name, stay.id_keys.names)
    with pytest.raises(Unknown):
        await client.list_entity_types(service="nowhere")
    with pytest.raises(InvalidInput, match="at most 1000"):
        await client.list_entity_types(features=["x"] * 1_001)


async def test_a_write_names_its_rows_by_key_columns(ingest, online, namespace, films):
    """Without ids the columns of the keys must all be there; a null key is a verdict on its row."""
    time = now_us() - SECOND
    request = write_request(
        namespace,
        [],
        [time, time],
        column(films.nights, INT, [3, 4]),
        column("guest_id", INT, [7, 0], statuses=MISSING),
        column("city", TEXT, ["a|b", "x"]),
    )
    answer = await ingest.ingest.WriteFeatures(request)
    assert (1, 1) == (answer.accepted, answer.rejected)
    (verdict,) = answer.verdicts
    assert (1, "guest_id") == (verdict.row, verdict.field)
    assert errors_pb2.ERROR_REASON_INVALID_ENTITY_ID == verdict.reason
    read = online_service_pb2.GetOnlineFeaturesRequest(
        namespace=namespace, features=[films.nights], entity_ids=[f"{films.stay}:7|a%7Cb"]
    )
    assert [3] == list((await online.features.GetOnlineFeatures(read)).columns[0].int_values)
    request.columns.pop(1)
    assert "guest_id" in (await refusal_of(ingest.ingest.WriteFeatures(request))).message


async def test_a_stream_names_its_rows_by_key_columns(ingest, namespace, films):
    """Each chunk as in a single write; one with values of no entity is refused, and the next is taken."""
    chunks = [
        ingest_service_pb2.StreamFeaturesRequest(
            sequence=at, write=write_request(namespace, [], [now_us() - SECOND], column(films.year, INT, [at]), *keys)
        )
        for at, keys in enumerate([[], [column("film_id", DOUBLE, [1.0])]], start=1)
    ]
    refused, taken = [each async for each in ingest.ingest.StreamFeatures(iter(chunks))]
    assert (1, errors_pb2.ERROR_REASON_EMPTY_REQUEST) == (refused.sequence, refused.error.reason)
    assert (2, 1) == (taken.sequence, taken.result.accepted)


async def test_the_client_writes_frames_by_key(client, films):
    """It knows the keys of the features' type; ids beside them are compared by the server."""
    report = await client.write_features({"film_id": [1, 2.0, None], films.year: [1, 2, 3]}, timestamp=AT)
    assert (2, [2]) == (report.accepted, [each.row for each in report.verdicts])
    ids = [f"{films.film}:1", f"{films.film}:2"]
    assert [1, 2] == (await client.get_online_features(ids, [films.year])).columns[0].to_list()
    both = {"entity_id": ids, "film_id": [1, 1], films.year: [5, 6]}
    (verdict,) = (await client.write_features(both, timestamp="2026-01-02T00:00:00Z")).verdicts
    assert (1, Reason.INVALID_ENTITY_ID) == (verdict.row, verdict.reason)
    linked = {"film_id": [1], "next": [2]}
    assert 1 == (await client.write_features(linked, timestamp=AT, references={films.sequel: "next"})).accepted
    read = await client.get_online_features(ids[:1], [f"{films.sequel}.{films.year}"])
    assert [2] == read.columns[0].to_list()
