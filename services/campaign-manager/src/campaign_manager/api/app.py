"""The FastAPI app: errors, then routes."""

from fastapi import FastAPI

from campaign_manager.api.agents import agent_routes
from campaign_manager.api.campaigns import campaign_routes, campaigncall_routes
from campaign_manager.api.context import UseCases
from campaign_manager.api.donotcalls import donotcall_routes
from campaign_manager.api.errors import install
from campaign_manager.api.explanations import explanation_routes
from campaign_manager.api.logins import access_key_routes, login_routes
from campaign_manager.api.resources import resource_routes
from campaign_manager.api.targets import target_routes
from campaign_manager.api.timelines import timeline_routes

BELOW = "/v1.0"


def add_routes(api: FastAPI, cases: UseCases) -> None:
    """Add errors and routes to the app."""
    install(api)
    api.include_router(login_routes(cases))
    for routes in (
        target_routes,
        resource_routes,
        donotcall_routes,
        campaign_routes,
        campaigncall_routes,
        explanation_routes,
        timeline_routes,
        access_key_routes,
        agent_routes,
    ):
        api.include_router(routes(cases), prefix=BELOW)
