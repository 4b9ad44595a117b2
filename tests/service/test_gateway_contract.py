"""/openapi.json is as strict as the server, describes the default model, and its answers are those of the server."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from .gateway_fixtures import MODEL, gateway_server, http_client
from .test_bad_input_rest import GOOD, REFUSED

OF_THE_STORE = {"TYPE_MISMATCH", "UNKNOWN_ENTITY", "UNKNOWN_FEATURE", "UNKNOWN_FEATURE_VERSION", "UNKNOWN_MODEL"} | {
    "UNKNOWN_FEATURE_SERVICE"
}
"""Refusals that depend on what is stored."""
OPERATIONS = {
    "get_features": ("GET", "/features/{entity_id}"),
    "get_features_by_keys": ("GET", "/features"),
    "get_health": ("GET", "/health"),
    "predict": ("POST", "/predict"),
    "predict_batch": ("POST", "/features/batch"),
    "predict_with_model": ("POST", "/models/{model}/predict"),
    "read_features": ("POST", "/features"),
}


@pytest.fixture
async def contract(gateway) -> dict[str, Any]:
    """The document of the gateway that serves the small model."""
    return (await gateway.get("/openapi.json")).json()


def operations(contract: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(method, path, operation)."""
    for path, methods in contract["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def validator(contract: dict[str, Any], schema: dict[str, Any]) -> jsonschema.protocols.Validator:
    """A validator of a schema that refers to the components of the contract."""
    # Patterns of a document are ECMAScript's, where $ is the end of the text.
    text = json.dumps({**schema, "components": contract["components"]}).replace('$"', '\\\\Z"')
    return jsonschema.Draft202012Validator(json.loads(text))


def body_schema(operation: dict[str, Any]) -> dict[str, Any]:
    return operation["requestBody"]["content"]["application/json"]["schema"]


def parts(schema: Any) -> Iterator[dict[str, Any]]:
    """All schemas inside of a schema."""
    if isinstance(schema, dict):
        yield schema
    for each in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from parts(each)


async def test_operations_have_short_names(contract):
    """Generated clients name their methods by them."""
    assert OPERATIONS == {each["operationId"]: (method, path) for method, path, each in operations(contract)}


async def test_every_text_of_a_request_says_what_it_may_be(contract):
    """Parameters and fields of bodies have a pattern, or the values that there are; ids of batches fail alone."""
    requests = [each["parameters"] for _, _, each in operations(contract)]
    requests += [
        contract["components"]["schemas"][name] for name in ("PredictBody", "ModelPredictBody", "FeaturesBody")
    ]
    texts = [each for each in parts(requests) if each.get("type") == "string" and set(each) != {"type"}]

    assert len(texts) > 20
    assert [] == [each for each in texts if not {"pattern", "enum", "const"} & set(each)]


async def test_every_time_of_an_answer_is_a_date_time(contract):
    """RFC 3339, and null where no value was found."""
    times = [
        each["timestamp"]
        for schema in contract["components"]["schemas"].values()
        for each in [schema["properties"]]
        if "timestamp" in each
    ]

    assert len(times) >= 8
    assert [] == [each for each in times if not any(part.get("format") == "date-time" for part in parts(each))]


@pytest.mark.usefixtures("scene")
async def test_a_body_that_the_server_refuses_for_its_form_is_refused_by_the_document(contract):
    """Whatever the document accepts, the server does too, but for what is stored."""
    schemas = {(method, path): body_schema(each) for method, path, each in operations(contract) if method == "POST"}
    bad = [
        (route, case.arguments["json"])
        for route, cases in REFUSED.items()
        for case in cases
        if case.arguments and "json" in case.arguments and "params" not in case.arguments
        if case.reason not in OF_THE_STORE and (case.path or route[1]).startswith(route[1].partition("{")[0])
        if case.reason != "INVALID_NAME" or "model" in case.arguments["json"]
    ]

    assert len(bad) > 60
    assert [] == [each for each in bad if validator(contract, schemas[each[0]]).is_valid(each[1])]
    assert [] == [
        route
        for route, good in GOOD.items()
        if "json" in good and not validator(contract, schemas[route]).is_valid(good["json"])
    ]


@pytest.mark.usefixtures("scene")
async def test_answers_are_those_of_the_document(gateway, contract):
    """Of every operation, a refusal of each, and the forms that a request can choose."""
    more = [
        ("POST", "/predict", {"json": {"entity_id": "delivery_near"}}),
        ("POST", "/predict", {"json": {"entity_id": "nobody"}}),
        ("POST", "/features/batch", {"json": {"entity_ids": ["delivery_near", "", "nobody"]}}),
        ("POST", "/features", {"json": {"entity_ids": ["delivery_near"], "feature_service": "bad_view"}}),
        ("POST", "/features", {"json": {"entity_ids": ["x"], "feature_names": ["bad_speed"], "format": "rows"}}),
        *((method, path, {"params": {"nothing": "x"}}) for method, path in GOOD),
    ]
    schemas = {(method, path): each["responses"] for method, path, each in operations(contract)}
    statuses = set()
    for method, path, arguments in [*((*route, good) for route, good in GOOD.items()), *more]:
        answer = await gateway.request(method, path.format(entity_id="bad_fry", model=MODEL), **arguments)
        said = schemas[method, path]["200" if answer.status_code == 200 else f"{answer.status_code // 100}XX"][
            "content"
        ]
        statuses.add(answer.status_code)
        validator(contract, said[answer.headers["content-type"]]["schema"]).validate(answer.json())

    assert {200, 400, 404, 422} == statuses


async def test_the_document_is_about_the_default_model(online_at, namespace, penguins):
    """Its entity type, target and features are in texts and examples; deliveries in the documented fields only."""
    async with (
        gateway_server(online_at.address, model=penguins.model) as server,
        http_client(server.address, namespace) as client,
    ):
        contract = (await client.get("/openapi.json")).json()
        answers = [
            await client.request(method, path.format(model=penguins.model), json=example["value"])
            for method, path, operation in operations(contract)
            for name, example in (operation.get("requestBody", {}).get("content", {}).get("application/json", {}))
            .get("examples", {})
            .items()
        ]

    about, text = contract["info"]["description"], json.dumps(contract)
    assert all(f"`{each}`" in about for each in (penguins.model, "body_mass_g", penguins.kind, f"{penguins.bill}@1"))
    assert {f"{penguins.kind}_1", penguins.bill, penguins.model} <= set(re.findall(r'"([^"]+)"', text))
    assert {"delivery_id", "Delivery"} == set(re.findall(r"\w*[Dd]eliver\w*", json.dumps(contract)))
    # Nobody is a penguin_1; what is given and what is a batch is answered.
    assert [200, 404, 200, 404, 200, 200, 200] == [each.status_code for each in answers]


async def test_the_document_is_there_without_a_model(gateway):
    """It then describes the resources alone, whatever another namespace was shown before."""
    before = (await gateway.get("/openapi.json")).json()
    contract = (await gateway.get("/openapi.json", headers={"X-Featurama-Namespace": "no_such_place"})).json()

    assert set(OPERATIONS.values()) == {(method, path) for method, path, _ in operations(contract)}
    assert "default model," in before["info"]["description"]
    assert "default model," not in contract["info"]["description"]
    assert "examples" not in contract["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
