"""Strict parsing of bodies as JSON (RFC 8259). `NaN` without quotes, invalid UTF-8 and excessive nesting are refused;
an integer beyond 64 bits is read as the nearest double. A key that an object has twice is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import orjson
from fastapi import Request, Response
from fastapi.routing import APIRoute

from featurama import read_json


class _JsonRequest(Request):
    async def json(self) -> Any:
        return orjson.loads(await self.body())


class JsonRoute(APIRoute):
    """A route whose body, if any, is strict JSON."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, called with a request that parses its body strictly."""
        handle = super().get_route_handler()

        async def read_strictly(request: Request) -> Response:
            strict = _JsonRequest(request.scope, request.receive)
            with suppress(ValueError):  # is refused by the handler, with the place
                read_json(await strict.body() or b"{}", "the body", "body")
            return await handle(strict)

        return read_strictly
