"""Definitions: every kind of resource is stored, indexed, listed and told in the same way.

All of them share one shard, so that whatever a request changes, it changes in one step. Each change
is told with the whole resource, and is answered only once Kafka has it.
"""

import uuid
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from chassis.outbox import Change, Guard, Outbox, OutMessage, StaleWrite, Write
from contracts.campaign import Campaign
from contracts.envelope import wrap
from contracts.topics import CAMPAIGN_EVENTS, RESOURCE_EVENTS

from campaign_manager.usecases.errors import Invalid, Missing
from campaign_manager.usecases.kinds import (
    SHARD,
    Item,
    Kind,
    Put,
    Stored,
    id_of,
    index_key,
    key_of,
    micros,
    now,
    sequence_of,
)

SOURCE = "campaign-manager"
READ_AT_ONCE = 500
LARGEST_MESSAGE = 900_000  # Kafka takes no message above a mebibyte, and one would block the rest

Command = tuple[str | bytes | int | float, ...]


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

    async def require(
        self, kind: Kind[Item], id_: str | None, customer_id: str, field: str
    ) -> Stored[Item] | None:
        """Return what a field of a request names, None if it names nothing.

        Raises:
            Invalid: The customer has no such thing.
        """
        if id_ is None:
            return None
        try:
            return await self.get(kind, id_, customer_id)
        except Missing as missing:
            raise Invalid(field, str(missing)) from missing

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
            last = f"{rows[-1][1]:.0f}"
            ties: Any = await self._outbox.redis.zrevrangebyscore(key, last, last, withscores=True)
            rows += [row for row in ties if row not in rows]
        records = await self._outbox.read_many([key_of(kind, row[0].decode()) for row in rows])
        return [kind.parse(record.body) for record in records if record]

    async def every(self, kind: Kind[Item], customer_id: str) -> list[Item]:
        """Return all definitions of a customer that are not deleted, newest first."""
        items: list[Item] = []
        before: datetime | None = None
        while page := await self.page(kind, customer_id, before, READ_AT_ONCE):
            items += page
            before = page[-1].created_at
        return items

    async def commit(
        self,
        *puts: Put,
        writes: tuple[Write, ...] = (),
        guards: tuple[Guard, ...] = (),
    ) -> None:
        """Write values in one step and tell of them; return when Kafka has it.

        Raises:
            StaleWrite: One of them, or of what the decision relied on, has changed since.
            Invalid: A value is too large to be told.
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
            messages += _messages(put)
        change = Change(
            shard=SHARD,
            operation=uuid.uuid4().hex[:12],
            writes=tuple(records),
            guards=guards,
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
        decide: Callable[[Item], Awaitable[Item]],
    ) -> Item:
        """Load a definition, let `decide` make another of it, and commit; again if it has moved."""
        while True:
            stored = await self.get(kind, id_, customer_id)
            item = await decide(stored.item)
            if item is stored.item:
                return item
            try:
                await self.commit(Put(kind, item, stored.version))
            except StaleWrite:
                continue
            return item


def _messages(put: Put) -> list[OutMessage]:
    id_ = id_of(put.item)
    topic, subject = RESOURCE_EVENTS, f"{put.kind.name}/{id_}"
    if isinstance(put.item, Campaign):
        topic, subject = CAMPAIGN_EVENTS, id_
    messages = []
    for index, fact in enumerate(put.told):
        envelope: Any = wrap(
            fact,
            source=SOURCE,
            subject=subject,
            sequence=sequence_of(put.version + 1, index),
            at=now(),
            customer_id=put.item.customer_id,
            cause=put.cause,
        )
        message = OutMessage.of(topic, envelope)
        if len(message.value) > LARGEST_MESSAGE:
            raise Invalid("body", f"larger than {LARGEST_MESSAGE} bytes")
        messages.append(message)
    return messages
