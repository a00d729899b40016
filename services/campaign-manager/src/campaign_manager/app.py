"""The campaign-manager, put together from top to bottom."""

from chassis.lifecycle import Parts, Service
from chassis.requests import Traced
from fastapi import FastAPI
from target_queue import Deferrals, Listings, TargetQueue
from target_queue.keys import NUMBER_NAMESPACE

from campaign_manager.adapters.log import KafkaLog
from campaign_manager.api import BELOW, Border, UseCases, add_routes
from campaign_manager.settings import Settings
from campaign_manager.subscribers import follow_queues, subscribe_events
from campaign_manager.usecases.agents import Agents
from campaign_manager.usecases.campaigncalls import CampaignCalls
from campaign_manager.usecases.campaigns import Campaigns
from campaign_manager.usecases.credentials import Credentials
from campaign_manager.usecases.definitions import Definitions
from campaign_manager.usecases.donotcalls import DoNotCalls
from campaign_manager.usecases.explanations import Explanations
from campaign_manager.usecases.kinds import SHARD
from campaign_manager.usecases.recalls import Recalls
from campaign_manager.usecases.references import References
from campaign_manager.usecases.resources import Resources
from campaign_manager.usecases.targets import Targets
from campaign_manager.usecases.timelines import Timelines


def build(settings: Settings) -> Service:
    """Return the campaign-manager as a service."""
    api = FastAPI(title="campaign-manager", openapi_url=None, redirect_slashes=False)
    api.add_middleware(Traced, below=f"{BELOW}/campaigns")
    return Service(
        name="campaign-manager",
        settings=settings,
        api=api,
        namespaces=(f"{SHARD}!", "dialing", NUMBER_NAMESPACE),
        wire=lambda parts: _wire(settings, api, parts),
    )


def _wire(settings: Settings, api: FastAPI, parts: Parts) -> None:
    outbox = parts.outbox
    queue = TargetQueue(outbox)
    listings = Listings(outbox)
    definitions = Definitions(outbox)
    recalls = Recalls(definitions, Deferrals(outbox))
    references = References(definitions, outbox)
    campaigns = Campaigns(definitions, references, queue)
    agents = Agents(definitions, outbox)
    secret = settings.jwt_secret.get_secret_value() if settings.jwt_secret else None
    engaged: dict[str, frozenset[str]] = {}
    campaigncalls = CampaignCalls(outbox)
    cases = UseCases(
        definitions=definitions,
        resources=Resources(definitions, references, campaigns, listings, recalls),
        campaigns=campaigns,
        campaigncalls=campaigncalls,
        agents=agents,
        credentials=Credentials(definitions, agents, outbox, secret),
        targets=Targets(definitions, queue),
        donotcalls=DoNotCalls(definitions, listings, recalls),
        explanations=Explanations(outbox, queue, definitions, engaged),
        timelines=Timelines(KafkaLog(settings), definitions, queue, campaigncalls),
        border=Border(settings.timestamps),
        engaged=engaged,
    )
    add_routes(api, cases)
    finish = subscribe_events(
        parts, campaigns=campaigns, campaigncalls=cases.campaigncalls, targets=cases.targets
    )
    follow_queues(parts, engaged)

    async def bootstrap() -> None:
        if settings.bootstrap_username and settings.bootstrap_password:
            password = settings.bootstrap_password.get_secret_value()
            await cases.credentials.bootstrap(settings.bootstrap_username, password)

    parts.on_start.append(bootstrap)
    parts.on_stop.append(finish)
