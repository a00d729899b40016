"""Definitions: every kind of resource is stored, indexed, listed and told in the same way.

All of them share one shard, so that whatever a request changes, it changes in one step. Each change
is told with the whole resource, and is answered only once Kafka has it.
"""

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar, cast

from chassis.outbox import Change, Outbox, OutMessage, StaleWrite, Write
from contracts.base import Message
from contracts.campaign import Campaign
from contracts.envelope import wrap
from contracts.resources import (
    AccessKey,
    AccessKeyChanged,
    Agent,
    AgentChanged,
    Customer,
    CustomerChanged,
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
from contracts.topics import CAMPAIGN_EVENTS, RESOURCE_EVENTS

from campaign_manager.usecases.errors import Missing

SOURCE = "campaign-manager"
SHARD = "definitions"
MESSAGES_PER_COMMIT = 16

Item = TypeVar("Item", bound=Owned | Campaign)
Command = tuple[str | bytes | int | float, ...]


@dataclass(frozen=True, slots=True)
class Kind(Generic[Item]):
    """One kind of definition.

    Attributes:
        name: In keys, and as the API calls one.
        model: The class of its values.
        tell: Returns the event that carries the whole value.
    """

    name: str
    model: type[Item]
    tell: Callable[[Any], Message] | None

    def parse(self, body: bytes) -> Item:
        """Return the value of a record's body."""
        return cast(Item, self.model.model_validate_json(body))


CUSTOMER = Kind("customer", Customer, lambda item: CustomerChanged(customer=item))
TAG = Kind("tag", Skill, lambda item: TagChanged(tag=item))
AGENT = Kind("agent", Agent, lambda item: AgentChanged(agent=item))
ACCESS_KEY = Kind("accesskey", AccessKey, lambda item: AccessKeyChanged(access_key=item))
QUEUE = Kind("queue", Queue, lambda item: QueueChanged(queue=item))
FLOW = Kind("flow", Flow, lambda item: FlowChanged(flow=item))
OUTDIAL = Kind("outdial", Outdial, lambda item: OutdialChanged(outdial=item))
OUTPLAN = Kind("outplan", Outplan, lambda item: OutplanChanged(outplan=item))
CAMPAIGN: Kind[Campaign] = Kind("campaign", Campaign, None)


@dataclass(frozen=True, slots=True)
class Stored(Generic[Item]):
    """A value and the version of its record; 0 if it is new."""

    item: Item
    version: int


@dataclass(frozen=True, slots=True)
class Put:
    """One value to write, with the version it was decided on and what is told of it."""

    kind: Kind[Any]
    item: Any
    version: int
    fact: Message | None = None


def new_id() -> str:
    """Return a fresh identifier."""
    return str(uuid.uuid4())


def now() -> datetime:
    """Return the present instant."""
    return datetime.now(UTC)


def id_of(item: Owned | Campaign) -> str:
    """Return the identifier of a value."""
    return item.campaign_id if isinstance(item, Campaign) else item.id


def key_of(kind: Kind[Any], id_: str) -> str:
    """Record of a definition."""
    return f"{{{SHARD}}}:{kind.name}:{id_}"


def index_key(customer_id: str, kind: Kind[Any]) -> str:
    """Sorted set of a customer's definitions of a kind by creation in microseconds."""
    return f"{{{SHARD}}}:index:{customer_id}:{kind.name}"


def micros(at: datetime) -> int:
    """Return an instant as whole microseconds."""
    return int(at.timestamp()) * 1_000_000 + at.microsecond


class Definitions:
    """All definitions of all customers."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    async def find(self, kind: Kind[Item], id_: str) -> Stored[Item] | None:
        """Return a definition, deleted ones too, or None."""
        record = await self._outbox.read(key_of(kind, id_))
        if record is None:
            return None
        return Stored(kind.parse(record.body), record.version)

    async def get(
        self, kind: Kind[Item], id_: str, customer_id: str, *, is_deleted_shown: bool = False
    ) -> Stored[Item]:
        """Return a customer's definition.

        Raises:
            Missing: There is none, it is another customer's, or it was deleted.
        """
        found = await self.find(kind, id_)
        if found is None or found.item.customer_id != customer_id:
            raise Missing(kind.name)
        if found.item.deleted_at is not None and not is_deleted_shown:
            raise Missing(kind.name)
        return found

    async def page(
        self, kind: Kind[Item], customer_id: str, before: datetime | None, size: int
    ) -> list[Item]:
        """Return definitions created before an instant, newest first; ties are never split."""
        key = index_key(customer_id, kind)
        highest: str = f"({micros(before)}" if before else "+inf"
        rows: Any = await self._outbox.redis.zrevrangebyscore(
            key, highest, "-inf", start=0, num=size, withscores=True
        )
        if len(rows) == size:
            last = rows[-1][1]
            ties: Any = await self._outbox.redis.zrevrangebyscore(
                key, f"{last:.0f}", f"{last:.0f}", withscores=True
            )
            rows += [row for row in ties if row not in rows]
        records = await self._outbox.read_many([key_of(kind, row[0].decode()) for row in rows])
        return [kind.parse(record.body) for record in records if record]

    async def every(self, kind: Kind[Item], customer_id: str) -> list[Item]:
        """Return all definitions of a kind that a customer has."""
        ids: Any = await self._outbox.redis.zrange(index_key(customer_id, kind), 0, -1)
        records = await self._outbox.read_many([key_of(kind, id_.decode()) for id_ in ids])
        return [kind.parse(record.body) for record in records if record]

    async def commit(self, *puts: Put, writes: tuple[Write, ...] = ()) -> None:
        """Write values in one step and tell of them; return when Kafka has it.

        Raises:
            StaleWrite: One of them has changed since it was read.
        """
        commands: list[Command] = []
        messages: list[OutMessage] = []
        records = list(writes)
        for put in puts:
            id_, customer_id = id_of(put.item), put.item.customer_id
            body = put.item.model_dump_json().encode()
            records.append(Write(key_of(put.kind, id_), put.version, body))
            index = index_key(customer_id, put.kind)
            if put.item.deleted_at is not None:
                commands.append(("ZREM", index, id_))
            elif put.version == 0:
                commands.append(("ZADD", index, micros(put.item.created_at), id_))
            messages.append(_message(put))
        change = Change(
            shard=SHARD,
            operation=uuid.uuid4().hex[:12],
            writes=tuple(records),
            also=tuple(commands),
            messages=tuple(messages),
        )
        position = await self._outbox.commit(change)
        await self._outbox.published(position)

    async def change(
        self,
        kind: Kind[Item],
        id_: str,
        customer_id: str,
        decide: Callable[[Item], Awaitable[Item] | Item],
    ) -> Item:
        """Load a definition, let `decide` make another of it, and commit; again if it has moved."""
        while True:
            stored = await self.get(kind, id_, customer_id)
            decided = decide(stored.item)
            item = await decided if isinstance(decided, Awaitable) else decided
            if item == stored.item:
                return item
            try:
                await self.commit(Put(kind, item, stored.version))
            except StaleWrite:
                continue
            return item


def _message(put: Put) -> OutMessage:
    id_ = id_of(put.item)
    sequence = (put.version + 1) * MESSAGES_PER_COMMIT
    if isinstance(put.item, Campaign):
        topic, subject, fact = CAMPAIGN_EVENTS, id_, put.fact
    else:
        topic, subject = RESOURCE_EVENTS, f"{put.kind.name}/{id_}"
        fact = put.kind.tell(put.item) if put.kind.tell else put.fact
    if fact is None:
        raise ValueError(f"nothing is told of a {put.kind.name}")
    envelope: Any = wrap(
        fact,
        source=SOURCE,
        subject=subject,
        sequence=sequence,
        at=now(),
        customer_id=put.item.customer_id,
    )
    return OutMessage.of(topic, envelope)
