"""Which requests of GET /features/{entity_id} are plain; all others reach the route of the contract."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.routing import Match

from featurama_gateway.rest.plain_read import PlainRead, Question


def matched(path: str = "/features/a", query: bytes = b"", method: str = "GET", kind: str = "http") -> Any:
    """(match, what the route adds to the scope)."""

    async def read(*_: Any) -> Any:
        raise AssertionError

    route = PlainRead("/features/{entity_id:path}", read)
    return route.matches({"type": kind, "method": method, "path": path, "query_string": query, "headers": []})


@pytest.mark.parametrize(
    ("query", "question"),
    [
        (b"", Question(None, "string")),
        (b"feature_names=a,b@2", Question("a,b@2", "string")),
        (b"feature_names=a%2Cb&large_integers=number", Question("a,b", "number")),
        (b"large_integers=string", Question(None, "string")),
        (b"feature_names=", Question("", "string")),
    ],
)
def test_parameters_that_are_given_once_are_plain(query, question):
    """In any encoding; an empty one is a value."""
    match, found = matched(query=query)

    assert (Match.FULL, question) == (match, found["question"])


@pytest.mark.parametrize(
    "request_",
    [
        {"query": b"feature_names=a&feature_names=b"},
        {"query": b"feature_name=a"},
        {"query": b"large_integers=text"},
        {"query": b"large_integers=string&large_integers=string"},
        {"query": b"feature_names=" + b"a" * 5_000},
        {"method": "POST"},
        {"kind": "websocket"},
        {"path": "/health"},
    ],
    ids=str,
)
def test_other_requests_go_on(request_):
    """Repeated and unknown parameters, other values, very long queries, other methods and paths."""
    assert (Match.NONE, {}) == matched(**request_)


def test_the_id_of_an_entity_may_hold_slashes():
    """The rest of the path is the id."""
    assert {"entity_id": "a/b"} == matched("/features/a/b")[1]["path_params"]
