"""One log line per request: method, route template, status, duration. The path may contain an entity id."""

from __future__ import annotations

import logging
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from featurama_gateway.problems import route_of
from featurama_service.access_log import AccessLog


class LoggedRequests:
    """ASGI middleware. It is the outermost one, so that requests refused by the others are logged too."""

    def __init__(self, app: ASGIApp, *, access: AccessLog) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection event."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, sending)
        finally:
            level = logging.WARNING if status in (429, 503, 504) else logging.ERROR if status >= 500 else logging.INFO
            self._access.note(
                level,
                "request",
                method=scope["method"],
                route=route_of(scope),
                status=status,
                ms=round((time.perf_counter() - began) * 1_000, 2),
            )
