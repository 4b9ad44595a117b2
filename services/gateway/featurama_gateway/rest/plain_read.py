"""GET /features/{entity_id} in its plain form, without the steps of FastAPI, which take longer than the read itself.

A request has the plain form if it has parameters that most requests have, each once. Any other one, which may be wrong,
goes on to the route of the contract. Both have the same answers.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import NamedTuple, get_args
from urllib.parse import parse_qsl

from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Receive, Scope, Send

from featurama_gateway.rest.fields import LargeIntegers

_NAMESPACE = b"x-featurama-namespace"
_LONGEST_QUERY = 4_096
_PARAMETERS = {"feature_names", "large_integers"}


class Question(NamedTuple):
    """The parameters of a plain request. feature_names: as they were sent; None for all."""

    feature_names: str | None
    large_integers: LargeIntegers


Read = Callable[[Scope, str, str, Question], Awaitable[Response]]
"""(scope, entity id, namespace, question) -> the answer."""


class PlainRead(Route):
    """The route of plain requests. It stands before that of the contract."""

    def __init__(self, path: str, read: Read) -> None:
        super().__init__(path, _Endpoint(read), methods=["GET"], include_in_schema=False)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """A plain request, or nothing."""
        if scope["type"] != "http" or scope["method"] != "GET":
            return Match.NONE, {}
        match, found = super().matches(scope)
        question = _plain(scope["query_string"]) if match is Match.FULL else None
        if question is None:
            return Match.NONE, {}
        return match, {**found, "route": self, "question": question}


class _Endpoint:
    def __init__(self, read: Read) -> None:
        self._read = read

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = (value for name, value in scope["headers"] if name == _NAMESPACE)
        namespace = next(given, b"default").decode("latin-1")
        response = await self._read(scope, scope["path_params"]["entity_id"], namespace, scope["question"])
        await response(scope, receive, send)


def _plain(query: bytes) -> Question | None:
    return _parsed(query) if len(query) <= _LONGEST_QUERY else None


@lru_cache(maxsize=1_024)
def _parsed(query: bytes) -> Question | None:
    """The parameters, as the framework reads them; None if the query is not plain."""
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    given = dict(pairs)
    large_integers = given.get("large_integers", "string")
    if len(given) < len(pairs) or not given.keys() <= _PARAMETERS or large_integers not in get_args(LargeIntegers):
        return None
    return Question(given.get("feature_names"), "number" if large_integers == "number" else "string")
