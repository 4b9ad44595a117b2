"""Every public rpc refuses bad requests with the right code and reason, names the field, and stores nothing.

The rpcs are those of the contract's descriptors: a new one without cases fails here.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from tests.opened import OpenedStore

from featurama.v1 import (
    errors_pb2,
    ingest_service_pb2,
    model_service_pb2,
    online_service_pb2,
    prediction_service_pb2,
    registry_service_pb2,
)
from featurama_core.retrieval.history import visible_history
from featurama_core.store import Stores

from .bad_inputs import INJECTION, REFUSED, Bad, request_id_at
from .good_requests import GOOD
from .servers import Client, Refusal, client_of, ingest_server, online_server, refusal_of

CONTRACT = {
    f"{service.name}/{method.name}": method
    for module in (
        ingest_service_pb2,
        model_service_pb2,
        online_service_pb2,
        prediction_service_pb2,
        registry_service_pb2,
    )
    for service in module.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}
STUBS = {
    "OnlineService": "features",
    "PredictionService": "predictions",
    "ModelService": "models",
    "RegistryService": "registry",
    "IngestService": "ingest",
}
INTERNALS = re.compile(
    re.escape(str(Path(__file__).parents[2])) + "|"
    r"Traceback|File \"|\.py\b|site-packages|/usr/|/tmp/|\bSELECT\b|\bINSERT\b|sqlite|acsylla|featurama_|"
    r"\b[A-Z]\w+(Error|Exception)\b|0x[0-9a-f]{6,}|<class|NoneType|object at|\bself\b"
)
IDS = ["bad_fry", "bad_leela", "bad_doomed", "bad_mars", "bad_new", "x"]
TYPES = {"bad_speed": "double", "bad_count": "int", "bad_motto": "text", "bad_alive": "bool", "bad_mood": "vector[3]"}
FEATURES = [*TYPES, "bad_home"]


@pytest.fixture(scope="session")
def scene(storage_url: str, namespace: str) -> None:
    """What the good requests name is there."""

    async def make() -> None:
        async with Stores.open(storage_url) as stores:
            store = OpenedStore(await stores.namespace(namespace))
            await define(store)
            await store.register_feature("bad_dropped", "double")  # once: its good request deletes it

    asyncio.run(make())


async def define(store: OpenedStore) -> None:
    for name in ("bad_planet", "bad_robot", "bad_gone"):
        await store.register_entity_type(name)
    await store.register_feature_group("bad_group")
    await store.register_feature_group("bad_gone")
    await store.register_feature_group("bad_brief", retention="30d")
    for name, kind in (
        ("speed", "double"),
        ("count", "int"),
        ("motto", "text"),
        ("alive", "bool"),
        ("mood", "vector[3]"),
    ):
        await store.register_feature(f"bad_{name}", kind)
    for name in ("bad_gone", "bad_back"):
        await store.register_feature(name, "double")
    await store.register_feature("bad_kept", "double", group="bad_brief")
    await store.register_feature("bad_home", "text", references="bad_planet")
    await store.register_feature("bad_size", "double", entity_type="bad_planet")
    await store.register_feature_service("bad_view", ["bad_speed"])
    await store.register_feature_service("bad_gone", ["bad_speed"])
    await store.register_entity("bad_mars", "bad_planet")
    await store.register_entity("bad_bender", "bad_robot")
    await store.deprecate_entity_type("bad_gone")
    await store.deprecate_feature_group("bad_gone")
    await store.deprecate_feature("bad_gone", 1)
    await store.deprecate_feature_service("bad_gone")


async def readable(store: OpenedStore) -> Any:
    """Everything of the scene that can be read: definitions, entities, newest values, history."""
    definitions = [
        [each for each in listed if each.name.startswith("bad_")]
        for listed in (
            await store.list_entity_types(),
            await store.list_feature_groups(),
            await store.list_features(all_versions=True),
            await store.list_feature_services(),
        )
    ]
    entities = await store.space.storage.get_entities(IDS)
    histories = await visible_history(store.space, IDS, await store.space.resolve(FEATURES), store.now())
    newest = await store.get_online_features(IDS, FEATURES)
    return (
        definitions,
        entities,
        [(each.entity.tolist(), each.event_time.tolist(), each.column.values.tolist()) for each in histories],
        newest.to_dict(),
    )


async def refused(client: Client, rpc: str, request: Any) -> Refusal:
    """What a client is told of a request; a chunk of a stream is refused in its acknowledgement."""
    service, method = rpc.split("/")
    call = getattr(getattr(client, STUBS[service]), method)
    if rpc != "IngestService/StreamFeatures":
        return await refusal_of(call(request, timeout=60))  # the first prediction imports xgboost
    (answer,) = [each async for each in call(iter([request]))]
    assert answer.HasField("error"), "the chunk was accepted"
    reason = errors_pb2.ErrorReason.Name(answer.error.reason).removeprefix("ERROR_REASON_")
    return Refusal(grpc.StatusCode.OK, reason, answer.error.message, {"field": answer.error.field}, None)


def request_of(rpc: str, namespace: str, fields: dict[str, Any]) -> Any:
    """The good request with some fields changed."""
    message = CONTRACT[rpc].input_type._concrete_class
    values = {"namespace": namespace, **GOOD[rpc], **fields}
    if rpc in ("IngestService/WriteFeatures", "IngestService/StreamFeatures"):
        values.setdefault("request_id", request_id_at(0))
    if rpc == "IngestService/StreamFeatures":
        return message(sequence=7, write=values)
    return message(**{name: value for name, value in values.items() if value is not None})


def complaint(rpc: str, case: Bad, seen: Refusal) -> str | None:
    """What is wrong with a refusal, if anything."""
    code = "OK" if rpc == "IngestService/StreamFeatures" else case.code
    if (seen.code.name, seen.reason) != (code, case.reason):
        return f"{shown(case)}: {seen.code.name} {seen.reason} ({seen.message}), not {code} {case.reason}"
    if case.names and case.names not in seen.message + " " + seen.metadata.get("field", ""):
        return f"{shown(case)}: {seen.message!r} does not name {case.names}"
    told = seen.message.replace(INJECTION, "") + str(seen.metadata).replace(INJECTION, "")
    if INTERNALS.search(told):
        return f"{shown(case)}: tells of the inside: {told}"
    return None


def shown(case: Bad) -> str:
    return str(case.fields)[:160]


def server_of(rpc: str, online: Client, ingest: Client) -> Client:
    return online if rpc.split("/", maxsplit=1)[0] in ("OnlineService", "PredictionService", "ModelService") else ingest


def test_every_rpc_of_the_contract_has_bad_requests():
    """A new rpc comes with its own."""
    assert set(GOOD) == set(REFUSED) == set(CONTRACT)
    assert min(map(len, REFUSED.values())) >= 3


@pytest.mark.usefixtures("scene", "delivery_model")
@pytest.mark.parametrize("rpc", sorted(CONTRACT))
async def test_bad_requests_are_refused_and_store_nothing(online, ingest, namespace, store, rpc):
    """The good request is answered; each bad one has its code and reason, names the field, and changes nothing."""
    client = server_of(rpc, online, ingest)
    with pytest.raises(AssertionError, match=r"was a(nswered|ccepted)"):
        await refused(client, rpc, request_of(rpc, namespace, {}))
    before = await readable(store)

    complaints = []
    everywhere = [
        Bad({"namespace": "no_such_place"}, "NOT_FOUND", "UNKNOWN_NAMESPACE", "no_such_place"),
        Bad({"namespace": "Not A Name"}, "INVALID_ARGUMENT", "INVALID_NAME", "namespace"),
        Bad({"namespace": INJECTION}, "INVALID_ARGUMENT", "INVALID_NAME", "namespace"),
    ]
    for case in [*REFUSED[rpc], *everywhere]:
        try:
            seen = await refused(client, rpc, request_of(rpc, namespace, case.fields))
        except AssertionError as error:
            complaints.append(f"{shown(case)}: {error}, not {case.reason}")
        else:
            complaints.append(complaint(rpc, case, seen))
    after = await readable(store)

    assert [each for each in complaints if each] == []
    assert before == after


@pytest.fixture
async def small_servers(tmp_path) -> AsyncIterator[tuple[Client, Client]]:
    """Clients of online and ingest over a store of their own; a message may have 4 KiB."""
    url = f"sqlite:///{tmp_path}/store"
    async with (
        ingest_server(url, max_message_bytes=4_096) as ingest_at,
        online_server(url, max_message_bytes=4_096) as online_at,
        client_of(online_at.address) as online,
        client_of(ingest_at.address) as ingest,
    ):
        yield online, ingest


async def test_bytes_that_are_no_message_are_refused_as_such_by_every_rpc(small_servers):
    """Not with an exception's text."""
    seen = {rpc: await refusal_of(_raw(server_of(rpc, *small_servers), rpc, b"\xff\xff\xff")) for rpc in CONTRACT}

    assert {rpc: (each.code.name, each.reason) for rpc, each in seen.items()} == dict.fromkeys(
        CONTRACT, ("INVALID_ARGUMENT", "INVALID_ARGUMENT")
    )
    assert not [each.message for each in seen.values() if INTERNALS.search(each.message)]


async def test_messages_that_are_too_large_are_refused_by_every_rpc(small_servers):
    """RESOURCE_EXHAUSTED, before anything is read of them."""
    large = b"\x0a\xff\x3f" + b"x" * 8_191
    codes = {rpc: await _raw(server_of(rpc, *small_servers), rpc, large).code() for rpc in CONTRACT}

    assert set(codes.values()) == {grpc.StatusCode.RESOURCE_EXHAUSTED}


async def test_what_only_ingest_serves_is_refused_by_online(small_servers):
    """UNIMPLEMENTED, with the reason that says where to go."""
    online, _ = small_servers
    verbs = ("/Register", "/Deprecate", "/Restore", "/DeleteDefinition")
    writing = [rpc for rpc in CONTRACT if any(verb in rpc for verb in verbs)]
    seen = {rpc: await refused(online, rpc, request_of(rpc, "default", {})) for rpc in writing}

    assert {(each.code.name, each.reason) for each in seen.values()} == {("UNIMPLEMENTED", "SERVED_BY_INGEST")}
    assert len(writing) == 12


def _raw(client: Client, rpc: str, data: bytes) -> Any:
    method = CONTRACT[rpc]
    path = f"/featurama.v1.{rpc}"
    if method.client_streaming:
        return client.channel.stream_stream(path)(iter([data]))
    return (client.channel.unary_stream if method.server_streaming else client.channel.unary_unary)(path)(data)
