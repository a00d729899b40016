"""GET /campaigns/{id}/explain, /targets/{id}/explain: why it is or is not dialed right now."""

from fastapi import APIRouter, Request

from campaign_manager.api.border import Border, Shown
from campaign_manager.api.context import UseCases, caller_of, path_id
from campaign_manager.domain.explanations import Held
from campaign_manager.usecases.explanations import Explained, ExplainedTarget


def explanation_routes(cases: UseCases) -> APIRouter:
    """Return the routes of explanations below /v1.0."""
    routes = APIRouter()

    @routes.get("/campaigns/{id_}/explain")
    async def explain_campaign(request: Request, id_: str) -> Shown:
        caller = await caller_of(request, cases.credentials)
        explained = await cases.explanations.campaign(path_id(id_), caller.customer_id)
        return _shown(cases.border, explained)

    @routes.get("/targets/{id_}/explain")
    async def explain_target(request: Request, id_: str) -> Shown:
        caller = await caller_of(request, cases.credentials)
        explained = await cases.explanations.target(path_id(id_), caller.customer_id)
        return _shown_target(cases.border, explained)

    return routes


def _shown(border: Border, explained: Explained) -> Shown:
    campaign, facts, explanation = explained.campaign, explained.facts, explained.explanation
    return {
        "campaign_id": campaign.campaign_id,
        "at": border.instant(explained.at),
        "status": campaign.status.value,
        "obstacle": explanation.obstacle.value,
        "why": explanation.why,
        "next_due_at": border.instant(facts.next_due_at) if facts.next_due_at else None,
        "waiting": [_held(border, held) for held in explanation.held],
        "open_calls": facts.open_attempts,
        "max_concurrent_calls": campaign.limits.max_concurrent_calls,
        "calls_in_last_second": facts.rung_last_second,
        "calls_per_second": campaign.limits.calls_per_second,
        "calls_allowed_by_agents": facts.calls_allowed,
    }


def _held(border: Border, held: Held) -> Shown:
    return {
        "obstacle": held.obstacle.value,
        "count": held.count,
        "until": border.instant(held.until) if held.until else None,
    }


def _shown_target(border: Border, explained: ExplainedTarget) -> Shown:
    target, place, explanation = explained.target, explained.place, explained.explanation
    return {
        "target_id": target.target_id,
        "outdial_id": target.outdial_id,
        "at": border.instant(place.at),
        "status": target.status.value,
        "obstacle": explanation.obstacle.value,
        "why": explanation.why,
        "until": border.instant(explanation.until) if explanation.until else None,
        "attempt_id": place.attempt.attempt_id if place.attempt else None,
        "attempt_since": border.instant(place.attempt.since) if place.attempt else None,
        "campaigns": [
            {
                "campaign_id": one.campaign.campaign_id,
                "status": one.campaign.status.value,
                "obstacle": one.explanation.obstacle.value,
                "why": one.explanation.why,
            }
            for one in explained.campaigns
        ],
    }
