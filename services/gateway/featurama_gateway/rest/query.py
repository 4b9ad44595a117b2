"""Query parameters are as strict as fields of a body: an unknown or a repeated one is refused, never ignored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, get_args, get_origin

from fastapi import Request
from fastapi.exceptions import RequestValidationError

KEY_PREFIX = "key."
"""Before the name of a key that is also the name of another parameter."""

F = TypeVar("F", bound=Callable[..., Any])


def takes_keys(route: F) -> F:
    """Mark a route whose other parameters are keys of an entity."""
    route.takes_keys = True  # type: ignore[attr-defined]
    return route


def keys_of(request: Request) -> dict[str, str]:
    """The keys in the parameters of a route that `takes_keys`: those that it does not have, and all with `key.`."""
    known = {each.alias for each in request.scope["route"].dependant.query_params}
    keys: dict[str, str] = {}
    for name, text in request.query_params.items():
        if name not in known:
            key = name.removeprefix(KEY_PREFIX)
            if key in keys:
                raise _refused("repeated", name, f"and {key} are the same key; give one of them")
            keys[key] = text
    return keys


async def check_query(request: Request) -> None:
    """Refuse parameters that the route does not have, and several values of one that takes one. For every route."""
    known = {each.alias: each.field_info.annotation for each in request.scope["route"].dependant.query_params}
    given = request.query_params
    has_keys = getattr(request.scope["route"].endpoint, "takes_keys", False)
    for name in given:
        if name not in known and not has_keys:
            names = ", ".join(sorted(known)) or "none"
            raise _refused("extra_forbidden", name, f"is not a parameter of this resource; its parameters: {names}")
        if len(given.getlist(name)) > 1 and not (name in known and _takes_many(known[name])):
            raise _refused("repeated", name, "is given more than once; give it once")


def _takes_many(annotation: object) -> bool:
    return list in (get_origin(annotation), *map(get_origin, get_args(annotation)))


def _refused(kind: str, name: str, problem: str) -> RequestValidationError:
    return RequestValidationError([{"type": kind, "loc": ("query", name), "msg": problem}])
