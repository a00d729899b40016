"""Recorded messages sent anew: into a sandbox, or back to where they came from."""

import asyncio
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from chassis.broker import build_producer
from chassis.connections import Connections
from chassis.provisioning import provision
from contracts.topics import CATALOGUE, Topic

from campaignctl.errors import CannotGoOn
from campaignctl.log import Log, LogRecord

SENT_AT_ONCE = 500


async def cluster_of(bootstrap: str) -> str:
    """Return the id of a Kafka cluster, or its address where it does not tell one."""
    admin = AIOKafkaAdminClient(**Connections(kafka_bootstrap=bootstrap).kafka)
    await admin.start()
    try:
        described: dict[str, Any] = await admin.describe_cluster()
        return str(described.get("cluster_id") or bootstrap)
    finally:
        await admin.close()


async def make_room(bootstrap: str, prefix: str, *, may_append: bool) -> None:
    """Create the topics to write to; refuse those that hold something already.

    Raises:
        CannotGoOn: They are not empty, and may not be appended to.
    """
    topics = prefixed(prefix)
    await provision(Connections(kafka_bootstrap=bootstrap), topics=topics)
    async with Log(bootstrap, topics) as log:
        if not may_append and not await log.is_empty():
            raise CannotGoOn(
                f"topics at {bootstrap} hold messages already: give a --prefix of its own, or "
                "--append to write behind them"
            )


def prefixed(prefix: str) -> tuple[Topic, ...]:
    """Return the topics of the catalogue with a word before their names."""
    return tuple(replace(topic, name=f"{prefix}{topic.name}") for topic in CATALOGUE)


async def send(
    bootstrap: str,
    records: Iterable[LogRecord],
    *,
    prefix: str = "",
    per_second: float | None = None,
    on_sent: Callable[[int], None] = lambda _: None,
) -> int:
    """Send records as they are: their keys, headers, times and values; return how many.

    Args:
        bootstrap: Kafka's address.
        records: What to send, in order.
        prefix: Before the name of each topic.
        per_second: How many at most; None: as many as Kafka takes.
        on_sent: Told how many are sent.
    """
    producer = build_producer(Connections(kafka_bootstrap=bootstrap), "campaignctl")
    await producer.start()
    count, began = 0, time.monotonic()
    at_once = SENT_AT_ONCE if per_second is None else max(1, min(SENT_AT_ONCE, int(per_second)))
    iterator, reader = iter(records), ThreadPoolExecutor(1)  # it may have an event loop of its own
    loop = asyncio.get_running_loop()
    try:
        while part := await loop.run_in_executor(reader, lambda: list(islice(iterator, at_once))):
            await asyncio.gather(*[await _send(producer, record, prefix) for record in part])
            count += len(part)
            on_sent(count)
            if per_second is not None:
                await asyncio.sleep(max(0.0, count / per_second - (time.monotonic() - began)))
    finally:
        reader.shutdown()
        await producer.stop()
    return count


async def _send(producer: AIOKafkaProducer, record: LogRecord, prefix: str) -> Any:
    return await producer.send(
        f"{prefix}{record.topic}",
        value=record.value,
        key=record.key.encode() if record.key is not None else None,
        headers=headers_of(record),
        timestamp_ms=record.timestamp_ms,
    )


def headers_of(record: LogRecord) -> list[tuple[str, bytes]]:
    """Return the headers that the relays give to such a message."""
    told = (("ce_type", record.type), ("correlationid", record.correlation_id))
    headers = [(name, value.encode()) for name, value in told if value is not None]
    return [*headers, ("content-type", b"application/cloudevents+json")]
