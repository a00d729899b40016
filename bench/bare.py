"""The raw limit of whatever reads Kafka: a consumer that only reads."""

import time
from collections.abc import Iterable

from aiokafka import AIOKafkaConsumer, TopicPartition
from contracts.topics import Topic


async def read_bare(bootstrap: str, count: int, topics: Iterable[Topic]) -> float:
    """Return the seconds that a bare consumer takes to read so many messages of some topics."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=8 * 1024 * 1024,
    )
    await consumer.start()
    consumer.assign(
        [TopicPartition(topic.name, n) for topic in topics for n in range(topic.partitions)]
    )
    began, seen = time.perf_counter(), 0
    while seen < count:
        polled = await consumer.getmany(timeout_ms=500, max_records=5_000)
        seen += sum(map(len, polled.values()))
    took = time.perf_counter() - began
    await consumer.stop()
    return took
