"""What the campaign-manager hears from Kafka, translated into use cases."""

from collections.abc import Awaitable
from typing import Any

import structlog
from chassis.batches import Finish, follow, subscribe
from chassis.errors import Refused
from chassis.lifecycle import Parts
from contracts.call import CallAnswered, CallDialing, CallSettled
from contracts.campaign import CampaignStart, CampaignStop
from contracts.dialing import DialingDrained, DialingExhausted
from contracts.envelope import Envelope
from contracts.queue import QueueLoadChanged
from contracts.target import TargetAdd
from contracts.topics import (
    CALL_EVENTS,
    CAMPAIGN_COMMANDS,
    DIALING_EVENTS,
    QUEUE_EVENTS,
    TARGET_COMMANDS,
)

from campaign_manager.domain.status import Trigger
from campaign_manager.usecases.campaigncalls import CampaignCalls
from campaign_manager.usecases.campaigns import Campaigns
from campaign_manager.usecases.targets import Targets, new_target

log = structlog.get_logger()

TYPES = (
    "call.dialing",
    "call.answered",
    "call.settled",
    "dialing.exhausted",
    "dialing.drained",
    "campaign.start",
    "campaign.stop",
    "target.add",
)


def subscribe_events(
    parts: Parts,
    *,
    campaigns: Campaigns,
    campaigncalls: CampaignCalls,
    targets: Targets,
) -> Finish:
    """Fold what dialers tell, and do what producers outside ask for."""

    async def on_event(envelope: Envelope[Any]) -> None:
        match envelope.body:
            case CallDialing() | CallAnswered() | CallSettled():
                await campaigncalls.on_call_event(envelope)
            case DialingExhausted() | DialingDrained() as fact:
                await campaigns.on_dialing(fact, envelope.customer_id, envelope.id)
            case CampaignStart(campaign_id=id_):
                asked = campaigns.update(
                    id_, envelope.customer_id, trigger=Trigger.RUN_REQUESTED, cause=envelope.id
                )
                await _answer(envelope, asked)
            case CampaignStop(campaign_id=id_):
                asked = campaigns.update(
                    id_, envelope.customer_id, trigger=Trigger.STOP_REQUESTED, cause=envelope.id
                )
                await _answer(envelope, asked)
            case TargetAdd() as addition:
                await _answer(envelope, _add(targets, addition, envelope.customer_id))
            case _:
                log.info("message skipped", type=envelope.type)

    return subscribe(
        parts.broker,
        topics=[CALL_EVENTS, DIALING_EVENTS, CAMPAIGN_COMMANDS, TARGET_COMMANDS],
        group="campaign-manager",
        member=parts.member,
        on_message=on_event,
        types=TYPES,
        on_trouble=lambda is_ok, why: parts.readiness.set("events", is_ok, why),
    )


async def _answer(envelope: Envelope[Any], asked: Awaitable[Any]) -> None:
    """Do what a command asks; a refusal is its sender's affair, and no dead letter."""
    try:
        await asked
    except Refused as refusal:
        log.warning("command refused", type=envelope.type, id=envelope.id, why=str(refusal))


async def _add(targets: Targets, addition: TargetAdd, customer_id: str) -> None:
    target = new_target(
        addition.outdial_id,
        customer_id,
        addition.target_id,
        name=addition.name,
        detail=addition.detail,
        data=addition.data,
        destinations=addition.destinations,
    )
    await targets.add(addition.outdial_id, customer_id, [target])


def follow_queues(parts: Parts, engaged: dict[str, frozenset[str]]) -> None:
    """Know which agents are in a call."""

    async def on_queue_event(envelope: Envelope[QueueLoadChanged]) -> None:
        engaged[envelope.body.queue_id] = frozenset(envelope.body.engaged)

    follow(parts.broker, topics=[QUEUE_EVENTS], on_message=on_queue_event)
