"""The log itself as a source of timelines: one partition of each topic, from a time on."""

import json
from collections.abc import AsyncGenerator, Collection, Sequence
from datetime import datetime
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from chassis.connections import Connections
from chassis.shards import partition_of

from campaign_manager.domain.timelines import TimelineEvent
from campaign_manager.ports import Place

POLL_MS = 1_000
LARGEST_POLL = 2_000


class KafkaLog:
    """Reads what was told of some keys; each reading has a consumer of its own, without a group."""

    def __init__(self, where: Connections) -> None:
        self._where = where

    async def follow(
        self, places: Collection[Place], since: datetime
    ) -> AsyncGenerator[list[TimelineEvent]]:
        """Yield what was told so far, all at once, then what comes; nothing now and then.

        Raises:
            aiokafka.errors.KafkaError: Kafka is away.
        """
        keys = {
            TopicPartition(topic.name, partition_of(key, topic.partitions)): key.encode()
            for topic, key in places
        }
        consumer = AIOKafkaConsumer(**self._where.kafka, enable_auto_commit=False)
        try:
            await consumer.start()
            consumer.assign(list(keys))
            ends = await _begin(consumer, keys, since)
            found: list[TimelineEvent] = []
            while ends:
                found += await _poll(consumer, keys)
                for partition in list(ends):
                    if await consumer.position(partition) >= ends[partition]:
                        del ends[partition]
            yield found
            while True:
                yield await _poll(consumer, keys)
        finally:
            await consumer.stop()


async def _begin(
    consumer: AIOKafkaConsumer, partitions: Collection[TopicPartition], since: datetime
) -> dict[TopicPartition, int]:
    """Go to an instant; return up to where there is something from then on."""
    asked = dict.fromkeys(partitions, round(since.timestamp() * 1000))
    found = await consumer.offsets_for_times(asked)
    ends = await consumer.end_offsets(list(partitions))
    for partition, place in found.items():
        consumer.seek(partition, place.offset if place else ends[partition])
    return {one: ends[one] for one, place in found.items() if place}


async def _poll(
    consumer: AIOKafkaConsumer, keys: dict[TopicPartition, bytes]
) -> list[TimelineEvent]:
    polled: dict[TopicPartition, Sequence[ConsumerRecord]] = await consumer.getmany(
        timeout_ms=POLL_MS, max_records=LARGEST_POLL
    )
    events = []
    for partition, records in polled.items():
        for record in records:
            if record.key == keys[partition] and record.value is not None:
                event = _event(record.value)
                if event is not None:
                    events.append(event)
    return events


def _event(value: bytes) -> TimelineEvent | None:
    """Return the event of a message; what cannot be read is left out."""
    try:
        row: dict[str, Any] = json.loads(value)
        return TimelineEvent(
            id=row["id"],
            type=row["type"],
            at=datetime.fromisoformat(row["time"]),
            source=row["source"],
            sequence=row["sequence"],
            correlation_id=row["correlationid"],
            cause=row.get("causationid"),
            body=row["data"],
        )
    except (ValueError, KeyError, TypeError):
        return None
