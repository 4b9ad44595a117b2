"""What every endpoint shares: the namespace header, and answers serialised once."""

from __future__ import annotations

from typing import Annotated

from fastapi import Header, Response
from pydantic import BaseModel

NamespaceHeader = Annotated[str, Header(alias="X-Featurama-Namespace", description="Namespace to read.")]


def answer(body: BaseModel) -> Response:
    """A validated body, as JSON; returned as a response so that it is not validated a second time."""
    return Response(body.model_dump_json(), media_type="application/json")
