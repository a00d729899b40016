"""Parties that asked to be forgotten: their targets, and what is kept of their numbers.

A target stays as a line without a person: deleted, with no address, name or text. It is told so,
and what Kafka compacts away was the last that named anybody. A number that is on no list leaves
nothing; on Kafka a tombstone says so, for it is the key there.
"""

import uuid
from collections.abc import Awaitable, Callable
from datetime import datetime

from chassis.outbox import Change, Outbox, OutMessage, StaleWrite, Write
from contracts.target import Target, TargetStatus

from target_queue.keys import number_key, number_shard
from target_queue.listings import listed_of, told
from target_queue.numbers import NOBODY
from target_queue.queue import TargetQueue, withdrawal


class InCall(Exception):
    """A target is being called: what is said of it now would be said again when the call ends."""


def forgotten(target: Target, at: datetime) -> Target:
    """Return a target without its party: deleted, and nothing in it that tells who it was."""
    return target.model_copy(
        update={
            "name": "",
            "detail": "",
            "data": "",
            "due_at": None,
            "destinations": tuple(one.forgotten() for one in target.destinations),
            "updated_at": at,
            "deleted_at": target.deleted_at or at,
        }
    )


class Forgetting:
    """Forgets parties; doing it again changes nothing."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._queue = TargetQueue(outbox)

    async def target(self, outdial_id: str, target_id: str) -> bool:
        """Withdraw a target and forget its party; return whether there was one.

        Raises:
            InCall: It is being called.
            Transient: Redis or Kafka is away.
        """
        operation = uuid.uuid4().hex[:12]
        while True:
            found = await self._queue.load(outdial_id, target_id)
            if found is None:
                return False
            before, version = found
            if before.status is TargetStatus.PROGRESSING:
                raise InCall
            after = forgotten(before, await self._queue.now())
            try:
                position = await self._outbox.commit(withdrawal(after, version, operation))
            except StaleWrite:
                continue
            await self._outbox.published(position)
            return True

    async def number(
        self, customer_id: str, number: str, bury: Callable[[], Awaitable[None]]
    ) -> bool:
        """Forget a number that is on no list of a customer; return whether it is on none.

        Args:
            customer_id: Whose.
            number: Which, as E.164.
            bury: Writes the tombstone of the number on Kafka.

        Raises:
            Transient: Redis or Kafka is away.
        """
        shard = number_shard(customer_id, number)
        key = number_key(customer_id, number, "lists")
        parts = tuple(
            ("DEL", number_key(customer_id, number, part)) for part in ("call", "attempts")
        )
        before = await self._outbox.read(key)
        if before is not None and before.body != NOBODY:
            return False
        await bury()
        writes = (Write(key, before.version, None),) if before else ()
        change = Change(shard, uuid.uuid4().hex[:12], writes=writes, also=parts)
        try:
            await self._outbox.commit(change)
        except StaleWrite:  # put on a list just now: the tombstone may stand behind that
            await self._tell_again(customer_id, number)
            return False
        if before is None and (now := await self._outbox.read(key)) and now.body != NOBODY:
            await self._tell_again(customer_id, number)
            return False
        return True

    async def _tell_again(self, customer_id: str, number: str) -> None:
        key = number_key(customer_id, number, "lists")
        while (record := await self._outbox.read(key)) is not None:
            message: OutMessage = told(customer_id, number, listed_of(record), record.version + 1)
            change = Change(
                number_shard(customer_id, number),
                uuid.uuid4().hex[:12],
                writes=(Write(key, record.version, record.body),),
                messages=(message,),
            )
            try:
                await self._outbox.published(await self._outbox.commit(change))
            except StaleWrite:
                continue
            return
