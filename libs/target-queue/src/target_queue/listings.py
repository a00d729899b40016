"""Do-not-call lists: which numbers are on each, kept where the numbers are.

The record of a number names the lists it is on, so that one read tells whether it may be called,
and a change of it holds from the next read on, in every campaign.
"""

import asyncio
import json
import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from chassis.outbox import Change, Outbox, OutMessage, Record, StaleWrite, Write
from chassis.shards import shards_of
from contracts.envelope import wrap
from contracts.number import ListedNumber, NumberChanged
from contracts.topics import NUMBER_EVENTS

from target_queue.keys import NUMBER_NAMESPACE, listed_key, number_key, number_shard
from target_queue.queue import SOURCE, sequence_of

LARGEST_CHANGE = 200
SWEPT_AT_ONCE = 1000


class Listings:
    """The numbers of all do-not-call lists."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._redis = outbox.redis

    async def change(
        self, customer_id: str, list_id: str, numbers: Iterable[str], *, is_listed: bool
    ) -> int:
        """Put numbers on a list or take them off; return how many were not so already.

        It holds for the next hold of each number even before this returns, and once it has
        returned, Kafka has it. One that fails half-way may be repeated.

        Raises:
            Transient: Redis or Kafka is away.
        """
        by_shard: dict[str, list[str]] = defaultdict(list)
        for number in dict.fromkeys(numbers):
            by_shard[number_shard(customer_id, number)].append(number)
        counts = await asyncio.gather(
            *(
                self._change_part(shard, (customer_id, list_id), part, is_listed=is_listed)
                for shard, of_shard in by_shard.items()
                for part in _parts(of_shard)
            )
        )
        return sum(counts)

    async def _change_part(
        self, shard: str, owner: tuple[str, str], numbers: Sequence[str], *, is_listed: bool
    ) -> int:
        customer_id, list_id = owner
        operation = uuid.uuid4().hex[:12]
        while True:
            keys = [number_key(customer_id, number, "lists") for number in numbers]
            writes: list[Write] = []
            changed: list[str] = []
            messages: list[OutMessage] = []
            records = await self._outbox.read_many(keys)
            for number, key, record in zip(numbers, keys, records, strict=True):
                before = listed_of(record)
                if (list_id in before) == is_listed:
                    continue
                after = [one for one in before if one != list_id] + [list_id] * is_listed
                version = record.version if record else 0
                writes.append(
                    Write(key, version, json.dumps(after, separators=(",", ":")).encode())
                )
                changed.append(number)
                messages.append(told(customer_id, number, after, version + 1))
            if not changed:
                return 0
            try:
                position = await self._outbox.commit(
                    Change(
                        shard=shard,
                        operation=operation,
                        writes=tuple(writes),
                        also=(_indexed(shard, list_id, changed, is_listed=is_listed),),
                        messages=tuple(messages),
                    )
                )
            except StaleWrite:
                continue
            await self._outbox.published(position)
            return len(changed)

    async def clear(self, customer_id: str, list_id: str) -> None:
        """Take every number off a list.

        Raises:
            Transient: Redis or Kafka is away; some may be left on it.
        """
        for shard in shards_of(NUMBER_NAMESPACE):
            key = listed_key(shard, list_id)
            while numbers := await self._numbers(key, "", SWEPT_AT_ONCE):
                await self.change(customer_id, list_id, numbers, is_listed=False)

    async def has(self, customer_id: str, list_id: str, number: str) -> bool:
        """Whether a number is on a list."""
        record = await self._outbox.read(number_key(customer_id, number, "lists"))
        return list_id in listed_of(record)

    async def lists_of(self, customer_id: str, number: str) -> list[str]:
        """Return the lists that a number is on."""
        return listed_of(await self._outbox.read(number_key(customer_id, number, "lists")))

    async def page(self, list_id: str, after: str, size: int) -> list[str]:
        """Return numbers of a list that stand after one, in their order."""
        found: list[str] = []
        for shard in shards_of(NUMBER_NAMESPACE):
            found += await self._numbers(listed_key(shard, list_id), after, size)
        return sorted(found)[:size]

    async def _numbers(self, key: str, after: str, size: int) -> list[str]:
        first = f"({after}" if after else "-"
        members: Any = await self._redis.zrangebylex(key, first, "+", start=0, num=size)
        return [member.decode() for member in members]


def listed_of(record: Record | None) -> list[str]:
    """Return the lists that the record of a number names."""
    listed: list[str] = json.loads(record.body) if record else []
    return listed


def _parts(numbers: list[str]) -> list[list[str]]:
    starts = range(0, len(numbers), LARGEST_CHANGE)
    return [numbers[start : start + LARGEST_CHANGE] for start in starts]


def _indexed(
    shard: str, list_id: str, numbers: Sequence[str], *, is_listed: bool
) -> tuple[str | int, ...]:
    key = listed_key(shard, list_id)
    if not is_listed:
        return ("ZREM", key, *numbers)
    return ("ZADD", key, *(word for number in numbers for word in (0, number)))


def told(customer_id: str, number: str, list_ids: Sequence[str], version: int) -> OutMessage:
    """Return the message that tells, with a version of its record, on which lists a number is."""
    listed = ListedNumber(customer_id=customer_id, number=number, list_ids=tuple(list_ids))
    envelope = wrap(
        NumberChanged(number=listed),
        source=SOURCE,
        subject=f"{customer_id}/{number}",
        sequence=sequence_of(version),
        at=datetime.now(UTC),
        customer_id=customer_id,
    )
    return OutMessage.of(NUMBER_EVENTS, envelope)
