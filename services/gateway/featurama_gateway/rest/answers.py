"""Shared parts of the endpoints: the namespace header, the form of integers, and responses that are serialised once."""

from __future__ import annotations

from typing import Annotated

from fastapi import Header, Query, Response
from pydantic import BaseModel

from featurama_gateway.rest.fields import LargeIntegers, Namespace

NamespaceHeader = Annotated[Namespace, Header(alias="X-Featurama-Namespace", description="Namespace to read.")]
LargeIntegersQuery = Annotated[
    LargeIntegers,
    Query(
        description="Form of integers beyond 2^53: `string` keeps every digit in any client; `number` is a JSON "
        "number, which JavaScript rounds."
    ),
]


def answer(body: BaseModel) -> Response:
    """A validated body as a JSON response, which FastAPI does not validate again."""
    return Response(body.model_dump_json(), media_type="application/json")
