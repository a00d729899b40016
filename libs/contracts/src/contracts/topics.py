"""The catalogue of topics: which exist, who writes and reads them, and what they carry.

Topics are provisioned from it, subscribers are checked against it, and its documentation is
generated from it. Adding partitions later would move keys: their number is fixed from the start.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from types import UnionType
from typing import Any

from pydantic import TypeAdapter

from contracts import call, campaign, dialing, flow, number, queue, resources, target
from contracts.base import Message, members
from contracts.envelope import Envelope

PARTITIONS = 6
KEYED_BY_ATTEMPT = "attempt id"


class Cleanup(StrEnum):
    """What Kafka keeps: the last message of each key, or all for a time."""

    COMPACT = "compact"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic of the engine.

    Attributes:
        name: The topic on Kafka.
        key: What the message key is.
        cleanup: Compact or delete.
        producers: Services that write it.
        consumers: Consumer groups that read it (a name in brackets reads without a group).
        owner: The service that answers for its contents.
        known: The messages it carries, as a union.
        parsed: The type a consumer parses a body into: `known` or `Unrecognized`.
        about: One sentence for the documentation.
    """

    name: str
    key: str
    cleanup: Cleanup
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    owner: str
    known: UnionType | type[Message]
    parsed: Any
    about: str
    partitions: int = PARTITIONS

    @property
    def dead_letter(self) -> str:
        """Name of the topic for messages that could not be handled."""
        return f"{self.name}.dead-letter"

    @property
    def types(self) -> tuple[str, ...]:
        """The wire types it carries."""
        return tuple(message.model_fields["type"].default for message in members(self.known))

    def adapter(self) -> TypeAdapter[Envelope[Any]]:
        """Return the parser of one message value: `adapter.validate_json(value)`."""
        parsed: Any = Envelope.__class_getitem__(self.parsed)
        return TypeAdapter(parsed)


RESOURCE_EVENTS = Topic(
    name="resource.events",
    key="kind/id",
    cleanup=Cleanup.COMPACT,
    producers=("campaign-manager",),
    consumers=("dialer.[roster]", "flow-runner.[roster]"),
    owner="campaign-manager",
    known=resources.ResourceFact,
    parsed=resources.ResourceEvent,
    about="Definitions: outdials, outplans, queues, agents, flows ..., whole after a change.",
)
CAMPAIGN_EVENTS = Topic(
    name="campaign.events",
    key="campaign id",
    cleanup=Cleanup.COMPACT,
    producers=("campaign-manager",),
    consumers=("dialer",),
    owner="campaign-manager",
    known=campaign.CampaignFact,
    parsed=campaign.CampaignEvent,
    about="The life of campaigns, each message with the resolved campaign.",
)
DIALING_EVENTS = Topic(
    name="dialing.events",
    key="campaign id",
    cleanup=Cleanup.DELETE,
    producers=("dialer",),
    consumers=("campaign-manager",),
    owner="dialer",
    known=dialing.DialingFact,
    parsed=dialing.DialingEvent,
    about="What a run of a campaign has come to: nothing left to dial, nothing left open.",
)
NUMBER_EVENTS = Topic(
    name="number.events",
    key="customer/number",
    cleanup=Cleanup.COMPACT,
    producers=("campaign-manager",),
    consumers=(),
    owner="campaign-manager",
    known=number.NumberFact,
    parsed=number.NumberEvent,
    about="Which do-not-call lists a number is on, all of them after a change; none: it may ring.",
)
TARGET_EVENTS = Topic(
    name="target.events",
    key="target id",
    cleanup=Cleanup.COMPACT,
    producers=("campaign-manager", "dialer"),
    consumers=(),
    owner="dialer",
    known=target.TargetFact,
    parsed=target.TargetEvent,
    about="The full target after each change.",
)
CALL_EVENTS = Topic(
    name="call.events",
    key=KEYED_BY_ATTEMPT,
    cleanup=Cleanup.DELETE,
    producers=("dialer",),
    consumers=("campaign-manager", "flow-runner"),
    owner="dialer",
    known=call.CallFact,
    parsed=call.CallEvent,
    about="The story of every attempt, from the durable intent to the outcome.",
)
CALL_COMMANDS = Topic(
    name="call.commands",
    key=KEYED_BY_ATTEMPT,
    cleanup=Cleanup.DELETE,
    producers=("flow-runner",),
    consumers=("dialer.calls",),
    owner="dialer",
    known=call.CallRequest,
    parsed=call.CallCommand,
    about="What a flow asks of its call: play, bridge, hang up.",
)
FLOW_COMMANDS = Topic(
    name="flow.commands",
    key=KEYED_BY_ATTEMPT,
    cleanup=Cleanup.DELETE,
    producers=("dialer",),
    consumers=("flow-runner",),
    owner="flow-runner",
    known=flow.FlowRequest,
    parsed=flow.FlowCommand,
    about="Start a flow run for a destination without a call.",
)
FLOW_EVENTS = Topic(
    name="flow.events",
    key=KEYED_BY_ATTEMPT,
    cleanup=Cleanup.DELETE,
    producers=("flow-runner",),
    consumers=("dialer.calls",),
    owner="flow-runner",
    known=flow.FlowFact,
    parsed=flow.FlowEvent,
    about="Each step of every flow run.",
)
QUEUE_EVENTS = Topic(
    name="queue.events",
    key="queue id",
    cleanup=Cleanup.COMPACT,
    producers=("flow-runner",),
    consumers=("dialer.[roster]", "campaign-manager.[engaged]"),
    owner="flow-runner",
    known=queue.QueueLoadChanged,
    parsed=queue.QueueEvent,
    about="Who waits in a queue and which agents are engaged.",
)
CAMPAIGN_COMMANDS = Topic(
    name="campaign.commands",
    key="campaign id",
    cleanup=Cleanup.DELETE,
    producers=("anyone",),
    consumers=("campaign-manager",),
    owner="campaign-manager",
    known=campaign.CampaignRequest,
    parsed=campaign.CampaignCommand,
    about="The API on Kafka: start and stop campaigns.",
)
TARGET_COMMANDS = Topic(
    name="target.commands",
    key="outdial id",
    cleanup=Cleanup.DELETE,
    producers=("anyone",),
    consumers=("campaign-manager",),
    owner="campaign-manager",
    known=target.TargetRequest,
    parsed=target.TargetCommand,
    about="The API on Kafka: add targets.",
)

CATALOGUE: tuple[Topic, ...] = (
    RESOURCE_EVENTS,
    CAMPAIGN_EVENTS,
    DIALING_EVENTS,
    NUMBER_EVENTS,
    TARGET_EVENTS,
    CALL_EVENTS,
    CALL_COMMANDS,
    FLOW_COMMANDS,
    FLOW_EVENTS,
    QUEUE_EVENTS,
    CAMPAIGN_COMMANDS,
    TARGET_COMMANDS,
)


def every_message() -> Iterator[tuple[Topic, type[Message]]]:
    """Yield each message class with its topic."""
    for topic in CATALOGUE:
        for message in members(topic.known):
            yield topic, message
