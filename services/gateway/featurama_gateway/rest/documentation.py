"""GET /openapi.json: the contract with its problems, its default model, and nothing looser than the server."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from featurama import FeatureStore
from featurama.errors import FeaturamaError
from featurama_gateway.problems import MEDIA_TYPE
from featurama_gateway.rest.bodies import Problem
from featurama_gateway.rest.examples import with_model

PROBLEMS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": Problem, "description": "The request cannot be answered."},
    "5XX": {"model": Problem, "description": "The service cannot answer now."},
}
_DEADLINE_S = 2.0


def serve_contract(app: FastAPI, store: FeatureStore, default_model: str) -> None:
    """Serve the contract of all routes that the application has by now, in place of FastAPI's own."""
    url = str(app.openapi_url)
    contract = _with_problems(app.openapi())
    app.router.routes[:] = [route for route in app.router.routes if getattr(route, "path", None) != url]

    async def get_contract(request: Request) -> Response:
        try:
            async with asyncio.timeout(_DEADLINE_S):
                scoped = await store.in_namespace(request.headers.get("X-Featurama-Namespace", "default"))
                model = await scoped.get_model(default_model)
                entity_type = await scoped.get_entity_type(model.entity_type)
        except (FeaturamaError, TimeoutError):
            return JSONResponse(contract)
        return JSONResponse(with_model(contract, model, entity_type))

    app.add_route(url, get_contract, include_in_schema=False)


def _with_problems(contract: dict[str, Any]) -> dict[str, Any]:
    """The contract with problems under their own media type, where FastAPI writes application/json."""
    for operations in contract["paths"].values():
        for operation in operations.values():
            for status in PROBLEMS:
                content = operation["responses"][str(status)]["content"]
                content[MEDIA_TYPE] = content.pop("application/json")
    return contract
