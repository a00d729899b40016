"""The Kafka side of a service: broker, relay producer, and topics from the catalogue."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError, TopicAlreadyExistsError, for_code
from aiokafka.partitioner import murmur2
from contracts.topics import CATALOGUE, Cleanup, Topic
from faststream.kafka import KafkaBroker

from chassis.settings import ServiceSettings

LARGEST_BATCH_BYTES = 131_072
RETENTION_MS = 30 * 24 * 3600 * 1000
DAY_MS = 24 * 3600 * 1000


_send_unmended = AIOKafkaConnection.send


def _send(connection: Any, request: Any, expect_response: bool = True) -> Any:
    try:
        return _send_unmended(connection, request, expect_response)
    except RuntimeError as closed:
        connection.close(reason=CloseReason.CONNECTION_BROKEN)
        raise KafkaConnectionError(f"the connection is broken: {closed}") from closed


def mend_connections() -> None:
    """Let aiokafka hear of a broken connection under uvloop as it does without.

    To write on a connection that was reset a moment ago is a RuntimeError of uvloop's. aiokafka
    does not expect it: the background part that it hits would end, and its consumer or producer
    would stand still for ever.
    """
    AIOKafkaConnection.send = _send


def build_broker(settings: ServiceSettings, service: str) -> KafkaBroker:
    """Return the broker that carries the subscribers; it publishes nothing but dead letters."""
    return KafkaBroker(
        settings.kafka_bootstrap.split(","),  # FastStream itself takes a string for one address
        client_id=f"{service}-{settings.worker_id}",
        acks="all",
        enable_idempotence=True,
        allow_auto_create_topics=False,
        apply_types=False,
        graceful_timeout=20.0,
        logger=None,
    )


@lru_cache(maxsize=65_536)
def _hash(key: bytes) -> int:
    """murmur2 as Java's client does it, remembered: one attempt has a dozen messages."""
    return int(murmur2(key)) & 0x7FFFFFFF


def _partition(key: bytes, partitions: list[int], _available: list[int]) -> int:
    return partitions[_hash(key) % len(partitions)]


def build_producer(settings: ServiceSettings, service: str) -> AIOKafkaProducer:
    """Return the relay's producer: idempotent, acks=all, large batches."""
    return AIOKafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap,
        client_id=f"{service}-{settings.worker_id}-relay",
        acks="all",
        enable_idempotence=True,
        max_batch_size=LARGEST_BATCH_BYTES,
        partitioner=_partition,
        linger_ms=0,
        request_timeout_ms=15_000,
    )


def _new_topics(topic: Topic, replicas: int) -> list[NewTopic]:
    kept = (
        # A paused relay that wakes up late must do no harm: a day is kept uncompacted.
        {"cleanup.policy": "compact", "min.compaction.lag.ms": str(DAY_MS)}
        if topic.cleanup is Cleanup.COMPACT
        else {"cleanup.policy": "delete", "retention.ms": str(RETENTION_MS)}
    )
    if replicas > 1:
        kept["min.insync.replicas"] = "2"
    return [
        NewTopic(topic.name, topic.partitions, replicas, topic_configs=kept),
        NewTopic(topic.dead_letter, 1, replicas, topic_configs={"retention.ms": str(RETENTION_MS)}),
    ]


async def provision(settings: ServiceSettings, topics: Sequence[Topic] = CATALOGUE) -> None:
    """Create the topics, those of the catalogue unless others are given, that are not there yet.

    Raises:
        aiokafka.errors.KafkaError: The broker cannot be reached or refuses a topic.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap)
    await admin.start()
    try:
        present = set(await admin.list_topics())
        wanted = [
            new
            for topic in topics
            for new in _new_topics(topic, settings.replication_factor)
            if new.name not in present
        ]
        if not wanted:
            return
        answer = await admin.create_topics(wanted)
        for row in answer.topic_errors:
            error = for_code(row[1])
            if row[1] != 0 and error is not TopicAlreadyExistsError:
                raise error(f"topic {row[0]}: {row[2] if len(row) > 2 else ''}")
    finally:
        await admin.close()


async def is_log_empty(settings: ServiceSettings) -> bool:
    """Return whether nothing was ever told: no topic of the catalogue has a message.

    Raises:
        aiokafka.errors.KafkaError: The broker cannot be reached.
    """
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka_bootstrap)
    await consumer.start()
    try:
        partitions = [
            TopicPartition(topic.name, number)
            for topic in CATALOGUE
            for number in range(topic.partitions)
        ]
        return not any((await consumer.end_offsets(partitions)).values())
    finally:
        await consumer.stop()
