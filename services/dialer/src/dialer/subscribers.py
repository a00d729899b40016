"""What the dialer hears from Kafka, translated into use cases."""

from typing import Any

import structlog
from aiokafka import TopicPartition
from chassis.batches import Finish, Follower, follow, subscribe
from chassis.lifecycle import Parts
from chassis.shards import partition_of
from contracts.campaign import CampaignFact
from contracts.envelope import Envelope
from contracts.flow import FlowFinished
from contracts.queue import QueueLoadChanged
from contracts.resources import AgentChanged, QueueChanged
from contracts.topics import (
    CALL_COMMANDS,
    CAMPAIGN_EVENTS,
    FLOW_EVENTS,
    QUEUE_EVENTS,
    RESOURCE_EVENTS,
)

from dialer.domain.roster import Roster
from dialer.usecases.attempts import Attempts
from dialer.usecases.campaigns import Campaigns
from dialer.usecases.commands import Commands
from dialer.usecases.recovery import settled_flow

log = structlog.get_logger()

CALL_TYPES = ("call.play", "call.stop_playback", "call.bridge", "call.hang_up")


def subscribe_campaigns(parts: Parts, campaigns: Campaigns) -> Finish:
    """Run the campaigns of the partitions that fall to this worker, read from their beginning.

    While partitions move, their old owner runs them until it has its new ones: claims are atomic,
    so two owners do no harm, and none would be a pause.
    """

    def keep(assigned: frozenset[TopicPartition]) -> None:
        mine = {place.partition for place in assigned}
        campaigns.drop_where(lambda id_: partition_of(id_, CAMPAIGN_EVENTS.partitions) not in mine)

    async def on_campaign_event(envelope: Envelope[CampaignFact]) -> None:
        await campaigns.follow(envelope.body.campaign, envelope.sequence)

    return subscribe(
        parts.broker,
        topics=[CAMPAIGN_EVENTS],
        group="dialer",
        member=parts.member,
        on_message=on_campaign_event,
        is_from_beginning=True,
        on_assigned=keep,
        on_trouble=lambda is_ok, why: parts.readiness.set("campaigns", is_ok, why),
    )


def subscribe_calls(parts: Parts, commands: Commands, attempts: Attempts) -> Finish:
    """Carry out what flows ask of their calls, and end the attempts of flows without a call."""

    async def on_call_command(envelope: Envelope[Any]) -> None:
        match envelope.body:
            case FlowFinished(attempt_id=attempt_id, is_success=is_success):
                await settled_flow(attempts, attempt_id, is_success=is_success)
            case _:
                await commands.carry_out(envelope)

    return subscribe(
        parts.broker,
        topics=[CALL_COMMANDS, FLOW_EVENTS],
        group="dialer.calls",
        member=parts.member,
        on_message=on_call_command,
        types=(*CALL_TYPES, "flow.finished"),
        on_trouble=lambda is_ok, why: parts.readiness.set("commands", is_ok, why),
    )


def follow_roster(parts: Parts, roster: Roster, campaigns: Campaigns) -> Follower:
    """Keep a copy of the agents, the queues and their loads."""

    async def on_roster_event(envelope: Envelope[Any]) -> None:
        match envelope.body:
            case AgentChanged(agent=agent):
                roster.agents[agent.id] = agent
            case QueueChanged(queue=queue):
                roster.queues[queue.id] = queue
            case QueueLoadChanged() as load:
                roster.loads[load.queue_id] = load
            case _:
                return
        campaigns.wake_all()

    return follow(
        parts.broker,
        topics=[RESOURCE_EVENTS, QUEUE_EVENTS],
        on_message=on_roster_event,
        types=("agent.changed", "queue.changed", "queue.load_changed"),
    )
