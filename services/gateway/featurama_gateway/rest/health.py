"""GET /health: whether the online service answers, reaches its store, and can predict with the model."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Query, Response

from featurama_gateway.readiness import Readiness
from featurama_gateway.rest.answers import NamespaceHeader, answer
from featurama_gateway.rest.bodies import Health
from featurama_gateway.rest.fields import NameParameter
from featurama_gateway.rest.json_values import rfc3339


def health(readiness: Readiness, draining: Callable[[], bool]) -> APIRouter:
    """The health route. The status is always 200; the body has the health."""
    router = APIRouter(tags=["health"])

    @router.get("/health", response_model=Health)
    async def get_health(
        namespace: NamespaceHeader = "default",
        model: Annotated[NameParameter, Query(description="Default: the default model of the gateway.")] = None,
    ) -> Response:
        """Healthy: the store is connected, and the version of the model that its alias names is loaded."""
        ready = await readiness.of(namespace, model)
        whole = ready.connected and ready.loaded and not ready.degraded
        return answer(
            Health(
                status="healthy" if whole and not draining() else "degraded",
                feature_store_connected=ready.connected,
                model_loaded=ready.loaded,
                timestamp=rfc3339(time.time_ns() // 1_000),
            )
        )

    return router
