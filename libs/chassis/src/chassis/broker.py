"""The Kafka side of a service: the broker with its subscribers, and the producer of the relay."""

from functools import lru_cache
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError
from aiokafka.partitioner import murmur2
from contracts.topics import CATALOGUE
from faststream.kafka import KafkaBroker

from chassis.connections import Connections
from chassis.settings import ServiceSettings

LARGEST_BATCH_BYTES = 131_072


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
        security=settings.kafka_security,
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


def partition_of(key: bytes, count: int) -> int:
    """Return the partition of a key, of so many."""
    return _hash(key) % count


def _partition(key: bytes, partitions: list[int], _available: list[int]) -> int:
    return partitions[partition_of(key, len(partitions))]


def build_producer(where: Connections, client_id: str) -> AIOKafkaProducer:
    """Return a producer: idempotent, acks=all, large batches."""
    return AIOKafkaProducer(
        **where.kafka,
        client_id=client_id,
        acks="all",
        enable_idempotence=True,
        max_batch_size=LARGEST_BATCH_BYTES,
        partitioner=_partition,
        linger_ms=0,
        request_timeout_ms=15_000,
    )


async def is_log_empty(where: Connections) -> bool:
    """Return whether nothing was ever told: no topic of the catalogue has a message.

    Raises:
        aiokafka.errors.KafkaError: The broker cannot be reached.
    """
    consumer = AIOKafkaConsumer(**where.kafka)
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
