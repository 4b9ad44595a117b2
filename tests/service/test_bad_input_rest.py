"""Every REST route refuses bad requests with the right status and reason, names the field, and stores nothing.

The routes are those of the gateway's own contract: a new one without cases fails here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from .bad_inputs import INJECTION
from .test_bad_input_rpcs import INTERNALS, readable, scene  # noqa: F401 - a fixture
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


UNREADABLE = [
    raw(400, b"{"),
    raw(400, b'{"delivery_id": NaN}'),
    raw(400, b'{"delivery_id": "\xff"}'),
    raw(400, b'{"delivery_id": "\\ud800"}'),
    raw(400, b"[" * 5_000),
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
        body(400, "INVALID_ARGUMENT", "delivery_id", {}),
        body(400, "INVALID_ARGUMENT", "delivery_id", {"features": {}}),
        predict(422, "INVALID_ARGUMENT", "delivery", delivery="x"),
        predict(422, "INVALID_ARGUMENT", "delivery_id", delivery_id=5),
        predict(422, "INVALID_ARGUMENT", "delivery_id", delivery_id=["x"]),
        predict(400, "INVALID_ENTITY_ID", "delivery_id", delivery_id=""),
        predict(400, "INVALID_ENTITY_ID", "delivery_id", delivery_id="a\u0000b"),
        predict(400, "INVALID_ENTITY_ID", "delivery_id", delivery_id="x" * 257),
        predict(404, "UNKNOWN_ENTITY", "delivery_id", delivery_id="bad_nobody"),
        predict(404, "UNKNOWN_ENTITY", "delivery_id", delivery_id=INJECTION),
        predict(422, "INVALID_ARGUMENT", "features", features=[1]),
        predict(422, "INVALID_ARGUMENT", None, features={"distance": {"km": 5}}),
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
        predict(422, "INVALID_ARGUMENT", "version", version=1.5),
        predict(422, "INVALID_ARGUMENT", "version", version="1"),
        predict(422, "INVALID_ARGUMENT", "version", version=True),
    ],
    ("POST", "/features/batch"): [
        *UNREADABLE,
        body(422, "INVALID_ARGUMENT", "body", {}),
        body(422, "INVALID_ARGUMENT", "body", "delivery_near"),
        body(422, "INVALID_ARGUMENT", "1", ["delivery_near", 5]),
        body(422, "INVALID_ARGUMENT", "0", [None]),
        body(422, "INVALID_ARGUMENT", "0", [["delivery_near"]]),
        body(422, "EMPTY_REQUEST", "body", []),
        body(422, "LIMIT_EXCEEDED", "body", ["delivery_near"] * 1_001),
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
        entity(400, "INVALID_REFERENCE", "features", "bad_fry", feature_names="Bad Name"),
        entity(400, "INVALID_REFERENCE", "features", "bad_fry", feature_names="ſpeed"),
        entity(400, "INVALID_REFERENCE", "features", "bad_fry", feature_names=INJECTION),
        entity(400, "LIMIT_EXCEEDED", "features", "bad_fry", feature_names=["bad_speed"] * 1_001),
    ],
    ("GET", "/health"): [],
}

NAMESPACES = [
    (404, "UNKNOWN_NAMESPACE", "no_such_place"),
    (400, "INVALID_NAME", "Not A Name"),
    (400, "INVALID_NAME", ""),
    (400, "INVALID_NAME", INJECTION),
]
GOOD: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", "/predict"): {"json": {"delivery_id": "delivery_near"}},
    ("POST", "/features/batch"): {"json": ["delivery_near"]},
    ("GET", "/features/{entity_id}"): {"params": {"feature_names": "bad_speed"}},
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
            method, path.replace("{entity_id}", "x"), headers={"X-Featurama-Namespace": name}, **GOOD[route]
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
    ("POST", "/features"): (404, None),
    ("GET", "/predict"): (405, "POST"),
    ("DELETE", "/predict"): (405, "POST"),
    ("POST", "/health"): (405, "GET, HEAD"),
    ("PUT", "/features/batch"): (405, "GET, POST, HEAD"),
    ("DELETE", "/features/char_fry"): (405, "GET, HEAD"),
    ("PATCH", "/features/a/b"): (405, "GET, HEAD"),
    ("POST", "/static-offline-docs/swagger-ui.css"): (405, "GET, HEAD"),
}


async def test_what_is_no_route_is_a_problem_too(gateway):
    """404, or 405 with the methods that are allowed."""
    answers = {(method, path): await gateway.request(method, path) for method, path in NO_ROUTES}

    assert {problem(each) for each in answers.values()} == {(404, "UNKNOWN_RESOURCE"), (405, "METHOD_NOT_ALLOWED")}
    assert {route: (each.status_code, each.headers.get("allow")) for route, each in answers.items()} == NO_ROUTES
