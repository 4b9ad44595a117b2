"""Errors as `application/problem+json` (RFC 9457), with the gRPC reason. The text of an exception and the addresses of
other servers never leave the gateway.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from structlog.typing import FilteringBoundLogger

from featurama.errors import FeaturamaError, Reason
from featurama_service.status import GRPC_CODES, HTTP_STATUS

MEDIA_TYPE = "application/problem+json"

ARRAY, OBJECT = "an array", "an object"
"""Names of the two forms of a body, which pydantic adds to the place of an error."""
RETRY_AFTER = {"Retry-After": "1"}
_RETRYABLE = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})

_BEHIND = {
    HTTPStatus.SERVICE_UNAVAILABLE: "the online service does not answer; try again later",
    HTTPStatus.GATEWAY_TIMEOUT: "the online service did not answer in time; try again, or ask for less",
    HTTPStatus.TOO_MANY_REQUESTS: "the online service is overloaded; back off and try again",
}
"""Details of errors whose message does not come from the online service."""
_STATUS = {Reason.MISSING_FEATURE: HTTPStatus.UNPROCESSABLE_ENTITY}
"""Where REST is more specific than the gRPC code: a well-formed request that lacks values."""
_CAST = re.compile(r"; declare casts=\{'.+?': '(\w+)'\}")
"""The fix of a frame's cell. JSON has types of its own."""
_REASONS = {
    "string_pattern_mismatch": Reason.INVALID_NAME,
    "too_long": Reason.LIMIT_EXCEEDED,
    "too_short": Reason.EMPTY_REQUEST,
}


def problem(
    status: int, detail: str, *, reason: str, field: str = "", headers: Mapping[str, str] | None = None
) -> Response:
    """A problem+json response. reason: a name of featurama.v1.ErrorReason."""
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


def problem_of(error: FeaturamaError) -> Response:
    """The response for an error of the store."""
    status = _STATUS.get(error.reason) or HTTP_STATUS[GRPC_CODES[error.reason]]
    detail, field = _CAST.sub(_as_json, error.message), error.metadata.get("field", "")
    if "target" in error.metadata or (error.reason is Reason.INTERNAL and "incident" not in error.metadata):
        detail = _BEHIND.get(HTTPStatus(status), "the online service failed; its log has the details")
    headers = RETRY_AFTER if status in _RETRYABLE else None
    return problem(status, detail, reason=error.reason.name, field=field, headers=headers)


class ModelMissing(Exception):
    """The default model of this gateway does not exist: the request is valid, the installation incomplete."""


def handle_errors(app: FastAPI, log: FilteringBoundLogger) -> None:
    """Register handlers that turn every error into a problem."""

    async def of_store(_: Request, error: Exception) -> Response:
        assert isinstance(error, FeaturamaError)
        return problem_of(error)

    async def of_model(_: Request, error: Exception) -> Response:
        return problem(503, str(error), reason=Reason.UNKNOWN_MODEL.name, headers=RETRY_AFTER)

    async def of_body(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        if first["type"] == "json_invalid":
            return _unreadable(400, f"the body is not JSON (RFC 8259) at character {first['loc'][-1]}; send JSON")
        if isinstance(error.body, bytes) and error.body:
            # FastAPI passes a body of an unsupported media type on as bytes.
            return _unreadable(415, "send the body as JSON, with Content-Type: application/json")
        where, *parts = [part for part in first["loc"] if part not in (ARRAY, OBJECT)]
        field = ".".join(str(part) for part in parts)[:140] or str(where)
        reason = _REASONS.get(first["type"], Reason.INVALID_ARGUMENT)
        return problem(422, f"{field}: {_said(first)}", reason=reason.name, field=field)

    async def of_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        path = request.url.path[:140]
        if error.status_code == HTTPStatus.NOT_FOUND:
            return problem(404, f"there is no resource {path!r}; see /docs", reason=Reason.UNKNOWN_RESOURCE.name)
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            # Mounted files name no method. HEAD is answered wherever GET is.
            methods = (error.headers or {}).get("Allow", "GET").split(", ")
            allowed = ", ".join(sorted({*methods, "HEAD"} if "GET" in methods else methods))
            detail = f"{path!r} does not support {request.method[:20]}; use {allowed}"
            return problem(405, detail, reason=Reason.METHOD_NOT_ALLOWED.name, headers={"Allow": allowed})
        return _unreadable(error.status_code, "the body cannot be read; send JSON")

    async def of_defect(request: Request, error: Exception) -> Response:
        log.error("defect", method=request.method, route=route_of(request.scope), exc_info=error)
        return problem(500, "the server failed; its log has the details", reason=Reason.INTERNAL.name)

    app.add_exception_handler(FeaturamaError, of_store)
    app.add_exception_handler(ModelMissing, of_model)
    app.add_exception_handler(RequestValidationError, of_body)
    app.add_exception_handler(HTTPException, of_http)
    app.add_exception_handler(Exception, of_defect)


def route_of(scope: Mapping[str, object]) -> str | None:
    """The template of a request's route, for logs: a path may contain an entity id."""
    path = getattr(scope.get("route"), "path", None)
    return path if isinstance(path, str) else None


def _said(error: Mapping[str, Any]) -> str:
    """What is wrong with a field, with its value if that is short."""
    if error["type"] == "extra_forbidden" and error["loc"][0] == "body":
        return "is not a field of this request; leave it out, or see /docs for its fields"
    value = error.get("input")
    # orjson refuses integers beyond 64 bits.
    shown = f", not {json.dumps(value, ensure_ascii=False)[:80]}" if isinstance(value, (str, int, float)) else ""
    return f"{error['msg']}{shown}"


def _as_json(cast: re.Match[str]) -> str:
    return f"; write it as a JSON {'string' if cast[1] == 'text' else 'number'}"


def _unreadable(status: int, detail: str) -> Response:
    return problem(status, detail, reason=Reason.INVALID_ARGUMENT.name, field="body")
