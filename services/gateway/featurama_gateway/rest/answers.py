"""Shared parts of the endpoints: the namespace header, and responses that are serialised once."""

from __future__ import annotations

from typing import Annotated

from fastapi import Header, Response
from pydantic import BaseModel

NamespaceHeader = Annotated[str, Header(alias="X-Featurama-Namespace", description="Namespace to read.")]


def answer(body: BaseModel) -> Response:
    """A validated body as a JSON response, which FastAPI does not validate again."""
    return Response(body.model_dump_json(), media_type="application/json")
