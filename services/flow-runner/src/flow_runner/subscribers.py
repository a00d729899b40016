"""What the flow-runner hears from Kafka, translated into events of runs."""

from typing import Any

from chassis.batches import Finish, Follower, follow, subscribe
from chassis.lifecycle import Parts
from contracts.call import CallAnswered
from contracts.envelope import Envelope
from contracts.flow import FlowStart
from contracts.resources import AgentChanged, FlowChanged, QueueChanged
from contracts.topics import CALL_EVENTS, FLOW_COMMANDS, RESOURCE_EVENTS

from flow_runner.domain.hearing import event_of_call
from flow_runner.domain.runs import run_of
from flow_runner.usecases.flows import Flows
from flow_runner.usecases.lines import QueueLines

TYPES = (
    "call.answered",
    "call.digit_pressed",
    "call.playback_finished",
    "call.bridged",
    "call.bridge_failed",
    "call.unbridged",
    "call.hung_up",
    "flow.start",
)


def subscribe_calls(parts: Parts, flows: Flows) -> Finish:
    """Run the flow of whoever answers, and of campaigns that need no call."""

    async def on_call_event(envelope: Envelope[Any]) -> None:
        match envelope.body:
            case CallAnswered() | FlowStart() as start:
                run = run_of(start, envelope.customer_id)
                await flows.begin(run, envelope.sequence, envelope.id)
            case body:
                event = event_of_call(body)
                if event is not None:
                    await flows.on_event(body.attempt_id, event, envelope.sequence, envelope.id)

    return subscribe(
        parts.broker,
        topics=[CALL_EVENTS, FLOW_COMMANDS],
        group="flow-runner",
        member=parts.member,
        on_message=on_call_event,
        types=TYPES,
        on_trouble=lambda is_ok, why: parts.readiness.set("flows", is_ok, why),
    )


def follow_roster(parts: Parts, lines: QueueLines) -> Follower:
    """Keep a copy of the agents, queues and flows; an agent who becomes free is engaged."""

    async def on_resource_event(envelope: Envelope[Any]) -> None:
        match envelope.body:
            case AgentChanged(agent=agent):
                lines.roster.agents[agent.id] = agent
            case QueueChanged(queue=queue):
                lines.roster.queues[queue.id] = queue
            case FlowChanged(flow=flow):
                lines.roster.flows[flow.id] = flow
                return
            case _:
                return
        await lines.on_roster(envelope.customer_id)

    return follow(
        parts.broker,
        topics=[RESOURCE_EVENTS],
        on_message=on_resource_event,
        types=("agent.changed", "queue.changed", "flow.changed"),
    )
