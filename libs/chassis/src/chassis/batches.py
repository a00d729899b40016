"""Consume in batches: order kept per key, keys concurrently, offsets committed after the work.

One poll is one batch. Each message is validated by itself from its bytes; what fails goes to the
dead letters, and its neighbours go on. Transient errors are retried in place, for ever. A revoke
waits for the batch in work and its commit. Nothing is acknowledged before it is handled.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import partial
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import (
    KafkaError,
    MessageSizeTooLargeError,
)
from contracts.base import Unrecognized
from contracts.envelope import Envelope
from contracts.topics import Topic
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka import TopicPartition as StreamPartition
from faststream.kafka.message import KafkaAckableMessage
from pydantic import TypeAdapter, ValidationError

from chassis.errors import TRANSIENT, Transient, persist
from chassis.logs import mask_text
from chassis.membership import Barrier, Progress, Records, joined, let_leave
from chassis.metrics import BATCH_SECONDS, CONSUMED, DEAD_LETTERS, LAG
from chassis.spans import Scope, current_span
from chassis.tracing import TRACES

log = structlog.get_logger()

POLL_MS = 500  # a poll ends with the first message; one that ends for nothing costs as much
LARGEST_POLL = 500
FULL_BATCH = 100
GATHER_S = 0.01  # a small batch costs as much as a large one: let some more come together
LARGEST_CUT = 65_536

OnMessage = Callable[[Envelope[Any]], Awaitable[None]]
Finish = Callable[[], Awaitable[None]]


class Consumption:
    """The handling of one subscription's batches."""

    def __init__(
        self,
        broker: KafkaBroker,
        topics: Sequence[Topic],
        on_message: OnMessage,
        types: Collection[str] | None,
        on_trouble: Callable[[bool, str], None],
        *,
        group: str | None = None,
    ) -> None:
        """Handle what is read.

        Args:
            broker: Carries the dead letters.
            topics: What may be read.
            on_message: Handles a message.
            types: Wire types to handle; all without.
            on_trouble: Told while messages wait for a neighbour.
            group: Named in traces; those who read again and again for a copy follow no message.
        """
        self._broker = broker
        self._group = group
        self._on_message = on_message
        self._types = frozenset(name.encode() for name in types) if types is not None else None
        self._on_trouble = on_trouble
        self._adapters: dict[str, TypeAdapter[Envelope[Any]]] = {
            topic.name: topic.adapter() for topic in topics
        }
        self.busy = asyncio.Lock()
        self.handled: dict[TopicPartition, int] = {}

    async def handle(self, records: Records) -> None:
        """Handle each message of a batch: keys concurrently, one key in order."""
        by_key: dict[tuple[str, bytes | None], list[ConsumerRecord]] = {}
        for record in records:
            if self._is_wanted(record):
                by_key.setdefault((record.topic, record.key), []).append(record)
        if len(by_key) == 1:
            await self._in_order(next(iter(by_key.values())))
        elif by_key:
            await asyncio.gather(*(self._in_order(lane) for lane in by_key.values()))
        for record in records:
            self.handled[TopicPartition(record.topic, record.partition)] = record.offset + 1

    def _is_wanted(self, record: ConsumerRecord) -> bool:
        if record.value is None:
            return False  # a tombstone says nothing that a last full message has not said
        if self._types is None:
            return True
        for name, value in record.headers:
            if name == "ce_type":
                return value in self._types
        return True  # a foreign producer may leave the header out: then the body tells

    async def _in_order(self, lane: list[ConsumerRecord]) -> None:
        for record in lane:
            await self._one(record)

    async def _one(self, record: ConsumerRecord) -> None:
        try:
            envelope = self._adapters[record.topic].validate_json(record.value)
        except ValidationError as error:
            await self._bury(record, f"malformed: {_summary(error)}")
            return
        if isinstance(envelope.body, Unrecognized):
            log.info("message skipped", why="unrecognized type", type=envelope.type)
            return
        if self._types is not None and envelope.type.encode() not in self._types:
            return
        with self._scope(record, envelope):
            try:
                await self._on_message(envelope)
            except TRANSIENT:
                await self._again(record, envelope)
            except Exception as error:
                await self._fail(record, envelope, error)

    def _scope(self, record: ConsumerRecord, envelope: Envelope[Any]) -> Scope:
        if self._group is None:
            return Scope(envelope.correlation_id)
        return TRACES.handling(envelope, record, self._group)

    async def _again(self, record: ConsumerRecord, envelope: Envelope[Any]) -> None:
        try:
            await persist(
                lambda: self._on_message(envelope),
                what=f"handling of {envelope.type}",
                on_trouble=self._on_trouble,
            )
        except Exception as error:
            await self._fail(record, envelope, error)

    async def _fail(
        self, record: ConsumerRecord, envelope: Envelope[Any], error: Exception
    ) -> None:
        log.error("message failed", type=envelope.type, exc_info=error)
        if span := current_span():
            span.error = type(error).__name__
        await self._bury(record, f"{type(error).__name__}: {error}")

    async def _bury(self, record: ConsumerRecord, why: str) -> None:
        """Put a message aside with the reason; its offset is committed only after that."""
        place = f"{record.topic}/{record.partition}/{record.offset}"
        why = mask_text(why)
        log.error("message to the dead letters", place=place, why=why)
        DEAD_LETTERS.labels(record.topic).inc()
        headers = {name: value.decode(errors="replace") for name, value in record.headers}
        headers |= {"why": why[:1000], "place": place}

        async def send() -> None:
            try:
                await self._set_aside(record, headers)
            except KafkaError as trouble:  # whatever it is, going on would lose the message
                raise Transient(f"dead letters cannot be written: {trouble!r}") from trouble

        await persist(send, what="dead letter", on_trouble=self._on_trouble)

    async def _set_aside(self, record: ConsumerRecord, headers: dict[str, str]) -> None:
        topic = f"{record.topic}.dead-letter"
        try:
            await self._broker.publish(record.value, topic=topic, key=record.key, headers=headers)
        except (
            MessageSizeTooLargeError
        ):  # it fitted in without the reason; its place tells the rest
            headers = headers | {"cut_from_bytes": str(len(record.value))}
            part = record.value[:LARGEST_CUT]
            await self._broker.publish(part, topic=topic, key=record.key, headers=headers)


def _summary(error: ValidationError) -> str:
    """Say which fields are wrong, without their values: they may be private."""
    rows = error.errors(include_input=False, include_url=False)
    return "; ".join(f"{'.'.join(map(str, row['loc']))}: {row['msg']}" for row in rows[:5])


async def _raw(message: Any) -> Any:
    """Decoder and nothing more: the records as they came."""
    return message.raw_message


def _parse_with(consumer_of: Callable[[], Any]) -> Callable[[Any], Awaitable[Any]]:
    async def parse(records: Records) -> KafkaAckableMessage:
        return KafkaAckableMessage(
            body=b"", headers={}, raw_message=records, consumer=consumer_of()
        )

    return parse


def subscribe(
    broker: KafkaBroker,
    *,
    topics: Sequence[Topic],
    group: str,
    on_message: OnMessage,
    types: Collection[str] | None = None,
    member: str | None = None,
    is_from_beginning: bool = False,
    on_assigned: Callable[[frozenset[TopicPartition]], None] = lambda _assigned: None,
    on_trouble: Callable[[bool, str], None] = lambda _is_ok, _detail: None,
) -> Finish:
    """Attach a subscriber of a group to the broker: at least once, in order per key.

    Args:
        broker: The broker built by `build_broker`.
        topics: What to read.
        group: The consumer group.
        on_message: Idempotent; may raise a transient error (retried) or another (dead letter).
        types: Wire types to deliver; others are skipped by their header. All when left out.
        member: A name that is its own, and stays so over restarts: whoever died and comes back
            goes on with its partitions at once. Without it, the others wait for its session.
        is_from_beginning: Read assigned partitions from their start each time, to rebuild a copy.
        on_assigned: Told which partitions are this member's now, before it hears from them.
        on_trouble: Told (False, why) while messages wait for a neighbour, then (True, "").

    Returns:
        What to await before the broker stops: it lets the batch in work end, commits, and hands
        nothing over any more.
    """
    consumption = Consumption(
        broker, topics, on_message, types, on_trouble,
        group=None if is_from_beginning else group,
    )  # fmt: skip
    progress, is_over = Progress(), asyncio.Event()

    async def take(assigned: frozenset[TopicPartition]) -> None:
        on_assigned(assigned)
        if is_from_beginning and assigned:
            await subscriber.consumer.seek_to_beginning(*assigned)

    subscriber: Any = broker.subscriber(
        *(topic.name for topic in topics),
        batch=True,
        group_id=group,
        group_instance_id=member,
        ack_policy=AckPolicy.MANUAL,
        auto_offset_reset="earliest",
        batch_timeout_ms=POLL_MS,
        max_records=LARGEST_POLL,
        fetch_max_wait_ms=100,
        session_timeout_ms=6_000,
        heartbeat_interval_ms=500,
        rebalance_timeout_ms=30_000,
        parser=_parse_with(lambda: subscriber.consumer),
        decoder=_raw,
        listener=Barrier(consumption.busy, progress.commit, take),
    )

    async def on_batch(records: Records) -> None:
        async with consumption.busy:
            if is_over.is_set():
                return  # it is for whoever gets the partitions
            consumer = subscriber.consumer
            records = _its_own(consumer, records)
            with BATCH_SECONDS.labels(group).time():
                await consumption.handle(records)
            progress.note(consumer, records)
        for topic, count in Counter(record.topic for record in records).items():
            CONSUMED.labels(group, topic).inc(count)
        if len(records) < FULL_BATCH:
            await asyncio.sleep(GATHER_S)

    subscriber(on_batch)
    _measure_lag(group, topics, lambda: subscriber.consumer, consumption.handled)

    async def finish() -> None:
        await joined(subscriber.consumer)
        async with consumption.busy:
            is_over.set()
        await progress.close()
        let_leave(subscriber.consumer)

    return finish


def _its_own(consumer: AIOKafkaConsumer, records: Records) -> Records:
    """Return what is of partitions that a member still has."""
    mine = consumer.assignment()
    return tuple(one for one in records if TopicPartition(one.topic, one.partition) in mine)


def _measure_lag(
    group: str,
    topics: Sequence[Topic],
    consumer_of: Callable[[], Any],
    handled: dict[TopicPartition, int],
) -> None:
    for topic in topics:
        lag = partial(_lag, consumer_of, handled, topic.name)
        LAG.labels(group, topic.name).set_function(lag)


def _lag(consumer_of: Callable[[], Any], handled: dict[TopicPartition, int], topic: str) -> float:
    """Return how many messages of a topic this member has before it."""
    consumer = consumer_of()
    if consumer is None:
        return 0.0
    ends = {one: consumer.highwater(one) for one in consumer.assignment() if one.topic == topic}
    return float(
        sum(max(0, end - handled[one]) for one, end in ends.items() if end and one in handled)
    )


class Follower:
    """A copy of compacted topics in memory: every partition, from the beginning, no group."""

    def __init__(self, subscriber: Any, consumption: Consumption) -> None:
        self._subscriber = subscriber
        self._consumption = consumption

    async def caught_up(self) -> None:
        """Return once everything that was in the topics when it was called has been handled."""
        while self._subscriber.consumer is None:
            await asyncio.sleep(0.02)
        consumer: AIOKafkaConsumer = self._subscriber.consumer
        partitions = list(consumer.assignment())
        starts = await consumer.beginning_offsets(partitions)
        ends = await consumer.end_offsets(partitions)
        for partition, end in ends.items():
            while starts[partition] < end and self._consumption.handled.get(partition, 0) < end:
                await asyncio.sleep(0.02)


def follow(
    broker: KafkaBroker,
    *,
    topics: Sequence[Topic],
    on_message: OnMessage,
    types: Collection[str] | None = None,
    on_trouble: Callable[[bool, str], None] = lambda _is_ok, _detail: None,
) -> Follower:
    """Attach a subscriber without a group that reads every partition from its beginning.

    For in-memory copies of compacted topics; each process has its own. Nothing is committed.
    """
    consumption = Consumption(broker, topics, on_message, types, on_trouble)
    subscriber: Any = broker.subscriber(
        partitions=[
            StreamPartition(topic.name, number)
            for topic in topics
            for number in range(topic.partitions)
        ],
        batch=True,
        ack_policy=AckPolicy.MANUAL,
        auto_offset_reset="earliest",
        batch_timeout_ms=POLL_MS,
        max_records=LARGEST_POLL,
        fetch_max_wait_ms=100,
        parser=_parse_with(lambda: subscriber.consumer),
        decoder=_raw,
    )

    async def on_batch(records: Records) -> None:
        async with consumption.busy:
            await consumption.handle(records)

    subscriber(on_batch)
    return Follower(subscriber, consumption)
