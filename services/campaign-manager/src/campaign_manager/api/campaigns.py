"""Routes of campaigns and campaigncalls."""

from typing import Any

from contracts.campaign import Campaign, CampaignLimits
from fastapi import APIRouter, Request

from campaign_manager.api.bodies import START_WORDS, CampaignBody, StatusBody
from campaign_manager.api.border import Shown
from campaign_manager.api.context import UseCases, body_of, caller_of, page_of, path_id, require
from campaign_manager.domain.status import Trigger
from campaign_manager.usecases.definitions import CAMPAIGN, new_id, now

INSIDE = {
    "name": "name",
    "detail": "detail",
    "type": "kind",
    "service_level": "dial_ratio_percent",
    "end_handle": "end_handle",
    "actions": "actions",
    "outplan_id": "outplan_id",
    "outdial_id": "outdial_id",
    "queue_id": "queue_id",
    "next_campaign_id": "next_campaign_id",
}
LIMITS = ("max_concurrent_calls", "calls_per_second")


def inside(body: CampaignBody, before: CampaignLimits) -> dict[str, Any]:
    """Return what a body changes, in our words; what it leaves out is not named."""
    given = body.given()
    update = {ours: given[theirs] for theirs, ours in INSIDE.items() if theirs in given}
    limits = {name: given[name] for name in LIMITS if name in given}
    if limits:
        update["limits"] = before.model_copy(update=limits)
    return update


def campaign_routes(cases: UseCases) -> APIRouter:
    """Return the routes below /v1.0."""
    routes = APIRouter()
    border, campaigns = cases.border, cases.campaigns

    async def customer_of(request: Request) -> str:
        caller = await caller_of(request, cases.credentials)
        require(caller)
        return caller.customer_id

    @routes.get("/campaigns")
    async def list_campaigns(request: Request) -> Shown:
        customer_id = await customer_of(request)
        before, size = page_of(request)
        rows = await cases.definitions.page(CAMPAIGN, customer_id, before, size)
        shown = [border.campaign(row) for row in rows]
        return border.page(shown, rows[-1].created_at if rows else None)

    @routes.post("/campaigns")
    async def create_campaign(request: Request) -> Shown:
        customer_id = await customer_of(request)
        body = await body_of(request, CampaignBody)
        blank = Campaign(campaign_id=new_id(), customer_id=customer_id, created_at=now())
        update = inside(body, CampaignLimits())
        return border.campaign(await campaigns.create(blank.model_copy(update=update)))

    @routes.get("/campaigns/{id_}")
    async def get_campaign(request: Request, id_: str) -> Shown:
        customer_id = await customer_of(request)
        stored = await cases.definitions.get(
            CAMPAIGN, path_id(id_), customer_id, is_deleted_shown=True
        )
        return border.campaign(stored.item)

    async def change(request: Request, id_: str, model: type[CampaignBody]) -> Shown:
        """Change what is given, then start or stop if a status is given."""
        customer_id, campaign_id = await customer_of(request), path_id(id_)
        body = await body_of(request, model)
        stored = await cases.definitions.get(CAMPAIGN, campaign_id, customer_id)
        campaign = stored.item
        update = inside(body, campaign.limits)
        if update:
            campaign = await campaigns.update(campaign_id, customer_id, update)
        if body.status:
            is_start = body.status in START_WORDS
            trigger = Trigger.RUN_REQUESTED if is_start else Trigger.STOP_REQUESTED
            campaign = await campaigns.request(campaign_id, customer_id, trigger)
        return border.campaign(campaign)

    @routes.put("/campaigns/{id_}/status")
    async def put_status(request: Request, id_: str) -> Shown:
        return await change(request, id_, StatusBody)

    @routes.put("/campaigns/{id_}")
    @routes.put("/campaigns/{id_}/service_level")
    @routes.put("/campaigns/{id_}/actions")
    @routes.put("/campaigns/{id_}/resource_info")
    @routes.put("/campaigns/{id_}/next_campaign_id")
    async def put_campaign(request: Request, id_: str) -> Shown:
        return await change(request, id_, CampaignBody)

    @routes.delete("/campaigns/{id_}")
    async def delete_campaign(request: Request, id_: str) -> Shown:
        customer_id = await customer_of(request)
        return border.campaign(await campaigns.delete(path_id(id_), customer_id))

    @routes.get("/campaigns/{id_}/campaigncalls")
    async def list_calls_of_campaign(request: Request, id_: str) -> Shown:
        customer_id = await customer_of(request)
        stored = await cases.definitions.get(
            CAMPAIGN, path_id(id_), customer_id, is_deleted_shown=True
        )
        return await _calls(request, stored.item.campaign_id)

    @routes.get("/campaigncalls")
    async def list_calls(request: Request) -> Shown:
        return await _calls(request, await customer_of(request))

    async def _calls(request: Request, owner_id: str) -> Shown:
        before, size = page_of(request)
        rows = await cases.campaigncalls.page(owner_id, before, size)
        shown = [border.campaigncall(row) for row in rows]
        last = rows[-1].attempt.created_at if rows and rows[-1].attempt else None
        return border.page(shown, last)

    @routes.get("/campaigncalls/{id_}")
    async def get_call(request: Request, id_: str) -> Shown:
        customer_id = await customer_of(request)
        return border.campaigncall(await cases.campaigncalls.get(path_id(id_), customer_id))

    @routes.delete("/campaigncalls/{id_}")
    async def delete_call(request: Request, id_: str) -> Shown:
        customer_id = await customer_of(request)
        return border.campaigncall(await cases.campaigncalls.delete(path_id(id_), customer_id))

    return routes
