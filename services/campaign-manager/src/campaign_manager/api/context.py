"""What every route needs: who asks, the body, the page, the use cases."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import NAMESPACE_OID, UUID, uuid5

from fastapi import Request

from campaign_manager.api.border import Border, parse_token
from campaign_manager.api.errors import ApiError, field_error
from campaign_manager.api.fields import Body
from campaign_manager.domain.permissions import may_manage
from campaign_manager.usecases.agents import Agents, Caller
from campaign_manager.usecases.campaigncalls import CampaignCalls
from campaign_manager.usecases.campaigns import Campaigns
from campaign_manager.usecases.credentials import Credentials, Unknown
from campaign_manager.usecases.definitions import Definitions
from campaign_manager.usecases.donotcalls import DoNotCalls
from campaign_manager.usecases.explanations import Explanations
from campaign_manager.usecases.kinds import new_id
from campaign_manager.usecases.resources import Resources
from campaign_manager.usecases.targets import Targets
from campaign_manager.usecases.timelines import Timelines

LARGEST_PAGE = 100
LARGEST_BODY = 524_288
KEY_HEADER = "Idempotency-Key"
LONGEST_KEY = 255
Parsed = TypeVar("Parsed", bound=Body)


@dataclass(frozen=True, slots=True)
class UseCases:
    """Everything the routes call."""

    definitions: Definitions
    resources: Resources
    campaigns: Campaigns
    campaigncalls: CampaignCalls
    agents: Agents
    credentials: Credentials
    targets: Targets
    donotcalls: DoNotCalls
    explanations: Explanations
    timelines: Timelines
    border: Border
    engaged: Mapping[str, frozenset[str]]


async def caller_of(
    request: Request,
    credentials: Credentials,
    may: Callable[[int], bool] = may_manage,
) -> Caller:
    """Return who asks; a login's token beats an access key.

    Raises:
        ApiError: Nobody says who asks, or nobody we know, or the permission is missing.
    """
    caller = await _known(request, credentials)
    if not may(caller.permission):
        raise ApiError("PERMISSION_DENIED", "PERMISSION_DENIED", "the agent may not do this")
    return caller


async def _known(request: Request, credentials: Credentials) -> Caller:
    bearer = request.headers.get("authorization", "")
    token = (
        request.cookies.get("token")
        or request.query_params.get("token")
        or (bearer[7:].strip() if bearer.lower().startswith("bearer ") else "")
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


async def bytes_of(request: Request, largest: int = LARGEST_BODY) -> bytes:
    """Return the raw body, whatever content type it claims to have; nothing is an empty object.

    Raises:
        ApiError: It is too large.
    """
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > largest:
            raise field_error("body", f"is larger than {largest} bytes", "INVALID_JSON_BODY")
    return bytes(raw) or b"{}"


async def body_of(request: Request, model: type[Parsed]) -> Parsed:
    """Return the request's body.

    Raises:
        pydantic.ValidationError: It does not fit.
    """
    return model.model_validate_json(await bytes_of(request))


def fresh_id(request: Request, caller: Caller, what: str) -> str:
    """Return the id of something new, as `fresh_ids` does."""
    return fresh_ids(request, caller, what, 1)[0]


def fresh_ids(request: Request, caller: Caller, what: str, count: int) -> list[str]:
    """Return the ids of so many new things in the request, in their order.

    With an Idempotency-Key they are the same whenever it is sent again.

    Args:
        request: May have the header.
        caller: Customers do not share keys.
        what: Nor do kinds of things, or lists.
        count: How many.

    Raises:
        ApiError: The key is longer than 255 characters.
    """
    key = request.headers.get(KEY_HEADER)
    if key is None:
        return [new_id() for _ in range(count)]
    if not 0 < len(key) <= LONGEST_KEY:
        raise field_error(KEY_HEADER, f"has 1 to {LONGEST_KEY} characters")
    names = (f"{caller.customer_id}/{what}/{place}/{key}" for place in range(count))
    return [str(uuid5(NAMESPACE_OID, name)) for name in names]


def path_id(given: str) -> str:
    """Return an id of the path.

    Raises:
        ApiError: It is not a UUID.
    """
    try:
        return str(UUID(given))
    except ValueError as error:
        raise field_error("id", f"{given!r} is not a UUID", "INVALID_ID") from error


def page_of(request: Request) -> tuple[datetime | None, int]:
    """Return before when a page begins and how many rows it has.

    Raises:
        ApiError: The token is no timestamp.
    """
    try:
        before = parse_token(request.query_params.get("page_token", ""))
    except ValueError as error:
        raise field_error("page_token", "is no timestamp", "INVALID_REQUEST_PARAMETER") from error
    return before, _page_size(request)


def page_of_names(request: Request) -> tuple[str, int]:
    """Return after which name a page begins and how many rows it has."""
    return request.query_params.get("page_token", "").replace(" ", "+"), _page_size(request)


def _page_size(request: Request) -> int:
    """A size out of range is the largest."""
    given = request.query_params.get("page_size", "")
    is_small = given.isascii() and given.isdigit() and len(given) <= 3
    size = int(given) if is_small else LARGEST_PAGE
    return size if 0 < size <= LARGEST_PAGE else LARGEST_PAGE
