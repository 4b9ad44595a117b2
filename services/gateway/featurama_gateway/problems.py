"""Errors as `application/problem+json` (RFC 9457), with the gRPC reason. An exception's text never leaves."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from structlog.typing import FilteringBoundLogger

from featurama.errors import FeaturamaError, Reason
from featurama_service.http_status import http_status
from featurama_service.status import GRPC_CODES

MEDIA_TYPE = "application/problem+json"

RETRY_AFTER = {"Retry-After": "1"}
_RETRYABLE = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})


def problem(
    status: int, detail: str, *, reason: str, field: str = "", headers: Mapping[str, str] | None = None
) -> Response:
    """A problem+json answer. `reason` is a name of featurama.v1.ErrorReason."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "reason": reason,
    }
    if field:
        body["field"] = field
    return Response(orjson.dumps(body), status_code=status, media_type=MEDIA_TYPE, headers=dict(headers or {}))


def status_of(error: FeaturamaError) -> int:
    """The HTTP status of an error of the store."""
    return http_status(GRPC_CODES[error.reason])


class ModelMissing(Exception):
    """The model that this gateway serves is not there: the installation is incomplete, not the request wrong."""


def handle_errors(app: FastAPI, log: FilteringBoundLogger) -> None:
    """Answer every error with a problem."""

    async def of_store(_: Request, error: Exception) -> Response:
        assert isinstance(error, FeaturamaError)
        status = status_of(error)
        headers = RETRY_AFTER if status in _RETRYABLE else None
        field = error.metadata.get("field", "")
        return problem(status, error.message, reason=error.reason.name, field=field, headers=headers)

    async def of_model(_: Request, error: Exception) -> Response:
        return problem(503, str(error), reason=Reason.UNKNOWN_MODEL.name, headers=RETRY_AFTER)

    async def of_body(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"] if part != "body") or "body"
        reason = Reason.LIMIT_EXCEEDED if first["type"] == "too_long" else Reason.INVALID_ARGUMENT
        return problem(422, f"{field}: {first['msg']}", reason=reason.name, field=field)

    async def of_http(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return problem(error.status_code, str(error.detail), reason=Reason.INVALID_ARGUMENT.name, headers=error.headers)

    async def of_defect(request: Request, error: Exception) -> Response:
        log.error("defect", method=request.method, path=request.scope["path"], exc_info=error)
        return problem(500, "a defect of the server; its log has the details", reason=Reason.INTERNAL.name)

    app.add_exception_handler(FeaturamaError, of_store)
    app.add_exception_handler(ModelMissing, of_model)
    app.add_exception_handler(RequestValidationError, of_body)
    app.add_exception_handler(HTTPException, of_http)
    app.add_exception_handler(Exception, of_defect)
