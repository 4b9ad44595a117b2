"""`connect` on both kinds of store: the same checks and errors; and servers that are several."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import pyarrow as pa
import pytest

import featurama
from featurama import FeatureStore
from featurama.errors import FailedPrecondition, InvalidInput, Reason, Unknown
from featurama_core.stores import Stores
from featurama_core.types.schema import Entity
from featurama_online.rpc.online import OnlineServicer

from .servers import serving_services

AT = "2026-01-01T00:00:00Z"


@pytest.fixture
def store(either_store: FeatureStore) -> FeatureStore:
    """The shared namespace, opened and behind servers."""
    return either_store


@pytest.mark.parametrize("named", ["speed", "{name}", "{name}@1", "{name}__status", "{name}__event_time"])
async def test_a_label_column_named_like_a_column_that_is_made_is_refused_at_once(
    store: FeatureStore, unique: Callable[[str], str], named: str
) -> None:
    """By both calls and by a service too; another name is carried through. Two versions are named by reference."""
    name, service = unique("speed"), unique("service")
    await store.register_feature(name, "double")
    await store.register_feature(name, "double", version=2)
    await store.register_feature_service(service, [f"{name}@1"])
    column = named.format(name=name)
    labels = {"entity_id": ["fry"], "timestamp": [AT], column: [1]}
    features = [f"{name}@1", f"{name}@2"] if "@" in column else [name]
    asked: list[Any] = [
        store.training_set(pa.table(labels), features, statuses=True, event_times=True),
        store.get_historical_features(labels, features),
    ]
    if column == name:
        asked.append(store.get_historical_features(labels, service=service))
        asked.append(store.training_set(pa.table(labels), service=service))
    for call in asked:
        if column == "speed":
            await call
            continue
        with pytest.raises(InvalidInput, match=f"the label column '{column}' and .* have one name; rename") as refused:
            await call
        assert column == refused.value.metadata["field"]


async def test_features_with_the_names_of_each_others_columns_are_refused_where_these_are_made(
    store: FeatureStore, unique: Callable[[str], str]
) -> None:
    """`x` and `x__status` are two features; a set with statuses is refused at once, a result where it is converted."""
    name = unique("x")
    features = [name, f"{name}__status"]
    for each in features:
        await store.register_feature(each, "int")
    labels = {"entity_id": ["fry"], "timestamp": [AT]}
    assert features == list(await (await store.training_set(pa.table(labels), features)).to_dict())[2:]
    with pytest.raises(InvalidInput, match=f"the status of '{name}'.*request the features in two calls"):
        await store.training_set(pa.table(labels), features, statuses=True)
    online = await store.get_online_features(["fry"], features)
    assert features == list(online.to_dict())[1:]
    for convert in (online.to_dict, (await store.get_historical_features(labels, features)).to_arrow):
        with pytest.raises(InvalidInput, match=f"'{name}__status'"):
            convert(statuses=True)


async def test_more_than_a_call_takes_is_several(store: FeatureStore, unique: Callable[[str], str]) -> None:
    """10,001 ids and 1,001 entities: rows in the order that was asked for."""
    name, kind = unique("speed"), unique("robot")
    await store.register_entity_type(kind)
    await store.register_feature(name, "int", entity_type=kind)
    ids = [f"{kind}_{number:05}" for number in range(10_001)]
    stored = await store.register_entities([Entity(each, kind, "", "{}") for each in ids[:1_001]])
    assert ids[:1_001] == [each.entity_id for each in stored]
    assert ids[:1_001] == sorted(each.entity_id for each in await store.list_entities(kind))
    last = {"entity_id": [ids[0], ids[-1]], "timestamp": [AT, AT], name: [1, 2]}
    assert 2 == (await store.write_features(last)).accepted
    values = (await store.get_online_features(ids, [name])).to_dict()[name]
    assert [1, *[None] * 9_999, 2] == values


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (lambda store: store.get_feature("x", 0), Reason.INVALID_ARGUMENT),
        (lambda store: store.get_online_features(["fry"], []), Reason.EMPTY_REQUEST),
        (lambda store: store.get_online_features(["fry"]), Reason.INVALID_ARGUMENT),
        (lambda store: store.get_online_features(["fry"], ["x"], consistency="ALL"), Reason.INVALID_ARGUMENT),
        (lambda store: store.page_feature_history("fry", "x", page_size=0), Reason.LIMIT_EXCEEDED),
        (lambda store: store.get_feature_history("fry", "home.x"), Reason.INVALID_REFERENCE),
        (lambda store: store.delete_feature_values("fry", ["x@1"]), Reason.INVALID_REFERENCE),
        (lambda store: store.delete_feature_values("fry", []), Reason.EMPTY_REQUEST),
        (lambda store: store.training_set({"entity_id": ["fry"]}, ["x"], memory="1MB"), Reason.INVALID_ARGUMENT),
        (lambda store: store.training_set(features=["x"]), Reason.INVALID_ARGUMENT),
    ],
)
async def test_what_no_store_can_answer_is_refused_alike(store: FeatureStore, call: Any, reason: Reason) -> None:
    """Wherever the store is: one check, one reason."""
    with pytest.raises(InvalidInput) as refused:
        await call(store)
    assert reason is refused.value.reason


async def test_a_store_without_servers_says_that_it_runs_no_models(storage_url: str, namespace: str) -> None:
    """One type has the methods everywhere; the error says where they work."""
    async with featurama.connect(storage_url, namespace=namespace) as store:
        for call in (store.predict(["fry"]), store.list_models(), store.get_model("m"), store.set_alias("m", "a", 1)):
            with pytest.raises(FailedPrecondition, match=r"needs servers.*grpc://host:port"):
                await call
        assert await store.is_serving()


async def test_a_store_gives_the_stores_of_other_namespaces(store: FeatureStore) -> None:
    """One that is not there is unknown, at the latest with the first call."""
    assert store.namespace == (await store.in_namespace(store.namespace)).namespace
    with pytest.raises(Unknown) as unknown:
        await (await store.in_namespace("nowhere")).list_features()
    assert Reason.UNKNOWN_NAMESPACE is unknown.value.reason


async def test_calls_go_round_the_servers_of_a_url_and_the_loss_of_one_fails_no_read(
    storage_url: str, namespace: str
) -> None:
    """Two replicas on one storage, named in one URL; each logs the calls that it answers."""
    logs = [io.StringIO(), io.StringIO()]
    async with Stores.open(storage_url) as stores, AsyncExitStack() as rest:
        first, addresses = AsyncExitStack(), []
        for replica, log in zip((first, rest), logs, strict=True):
            service = OnlineServicer(stores).service()
            server = await replica.enter_async_context(serving_services(service, stream=log, level="info"))
            addresses.append(server.address)

        def answered() -> list[int]:
            return [log.getvalue().count("GetOnlineFeatures") for log in logs]

        await (await stores.get(namespace)).register_feature("replica_speed", "double")
        async with featurama.connect(f"grpc://{','.join(addresses)}", namespace=namespace) as store:
            while 0 in answered():
                await store.get_online_features(["fry"], ["replica_speed"])
            await first.aclose()
            before = answered()
            for _ in range(20):
                await store.get_online_features(["fry"], ["replica_speed"])
    assert [0, 20] == [now - then for now, then in zip(answered(), before, strict=True)]
