"""Entity types with keys behind servers: what any gRPC client sends, and what the Python client does with frames."""

from __future__ import annotations

from collections.abc import Callable

import grpc
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
    assert ([1], "guest_id") == (list(verdict.rows), verdict.field)
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


@pytest.fixture
async def stored(client, films) -> Films:
    await client.write_features({"film_id": [1, 2], films.year: [1999, 2000]}, timestamp=AT)
    await client.write_features({"guest_id": [7], "city": ["a|b"], films.nights: [3]}, timestamp=AT)
    return films


PRESENT, NOT_FOUND = columns_pb2.FEATURE_STATUS_PRESENT, columns_pb2.FEATURE_STATUS_NOT_FOUND
NULL_VALUE = columns_pb2.FEATURE_STATUS_NULL_VALUE


async def test_rows_of_reads_are_named_by_key_columns(online, namespace, stored):
    """Answers are in the order of the request; a null and a malformed key are NOT_FOUND."""
    keys = [column("film_id", INT, [2, 0, 1, 9], statuses=[PRESENT, NULL_VALUE, PRESENT, PRESENT])]
    newest = await online.features.GetOnlineFeatures(
        online_service_pb2.GetOnlineFeaturesRequest(
            namespace=namespace, features=[stored.year], keys=keys, include_statuses=True
        )
    )
    assert [2000, 0, 1999, 0] == list(newest.columns[0].int_values)
    assert [PRESENT, NOT_FOUND, PRESENT, NOT_FOUND] == list(newest.columns[0].statuses)
    times = [now_us()] * 2
    request = online_service_pb2.GetHistoricalFeaturesRequest(
        namespace=namespace,
        features=[stored.nights],
        keys=[column("city", TEXT, ["a|b", "x\x00"]), column("guest_id", TEXT, ["7", "007"])],
        event_time_us=times,
        include_statuses=True,
    )
    (chunk,) = [each async for each in online.features.GetHistoricalFeatures(request)]
    assert [PRESENT, NOT_FOUND] == list(chunk.columns[0].statuses)


def role(name: str, entity_type: str, *keys: columns_pb2.Column, **ids: list[str]) -> online_service_pb2.EntityColumn:
    return online_service_pb2.EntityColumn(role=name, entity_type=entity_type, keys=keys, **ids)


async def test_each_role_has_ids_or_the_key_columns_of_its_type(client, online, namespace, stored, unique):
    """Key columns have the names of the keys in every role; online and at times, with the types of a service too."""
    await client.write_features({"film_id": [3], stored.year: [2003]}, timestamp=AT)
    wanted = [f"first.{stored.year}", f"then.{stored.year}", f"guest.{stored.nights}"]
    roles = {"first": stored.film, "then": stored.film, "guest": stored.stay}
    await client.register_feature_service(service := unique("evening"), wanted, roles=roles)
    for of_service in (False, True):
        types = dict.fromkeys(roles, "") if of_service else roles
        entities = [
            role("first", types["first"], column("film_id", INT, [1, 0], statuses=[PRESENT, NULL_VALUE])),
            role("then", types["then"], entity_ids=[f"{stored.film}:2", f"{stored.film}:3"]),
            role("guest", types["guest"], column("city", TEXT, ["x", "a|b"]), column("guest_id", INT, [7, 7])),
        ]
        asked = {"namespace": namespace, "entities": entities, "include_statuses": True}
        asked |= {"feature_service": service} if of_service else {"features": wanted}
        newest = await online.features.GetOnlineFeatures(online_service_pb2.GetOnlineFeaturesRequest(**asked))
        request = online_service_pb2.GetHistoricalFeaturesRequest(**asked, event_time_us=[now_us()] * 2)
        (past,) = [each async for each in online.features.GetHistoricalFeatures(request)]
        for answer in (newest, past):
            assert [[1999, 0], [2000, 2003], [0, 3]] == [list(each.int_values) for each in answer.columns]
            assert [PRESENT, NOT_FOUND] == list(answer.columns[0].statuses)
            assert [NOT_FOUND, PRESENT] == list(answer.columns[2].statuses)


async def test_impossible_keys_of_a_role_are_refused(client, online, namespace, stored, unique):
    """The role and the column are named, in reads of now and of the past."""
    await client.register_feature_service(
        service := unique("pair"), [f"first.{stored.year}"], roles={"first": stored.film}
    )
    one, film = column("film_id", INT, [1]), stored.film
    wrong = [
        ([role("first", film, one, entity_ids=["x"])], "the role first has keys and entity_ids"),
        ([role("first", film, column("film", INT, [1]))], "the role first: the rows have neither"),
        ([role("first", film, one, column("film_ids", INT, [1]))], "the role first: column 'film_ids' is no key"),
        ([role("first", film, column("film_id", DOUBLE, [1.0]))], "the key film_id must be TEXT or INT"),
        ([role("first", film, one, one)], "the column film_id twice"),
        ([role("first", stored.planet, one)], "declares the role first"),
        ([role("other", "", one)], "the role other has keys of no type"),
        ([role("first", film, one), role("other", film, column("film_id", INT, [1, 2]))], "the role other"),
    ]
    for entities, message in wrong:
        asked = {"namespace": namespace, "feature_service": service, "entities": entities}
        refusal = await refusal_of(
            online.features.GetOnlineFeatures(online_service_pb2.GetOnlineFeaturesRequest(**asked))
        )
        assert (grpc.StatusCode.INVALID_ARGUMENT, True) == (refusal.code, message in refusal.message), refusal.message
    beside = {"namespace": namespace, "feature_service": service, "entities": [role("first", film, one)]}
    request = online_service_pb2.GetOnlineFeaturesRequest(**beside, keys=[one])
    assert "keys are of rows that name one" in (await refusal_of(online.features.GetOnlineFeatures(request))).message


async def test_one_entity_is_named_by_keys(online, ingest, namespace, stored):
    """In a history and in deletions; a key that is none is refused."""
    keys = [column("film_id", INT, [1])]
    history = online_service_pb2.GetFeatureHistoryRequest(namespace=namespace, feature=stored.year, keys=keys)
    assert [1999] == list((await online.features.GetFeatureHistory(history)).column.int_values)
    values = ingest_service_pb2.DeleteFeatureValuesRequest(namespace=namespace, keys=keys, features=[stored.year])
    assert [True, False] == [(await ingest.ingest.DeleteFeatureValues(values)).found for _ in range(2)]
    assert [] == list((await online.features.GetFeatureHistory(history)).column.int_values)
    entity = ingest_service_pb2.DeleteEntityRequest(
        namespace=namespace, entity_type=stored.film, keys=[column("film_id", TEXT, ["2"])]
    )
    deleted = [await ingest.ingest.DeleteEntity(entity) for _ in range(2)]
    assert [(True, True), (True, False)] == [(each.cleaned, each.found) for each in deleted]
    entity.keys[0].text_values[0] = "02"
    refusal = await refusal_of(ingest.ingest.DeleteEntity(entity))
    assert ("INVALID_ENTITY_ID", "film_id") == (refusal.reason, refusal.metadata["field"])


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"keys": [column("film_id", INT, [1])], "entity_ids": ["x"]}, "keys"),
        ({"keys": [column("film_id", DOUBLE, [1.0])]}, "film_id"),
        ({"keys": [column("film_id", INT, [1]), column("film_id", INT, [1])]}, "keys"),
        ({"keys": [column("film", INT, [1])]}, "film_id"),
        ({"keys": [column("film_id", INT, [1]), column("film_ids", INT, [1])]}, "film_ids"),
        ({"keys": [column("film_id", INT, [1, 2]), column("x", INT, [1])]}, "x"),
    ],
)
async def test_impossible_keys_are_refused(online, namespace, stored, change, field):
    """The column is named."""
    request = online_service_pb2.GetOnlineFeaturesRequest(namespace=namespace, features=[stored.year], **change)
    refusal = await refusal_of(online.features.GetOnlineFeatures(request))
    assert (grpc.StatusCode.INVALID_ARGUMENT, field) == (refusal.code, refusal.metadata["field"])


async def test_the_client_reads_by_key(client, stored):
    """At now, at times, in sets and alone, with rows that name nothing among them."""
    rows = {"film_id": [2, None, 1, 2.5]}
    expected = {**rows, stored.year: [2000, None, 1999, None]}
    online = await client.get_online_features(rows, [stored.year])
    assert (expected, 2) == (online.to_dict(), online.unnamed)
    past = (await client.get_historical_features(rows, [stored.year], AT)).to_dict()
    assert past.pop("timestamp")
    assert expected == past
    dataset = await client.training_set(rows, [stored.year], timestamp=AT)
    assert expected == await dataset.to_dict()
    assert [None] == (await client.get_online_features({"film_id": [None]}, [stored.year])).columns[0].to_list()
    assert [1999] == (await client.get_feature_history({"film_id": 1}, stored.year)).column.to_list()
    stay = {"guest_id": 7, "city": "a|b"}
    assert {"guest_id": [7], "city": ["a|b"], stored.nights: [3]} == (
        await client.get_all_features(stay, entity_type=stored.stay)
    ).to_dict()
    await client.delete_entity(stay, entity_type=stored.stay)
    assert [None] == (await client.get_online_features([stay], [stored.nights])).columns[0].to_list()
