"""The campaign-manager, put together from top to bottom."""

from chassis.lifecycle import Parts, Service
from fastapi import FastAPI
from target_queue import TargetQueue

from campaign_manager.api import Border, UseCases, add_routes
from campaign_manager.settings import Settings
from campaign_manager.subscribers import follow_queues, subscribe_events
from campaign_manager.usecases.campaigncalls import CampaignCalls
from campaign_manager.usecases.campaigns import Campaigns
from campaign_manager.usecases.credentials import Credentials
from campaign_manager.usecases.definitions import SHARD, Definitions


def build(settings: Settings) -> Service:
    """Return the campaign-manager as a service."""
    api = FastAPI(title="campaign-manager", openapi_url=None, redirect_slashes=False)
    return Service(
        name="campaign-manager",
        settings=settings,
        api=api,
        namespaces=(f"{SHARD}!", "dialing"),
        wire=lambda parts: _wire(settings, api, parts),
    )


def _wire(settings: Settings, api: FastAPI, parts: Parts) -> None:
    outbox = parts.outbox
    definitions = Definitions(outbox)
    targets = TargetQueue(outbox)
    secret = settings.jwt_secret.get_secret_value() if settings.jwt_secret else None
    cases = UseCases(
        definitions=definitions,
        campaigns=Campaigns(definitions, targets),
        campaigncalls=CampaignCalls(outbox),
        credentials=Credentials(definitions, outbox, secret),
        targets=targets,
        border=Border(settings.timestamps),
        engaged={},
    )
    add_routes(api, cases)
    subscribe_events(
        parts,
        definitions=definitions,
        campaigns=cases.campaigns,
        campaigncalls=cases.campaigncalls,
        targets=targets,
    )
    follow_queues(parts, cases.engaged)

    async def bootstrap() -> None:
        if settings.bootstrap_username and settings.bootstrap_password:
            password = settings.bootstrap_password.get_secret_value()
            await cases.credentials.bootstrap(settings.bootstrap_username, password)

    parts.on_start.append(bootstrap)
