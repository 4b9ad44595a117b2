"""Query parameters are as strict as fields of a body: an unknown or a repeated one is refused, never ignored."""

from __future__ import annotations

from typing import get_args, get_origin

from fastapi import Request
from fastapi.exceptions import RequestValidationError


async def check_query(request: Request) -> None:
    """Refuse parameters that the route does not have, and several values of one that takes one. For every route."""
    known = {each.alias: each.field_info.annotation for each in request.scope["route"].dependant.query_params}
    given = request.query_params
    for name in given:
        if name not in known:
            names = ", ".join(sorted(known)) or "none"
            raise _refused("extra_forbidden", name, f"is not a parameter of this resource; its parameters: {names}")
        if len(given.getlist(name)) > 1 and not _takes_many(known[name]):
            raise _refused("repeated", name, "is given more than once; give it once")


def _takes_many(annotation: object) -> bool:
    return list in (get_origin(annotation), *map(get_origin, get_args(annotation)))


def _refused(kind: str, name: str, problem: str) -> RequestValidationError:
    return RequestValidationError([{"type": kind, "loc": ("query", name), "msg": problem}])
