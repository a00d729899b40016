"""Routes of those who may ask: login, access keys, agents."""

from datetime import timedelta
from typing import Any

from contracts.resources import Agent
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import ValidationError

from campaign_manager.api.bodies import AccessKeyBody, AgentBody, LoginBody
from campaign_manager.api.border import Shown
from campaign_manager.api.context import UseCases, body_of, caller_of, page_of, path_id, require
from campaign_manager.usecases.credentials import LOGIN_LASTS, Unknown, set_password
from campaign_manager.usecases.definitions import ACCESS_KEY, AGENT, new_id, now
from campaign_manager.usecases.errors import Invalid

PARTS = ("addresses", "tag_ids", "permission", "status", "password")


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
        except (ValidationError, Unknown):
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
    border, definitions = cases.border, cases.definitions

    async def admin_of(request: Request) -> str:
        caller = await caller_of(request, cases.credentials)
        require(caller, is_admin_needed=True)
        return caller.customer_id

    @routes.get("/accesskeys")
    async def list_keys(request: Request) -> Shown:
        customer_id = await admin_of(request)
        before, size = page_of(request)
        rows = await definitions.page(ACCESS_KEY, customer_id, before, size)
        shown = [border.access_key(row) for row in rows]
        return border.page(shown, rows[-1].created_at if rows else None)

    @routes.post("/accesskeys")
    async def create_key(request: Request) -> Shown:
        customer_id = await admin_of(request)
        body = await body_of(request, AccessKeyBody)
        key, token = await cases.credentials.add_access_key(
            customer_id, body.name, body.detail, timedelta(seconds=body.expire)
        )
        return border.access_key(key, token)

    @routes.get("/accesskeys/{id_}")
    async def get_key(request: Request, id_: str) -> Shown:
        customer_id = await admin_of(request)
        return border.access_key(
            (await definitions.get(ACCESS_KEY, path_id(id_), customer_id)).item
        )

    @routes.put("/accesskeys/{id_}")
    async def put_key(request: Request, id_: str) -> Shown:
        customer_id = await admin_of(request)
        given = (await body_of(request, AccessKeyBody)).given()
        update = {name: given[name] for name in ("name", "detail") if name in given}
        item = await definitions.change(
            ACCESS_KEY,
            path_id(id_),
            customer_id,
            lambda key: key.model_copy(update=update | {"updated_at": now()}),
        )
        return border.access_key(item)

    @routes.delete("/accesskeys/{id_}")
    async def delete_key(request: Request, id_: str) -> Shown:
        customer_id = await admin_of(request)
        item = await definitions.change(
            ACCESS_KEY,
            path_id(id_),
            customer_id,
            lambda key: key.model_copy(update={"deleted_at": now(), "updated_at": now()}),
        )
        return border.access_key(item)

    return routes


def agent_routes(cases: UseCases) -> APIRouter:
    """Return the routes of agents."""
    routes = APIRouter()
    definitions = cases.definitions

    async def customer_of(request: Request) -> str:
        caller = await caller_of(request, cases.credentials)
        require(caller)
        return caller.customer_id

    def show(agent: Agent) -> Shown:
        is_engaged = any(agent.id in engaged for engaged in cases.engaged.values())
        return cases.border.agent(agent, is_engaged=is_engaged)

    def inside(body: AgentBody) -> dict[str, Any]:
        update = body.given()
        update.pop("password", None)
        update.pop("username", None)
        if "tag_ids" in update:
            update["tag_ids"] = tuple(id_ for id_ in update["tag_ids"] if id_)
        if "addresses" in update:
            found = (address.to_address() for address in update["addresses"])
            update["addresses"] = tuple(address for address in found if address)
        return update

    @routes.get("/agents")
    async def list_agents(request: Request) -> Shown:
        customer_id = await customer_of(request)
        before, size = page_of(request)
        rows = await definitions.page(AGENT, customer_id, before, size)
        status = request.query_params.get("status")
        shown = [show(row) for row in rows]
        if status:
            shown = [row for row in shown if row["status"] == status]
        return cases.border.page(shown, rows[-1].created_at if rows else None)

    @routes.post("/agents")
    async def create_agent(request: Request) -> Shown:
        customer_id = await customer_of(request)
        body = await body_of(request, AgentBody)
        for field in ("username", "password"):
            if not getattr(body, field):
                raise Invalid(field, "is required")
        blank = Agent(
            id=new_id(),
            customer_id=customer_id,
            username=body.username,
            password_hash="",
            permission=0,
            created_at=now(),
        )
        agent = blank.model_copy(update=inside(body))
        return show(await cases.credentials.add_agent(agent, body.password))

    @routes.get("/agents/{id_}")
    async def get_agent(request: Request, id_: str) -> Shown:
        customer_id = await customer_of(request)
        return show((await definitions.get(AGENT, path_id(id_), customer_id)).item)

    async def put(request: Request, id_: str) -> Shown:
        customer_id = await customer_of(request)
        body = await body_of(request, AgentBody)
        update = inside(body)
        if body.password:
            update["password_hash"] = await set_password(body.password)
        item = await definitions.change(
            AGENT,
            path_id(id_),
            customer_id,
            lambda agent: agent.model_copy(update=update | {"updated_at": now()}),
        )
        return show(item)

    for path in ("/agents/{id_}", *(f"/agents/{{id_}}/{part}" for part in PARTS)):
        routes.add_api_route(path, put, methods=["PUT"])

    @routes.delete("/agents/{id_}")
    async def delete_agent(request: Request, id_: str) -> Shown:
        customer_id = await customer_of(request)
        item = await definitions.change(
            AGENT,
            path_id(id_),
            customer_id,
            lambda agent: agent.model_copy(update={"deleted_at": now(), "updated_at": now()}),
        )
        return show(item)

    return routes
