"""The kinds of definition: what is stored of each, under which key, and what is told."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

from contracts.base import Message
from contracts.campaign import Campaign
from contracts.resources import (
    AccessKey,
    AccessKeyChanged,
    Agent,
    AgentChanged,
    Customer,
    CustomerChanged,
    DoNotCall,
    DoNotCallChanged,
    Flow,
    FlowChanged,
    Outdial,
    OutdialChanged,
    Outplan,
    OutplanChanged,
    Owned,
    Queue,
    QueueChanged,
    Skill,
    TagChanged,
)

SHARD = "definitions"
MESSAGES_PER_COMMIT = 16
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Item = TypeVar("Item", bound=Owned | Campaign)


@dataclass(frozen=True, slots=True)
class Kind(Generic[Item]):
    """One kind of definition.

    Attributes:
        name: In keys, and as the API calls one.
        model: The class of its values.
        tell: Returns the event that carries the whole value; None for campaigns, whose events
            say more than that something has changed.
    """

    name: str
    model: type[Item]
    tell: Callable[[Any], Message] | None

    def parse(self, body: bytes) -> Item:
        """Return the value of a record."""
        item: Any = self.model.model_validate_json(body)
        parsed: Item = item
        return parsed


CUSTOMER = Kind("customer", Customer, lambda item: CustomerChanged(customer=item))
TAG = Kind("tag", Skill, lambda item: TagChanged(tag=item))
AGENT = Kind("agent", Agent, lambda item: AgentChanged(agent=item))
ACCESS_KEY = Kind("accesskey", AccessKey, lambda item: AccessKeyChanged(access_key=item))
QUEUE = Kind("queue", Queue, lambda item: QueueChanged(queue=item))
FLOW = Kind("flow", Flow, lambda item: FlowChanged(flow=item))
OUTDIAL = Kind("outdial", Outdial, lambda item: OutdialChanged(outdial=item))
OUTPLAN = Kind("outplan", Outplan, lambda item: OutplanChanged(outplan=item))
DO_NOT_CALL = Kind("donotcall", DoNotCall, lambda item: DoNotCallChanged(donotcall=item))
CAMPAIGN: Kind[Campaign] = Kind("campaign", Campaign, None)


KINDS: dict[str, Kind[Any]] = {
    "customer": CUSTOMER,
    "tag": TAG,
    "agent": AGENT,
    "access_key": ACCESS_KEY,
    "queue": QUEUE,
    "flow": FLOW,
    "outdial": OUTDIAL,
    "outplan": OUTPLAN,
    "donotcall": DO_NOT_CALL,
    "campaign": CAMPAIGN,
}
"""Every kind by the field that carries it in messages."""


@dataclass(frozen=True, slots=True)
class Stored(Generic[Item]):
    """A value and the version of its record; 0 if it is new."""

    item: Item
    version: int


@dataclass(frozen=True, slots=True)
class Put:
    """One value to write, with the version it was decided on and what is told of it.

    Attributes:
        kind: Of the value.
        item: The value.
        version: Of the record when it was read; 0 if it did not exist.
        facts: Told in this order; the event of its kind when left out.
        cause: Id of the message that has caused it, if one has.
    """

    kind: Kind[Any]
    item: Any
    version: int
    facts: tuple[Message, ...] = ()
    cause: str | None = None

    @property
    def told(self) -> tuple[Message, ...]:
        """What is told of it."""
        return self.facts or ((self.kind.tell(self.item),) if self.kind.tell else ())

    @property
    def sequence(self) -> int:
        """Number of the last message that is told of it."""
        return sequence_of(self.version + 1, max(0, len(self.told) - 1))


def sequence_of(version: int, index: int) -> int:
    """Return a message's number: the record's version after the write, the place in the commit."""
    return version * MESSAGES_PER_COMMIT + index


def new_id() -> str:
    """Return a fresh identifier."""
    return str(uuid.uuid4())


def now() -> datetime:
    """Return the present instant."""
    return datetime.now(UTC)


def micros(at: datetime) -> int:
    """Return an instant as whole microseconds since 1970."""
    return (at - EPOCH) // timedelta(microseconds=1)


def id_of(item: Owned | Campaign) -> str:
    """Return the identifier of a value."""
    return item.campaign_id if isinstance(item, Campaign) else item.id


def key_of(kind: Kind[Any], id_: str) -> str:
    """Record of a definition."""
    return f"{{{SHARD}}}:{kind.name}:{id_}"


def index_key(customer_id: str, kind: Kind[Any]) -> str:
    """Sorted set of a customer's definitions of a kind by creation in microseconds."""
    return f"{{{SHARD}}}:index:{customer_id}:{kind.name}"


def users_key(kind: Kind[Any], id_: str) -> str:
    """Record of the campaigns that name a definition."""
    return f"{{{SHARD}}}:users:{kind.name}:{id_}"
