"""Rows of one entity have the features of one entity type: every door refuses those of two."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pytest
from tests.opened import OpenedStore
from tests.service.gateway_fixtures import write
from tests.service.servers import shared_checker
from tests.service.test_gateway_errors import problem
from tests.unit.featurama_model.models import ARTEFACT, MANIFEST

from featurama_core.types.errors import FailedPrecondition, InvalidInput, Reason
from featurama_model.engineered import EngineeredSpec
from featurama_model.expressions import Product
from featurama_model.manifest import ModelFeature
from featurama_model.registry import ModelRegistry
from featurama_model.scoring import scores
from featurama_trainer.config import TrainingConfig
from featurama_trainer.dataset import model_inputs, with_entity_type


@dataclass(frozen=True, slots=True)
class Ratings:
    """A user and a film with one id, and a feature of each."""

    user: str
    film: str
    by_user: str
    of_film: str
    entity_id: str

    @property
    def features(self) -> list[str]:
        return [self.by_user, self.of_film]

    @property
    def labels(self) -> pa.Table:
        return pa.table({"entity_id": [self.entity_id], "timestamp": ["2026-02-01T00:00:00Z"]})

    @property
    def refusal(self) -> str:
        return f"the features describe {self.film}, {self.user}; declare a role"


@pytest.fixture
async def ratings(store: OpenedStore, unique: Callable[[str], str]) -> Ratings:
    made = Ratings(*map(unique, ("user", "film", "by_user", "of_film", "one")))
    for kind, feature in ((made.user, made.by_user), (made.film, made.of_film)):
        await store.register_entity_type(kind)
        await store.register_feature(feature, "double", entity_type=kind)
        await write(store, {"entity_id": [made.entity_id], feature: [3.0]})
    return made


async def publish(store: OpenedStore, ratings: Ratings, name: str, *features: str) -> None:
    """A model of the user that reads these features, as no training makes it."""
    one, other = features
    manifest = replace(
        MANIFEST,
        name=name,
        entity_type=ratings.user,
        feature_service="",
        features=tuple(ModelFeature(each, f"{each}@1", "double") for each in features),
        engineered=EngineeredSpec.of_features(list(features), Product("both", (one, other))),
    )
    models = ModelRegistry(store.space.storage)
    await models.set_alias(name, "champion", (await models.publish(manifest, ARTEFACT)).version)


async def test_reads_of_a_list_of_two_types_are_refused(either_store: Any, ratings: Ratings) -> None:
    """Online, in the past and as a set: the types are named."""
    with pytest.raises(InvalidInput, match=ratings.refusal) as online:
        await either_store.get_online_features([ratings.entity_id], ratings.features)
    assert Reason.INVALID_REFERENCE == online.value.reason
    for labels in (ratings.labels, [ratings.entity_id]):
        with pytest.raises(InvalidInput, match=ratings.refusal):
            await either_store.get_historical_features(labels, ratings.features)
    for more in ({"labels": ratings.labels}, {"entity_type": ratings.user}):
        with pytest.raises(InvalidInput, match=ratings.refusal):
            await (await either_store.training_set(features=ratings.features, **more)).to_arrow()


async def test_rest_refuses_a_list_of_two_types(gateway: Any, ratings: Ratings) -> None:
    """The types are named."""
    body = {"entity_ids": [ratings.entity_id], "feature_names": ratings.features}
    refused = await gateway.post("/features", json=body)
    assert (400, True) == (refused.status_code, ratings.refusal in refused.text)


async def test_a_model_of_two_types_reads_no_entity(
    gateway: Any, store: OpenedStore, ratings: Ratings, unique: Callable[[str], str]
) -> None:
    """Also if the request gives the features of one of them. Given features alone are predicted; scores are refused."""
    name = unique("stars")
    await publish(store, ratings, name, *ratings.features)
    url = f"/models/{name}/predict"
    by_id: dict[str, Any] = {"entity_id": ratings.entity_id}
    for body in (by_id, by_id | {"features": {ratings.by_user: 1.0}}):
        refused = await gateway.post(url, json=body)
        assert (503, "MODEL_UNUSABLE") == problem(refused)
        assert ratings.refusal in refused.json()["detail"]
    given = await gateway.post(url, json={"features": dict.fromkeys(ratings.features, 1.0)})
    assert 200 == given.status_code, given.text
    with pytest.raises(FailedPrecondition, match=ratings.refusal):
        await scores(store.space, ratings.labels, name, checker=shared_checker())


async def test_a_model_reads_no_features_of_another_type_than_its_own(
    gateway: Any, store: OpenedStore, ratings: Ratings, unique: Callable[[str], str]
) -> None:
    """An id of a user is not looked up as a film."""
    name, second = unique("stars"), unique("second")
    await store.register_feature(second, "double", entity_type=ratings.film)
    await publish(store, ratings, name, ratings.of_film, second)
    refused = await gateway.post(f"/models/{name}/predict", json={"entity_id": ratings.entity_id})
    assert f"the features describe {ratings.film}, the rows {ratings.user}" in refused.json()["detail"]


async def test_a_model_is_not_trained_on_features_of_another_type(store: OpenedStore, ratings: Ratings) -> None:
    """Neither on two types, nor on a feature, a baseline or a segment of another type than the label rows."""

    async def inputs(entity_type: str = "", **more: Any) -> None:
        settings: dict[str, Any] = {"model": "stars", "labels": {"target": "stars", "entity_type": entity_type}} | more
        await model_inputs(store.space, await with_entity_type(store.space, TrainingConfig.of(settings)))

    of_two = f"the features describe {ratings.film}, {ratings.user}; a model reads one entity per row"
    for entity_type in ("", ratings.user):
        with pytest.raises(InvalidInput, match=of_two):
            await inputs(entity_type, features=ratings.features)
    other = f"the features describe {ratings.film}, the rows {ratings.user}; name features of {ratings.user}"
    with pytest.raises(InvalidInput, match=other):
        await inputs(ratings.user, features=[ratings.of_film])
    for more in ({"baseline": ratings.of_film}, {"segments": [ratings.of_film]}):
        with pytest.raises(InvalidInput, match=of_two):
            await inputs(features=[ratings.by_user], **more)
    await inputs(features=[ratings.by_user])
