"""Definitions that belong to a customer, and the events that carry them whole after each change.

A deleted one stays in the log with `deleted_at`. Instants are aware and UTC.
"""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AwareDatetime, Discriminator, Field, Tag

from contracts.actions import Action
from contracts.base import (
    AgentId,
    AttemptId,
    CampaignId,
    CustomerId,
    Message,
    Milliseconds,
    OutdialId,
    QueueId,
    Unrecognized,
    Value,
    known_among,
)


class Address(Value):
    """An end point as the public API writes it; an empty string means absent."""

    type: str = ""
    target: str = ""
    target_name: str = ""
    name: str = ""
    detail: str = ""


class Owned(Value):
    """What every definition has."""

    id: str
    customer_id: CustomerId
    name: str = ""
    detail: str = ""
    created_at: AwareDatetime
    updated_at: AwareDatetime | None = None
    deleted_at: AwareDatetime | None = None


class Customer(Owned):
    """The owner of everything else."""


class Skill(Owned):
    """A tag: what queues ask for and agents have."""


class DoNotCall(Owned):
    """A list of numbers that none of the customer's campaigns may call."""


class AgentStatus(StrEnum):
    """What an agent has declared; being in a call is the queue's knowledge."""

    AVAILABLE = "available"
    AWAY = "away"
    BUSY = "busy"
    OFFLINE = "offline"
    RINGING = "ringing"


class Agent(Owned):
    """Someone who takes calls and may log in."""

    id: AgentId
    username: str
    password_hash: str = Field(description="scrypt, with its salt; never the password.")
    permission: int = Field(description="Bit mask: 32 customer admin, 64 customer manager, ...")
    status: AgentStatus = AgentStatus.OFFLINE
    ring_method: str = "ringall"
    tag_ids: tuple[str, ...] = ()
    addresses: tuple[Address, ...] = ()


class AccessKey(Owned):
    """A long-lived credential; acts as customer admin."""

    token_hash: str = Field(description="SHA-256 of the token, hexadecimal.")
    token_prefix: str
    expires_at: AwareDatetime


class Queue(Owned):
    """Where answered calls wait for an agent that shares a tag (no tags: any agent)."""

    id: QueueId
    routing_method: str = "random"
    tag_ids: tuple[str, ...] = ()
    wait_flow_id: str | None = None
    wait_timeout_ms: Milliseconds = Field(default=0, description="0: no limit.")
    service_timeout_ms: Milliseconds = Field(default=0, description="0: no limit.")


class Flow(Owned):
    """A reusable list of actions."""

    actions: tuple[Action, ...] = ()
    on_complete_flow_id: str | None = None


class Outdial(Owned):
    """A list of targets."""

    id: OutdialId
    campaign_id: CampaignId | None = None
    data: str = ""


class Outplan(Owned):
    """The dialing policy."""

    source: Address | None = None
    dial_timeout: int = Field(default=0, ge=0, description="As the client sent it; see below.")
    try_interval_ms: Milliseconds = 0
    max_attempts: tuple[int, int, int, int, int] = Field(
        default=(0, 0, 0, 0, 0), description="Attempts per destination slot; 0 skips the slot."
    )

    source_calls_per_second: int | None = Field(
        default=None, ge=1, description="Of this caller id, over all campaigns; none: no cap."
    )

    @property
    def dial_timeout_ms(self) -> int:
        """How long a destination may ring: under 1,000 was meant in seconds, 0 is one minute."""
        if self.dial_timeout == 0:
            return 60_000
        return self.dial_timeout * 1000 if self.dial_timeout < 1000 else self.dial_timeout


class DoNotCallChanged(Message):
    type: Literal["donotcall.changed"] = "donotcall.changed"
    donotcall: DoNotCall


class CustomerChanged(Message):
    type: Literal["customer.changed"] = "customer.changed"
    customer: Customer


class TagChanged(Message):
    type: Literal["tag.changed"] = "tag.changed"
    tag: Skill


class AgentChanged(Message):
    type: Literal["agent.changed"] = "agent.changed"
    agent: Agent


class AccessKeyChanged(Message):
    type: Literal["access_key.changed"] = "access_key.changed"
    access_key: AccessKey


class QueueChanged(Message):
    type: Literal["queue.changed"] = "queue.changed"
    queue: Queue


class FlowChanged(Message):
    type: Literal["flow.changed"] = "flow.changed"
    flow: Flow


class OutdialChanged(Message):
    type: Literal["outdial.changed"] = "outdial.changed"
    outdial: Outdial


class OutplanChanged(Message):
    type: Literal["outplan.changed"] = "outplan.changed"
    outplan: Outplan


class CampaignCallDeleted(Message):
    """A campaigncall is shown no more; the story of its attempt stays."""

    type: Literal["campaigncall.deleted"] = "campaigncall.deleted"
    attempt_id: AttemptId
    customer_id: CustomerId
    at: AwareDatetime


class CampaignCallForgotten(Message):
    """The party of an attempt asked to be forgotten: nothing may bring its address back."""

    type: Literal["campaigncall.forgotten"] = "campaigncall.forgotten"
    attempt_id: AttemptId
    customer_id: CustomerId
    at: AwareDatetime


ResourceFact = (
    CustomerChanged
    | TagChanged
    | AgentChanged
    | AccessKeyChanged
    | QueueChanged
    | FlowChanged
    | OutdialChanged
    | OutplanChanged
    | DoNotCallChanged
    | CampaignCallDeleted
    | CampaignCallForgotten
)
ResourceEvent = Annotated[
    Annotated[ResourceFact, Field(discriminator="type"), Tag("known")]
    | Annotated[Unrecognized, Tag("unrecognized")],
    Discriminator(known_among(ResourceFact)),
]
