"""REST for an entity type with keys: query parameters, fields of bodies, and rows that come back with their keys."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from tests.unit.featurama_model.models import ARTEFACT, MANIFEST

from featurama_model.engineered import EngineeredSpec, Product
from featurama_model.manifest import ModelFeature
from featurama_model.registry import ModelRegistry

from .gateway_fixtures import LAST_YEAR, gateway_server, http_client
from .test_gateway_errors import problem

BIG = 2**53 + 1


@dataclass(frozen=True)
class Rings:
    """A type with the keys colony (text) and ring (int), its features, and a model over them."""

    kind: str
    mass: str
    wing: str
    model: str


@pytest.fixture
async def rings(store, unique) -> Rings:
    names = Rings(*(unique(each) for each in ("penguin", "mass", "wing", "weight")))
    await store.register_entity_type(names.kind, keys={"colony": "text", "ring": "int"})
    for name in (names.mass, names.wing):
        await store.register_feature(name, "double", entity_type=names.kind)
    rows = {"colony": ["a/b|c", "a/b|c", "x"], "ring": [7, BIG, -1], names.mass: [1.5, 2.5, 3.5], names.wing: [1.0] * 3}
    assert 3 == (await store.write_features(rows, timestamp=LAST_YEAR)).accepted
    manifest = replace(
        MANIFEST,
        name=names.model,
        entity_type=names.kind,
        features=tuple(ModelFeature(each, f"{each}@1", "double") for each in (names.mass, names.wing)),
        engineered=EngineeredSpec.of_features([names.mass, names.wing], Product("both", (names.mass, names.wing))),
    )
    models = ModelRegistry(store.space.storage)
    published = await models.publish(manifest, ARTEFACT)
    await models.set_alias(names.model, "champion", published.version)
    return names


@pytest.mark.parametrize("chosen", [("feature_names",), ("entity_type",), ("feature_names", "entity_type")])
async def test_keys_are_query_parameters(gateway, rings, chosen):
    """Whatever a key holds, no path is made of it; the type follows from the features, or is named."""
    params = {"feature_names": rings.mass, "entity_type": rings.kind}
    keys = {"colony": "a/b|c", "ring": str(BIG)}
    answer = await gateway.get("/features", params={each: params[each] for each in chosen} | keys)

    body = answer.json()
    assert answer.status_code == 200
    assert (body["keys"], body["features"][0]["value"]) == (keys, 2.5)
    assert "entity_id" not in body


async def test_a_key_may_have_the_name_of_another_parameter(gateway, store, unique):
    """It is written with `key.`, as any key may be; the same key twice is refused."""
    kind, size = unique("box"), unique("size")
    await store.register_entity_type(kind, keys=["entity_type", "feature_names", "side"])
    await store.register_feature(size, "double", entity_type=kind)
    row = {"entity_type": "a", "feature_names": "b", "side": "c"}
    assert (
        1
        == (
            await store.write_features(
                {name: [each] for name, each in (row | {size: 1.5}).items()}, timestamp=LAST_YEAR
            )
        ).accepted
    )

    given = {"key.entity_type": "a", "key.feature_names": "b", "side": "c", "feature_names": size}
    answer = await gateway.get("/features", params=given)
    assert (200, row, 1.5) == (
        answer.status_code,
        (body := answer.json())["keys"],
        body["features"][0]["value"],
    )
    assert (422, "INVALID_ARGUMENT") == problem(await gateway.get("/features", params=given | {"key.side": "c"}))


async def test_a_whole_number_is_an_int_key(gateway, rings):
    """JSON has one kind of number: 7.0 is 7. A number is no text key, and the message says what is."""
    wanted = {"feature_names": [rings.mass], "entities": {"ring": [7.0], "colony": ["a/b|c"]}}
    assert [1.5] == (await gateway.post("/features", json=wanted)).json()["features"][0]["values"]
    body = {"keys": {"colony": 5, "ring": 7}}
    refused = await gateway.post(f"/models/{rings.model}/predict", json=body)
    assert (400, "INVALID_ENTITY_ID") == problem(refused)
    assert "colony '5' is not text; write it as a JSON string" == refused.json()["detail"]


async def test_rows_of_keys_come_back_with_their_keys(gateway, rings):
    """In columns and in rows; a null and a key that is none name nothing. A large int is a string."""
    entities = {"ring": [7, str(BIG), None, "007", -1], "colony": ["a/b|c", "a/b|c", "x", "x", "x"]}
    wanted = {"entities": entities, "feature_names": [rings.mass], "event_times": False}
    columns = (await gateway.post("/features", json=wanted)).json()
    rows = (await gateway.post("/features", json={**wanted, "format": "rows"})).json()["rows"]

    assert (columns["entities"], columns["features"][0]["values"]) == (entities, [1.5, 2.5, None, None, 3.5])
    assert ["PRESENT", "PRESENT", "NOT_FOUND", "NOT_FOUND", "PRESENT"] == columns["features"][0]["statuses"]
    assert [{"ring": 7, "colony": "a/b|c"}, {"ring": str(BIG), "colony": "a/b|c"}] == [
        each["entities"] for each in rows[:2]
    ]


@pytest.mark.parametrize("route", ["/features", "/features/batch"])
@pytest.mark.parametrize(("name", "fix"), [("colonies", "did you mean 'colony'?"), ("width", "ring")])
async def test_a_column_that_names_no_entity_is_refused(gateway, rings, route, name, fix):
    """With the one that was meant, or those that there are; it is not ignored."""
    entities = {"ring": [7], "colony": ["a/b|c"], name: ["x"]}
    wanted = {"entities": entities} | (
        {"feature_names": [rings.mass]} if route == "/features" else {"model": rings.model}
    )
    refused = await gateway.post(route, json=wanted)
    assert (400, "INVALID_ARGUMENT") == problem(refused)
    said = refused.json()["detail"]
    assert (True, True) == (f"column '{name}'" in said, fix in said), said


async def test_a_prediction_names_its_entity_by_keys(gateway, rings):
    """With the model in the path or in the body; the answer has the keys."""
    keys = {"colony": "x", "ring": -1}
    in_path = (await gateway.post(f"/models/{rings.model}/predict", json={"keys": keys})).json()
    in_body = (await gateway.post("/predict", json={"keys": keys, "model": rings.model})).json()

    for body in (in_path, in_body):
        assert (body["keys"], body["entity_id"], body["features_used"]) == (
            keys,
            None,
            {rings.mass: 3.5, rings.wing: 1.0},
        )
        assert "predicted_duration" not in body
    unknown = await gateway.post(f"/models/{rings.model}/predict", json={"keys": {"colony": "x", "ring": 5}})
    assert problem(unknown) == (404, "UNKNOWN_ENTITY")
    wrong = await gateway.post(f"/models/{rings.model}/predict", json={"keys": {"colony": "", "ring": 5}})
    assert problem(wrong) == (400, "INVALID_ENTITY_ID")
    without = await gateway.post("/predict", json={"keys": {"colony": "x"}})
    assert problem(without) == (400, "INVALID_ENTITY_ID")


async def test_a_batch_names_its_rows_by_key_columns(gateway, rings):
    """A row that names no entity fails alone."""
    entities = {"colony": ["x", None, "a/b|c"], "ring": [-1, 1, 7]}
    answer = await gateway.post("/features/batch", json={"entities": entities, "model": rings.model})

    rows = answer.json()["predictions"]
    assert [{"colony": "x", "ring": -1}, {"colony": None, "ring": 1}, {"colony": "a/b|c", "ring": 7}] == [
        each["keys"] for each in rows
    ]
    assert ["success", "error", "success"] == [each["status"] for each in rows]
    assert ("INVALID_ENTITY_ID", {rings.mass: 1.5, rings.wing: 1.0}) == (rows[1]["reason"], rows[2]["features"])


async def test_examples_of_a_model_of_a_type_with_keys_have_keys(online_at, namespace, rings):
    """No id is made up."""
    async with (
        gateway_server(online_at.address, model=rings.model) as server,
        http_client(server.address, namespace) as client,
    ):
        contract = (await client.get("/openapi.json")).json()
    examples = contract["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["examples"]
    assert {"colony": "colony_1", "ring": 1} == examples[f"A {rings.kind}"]["value"]["keys"]
    assert f"{rings.kind}_1" not in str(contract)
