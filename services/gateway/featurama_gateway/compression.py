"""Long answers are compressed for clients that accept gzip."""

from __future__ import annotations

import re

from starlette.datastructures import Headers
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

_MIN_BYTES = 1_024
_LEVEL = 1
"""zlib's fastest level: most of the gain for a small part of the time."""
_REFUSED = re.compile(r"gzip\s*;\s*q=0(\.0*)?\s*(,|$)")


class Compression(GZipMiddleware):
    """ASGI middleware. Starlette's reads `gzip;q=0`, which refuses gzip, as its opposite."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(app, minimum_size=_MIN_BYTES, compresslevel=_LEVEL)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection event."""
        if scope["type"] == "http" and _REFUSED.search(Headers(scope=scope).get("accept-encoding", "").lower()):
            await self.app(scope, receive, send)
            return
        await super().__call__(scope, receive, send)
