"""Errors in /openapi.json: every 4XX and 5XX is a problem, with its own media type."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from featurama_gateway.problems import MEDIA_TYPE
from featurama_gateway.rest.bodies import Problem

PROBLEMS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": Problem, "description": "The request cannot be answered."},
    "5XX": {"model": Problem, "description": "The service cannot answer now."},
}


def describe_problems(app: FastAPI) -> None:
    """Move the problems in the contract from FastAPI's application/json to their own media type."""
    describe = app.openapi

    def described() -> dict[str, Any]:
        contract = describe()
        for operations in contract["paths"].values():
            for operation in operations.values():
                for status in PROBLEMS:
                    content = operation["responses"][str(status)]["content"]
                    if "application/json" in content:
                        content[MEDIA_TYPE] = content.pop("application/json")
        return contract

    app.openapi = described  # type: ignore[method-assign]
