"""Routes of agents. One who is in a call shows as busy."""

from collections.abc import Callable
from typing import Any

from contracts.resources import Agent
from fastapi import APIRouter, Request

from campaign_manager.api.bodies import AgentBody
from campaign_manager.api.border import Shown
from campaign_manager.api.context import UseCases, body_of, caller_of, page_of, path_id
from campaign_manager.usecases.errors import Invalid
from campaign_manager.usecases.kinds import AGENT, new_id, now

PARTS = ("addresses", "tag_ids", "permission", "status", "password")


def agent_routes(cases: UseCases) -> APIRouter:
    """Return the routes of agents."""
    routes = APIRouter()
    agents, border = cases.agents, cases.border

    def show(agent: Agent) -> Shown:
        is_engaged = any(agent.id in engaged for engaged in cases.engaged.values())
        return border.agent(agent, is_engaged=is_engaged)

    @routes.get("/agents")
    async def list_agents(request: Request) -> Shown:
        caller = await caller_of(request, cases.credentials)
        before, size = page_of(request)
        status = request.query_params.get("status", "")
        tag_ids = set(filter(None, request.query_params.get("tag_ids", "").split(",")))

        def is_wanted(agent: Agent) -> bool:
            has_status = not status or show(agent)["status"] == status
            return has_status and (not tag_ids or not tag_ids.isdisjoint(agent.tag_ids))

        rows = await agents.page(caller.customer_id, before, size, is_wanted)
        return border.page([show(row) for row in rows], rows)

    @routes.post("/agents")
    async def create_agent(request: Request) -> Shown:
        caller = await caller_of(request, cases.credentials)
        body = await body_of(request, AgentBody)
        for name in ("username", "password"):
            if not getattr(body, name):
                raise Invalid(name, "is required")
        blank = Agent(
            id=new_id(),
            customer_id=caller.customer_id,
            username=body.username,
            password_hash="",
            permission=0,
            created_at=now(),
        )
        agent = blank.model_copy(update=body.changes())
        return show(await agents.create(caller, agent, body.password))

    @routes.get("/agents/{id_}")
    async def get_agent(request: Request, id_: str) -> Shown:
        caller = await caller_of(request, cases.credentials)
        stored = await cases.definitions.get(
            AGENT, path_id(id_), caller.customer_id, is_deleted_shown=True
        )
        return show(stored.item)

    def put(part: str | None) -> Callable[[Request, str], Any]:
        async def put_part(request: Request, id_: str) -> Shown:
            caller = await caller_of(request, cases.credentials, lambda _permission: True)
            body = await body_of(request, AgentBody)
            body = body.part(frozenset({part})) if part else body
            password = body.given().get("password")
            if part == "password" and password is None:
                raise Invalid("password", "is required")
            return show(await agents.update(caller, path_id(id_), body.changes(), password))

        return put_part

    routes.add_api_route("/agents/{id_}", put(None), methods=["PUT"])
    for name in PARTS:
        routes.add_api_route(f"/agents/{{id_}}/{name}", put(name), methods=["PUT"])

    @routes.delete("/agents/{id_}")
    async def delete_agent(request: Request, id_: str) -> Shown:
        caller = await caller_of(request, cases.credentials)
        return show(await agents.delete(caller, path_id(id_)))

    return routes
