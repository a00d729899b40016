"""Routes of what opens the API: logins and access keys."""

from datetime import timedelta

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import ValidationError

from campaign_manager.api.bodies import AccessKeyBody, LoginBody
from campaign_manager.api.border import Shown
from campaign_manager.api.context import UseCases, body_of, caller_of, page_of, path_id
from campaign_manager.api.errors import ApiError
from campaign_manager.domain.permissions import may_administer
from campaign_manager.usecases.credentials import LOGIN_LASTS, Unknown
from campaign_manager.usecases.errors import Conflict
from campaign_manager.usecases.kinds import ACCESS_KEY


def login_routes(cases: UseCases) -> APIRouter:
    """Return the routes at the root of the host."""
    routes = APIRouter()

    @routes.get("/ping")
    async def ping() -> Shown:
        return {"message": "pong"}

    @routes.post("/auth/login")
    async def log_in(request: Request) -> Response:
        """Any failure is a 400 without a body: nobody learns which half was wrong."""
        try:
            body = await body_of(request, LoginBody)
            token = await cases.credentials.log_in(body.username, body.password)
        except (ApiError, ValidationError, Unknown):
            return Response(status_code=400)
        answer = JSONResponse({"username": body.username, "token": token})
        answer.set_cookie(
            "token",
            token,
            max_age=int(LOGIN_LASTS.total_seconds()),
            secure=True,
            httponly=True,
            samesite="strict",
        )
        return answer

    return routes


def access_key_routes(cases: UseCases) -> APIRouter:
    """Return the routes of access keys."""
    routes = APIRouter()
    border, credentials = cases.border, cases.credentials

    @routes.get("/accesskeys")
    async def list_keys(request: Request) -> Shown:
        caller = await caller_of(request, credentials, may_administer)
        before, size = page_of(request)
        rows = await cases.definitions.page(ACCESS_KEY, caller.customer_id, before, size)
        return border.page([border.access_key(row) for row in rows], rows)

    @routes.post("/accesskeys")
    async def create_key(request: Request) -> Shown:
        """Make a key; its token is shown this once."""
        caller = await caller_of(request, credentials, may_administer)
        body = await body_of(request, AccessKeyBody)
        key, token = await credentials.add_access_key(
            caller.customer_id, body.name, body.detail, timedelta(seconds=body.expire)
        )
        return border.access_key(key, token)

    @routes.get("/accesskeys/{id_}")
    async def get_key(request: Request, id_: str) -> Shown:
        caller = await caller_of(request, credentials, may_administer)
        stored = await cases.definitions.get(
            ACCESS_KEY, path_id(id_), caller.customer_id, is_deleted_shown=True
        )
        if stored.item.deleted_at is not None:
            raise Conflict("the access key was deleted")
        return border.access_key(stored.item)

    @routes.put("/accesskeys/{id_}")
    async def put_key(request: Request, id_: str) -> Shown:
        caller = await caller_of(request, credentials, may_administer)
        changes = (await body_of(request, AccessKeyBody)).changes()
        key = await credentials.rename_access_key(path_id(id_), caller.customer_id, changes)
        return border.access_key(key)

    @routes.delete("/accesskeys/{id_}")
    async def delete_key(request: Request, id_: str) -> Shown:
        caller = await caller_of(request, credentials, may_administer)
        key = await credentials.delete_access_key(path_id(id_), caller.customer_id)
        return border.access_key(key)

    return routes
