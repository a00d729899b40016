"""What every route needs: who asks, the body, the page, the use cases."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from fastapi import Request
from pydantic import TypeAdapter

from campaign_manager.api.bodies import Body
from campaign_manager.api.border import Border, parse_token
from campaign_manager.api.errors import ApiError
from campaign_manager.ports import Targets
from campaign_manager.usecases.campaigncalls import CampaignCalls
from campaign_manager.usecases.campaigns import Campaigns
from campaign_manager.usecases.credentials import (
    CUSTOMER_ADMIN,
    CUSTOMER_MANAGER,
    Caller,
    Credentials,
    Unknown,
)
from campaign_manager.usecases.definitions import Definitions

LARGEST_PAGE = 100
Parsed = TypeVar("Parsed", bound=Body)


@dataclass(slots=True)
class UseCases:
    """Everything the routes call."""

    definitions: Definitions
    campaigns: Campaigns
    campaigncalls: CampaignCalls
    credentials: Credentials
    targets: Targets
    border: Border
    engaged: dict[str, frozenset[str]]


async def caller_of(request: Request, credentials: Credentials) -> Caller:
    """Return who asks; a login's token beats an access key.

    Raises:
        ApiError: Nobody says who asks, or nobody we know.
    """
    bearer = request.headers.get("authorization", "")
    token = (
        request.cookies.get("token")
        or request.query_params.get("token")
        or (bearer[7:] if bearer.lower().startswith("bearer ") else "")
    )
    key = request.cookies.get("accesskey") or request.query_params.get("accesskey")
    try:
        if token:
            return await credentials.by_token(token)
        if key:
            return await credentials.by_access_key(key)
    except Unknown as error:
        raise ApiError(
            "UNAUTHENTICATED", "INVALID_CREDENTIALS", "the credentials are wrong or have expired"
        ) from error
    raise ApiError(
        "UNAUTHENTICATED", "AUTHENTICATION_REQUIRED", "send ?token=, ?accesskey= or a Bearer token"
    )


def require(caller: Caller, *, is_admin_needed: bool = False) -> None:
    """Refuse a caller who may not.

    Raises:
        ApiError: The permission is missing.
    """
    needed = CUSTOMER_ADMIN if is_admin_needed else CUSTOMER_ADMIN | CUSTOMER_MANAGER
    if not caller.permission & needed:
        raise ApiError("PERMISSION_DENIED", "PERMISSION_DENIED", "the agent may not do this")


async def body_of(request: Request, model: type[Parsed]) -> Parsed:
    """Return the request's body, whatever content type it claims to have.

    Raises:
        pydantic.ValidationError: It does not fit.
    """
    return model.model_validate_json(await request.body() or b"{}")


async def bodies_of(
    request: Request, model: type[Parsed], largest: int
) -> tuple[list[Parsed], bool]:
    """Return a body or a list of bodies, and whether it was a list."""
    raw = await request.body() or b"{}"
    if not raw.lstrip().startswith(b"["):
        return [model.model_validate_json(raw)], False
    rows = TypeAdapter(list[model]).validate_json(raw)  # type: ignore[valid-type]
    if len(rows) > largest:
        raise ApiError(
            "INVALID_ARGUMENT", "INVALID_ARGUMENT", f"at most {largest} at a time, not {len(rows)}"
        )
    return rows, True


def path_id(given: str) -> str:
    """Return an id of the path.

    Raises:
        ApiError: It is not a UUID.
    """
    try:
        return str(UUID(given))
    except ValueError as error:
        raise ApiError("INVALID_ARGUMENT", "INVALID_ID", f"{given!r} is not a UUID") from error


def page_of(request: Request) -> tuple[datetime | None, int]:
    """Return where a page begins and how many rows it has.

    Raises:
        ApiError: The token is no timestamp.
    """
    query: Any = request.query_params
    try:
        before = parse_token(query.get("page_token", ""))
    except ValueError as error:
        raise ApiError(
            "INVALID_ARGUMENT", "INVALID_REQUEST_PARAMETER", "page_token: is no timestamp",
            [{"field": "page_token", "why": "is no timestamp"}],
        ) from error  # fmt: skip
    given = query.get("page_size", "")
    size = int(given) if given.isdigit() else LARGEST_PAGE
    return before, size if 0 < size <= LARGEST_PAGE else LARGEST_PAGE
