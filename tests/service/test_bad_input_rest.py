"""Every REST route refuses bad requests with the right status and reason, names the field, and stores nothing.

The routes are those of the gateway's own contract: a new one without cases fails here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest

from .bad_inputs import INJECTION
from .bad_scene import readable
from .gateway_fixtures import MODEL
from .test_bad_input_rpcs import INTERNALS
from .test_gateway_errors import problem


@dataclass(frozen=True)
class Bad:
    """Arguments of the request that make it bad, and the refusal: status, reason, field."""

    status: int
    reason: str
    field: str | None
    path: str | None = None
    arguments: dict[str, Any] | None = None


def body(status: int, reason: str, field: str | None, json: Any) -> Bad:
    """A bad JSON body."""
    return Bad(status, reason, field, arguments={"json": json})


def raw(status: int, content: bytes, kind: str | None = "application/json") -> Bad:
    """A body that cannot be read."""
    headers = {} if kind is None else {"Content-Type": kind}
    return Bad(status, "INVALID_ARGUMENT", "body", arguments={"content": content, "headers": headers})


def predict(status: int, reason: str, field: str | None, **fields: Any) -> Bad:
    """A good prediction with some fields changed."""
    return body(status, reason, field, {"delivery_id": "delivery_near", **fields})


def entity(status: int, reason: str, field: str | None, path: str, **params: Any) -> Bad:
    """A bad entity or bad names."""
    return Bad(status, reason, field, f"/features/{path}", {"params": params})


def named(status: int, reason: str, field: str | None, path: str = "", **arguments: Any) -> Bad:
    """A bad prediction with a model in the path."""
    return Bad(status, reason, field, path or SMALL, {"json": {"entity_id": "delivery_near"}, **arguments})


def read(status: int, reason: str, field: str | None, **fields: Any) -> Bad:
    """A good read of features with some fields changed."""
    good = {"entity_ids": ["bad_fry"], "feature_names": ["bad_speed"]}
    return Bad(status, reason, field, "/features", {"json": {**good, **fields}})


def keyed(status: int, reason: str, field: str | None, **params: Any) -> Bad:
    """A bad entity that is named by keys."""
    return Bad(status, reason, field, "/features", {"params": {"feature_names": "bad_year", **params}})


SMALL = f"/models/{MODEL}/predict"

UNREADABLE = [
    raw(400, b"{"),
    raw(400, b'{"delivery_id": NaN}'),
    raw(400, b'{"delivery_id": "\xff"}'),
    raw(400, b'{"delivery_id": "\\ud800"}'),
    raw(400, b"[" * 5_000),
    raw(400, b'{"delivery_id": "delivery_near", "delivery_id": "delivery_far"}'),
    raw(400, b'{"delivery_id": "delivery_near", "features": {"a": 1, "\\ud800": 2, "\\ud800": 3}}'),
    raw(415, b'{"delivery_id": "x"}', "text/plain"),
    raw(415, b"delivery_id=x", "application/x-www-form-urlencoded"),
    raw(415, b'{"delivery_id": "x"}', None),
    Bad(422, "INVALID_ARGUMENT", "body", arguments={}),
]

REFUSED: dict[tuple[str, str], list[Bad]] = {
    ("POST", "/predict"): [
        *UNREADABLE,
        body(422, "INVALID_ARGUMENT", "body", []),
        body(422, "INVALID_ARGUMENT", "body", None),
        body(422, "INVALID_ARGUMENT", "body", "delivery_near"),
        body(400, "INVALID_ARGUMENT", "entity_id", {}),
        body(400, "INVALID_ARGUMENT", "entity_id", {"features": {}}),
        predict(422, "INVALID_ARGUMENT", "delivery", delivery="x"),
        predict(422, "INVALID_ARGUMENT", "delivery_id", delivery_id=5),
        predict(422, "INVALID_ARGUMENT", "delivery_id", delivery_id=["x"]),
        predict(400, "INVALID_ENTITY_ID", "delivery_id", delivery_id=""),
        predict(400, "INVALID_ENTITY_ID", "delivery_id", delivery_id="a\u0000b"),
        predict(400, "INVALID_ENTITY_ID", "delivery_id", delivery_id="x" * 257),
        predict(404, "UNKNOWN_ENTITY", "delivery_id", delivery_id="bad_nobody"),
        predict(404, "UNKNOWN_ENTITY", "delivery_id", delivery_id=INJECTION),
        predict(422, "INVALID_ARGUMENT", "features", features=[1]),
        predict(422, "INVALID_ARGUMENT", "features.distance", features={"distance": {"km": 5}}),
        predict(422, "LIMIT_EXCEEDED", "features", features={f"f{n}": 1.0 for n in range(1_001)}),
        predict(404, "UNKNOWN_FEATURE", "bad_nothing", features={"bad_nothing": 1.0}),
        predict(400, "INVALID_REFERENCE", "features", features={"Bad Name": 1.0}),
        predict(400, "INVALID_REFERENCE", "features", features={INJECTION: 1.0}),
        predict(400, "TYPE_MISMATCH", "distance", features={"distance": "far"}),
        predict(400, "TYPE_MISMATCH", "distance", features={"distance": True}),
        predict(400, "TYPE_MISMATCH", "distance", features={"distance": [1.0]}),
        predict(400, "TYPE_MISMATCH", "distance", features={"distance": 2**53 + 1}),
        predict(422, "INVALID_ARGUMENT", "model", model=5),
        predict(422, "INVALID_ARGUMENT", "model", model=""),
        predict(400, "INVALID_NAME", "model", model="Bad Name"),
        predict(400, "INVALID_NAME", "model", model=INJECTION),
        predict(404, "UNKNOWN_MODEL", "model", model="bad_nothing"),
        predict(404, "UNKNOWN_MODEL", "version", version=9_999),
        predict(422, "INVALID_ARGUMENT", "version", version=0),
        predict(422, "INVALID_ARGUMENT", "version", version=-1),
        predict(422, "INVALID_ARGUMENT", "version", version=2**31),
        predict(422, "INVALID_ARGUMENT", "version", version=10**20),
        predict(422, "INVALID_ARGUMENT", "version", version=1.5),
        predict(422, "INVALID_ARGUMENT", "version", version="1"),
        predict(422, "INVALID_ARGUMENT", "version", version=True),
        predict(404, "UNKNOWN_MODEL", "alias", alias="bad_nothing"),
        predict(422, "INVALID_NAME", "alias", alias=""),
        predict(422, "INVALID_NAME", "alias", alias="A", version=1),
        predict(422, "INVALID_ARGUMENT", "alias", alias=1),
        predict(400, "INVALID_ARGUMENT", "delivery_id", entity_id="delivery_near"),
        predict(422, "INVALID_ARGUMENT", "features.distance", features={"distance": [1.0] * 2_049}),
        body(400, "INVALID_ENTITY_ID", "entity_id", {"entity_id": ""}),
        body(404, "UNKNOWN_ENTITY", "entity_id", {"entity_id": "bad_nobody"}),
        body(422, "INVALID_ARGUMENT", "entity_id", {"entity_id": 5}),
        predict(400, "INVALID_ARGUMENT", "keys", keys={"film_id": 1}),
        body(400, "INVALID_ARGUMENT", "keys", {"entity_id": "x", "keys": {"film_id": 1}}),
        body(422, "EMPTY_REQUEST", "keys", {"keys": {}}),
        body(422, "INVALID_ARGUMENT", "keys", {"keys": [1]}),
    ],
    ("POST", "/models/{model}/predict"): [
        *(replace(each, path=SMALL) for each in UNREADABLE),
        named(422, "INVALID_ARGUMENT", "body", json=[]),
        named(400, "INVALID_ARGUMENT", "entity_id", json={}),
        named(400, "INVALID_ARGUMENT", "entity_id", json={"features": {}}),
        named(400, "INVALID_ENTITY_ID", "entity_id", json={"entity_id": "a\u0000b"}),
        named(404, "UNKNOWN_ENTITY", "entity_id", json={"entity_id": "bad_nobody"}),
        named(422, "INVALID_ARGUMENT", "delivery_id", json={"delivery_id": "delivery_near"}),
        named(400, "INVALID_ARGUMENT", "keys", json={"entity_id": "delivery_near", "keys": {"film_id": 1}}),
        named(422, "INVALID_ARGUMENT", None, json={"keys": {"film_id": 2**53 + 1}}),
        named(422, "INVALID_ARGUMENT", None, json={"keys": {"film_id": None}}),
        named(422, "INVALID_ARGUMENT", None, json={"keys": {"film_id": True}}),
        named(422, "INVALID_ARGUMENT", "model", json={"entity_id": "delivery_near", "model": "x"}),
        named(404, "UNKNOWN_FEATURE", "bad_nothing", json={"features": {"bad_nothing": 1}}),
        named(404, "UNKNOWN_MODEL", "model", path="/models/bad_nothing/predict"),
        named(400, "INVALID_NAME", "model", path="/models/Bad%20Name/predict"),
        named(404, "UNKNOWN_MODEL", "version", params={"version": 9_999}),
        named(422, "INVALID_ARGUMENT", "version", params={"version": 0}),
        named(422, "INVALID_ARGUMENT", "version", params={"version": 2**31}),
        named(422, "INVALID_ARGUMENT", "version", params={"version": "one"}),
        named(422, "INVALID_ARGUMENT", "version", params={"version": [1, 2]}),
        named(404, "UNKNOWN_MODEL", "alias", params={"alias": "bad_nothing"}),
        named(422, "INVALID_NAME", "alias", params={"alias": ""}),
        named(422, "INVALID_NAME", "alias", params={"alias": "a b", "version": 1}),
        named(422, "INVALID_ARGUMENT", "large_integers", params={"large_integers": "exact"}),
    ],
    ("POST", "/features/batch"): [
        *UNREADABLE,
        body(400, "INVALID_ARGUMENT", "entity_ids", {}),
        body(400, "INVALID_ARGUMENT", "entity_ids", {"entity_ids": ["x"], "entities": {"film_id": [1]}}),
        body(422, "INVALID_ARGUMENT", "body", "delivery_near"),
        body(422, "INVALID_ARGUMENT", "1", ["delivery_near", 5]),
        body(422, "INVALID_ARGUMENT", "0", [None]),
        body(422, "INVALID_ARGUMENT", "0", [["delivery_near"]]),
        body(422, "EMPTY_REQUEST", "body", []),
        body(422, "LIMIT_EXCEEDED", "body", ["delivery_near"] * 1_001),
        body(422, "INVALID_ARGUMENT", "delivery_ids", {"entity_ids": ["x"], "delivery_ids": ["x"]}),
        body(422, "INVALID_ARGUMENT", "entity_ids", {"entity_ids": "x"}),
        body(422, "INVALID_ARGUMENT", "entity_ids.0", {"entity_ids": [5]}),
        body(422, "EMPTY_REQUEST", "entity_ids", {"entity_ids": []}),
        body(422, "LIMIT_EXCEEDED", "entity_ids", {"entity_ids": ["x"] * 1_001}),
        body(404, "UNKNOWN_MODEL", "model", {"entity_ids": ["x"], "model": "bad_nothing"}),
        body(404, "UNKNOWN_MODEL", "alias", {"entity_ids": ["x"], "alias": "bad_nothing"}),
    ],
    ("POST", "/features"): [
        *(replace(each, path="/features") for each in UNREADABLE),
        read(422, "INVALID_ARGUMENT", "entity_ids", entity_ids="bad_fry"),
        read(422, "INVALID_ARGUMENT", "entity_ids.1", entity_ids=["bad_fry", 5]),
        read(422, "EMPTY_REQUEST", "entity_ids", entity_ids=[]),
        read(422, "LIMIT_EXCEEDED", "entity_ids", entity_ids=["bad_fry"] * 1_001),
        read(400, "INVALID_ENTITY_ID", "entity_ids[1]", entity_ids=["bad_fry", ""]),
        read(400, "INVALID_ENTITY_ID", "entity_ids[0]", entity_ids=["a\u0000b"]),
        read(400, "INVALID_ARGUMENT", "feature_names", feature_names=None),
        read(400, "INVALID_ARGUMENT", "feature_names", feature_service="bad_service"),
        read(422, "EMPTY_REQUEST", "feature_names", feature_names=[]),
        read(422, "LIMIT_EXCEEDED", "feature_names", feature_names=["bad_speed"] * 1_001),
        read(422, "INVALID_ARGUMENT", "feature_names", feature_names="bad_speed"),
        read(400, "INVALID_REFERENCE", "feature_names", feature_names=["bad_speed,bad_count"]),
        read(400, "INVALID_REFERENCE", "feature_names", feature_names=[""]),
        read(404, "UNKNOWN_FEATURE", "bad_nothing", feature_names=["bad_nothing"]),
        read(404, "UNKNOWN_FEATURE_VERSION", "bad_speed", feature_names=["bad_speed@9"]),
        read(404, "UNKNOWN_FEATURE_SERVICE", None, feature_names=None, feature_service="bad_nothing"),
        read(422, "INVALID_ARGUMENT", "feature_service", feature_names=None, feature_service=""),
        read(422, "INVALID_ARGUMENT", "statuses", statuses="yes"),
        read(422, "INVALID_ARGUMENT", "event_times", event_times=1),
        read(422, "INVALID_ARGUMENT", "format", format="csv"),
        read(422, "INVALID_ARGUMENT", "orient", orient="rows"),
        read(400, "INVALID_ARGUMENT", "feature_names", feature_names=["bad_speed", "bad_speed"]),
        read(422, "INVALID_ARGUMENT", None, entity_ids=None, entities={"film_id": [2**53 + 1]}),
        read(422, "INVALID_ARGUMENT", None, entity_ids=None, entities={"film_id": [-(2**53) - 1]}),
        read(422, "INVALID_ARGUMENT", None, entity_ids=None, entities={"film_id": [1.5]}),
    ],
    ("GET", "/features"): [
        Bad(400, "INVALID_ARGUMENT", "entity_type", arguments={"params": {"film_id": "1"}}),
        keyed(400, "INVALID_ENTITY_ID", "entity_id"),
        keyed(400, "INVALID_ENTITY_ID", "entity_id", film="1"),
        keyed(400, "INVALID_ENTITY_ID", "entity_id", film_id="1", limit="5"),
        keyed(400, "INVALID_ENTITY_ID", "film_id", film_id="01"),
        keyed(400, "INVALID_ENTITY_ID", "film_id", film_id=""),
        keyed(400, "INVALID_ENTITY_ID", "film_id", film_id=INJECTION),
        keyed(422, "INVALID_ARGUMENT", "film_id", film_id=["1", "2"]),
        keyed(404, "UNKNOWN_ENTITY", "entity_id", film_id="9"),
        keyed(404, "UNKNOWN_ENTITY_TYPE", "entity_type", film_id="1", entity_type="bad_nothing"),
        keyed(400, "INVALID_ENTITY_ID", "entity_id", film_id="1", entity_type="bad_planet"),
        keyed(422, "INVALID_NAME", "entity_type", film_id="1", entity_type="Bad Name"),
        keyed(400, "INVALID_ARGUMENT", "entity_type", film_id="1", feature_names="bad_nothing"),
        keyed(404, "UNKNOWN_FEATURE", "bad_nothing", film_id="1", feature_names="bad_year,bad_nothing"),
        keyed(400, "EMPTY_REQUEST", "feature_names", film_id="1", feature_names=""),
        keyed(422, "INVALID_ARGUMENT", "large_integers", film_id="1", large_integers="1"),
    ],
    ("GET", "/features/{entity_id}"): [
        entity(400, "INVALID_ENTITY_ID", "entity_id", ""),
        entity(400, "INVALID_ENTITY_ID", "entity_id", "a%00b"),
        entity(400, "INVALID_ENTITY_ID", "entity_id", "%0A"),
        entity(400, "INVALID_ENTITY_ID", "entity_id", "%C2%85"),
        entity(400, "INVALID_ENTITY_ID", "entity_id", "x" * 257),
        entity(400, "INVALID_ENTITY_ID", "entity_id", "%FF"),
        entity(400, "INVALID_ENTITY_ID", "entity_id", "a%C3"),
        entity(400, "INVALID_ENTITY_ID", "entity_id", "%ED%A0%80"),
        entity(404, "UNKNOWN_ENTITY", "entity_id", "bad_nobody"),
        entity(404, "UNKNOWN_ENTITY", "entity_id", "'%20OR%20'1'%3D'1"),
        entity(404, "UNKNOWN_ENTITY", "entity_id", "bad_nobody", feature_names="bad_speed"),
        entity(404, "UNKNOWN_FEATURE", "bad_nothing", "bad_fry", feature_names="bad_nothing"),
        entity(404, "UNKNOWN_FEATURE", "bad_nothing", "bad_fry", feature_names="bad_speed,bad_nothing"),
        entity(404, "UNKNOWN_FEATURE_VERSION", "bad_speed", "bad_fry", feature_names="bad_speed@9"),
        entity(400, "EMPTY_REQUEST", "feature_names", "bad_fry", feature_names=""),
        entity(400, "EMPTY_REQUEST", "feature_names", "bad_fry", feature_names="bad_speed,,bad_count"),
        entity(400, "INVALID_REFERENCE", "feature_names", "bad_fry", feature_names="Bad Name"),
        entity(400, "INVALID_REFERENCE", "feature_names", "bad_fry", feature_names="ſpeed"),
        entity(400, "INVALID_REFERENCE", "feature_names", "bad_fry", feature_names=INJECTION),
        entity(400, "LIMIT_EXCEEDED", "feature_names", "bad_fry", feature_names=["bad_speed"] * 1_001),
        entity(422, "INVALID_ARGUMENT", "large_integers", "bad_fry", large_integers="1"),
    ],
    ("GET", "/health"): [
        Bad(422, "INVALID_NAME", "model", arguments={"params": {"model": "Bad Name"}}),
        Bad(422, "INVALID_NAME", "model", arguments={"params": {"model": ""}}),
    ],
}

NAMESPACES = [
    (404, "UNKNOWN_NAMESPACE", "no_such_place"),
    (400, "INVALID_NAME", "Not A Name"),
    (400, "INVALID_NAME", ""),
    (400, "INVALID_NAME", INJECTION),
]
GOOD: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", "/models/{model}/predict"): {"json": {"entity_id": "delivery_near"}},
    ("POST", "/features"): {"json": {"entity_ids": ["bad_fry"], "feature_names": ["bad_speed"]}},
    ("POST", "/predict"): {"json": {"delivery_id": "delivery_near"}},
    ("POST", "/features/batch"): {"json": ["delivery_near"]},
    ("GET", "/features/{entity_id}"): {"params": {"feature_names": "bad_speed"}},
    ("GET", "/features"): {"params": {"feature_names": "bad_year", "film_id": "1"}},
    ("GET", "/health"): {},
}


async def test_every_route_of_the_contract_has_bad_requests(gateway):
    """A new route comes with its own."""
    contract = (await gateway.get("/openapi.json")).json()
    routes = {(method.upper(), path) for path, methods in contract["paths"].items() for method in methods}

    assert routes == set(REFUSED) == set(GOOD)


@pytest.mark.usefixtures("scene")
@pytest.mark.parametrize("route", sorted(REFUSED), ids=" ".join)
async def test_bad_requests_are_refused_and_store_nothing(gateway, store, route):
    """Each is a problem with its status, reason and field, and no word of the inside."""
    method, path = route
    before = await readable(store)
    complaints = []
    for case in REFUSED[route]:
        answer = await gateway.request(method, case.path or path, **(case.arguments or {}))
        seen = (*problem(answer), answer.json().get("field"))
        wanted = (case.status, case.reason, case.field if case.field is not None else seen[2])
        if seen != wanted or INTERNALS.search(answer.text.replace(INJECTION, "")):
            complaints.append((str(case)[:200], answer.text, wanted))

    assert complaints == []
    assert await readable(store) == before


@pytest.mark.parametrize("route", sorted(GOOD), ids=" ".join)
async def test_a_namespace_that_is_none_is_refused(gateway, route):
    """By every route; health of one that is not there is degraded instead."""
    method, path = route
    for status, reason, name in NAMESPACES:
        answer = await gateway.request(
            method, path.format(entity_id="x", model=MODEL), headers={"X-Featurama-Namespace": name}, **GOOD[route]
        )
        if path == "/health" and status == 404:
            assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
        else:
            assert problem(answer) == (status, reason)
            assert not INTERNALS.search(answer.text.replace(INJECTION, ""))


NO_ROUTES = {
    ("GET", "/"): (404, None),
    ("GET", "/nothing"): (404, None),
    ("GET", "/predict/x"): (404, None),
    ("GET", "/health/"): (404, None),
    ("GET", "/Predict"): (404, None),
    ("DELETE", "/features"): (405, "POST"),
    ("GET", "/models/m/predict"): (405, "POST"),
    ("GET", "/models"): (404, None),
    ("GET", "/predict"): (405, "POST"),
    ("DELETE", "/predict"): (405, "POST"),
    ("POST", "/health"): (405, "GET, HEAD"),
    ("PUT", "/features/batch"): (405, "POST"),
    ("DELETE", "/features/char_fry"): (405, "GET, HEAD"),
    ("PATCH", "/features/a/b"): (405, "GET, HEAD"),
    ("POST", "/static-offline-docs/swagger-ui.css"): (405, "GET, HEAD"),
}


async def test_what_is_no_route_is_a_problem_too(gateway):
    """404, or 405 with the methods that are allowed."""
    answers = {(method, path): await gateway.request(method, path) for method, path in NO_ROUTES}

    assert {problem(each) for each in answers.values()} == {(404, "UNKNOWN_RESOURCE"), (405, "METHOD_NOT_ALLOWED")}
    assert {route: (each.status_code, each.headers.get("allow")) for route, each in answers.items()} == NO_ROUTES
