"""GET /health: whether the online service answers, reaches its store, and has the model."""

from __future__ import annotations

import time
from collections.abc import Callable

from fastapi import APIRouter, Response

from featurama import AsyncClient
from featurama_gateway.rest.answers import answer
from featurama_gateway.rest.bodies import Health
from featurama_gateway.rest.json_values import rfc3339


def health(client: AsyncClient, draining: Callable[[], bool]) -> APIRouter:
    """The health route; always 200, the body tells."""
    router = APIRouter(tags=["health"])

    @router.get("/health", response_model=Health)
    async def get_health() -> Response:
        """Healthy: the store is connected and the model is loaded."""
        connected = await client.is_serving("featurama.v1.OnlineService")
        loaded = connected and await client.is_serving("featurama.v1.PredictionService")
        return answer(
            Health(
                status="healthy" if connected and loaded and not draining() else "degraded",
                feature_store_connected=connected,
                model_loaded=loaded,
                timestamp=rfc3339(time.time_ns() // 1_000),
            )
        )

    return router
