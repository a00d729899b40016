"""Publish messages in whole batches of a partition: in order, acks=all.

All that waits for a partition while a batch of it is under way makes the next one. A message in a
batch costs a fifth of one that is sent by itself, whose answer is a future of its own.
"""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder

from chassis.broker import partition_of
from chassis.gather import Gather


class Outgoing(NamedTuple):
    """A message as Kafka gets it; the time is in milliseconds since 1970."""

    topic: str
    key: bytes
    value: bytes
    at_ms: int
    headers: list[tuple[str, bytes]]


class Publisher:
    """Publishes over one producer, for any number of relays together."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer
        self._partitions: Gather[list[Outgoing], None] = Gather(self._send, gather_s=0)

    async def publish(self, messages: Sequence[Outgoing]) -> None:
        """Return once Kafka has all messages; those with one key in their order.

        Raises:
            aiokafka.errors.KafkaError: Not all; any of them may be there. Publish all again.
        """
        topics = {message.topic for message in messages}
        counts = {topic: len(await self._producer.partitions_for(topic)) for topic in topics}
        parts: dict[str, list[Outgoing]] = {}
        for message in messages:
            partition = partition_of(message.key, counts[message.topic])
            parts.setdefault(f"{message.topic}/{partition}", []).append(message)
        await asyncio.gather(*(self._partitions.ask(part, some) for part, some in parts.items()))

    async def _send(self, part: str, waiting: list[list[Outgoing]]) -> list[None]:
        topic, _, partition = part.rpartition("/")
        messages = [message for some in waiting for message in some]
        for batch in self._batches(messages):
            await (await self._producer.send_batch(batch, topic, partition=int(partition)))
        return [None] * len(waiting)

    def _batches(self, messages: list[Outgoing]) -> list[BatchBuilder]:
        """Return batches as large as they may be; one message alone may be larger."""
        batches = [self._producer.create_batch()]
        for _, key, value, at_ms, headers in messages:
            told = {"timestamp": at_ms, "key": key, "value": value, "headers": headers}
            if batches[-1].append(**told) is None:
                batches.append(self._producer.create_batch())
                batches[-1].append(**told)
        for batch in batches:
            batch.close()
        return batches
