"""Limits on requests: requests in flight, the size of a body (also of a gzipped one), and deadlines."""

from __future__ import annotations

import asyncio

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from featurama.errors import InvalidInput, Reason
from featurama_gateway.content_encoding import ACCEPTED, UnsupportedEncoding, decoded
from featurama_gateway.problems import RETRY_AFTER, problem

_CLOSE = {"Connection": "close"}


class Limits:
    """ASGI middleware. Health requests are always admitted. deadline: seconds for the body, and again for the answer.

    The status is 429 beyond `max_requests` in flight, 413 for a larger body, 415 for an encoding that is not read, 408
    for a body that is late, 504 for an answer that is late.
    """

    def __init__(self, app: ASGIApp, *, max_requests: int, max_body_bytes: int, deadline: float) -> None:
        self._app = app
        self._max_requests = max_requests
        self._max_body_bytes = max_body_bytes
        self._deadline = deadline
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection event."""
        if scope["type"] != "http" or scope["path"] == "/health":
            await self._app(scope, receive, send)
            return
        if self._in_flight >= self._max_requests:
            busy = "too many requests in flight; back off"
            await problem(429, busy, reason=Reason.OVERLOADED.name, headers=RETRY_AFTER)(scope, receive, send)
            return
        self._in_flight += 1
        try:
            await self._serve(scope, receive, send)
        finally:
            self._in_flight -= 1

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with asyncio.timeout(self._deadline):
                body = await self._read(receive)
            if body is not None:
                body = decoded(body, Headers(scope=scope).get("content-encoding", ""), self._max_body_bytes)
        except TimeoutError:
            slow, reason = "the body did not arrive in time", Reason.DEADLINE_EXCEEDED.name
            await problem(408, slow, reason=reason, field="body", headers=_CLOSE)(scope, receive, send)
            return
        except InvalidInput as error:
            status, headers = (415, ACCEPTED) if isinstance(error, UnsupportedEncoding) else (400, None)
            refused = problem(status, error.message, reason=error.reason.name, field="body", headers=headers)
            await refused(scope, receive, send)
            return
        if body is None:
            large = f"the body has more than {self._max_body_bytes} bytes; send less at once"
            reason = Reason.LIMIT_EXCEEDED.name
            await problem(413, large, reason=reason, field="body", headers=_CLOSE)(scope, receive, send)
            return
        began = False

        async def sending(message: Message) -> None:
            nonlocal began
            began = True
            await send(message)

        deadline = asyncio.timeout(self._deadline)
        try:
            async with deadline:
                await self._app(scope, _replaying(body, receive), sending)
        except TimeoutError:
            if began or not deadline.expired():
                raise
            late = "the answer was not ready in time; try again"
            await problem(504, late, reason=Reason.DEADLINE_EXCEEDED.name)(scope, receive, send)

    async def _read(self, receive: Receive) -> bytes | None:
        """The complete body, or None if it is too large."""
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
    """The body as one message, then the messages of the connection."""
    sent = False

    async def replay() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
