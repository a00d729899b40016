"""Routes of campaigns and campaigncalls."""

from contracts.campaign import Campaign, CampaignLimits
from fastapi import APIRouter, Request

from campaign_manager.api.bodies import CampaignBody, StatusBody
from campaign_manager.api.border import Shown
from campaign_manager.api.context import (
    UseCases,
    body_of,
    caller_of,
    fresh_id,
    page_of,
    path_id,
)
from campaign_manager.usecases.kinds import CAMPAIGN, now

PARTS = {
    "service_level": frozenset({"service_level"}),
    "actions": frozenset({"actions"}),
    "resource_info": frozenset({"outplan_id", "outdial_id", "queue_id", "next_campaign_id"}),
}


def campaign_routes(cases: UseCases) -> APIRouter:
    """Return the routes of campaigns below /v1.0."""
    routes = APIRouter()
    border, campaigns, definitions = cases.border, cases.campaigns, cases.definitions

    @routes.get("/campaigns")
    async def list_campaigns(request: Request) -> Shown:
        caller = await caller_of(request, cases.credentials)
        before, size = page_of(request)
        rows = await definitions.page(CAMPAIGN, caller.customer_id, before, size)
        return border.page([border.campaign(row) for row in rows], rows)

    @routes.post("/campaigns")
    async def create_campaign(request: Request) -> Shown:
        caller = await caller_of(request, cases.credentials)
        body = await body_of(request, CampaignBody)
        id_ = fresh_id(request, caller, "campaigns")
        blank = Campaign(campaign_id=id_, customer_id=caller.customer_id, created_at=now())
        wanted = blank.model_copy(update=body.changes(CampaignLimits()))
        return border.campaign(await campaigns.create(wanted))

    @routes.get("/campaigns/{id_}")
    async def get_campaign(request: Request, id_: str) -> Shown:
        caller = await caller_of(request, cases.credentials)
        stored = await definitions.get(
            CAMPAIGN, path_id(id_), caller.customer_id, is_deleted_shown=True
        )
        return border.campaign(stored.item)

    async def change(request: Request, id_: str, part: frozenset[str] | None = None) -> Shown:
        caller, campaign_id = await caller_of(request, cases.credentials), path_id(id_)
        body = await body_of(request, CampaignBody)
        body = body.part(part) if part else body
        campaign = await campaigns.update(
            campaign_id,
            caller.customer_id,
            lambda before: body.changes(before.limits),
            body.trigger,
        )
        return border.campaign(campaign)

    @routes.put("/campaigns/{id_}")
    async def put_campaign(request: Request, id_: str) -> Shown:
        return await change(request, id_)

    @routes.put("/campaigns/{id_}/status")
    async def put_status(request: Request, id_: str) -> Shown:
        caller, campaign_id = await caller_of(request, cases.credentials), path_id(id_)
        trigger = (await body_of(request, StatusBody)).trigger
        campaign = await campaigns.update(campaign_id, caller.customer_id, trigger=trigger)
        return border.campaign(campaign)

    @routes.put("/campaigns/{id_}/next_campaign_id")
    async def put_next_campaign(request: Request, id_: str) -> Shown:
        """Chain a campaign; without a next one it is unchained."""
        caller, campaign_id = await caller_of(request, cases.credentials), path_id(id_)
        following = (await body_of(request, CampaignBody)).next_campaign_id
        campaign = await campaigns.update(
            campaign_id, caller.customer_id, lambda _: {"next_campaign_id": following}
        )
        return border.campaign(campaign)

    def add_part(name: str, fields: frozenset[str]) -> None:
        @routes.put(f"/campaigns/{{id_}}/{name}")
        async def put_part(request: Request, id_: str) -> Shown:
            return await change(request, id_, fields)

    for name, fields in PARTS.items():
        add_part(name, fields)

    @routes.delete("/campaigns/{id_}")
    async def delete_campaign(request: Request, id_: str) -> Shown:
        caller = await caller_of(request, cases.credentials)
        return border.campaign(await campaigns.delete(path_id(id_), caller.customer_id))

    return routes


def campaigncall_routes(cases: UseCases) -> APIRouter:
    """Return the routes of campaigncalls below /v1.0."""
    routes = APIRouter()
    border, calls = cases.border, cases.campaigncalls

    async def page(request: Request, owner_id: str) -> Shown:
        before, size = page_of(request)
        rows = await calls.page(owner_id, before, size)
        attempts = [row.attempt for row in rows if row.attempt]
        return border.page([border.campaigncall(row) for row in rows], attempts)

    @routes.get("/campaigns/{id_}/campaigncalls")
    async def list_calls_of_campaign(request: Request, id_: str) -> Shown:
        caller = await caller_of(request, cases.credentials)
        stored = await cases.definitions.get(
            CAMPAIGN, path_id(id_), caller.customer_id, is_deleted_shown=True
        )
        return await page(request, stored.item.campaign_id)

    @routes.get("/campaigncalls")
    async def list_calls(request: Request) -> Shown:
        caller = await caller_of(request, cases.credentials)
        return await page(request, caller.customer_id)

    @routes.get("/campaigncalls/{id_}")
    async def get_call(request: Request, id_: str) -> Shown:
        caller = await caller_of(request, cases.credentials)
        return border.campaigncall(await calls.get(path_id(id_), caller.customer_id))

    @routes.delete("/campaigncalls/{id_}")
    async def delete_call(request: Request, id_: str) -> Shown:
        caller = await caller_of(request, cases.credentials)
        return border.campaigncall(await calls.delete(path_id(id_), caller.customer_id))

    return routes
