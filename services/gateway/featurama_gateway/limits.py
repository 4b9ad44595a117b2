"""Limits on what comes in: requests in flight, and the size of a body, counted as it arrives."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from featurama.errors import Reason
from featurama_gateway.problems import RETRY_AFTER, problem


class Limits:
    """ASGI middleware: 429 beyond `max_requests` in flight (health is always admitted), 413 for a larger body."""

    def __init__(self, app: ASGIApp, *, max_requests: int, max_body_bytes: int) -> None:
        self._app = app
        self._max_requests = max_requests
        self._max_body_bytes = max_body_bytes
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection event."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._in_flight >= self._max_requests and scope["path"] != "/health":
            busy = problem(
                429, "too many requests in flight; back off", reason=Reason.OVERLOADED.name, headers=RETRY_AFTER
            )
            await busy(scope, receive, send)
            return
        self._in_flight += 1
        try:
            body = await self._read(receive)
            if body is None:
                too_large = problem(
                    413,
                    f"the body has more than {self._max_body_bytes} bytes; send less at once",
                    reason=Reason.LIMIT_EXCEEDED.name,
                    field="body",
                    headers={"Connection": "close"},
                )
                await too_large(scope, receive, send)
                return
            await self._app(scope, _replaying(body, receive), send)
        finally:
            self._in_flight -= 1

    async def _read(self, receive: Receive) -> bytes | None:
        """The whole body, or None as soon as it is too large."""
        parts, size = [], 0
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return b""
            part = message.get("body", b"")
            size += len(part)
            if size > self._max_body_bytes:
                return None
            parts.append(part)
            if not message.get("more_body", False):
                return b"".join(parts)


def _replaying(body: bytes, receive: Receive) -> Receive:
    """The body as one message, then whatever the connection says."""
    sent = False

    async def replay() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
