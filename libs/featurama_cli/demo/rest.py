"""A REST call by the standard library, in a thread."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from typing import Any

from featurama_core.types.errors import StoreUnavailable

_SECONDS = 15


async def predict(gateway: str, namespace: str, delivery_id: str) -> dict[str, Any]:
    """POST /predict. -> the JSON of the response."""
    return await asyncio.to_thread(_post, f"http://{gateway}/predict", namespace, {"delivery_id": delivery_id})


def _post(url: str, namespace: str, body: dict[str, object]) -> dict[str, Any]:
    headers = {"Content-Type": "application/json", "X-Featurama-Namespace": namespace}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)  # noqa: S310 - a server of this process
    try:
        # No proxy: the server is on this machine.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=_SECONDS) as answer:
            found: dict[str, Any] = json.loads(answer.read())
    except OSError as error:
        problem = error.read().decode("utf-8", "replace")[:300] if hasattr(error, "read") else str(error)
        raise StoreUnavailable(f"the gateway did not answer {url}: {problem}") from error
    return found
