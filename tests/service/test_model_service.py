"""ModelService over real gRPC and through the SDK: lists, shows, promotes; what is wrong with a request is said."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from tests.opened import OpenedStore, open_store
from tests.service.predicting_store import NAME, define, publish, publish_mutated
from tests.service.servers import Client, client_of, online_server, refusal_of
from tests.unit.featurama_model.models import MANIFEST

from featurama import FeatureStore, Model, connect
from featurama.errors import FailedPrecondition, InvalidInput, Reason, Unknown
from featurama.v1 import model_service_pb2 as pb
from featurama.v1 import prediction_service_pb2
from featurama_core.storage.records import StoredModel
from featurama_model.manifest import ModelManifest


@pytest.fixture
async def store(tmp_path) -> AsyncIterator[OpenedStore]:
    """Two versions, the first is the champion; a mutated third, and a fourth whose manifest is none."""
    async with open_store(f"sqlite:///{tmp_path}/store") as opened:
        await define(opened)
        await publish(opened, 0.0, 100.0, champion=1)
        await publish_mutated(opened, 3)
        assert await opened.space.storage.put_model(StoredModel(NAME, 4, "{}", 1_000_000, 1), [b"x"])
        yield opened


@pytest.fixture
async def online(store: OpenedStore, tmp_path) -> AsyncIterator[Client]:
    async with online_server(f"sqlite:///{tmp_path}/store") as server, client_of(server.address) as client:
        yield client


@pytest.fixture
async def client(online: Client) -> AsyncIterator[FeatureStore]:
    async with connect(f"grpc://{online.address}") as opened:
        yield opened


async def test_versions_are_listed_with_what_they_are_and_what_the_server_makes_of_them(client: FeatureStore) -> None:
    """The champion is in memory, the second is not, the fourth cannot even be described."""
    listed = await client.list_models()
    assert [(each.version, each.aliases, each.state) for each in listed] == [
        (1, ("champion",), "loaded"),
        (2, (), "not loaded"),
        (3, (), "not loaded"),
        (4, (), "unusable"),
    ]
    first = listed[0]
    assert (first.name, first.target, first.entity_type) == (NAME, "actual_duration", "delivery")
    assert first.features == ("distance@1", "destination@1.traffic_level@2")
    assert first.columns == ("distance", "destination.traffic_level", "distance_x_traffic")
    assert first.scores == MANIFEST.metrics
    assert first.artefact_bytes > 0
    assert "manifest" in listed[3].problem
    assert (listed[3].target, listed[3].created_at) == ("", 1_000_000)
    assert await client.list_models("no_model_of_this_name") == []


async def test_lists_come_in_pages(online: Client) -> None:
    versions, token = [], ""
    for _ in range(2):
        page = await online.models.ListModels(pb.ListModelsRequest(name=NAME, page_size=2, page_token=token))
        versions.append([each.version for each in page.models])
        token = page.next_page_token
    assert ([[1, 2], [3, 4]], "") == (versions, token)


async def test_a_version_is_shown_with_its_manifest(client: FeatureStore) -> None:
    """By version, or by what an alias names."""
    champion = await client.get_model(NAME)
    assert champion.version == 1
    manifest = ModelManifest.from_json(champion.manifest)
    assert (manifest.version, manifest.features) == (1, MANIFEST.features)
    assert json.loads((await client.get_model(NAME, version=2)).manifest)["version"] == 2
    assert (await client.get_model(NAME, version=4)).manifest == ""


async def test_the_default_model_is_the_only_one_where_no_name_is_given(client: FeatureStore) -> None:
    model = await client.get_model(version=1)
    assert (NAME, 1) == (model.name, model.version)


async def test_a_promoted_version_serves_the_next_request_and_is_in_the_audit_log(
    client: FeatureStore, store: OpenedStore
) -> None:
    """It was tried and loaded before the alias moved, so this server follows at once."""
    promoted = await client.set_alias(NAME, "champion", 2)
    assert (promoted.version, promoted.aliases, promoted.state) == (2, ("champion",), "loaded")
    assert (await client.predict(["delivery_1"])).version == 2
    record = (await store.space.storage.list_audit(10))[0]
    assert (record.action, record.subject) == ("model.alias.moved", NAME)
    detail = json.loads(record.detail)
    assert detail.pop("by").startswith("grpc ipv4:127.0.0.1:")
    assert detail == {"alias": "champion", "version": 2, "previous": 1, "note": ""}


async def test_promoting_again_changes_nothing_and_says_what_was_before(online: Client) -> None:
    request = pb.SetAliasRequest(name=NAME, alias="stable", version=1)
    answers = [await online.models.SetAlias(request) for _ in range(2)]
    assert [0, 1] == [answer.previous_version for answer in answers]
    assert [["champion", "stable"]] * 2 == [list(answer.model.aliases) for answer in answers]


async def test_a_version_that_cannot_be_used_is_not_promoted_and_is_listed_with_the_reason(
    client: FeatureStore, store: OpenedStore
) -> None:
    recorded = len(await store.space.storage.list_audit(10))
    for version in (3, 4):
        with pytest.raises(FailedPrecondition) as refused:
            await client.set_alias(NAME, "champion", version)
        assert refused.value.reason is Reason.MODEL_UNUSABLE
    assert (await client.predict(["delivery_1"])).version == 1
    assert len(await store.space.storage.list_audit(10)) == recorded
    assert ["", "malformed"] == [
        "malformed" if "malformed" in each.problem else each.problem
        for each in await client.list_models()
        if each.version in (1, 3)
    ]


@pytest.mark.parametrize(
    ("rpc", "fields", "code", "reason"),
    [
        ("ListModels", {"namespace": "no_such_place"}, "NOT_FOUND", "UNKNOWN_NAMESPACE"),
        ("ListModels", {"namespace": "No Place"}, "INVALID_ARGUMENT", "INVALID_NAME"),
        ("ListModels", {"name": "No Model"}, "INVALID_ARGUMENT", "INVALID_NAME"),
        ("ListModels", {"page_size": -1}, "INVALID_ARGUMENT", "LIMIT_EXCEEDED"),
        ("ListModels", {"page_size": 1_001}, "INVALID_ARGUMENT", "LIMIT_EXCEEDED"),
        ("ListModels", {"page_token": "moon"}, "INVALID_ARGUMENT", "INVALID_PAGE_TOKEN"),
        ("GetModel", {"namespace": "no_such_place"}, "NOT_FOUND", "UNKNOWN_NAMESPACE"),
        ("GetModel", {"name": "nothing_like_it"}, "NOT_FOUND", "UNKNOWN_MODEL"),
        ("GetModel", {"version": -1}, "INVALID_ARGUMENT", "INVALID_ARGUMENT"),
        ("GetModel", {"version": 99}, "NOT_FOUND", "UNKNOWN_MODEL"),
        ("GetModel", {"alias": "nobody"}, "NOT_FOUND", "UNKNOWN_MODEL"),
        ("SetAlias", {"namespace": "no_such_place"}, "NOT_FOUND", "UNKNOWN_NAMESPACE"),
        ("SetAlias", {"name": ""}, "INVALID_ARGUMENT", "INVALID_NAME"),
        ("SetAlias", {"name": "nothing_like_it"}, "NOT_FOUND", "UNKNOWN_MODEL"),
        ("SetAlias", {"alias": ""}, "INVALID_ARGUMENT", "INVALID_NAME"),
        ("SetAlias", {"alias": "No Alias"}, "INVALID_ARGUMENT", "INVALID_NAME"),
        ("SetAlias", {"alias": "a" * 64}, "INVALID_ARGUMENT", "INVALID_NAME"),
        ("SetAlias", {"version": 0}, "INVALID_ARGUMENT", "INVALID_ARGUMENT"),
        ("SetAlias", {"version": -7}, "INVALID_ARGUMENT", "INVALID_ARGUMENT"),
        ("SetAlias", {"version": 99}, "NOT_FOUND", "UNKNOWN_MODEL"),
        ("SetAlias", {"version": 3}, "FAILED_PRECONDITION", "MODEL_UNUSABLE"),
    ],
)
async def test_a_request_that_can_not_be_answered_says_why(online: Client, rpc, fields, code, reason) -> None:
    """Code and reason of every bad request."""
    good = {"GetModel": {"name": NAME}, "SetAlias": {"name": NAME, "alias": "champion", "version": 1}}
    request = getattr(pb, f"{rpc}Request")(**{**good.get(rpc, {}), **fields})
    refusal = await refusal_of(getattr(online.models, rpc)(request))
    assert (code, reason) == (refusal.code.name, refusal.reason)


BAD_CALLS: list[tuple[Callable[[FeatureStore], Coroutine[Any, Any, Model]], type[Exception]]] = [
    (lambda client: client.get_model(NAME, version=0), InvalidInput),
    (lambda client: client.set_alias(NAME, "champion", 0), InvalidInput),
    (lambda client: client.set_alias(NAME, "champion", 99), Unknown),
]


@pytest.mark.parametrize(("call", "kind"), BAD_CALLS)
async def test_the_client_raises_what_the_store_would(client: FeatureStore, call, kind) -> None:
    with pytest.raises(kind):
        await call(client)


async def test_contributions_and_base_add_up_to_the_prediction_in_every_row(client: FeatureStore) -> None:
    """Columns in the model's order; a row without a prediction has none; rows above a call's limit are split."""
    ids = ["delivery_1", "delivery_2", "delivery_nobody", "delivery_empty"] * 300
    made = await client.predict(ids, include_contributions=True)
    explained = made.contributions
    assert explained is not None
    assert explained.columns == ("distance", "destination.traffic_level", "distance_x_traffic")
    assert explained.values.shape == (1_200, 3)
    good = np.flatnonzero(~np.isnan(made.values))
    assert len(good) == 900
    np.testing.assert_allclose((explained.base + explained.values.sum(axis=1))[good], made.values[good], rtol=1e-5)
    assert np.abs(explained.values[good]).max() > 0
    assert not explained.values[2::4].any()
    assert (await client.predict(ids[:2])).contributions is None


async def test_a_contribution_names_the_features_it_is_computed_from(online: Client) -> None:
    request = prediction_service_pb2.PredictRequest(entity_ids=["delivery_1"], include_contributions=True)
    answer = await online.predictions.Predict(request)
    assert {each.column: list(each.features) for each in answer.contributions} == {
        "distance": ["distance"],
        "destination.traffic_level": ["destination.traffic_level"],
        "distance_x_traffic": ["distance", "destination.traffic_level"],
    }
    assert len(answer.base_values) == 1


async def test_contributions_of_too_many_rows_are_refused(online: Client) -> None:
    request = prediction_service_pb2.PredictRequest(entity_ids=["x"] * 1_001, include_contributions=True)
    refusal = await refusal_of(online.predictions.Predict(request))
    assert ("LIMIT_EXCEEDED", "include_contributions") == (refusal.reason, refusal.metadata["field"])


@pytest.mark.parametrize("made", [pd.Series, np.array, tuple, lambda ids: {"entity_id": ids}])
async def test_rows_are_named_by_any_list_of_ids(client: FeatureStore, made: Callable[[list[str]], Any]) -> None:
    """A series, an array, and a frame whose one column has the ids."""
    ids = ["delivery_2", "delivery_1"]
    expected = await client.predict(ids)
    for rows in (made(ids), pd.DataFrame({"entity_id": ids}), pa.table({"entity_id": ids})):
        predicted = await client.predict(rows)
        assert (ids, expected.values.tolist()) == (list(predicted.entity_ids), predicted.values.tolist())


async def test_a_frame_of_ids_and_features_is_refused(client: FeatureStore) -> None:
    """No column is left out in silence."""
    frame = pd.DataFrame({"entity_id": ["delivery_1"], "distance": [1.0]})
    with pytest.raises(InvalidInput, match="give entity_id alone for ids, and the features of rows as features="):
        await client.predict(frame)
    with pytest.raises(InvalidInput, match="has no keys"):
        await client.predict(frame, model=NAME)


async def test_given_values_of_several_types_are_those_of_their_rows(client: FeatureStore) -> None:
    """A list mixes int and float; an empty cell leaves the stored value; another type is refused by its row."""
    ids = ["delivery_1", "delivery_2", "delivery_1"]
    mixed = await client.predict(ids, {"distance": [20.0, 1, None]})
    alike = await client.predict(ids, {"distance": [20.0, 1.0, None]})
    assert alike.values.tolist() == mixed.values.tolist()
    assert [20.0, 1.0, 100.0] == mixed.features[0].to_list()
    with pytest.raises(InvalidInput, match="given row 1: distance 'far' is not a double"):
        await client.predict(ids, {"distance": [20.0, "far", 1]})
    with pytest.raises(InvalidInput, match="given row 1: distance True is not a double"):
        await client.predict(ids, {"distance": [20.0, True, 1]})
    with pytest.raises(InvalidInput, match=r"'destination\.traffic_level' is given twice"):
        await client.predict(ids, {"traffic_level": [1.0, None, None], "destination.traffic_level": [1.0] * 3})
