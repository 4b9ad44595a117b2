"""Rows that name several entities through servers: gRPC, REST, predictions and batch scores."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pytest
from tests.opened import OpenedStore
from tests.service.gateway_fixtures import write
from tests.service.servers import refusal_of, shared_checker
from tests.service.test_gateway_errors import problem
from tests.unit.featurama_model.models import ARTEFACT, MANIFEST

from featurama.client import reading
from featurama.v1 import columns_pb2 as status_pb2
from featurama.v1 import online_service_pb2
from featurama_core.types.errors import InvalidInput
from featurama_model.engineered import EngineeredSpec
from featurama_model.expressions import Product
from featurama_model.manifest import ModelFeature
from featurama_model.registry import ModelRegistry
from featurama_model.scoring import scores
from featurama_trainer.config import TrainingConfig
from featurama_trainer.dataset import model_inputs


@dataclass(frozen=True, slots=True)
class Match:
    """A team type with a rating, and a service of two teams. rows: three matches."""

    team: str
    rating: str
    service: str
    rows: dict[str, list[str | None]]

    @property
    def roles(self) -> dict[str, str]:
        return {"home": self.team, "away": self.team}

    @property
    def features(self) -> list[str]:
        return [f"home.{self.rating}", f"away.{self.rating}"]

    @property
    def values(self) -> dict[str, list[float | None]]:
        return {f"home.{self.rating}": [1.0, None, 2.0], f"away.{self.rating}": [2.0, 1.0, 2.0]}


@pytest.fixture
async def match(store: OpenedStore, unique: Callable[[str], str]) -> Match:
    team, rating, service, reds, blues = map(unique, ("team", "rating", "match", "reds", "blues"))
    await store.register_entity_type(team)
    await store.register_feature(rating, "double", entity_type=team)
    await write(store, {"entity_id": [reds, blues], rating: [1.0, 2.0]})
    made = Match(team, rating, service, {"home": [reds, None, blues], "away": [blues, reds, blues]})
    await store.register_feature_service(service, made.features, roles=made.roles)
    return made


def values(read: Any, match: Match) -> dict[str, list[float | None]]:
    table = read.to_arrow()
    return {name: table.column(name).to_pylist() for name in match.values}


async def test_a_store_and_its_servers_read_roles_alike(either_store: Any, match: Match) -> None:
    """By roles and by a service; online, in the past, and as a set."""
    now = pa.array([time.time_ns() // 1_000] * 3).cast(pa.timestamp("us", "UTC"))
    labels = pa.table(match.rows | {"timestamp": now})
    for asked in ({"roles": match.roles}, {"service": match.service}):
        features = None if "service" in asked else match.features
        online = await either_store.get_online_features(match.rows, features, **asked)
        assert (match.values, match.rows) == (
            values(online, match),
            {each: online.to_dict()[each] for each in match.rows},
        )
        past = await either_store.get_historical_features(labels, features, **asked)
        assert match.values == values(past, match)
        built = await (await either_store.training_set(labels, features, **asked)).to_arrow()
        assert match.values == {name: built.column(name).to_pylist() for name in match.values}
    assert match.service == (stored := await either_store.get_feature_service(match.service)).name
    assert match.roles == {each.name: each.entity_type for each in stored.roles}
    with pytest.raises(InvalidInput, match="roles home, away; give the entities of each"):
        await either_store.get_online_features(["x"], service=match.service)


async def test_a_read_of_roles_in_several_calls_is_one_answer(
    either_store: Any, match: Match, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call holds so many ids in all roles; the versions of a service and of references stay those of the first."""
    monkeypatch.setattr(reading, "MAX_ONLINE_ENTITIES", 4)
    monkeypatch.setattr(reading, "MAX_LABEL_ROWS", 4)
    now = pa.array([time.time_ns() // 1_000] * 3).cast(pa.timestamp("us", "UTC"))
    labels = pa.table(match.rows | {"timestamp": now})
    some = {"service": match.service, "roles": {"home": match.team}}
    for asked in ({"roles": match.roles}, {"service": match.service}, some):
        features = None if "service" in asked else match.features
        assert match.values == values(await either_store.get_online_features(match.rows, features, **asked), match)
        past = await either_store.get_historical_features(labels, features, **asked)
        assert match.values == values(past, match)


async def test_a_foreign_client_names_the_entities_of_each_role(online: Any, namespace: str, match: Match) -> None:
    """The type of a role may be left out with a service, and must be named with features."""
    ids = {role: [each or "" for each in column] for role, column in match.rows.items()}

    def request(**more: Any) -> Any:
        of_service = "feature_service" in more
        entities = [
            online_service_pb2.EntityColumn(role=role, entity_type="" if of_service else match.team, entity_ids=column)
            for role, column in ids.items()
        ]
        return online_service_pb2.GetOnlineFeaturesRequest(**{"namespace": namespace, "entities": entities} | more)

    for asked in ({"feature_service": match.service}, {"features": match.features}):
        answer = await online.features.GetOnlineFeatures(request(**asked))
        assert [f"{each}@1" for each in match.features] == [each.reference for each in answer.columns]
        assert [[1.0, 0.0, 2.0], [2.0, 1.0, 2.0]] == [list(each.double_values) for each in answer.columns]
        assert [status_pb2.FEATURE_STATUS_NOT_FOUND] == [answer.columns[0].statuses[1]]
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"feature_service": match.service, "entity_ids": ["x"]}, "entity_ids are of rows that name one entity"),
        ({"feature_service": match.service, "entities": [], "entity_ids": ["x"]}, "roles home, away"),
        ({"features": match.features, "entities": [{"role": "home", "entity_ids": ["x"]}]}, "entity_type of a role"),
        ({"all_features": True}, "exactly one"),
        ({"feature_service": match.service, "entities": [{"role": "home", "entity_ids": ["x"]}]}, "the entities home"),
        ({"features": [match.rating]}, "needs its role"),
    ]
    for asked, message in wrong:
        refused = await refusal_of(online.features.GetOnlineFeatures(request(**asked)))
        assert message in refused.message, refused
    uneven = [{"role": "home", "entity_ids": ["x"]}, {"role": "away", "entity_ids": ["x", "y"]}]
    refused = await refusal_of(
        online.features.GetOnlineFeatures(request(feature_service=match.service, entities=uneven))
    )
    assert "the role away has 2 ids, another 1" in refused.message


async def test_rest_reads_rows_of_several_entities(gateway: Any, match: Match) -> None:
    """As columns and as rows, by a service and by roles with types; null names no entity."""
    by_service = {"entities": match.rows, "feature_service": match.service}
    body = (await gateway.post("/features", json=by_service)).json()
    assert match.rows == body["entities"]
    assert match.values == {each["feature_name"]: each["values"] for each in body["features"]}
    assert ["PRESENT", "NOT_FOUND", "PRESENT"] == body["features"][0]["statuses"]
    by_roles = {"entities": match.rows, "feature_names": match.features, "roles": match.roles}
    assert body["features"] == (await gateway.post("/features", json=by_roles)).json()["features"]
    rows = (await gateway.post("/features", json=by_service | {"format": "rows"})).json()["rows"]
    assert {"home": None, "away": match.rows["away"][1]} == rows[1]["entities"]
    assert [None, 1.0] == [each["value"] for each in rows[1]["features"]]
    wrong: list[tuple[dict[str, Any], str]] = [
        (by_service | {"entity_ids": ["x"]}, "give either entity_ids"),
        ({"feature_service": match.service}, "give either entity_ids"),
        ({"feature_service": match.service, "entity_ids": ["x"]}, "roles home, away"),
        ({"entity_ids": ["x"], "feature_names": ["distance"], "roles": match.roles}, "roles are of entities"),
        (by_service | {"entities": {"home": ["x"]}}, "lack the column away"),
        (by_service | {"entities": match.rows | {"homes": ["x"] * 3}}, "did you mean 'home'"),
        (by_service | {"entities": {"home": ["x"], "away": ["x", "y"]}}, "away"),
    ]
    for asked, message in wrong:
        refused = await gateway.post("/features", json=asked)
        assert (400, True) == (refused.status_code, message in refused.text), refused.text
    mistyped = await gateway.post("/features", json=by_service | {"entities": {"home": [True], "away": ["x"]}})
    assert 422 == mistyped.status_code


async def test_a_model_of_several_roles_predicts_by_its_features_and_in_batches(
    gateway: Any, store: OpenedStore, match: Match, unique: Callable[[str], str]
) -> None:
    """An id names one entity, so that it is refused and the roles are named; label rows name all."""
    home, away = match.features
    manifest = replace(
        MANIFEST,
        name=unique("winner"),
        entity_type=match.team,
        feature_service=match.service,
        features=(ModelFeature(home, f"{home}@1", "double"), ModelFeature(away, f"{away}@1", "double")),
        engineered=EngineeredSpec.of_features([home, away], Product("both", (home, away))),
    )
    models = ModelRegistry(store.space.storage)
    published = await models.publish(manifest, ARTEFACT)
    await models.set_alias(manifest.name, "champion", published.version)
    refused = await gateway.post(f"/models/{manifest.name}/predict", json={"entity_id": match.rows["home"][0]})
    assert (400, "INVALID_ARGUMENT") == problem(refused)
    assert "reads the roles home, away" in refused.json()["detail"]
    given = {"features": {home: 1.0, away: 2.0}}
    answered = await gateway.post(f"/models/{manifest.name}/predict", json=given)
    assert 200 == answered.status_code, answered.text
    now = pa.array([time.time_ns() // 1_000] * 3).cast(pa.timestamp("us", "UTC"))
    labels = pa.table(match.rows | {"timestamp": now})
    made = await scores(store.space, labels, manifest.name, checker=shared_checker())
    scored = (await made.to_arrow()).to_pydict()
    assert match.rows == {each: scored[each] for each in match.rows}
    assert answered.json()["prediction"] == pytest.approx(scored["prediction"][0], abs=0)
    assert [[], [home], []] == scored["missing_features"]
    renamed = labels.rename_columns(["host", "away", "timestamp"])
    some = {"home": {"type": match.team, "columns": "host"}}
    again = await scores(store.space, renamed, manifest.name, roles=some, checker=shared_checker())
    assert scored["prediction"] == (await again.to_arrow()).to_pydict()["prediction"]
    with pytest.raises(InvalidInput, match=f"the role '{match.team}'"):
        await scores(store.space, labels, manifest.name, entity_columns={match.team: "home"}, checker=shared_checker())
    with pytest.raises(InvalidInput, match="reads one entity per row"):
        await scores(store.space, labels, MANIFEST.name, roles=match.roles, checker=shared_checker())


async def test_a_model_is_not_trained_on_the_features_of_several_entities(store: OpenedStore, match: Match) -> None:
    """The roles are named."""
    config = TrainingConfig.of(
        {"model": "winner", "feature_service": match.service, "labels": {"target": "goals", "entity_type": match.team}}
    )
    with pytest.raises(InvalidInput, match="has the roles home, away; a model is trained on"):
        await model_inputs(store.space, config)
