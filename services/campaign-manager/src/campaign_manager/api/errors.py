"""Errors as the API shows them: one envelope, the field named, nothing stored."""

import base64
import re
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from chassis.errors import TRANSIENT, Refused
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from starlette.exceptions import HTTPException

from campaign_manager.usecases.errors import Forbidden, Invalid, Missing, Taken

log = structlog.get_logger()

REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
HTTP_OF = {
    "INVALID_ARGUMENT": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "FAILED_PRECONDITION": 409,
    "UNAVAILABLE": 503,
    "INTERNAL": 500,
}
MISSING_CODE = {
    "campaign": "CAMPAIGN_NOT_FOUND",
    "campaigncall": "CAMPAIGNCALL_NOT_FOUND",
    "outplan": "OUTPLAN_NOT_FOUND",
    "outdial": "OUTDIAL_NOT_FOUND",
    "target": "OUTDIAL_TARGET_NOT_FOUND",
    "queue": "QUEUE_NOT_FOUND",
    "flow": "FLOW_NOT_FOUND",
    "agent": "AGENT_NOT_FOUND",
    "donotcall": "DONOTCALL_NOT_FOUND",
    "accesskey": "ACCESSKEY_NOT_FOUND",
}


class ApiError(Exception):
    """An answer that is an error."""

    def __init__(
        self, status: str, code: str, message: str, details: list[dict[str, Any]] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.details = details or []


def field_error(field: str, why: str, code: str = "INVALID_ARGUMENT") -> ApiError:
    """Return the error of one wrong field."""
    return ApiError("INVALID_ARGUMENT", code, f"{field}: {why}", [{"field": field, "why": why}])


def of_validation(error: ValidationError) -> ApiError:
    """Return the error of a body that does not fit: wrong JSON types are told from wrong values."""
    rows = error.errors(include_url=False, include_input=False)
    details = [{"field": _place(row), "why": row["msg"]} for row in rows]
    first = rows[0]["type"]
    if first.isupper():
        code = first
    elif first in ("json_invalid", "missing") or first.endswith("_type"):
        code = "INVALID_JSON_BODY"
    else:
        code = "INVALID_ARGUMENT"
    message = "; ".join(f"{row['field']}: {row['why']}" for row in details[:3])
    return ApiError("INVALID_ARGUMENT", code, message, details)


def _place(row: ErrorDetails) -> str:
    parts = [str(part) for part in row["loc"]]
    within = row.get("ctx", {}).get("within")
    return ".".join([*parts, within] if within else parts) or "body"


def install(api: FastAPI) -> None:
    """Add the request id and the handlers of all errors."""

    @api.middleware("http")
    async def with_request_id(
        request: Request, call_next: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        given = request.headers.get("x-request-id", "")
        fresh = "req_" + base64.b32encode(secrets.token_bytes(17)).decode().lower()[:26]
        request.state.request_id = given if REQUEST_ID.fullmatch(given) else fresh
        try:
            answer = await call_next(request)
        except Exception as error:
            answer = _answer(request, error)
        answer.headers["X-Request-Id"] = request.state.request_id
        return answer

    async def on_error(request: Request, error: Exception) -> Response:
        return _answer(request, error)

    for kind in (ApiError, Refused, ValidationError, HTTPException):
        api.add_exception_handler(kind, on_error)
    for trouble in TRANSIENT:
        api.add_exception_handler(trouble, on_error)  # type: ignore[arg-type]


def _answer(request: Request, error: Exception) -> JSONResponse:
    said = _translate(error)
    body: dict[str, Any] = {
        "status": said.status,
        "reason": said.code,
        "message": said.message,
        "request_id": request.state.request_id,
        "details": said.details,
    }
    return JSONResponse({"error": body, "message": said.message}, HTTP_OF[said.status])


def _translate(error: Exception) -> ApiError:
    if isinstance(error, TRANSIENT):
        return ApiError("UNAVAILABLE", "SERVICE_UNAVAILABLE", f"try again later: {error}")
    if isinstance(error, Refused):
        return _of_refusal(error)
    match error:
        case ApiError():
            return error
        case ValidationError():
            return of_validation(error)
        case HTTPException(status_code=404 | 405):
            return ApiError("NOT_FOUND", "ROUTE_NOT_FOUND", "there is no such route")
        case _:
            log.error("request failed", exc_info=error)
            return ApiError("INTERNAL", "INTERNAL", "the request failed by a fault of ours")


def _of_refusal(error: Refused) -> ApiError:
    match error:
        case Invalid(field=field, why=why, code=code):
            return field_error(field, why, code)
        case Missing(kind=kind):
            code = MISSING_CODE.get(kind, "RESOURCE_NOT_FOUND")
            return ApiError("NOT_FOUND", code, str(error))
        case Forbidden():
            return ApiError("PERMISSION_DENIED", "PERMISSION_DENIED", str(error))
        case Taken():
            return ApiError("ALREADY_EXISTS", "ALREADY_EXISTS", str(error))
        case _:
            return ApiError("FAILED_PRECONDITION", "STATE_INVALID", str(error))
