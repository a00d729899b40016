"""A market: a topic of orders on real Kafka, those who write it and those who read it."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from chassis.batches import subscribe
from chassis.broker import build_broker
from chassis.settings import ServiceSettings
from contracts.base import Message, Unrecognized, known_among
from contracts.envelope import Envelope, wrap
from contracts.topics import Cleanup, Topic
from faststream.kafka import KafkaBroker
from pydantic import Discriminator, Field, Tag

Unique = Callable[[str], str]
OnMessage = Callable[[Envelope[Any]], Awaitable[None]]
NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)
PARTITIONS = 4


class OrderPlaced(Message):
    type: Literal["order.placed"] = "order.placed"
    number: int


class OrderPaid(Message):
    type: Literal["order.paid"] = "order.paid"
    number: int


class OrderShipped(Message):
    type: Literal["order.shipped"] = "order.shipped"


OrderFact = OrderPlaced | OrderPaid
OrderEvent = Annotated[
    Annotated[OrderFact, Field(discriminator="type"), Tag("known")]
    | Annotated[Unrecognized, Tag("unrecognized")],
    Discriminator(known_among(OrderFact)),
]


async def until(is_so: Callable[[], Awaitable[bool]], within_s: float = 20.0) -> None:
    async with asyncio.timeout(within_s):
        while not await is_so():
            await asyncio.sleep(0.02)


class Market:
    """A topic of orders, those who write it, and what is known of those who read it."""

    def __init__(self, bootstrap: str, topic: Topic, group: str, at_end: AsyncExitStack) -> None:
        self.settings = ServiceSettings(kafka_bootstrap=bootstrap, redis_url="")
        self.topic = topic
        self.group = group
        self._at_end = at_end
        self.admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        self.producer = AIOKafkaProducer(bootstrap_servers=bootstrap, max_request_size=1_048_576)

    async def open(self) -> None:
        for part in (self.admin, self.producer):
            await part.start()
        self._at_end.push_async_callback(self.admin.close)
        self._at_end.push_async_callback(self.producer.stop)
        topics = [
            NewTopic(self.topic.name, PARTITIONS, 1),
            NewTopic(self.topic.dead_letter, 1, 1),
        ]
        await self.admin.create_topics(topics)

    async def place(self, key: str, number: int, *, partition: int | None = 0) -> None:
        await self._send(key, OrderPlaced(number=number), partition=partition)

    async def pay(self, key: str, number: int) -> None:
        await self._send(key, OrderPaid(number=number), partition=0)

    async def ship(self, key: str) -> None:
        """Send a message of a type that its readers do not know yet."""
        await self._send(key, OrderShipped(), partition=0)

    async def _send(self, key: str, body: Message, *, partition: int | None = 0) -> None:
        envelope = wrap(
            body, source="test", subject=key, sequence=1, at=NOON, customer_id="customer"
        )
        await self.send_raw(envelope.encode(), key=key, type_=body.type, partition=partition)

    async def send_raw(
        self,
        value: bytes | None,
        *,
        key: str = "raw",
        type_: str | None = "order.placed",
        partition: int | None = 0,
    ) -> None:
        headers = [("ce_type", type_.encode())] if type_ else []
        await self.producer.send_and_wait(
            self.topic.name, value, key=key.encode(), headers=headers, partition=partition
        )

    @asynccontextmanager
    async def member(self, on_message: OnMessage, **options: Any) -> AsyncIterator[KafkaBroker]:
        """A member of the group at work; gone after the block."""
        broker = build_broker(self.settings, "test")
        finish = subscribe(
            broker, topics=[self.topic], group=self.group, on_message=on_message, **options
        )
        await broker.start()
        try:
            yield broker
        finally:
            with suppress(TimeoutError):
                await asyncio.wait_for(finish(), 10.0)
            await broker.stop()

    until = staticmethod(until)

    async def committed(self) -> int:
        """How many messages the group says it has handled."""
        offsets = await self.admin.list_consumer_group_offsets(self.group)
        return sum(place.offset for place in offsets.values() if place.offset > 0)

    async def settle(self, count: int) -> None:
        await until(lambda: self._has_committed(count))

    async def _has_committed(self, count: int) -> bool:
        return await self.committed() >= count

    async def dead_letters(self, count: int) -> list[Any]:
        consumer = AIOKafkaConsumer(bootstrap_servers=self.settings.kafka_bootstrap)
        await consumer.start()
        try:
            partition = TopicPartition(self.topic.dead_letter, 0)
            consumer.assign([partition])
            await consumer.seek_to_beginning(partition)
            async with asyncio.timeout(10):
                return [await consumer.getone() for _ in range(count)]
        finally:
            await consumer.stop()

    async def count_of_dead_letters(self) -> int:
        partition = TopicPartition(self.topic.dead_letter, 0)
        consumer = AIOKafkaConsumer(bootstrap_servers=self.settings.kafka_bootstrap)
        await consumer.start()
        try:
            return int((await consumer.end_offsets([partition]))[partition])
        finally:
            await consumer.stop()


class Handled:
    """What a member has handled, in order, and a way to wait for it."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.by_key: dict[str, list[int]] = defaultdict(list)

    async def __call__(self, envelope: Envelope[Any]) -> None:
        self.numbers.append(envelope.body.number)
        self.by_key[envelope.subject].append(envelope.body.number)

    async def count(self, count: int) -> None:
        async def is_reached() -> bool:
            return len(self.numbers) >= count

        await until(is_reached)


@pytest.fixture
async def market(kafka_bootstrap: str, unique: Unique) -> AsyncIterator[Market]:
    topic = Topic(
        name=unique("order.events"),
        key="order id",
        cleanup=Cleanup.DELETE,
        producers=("test",),
        consumers=(),
        owner="test",
        known=OrderFact,
        parsed=OrderEvent,
        about="Orders.",
        partitions=PARTITIONS,
    )
    async with AsyncExitStack() as at_end:
        market = Market(kafka_bootstrap, topic, unique("group"), at_end)
        await market.open()
        yield market


@pytest.fixture
def handled() -> Handled:
    return Handled()


@pytest.fixture
def others() -> list[Handled]:
    """What two further members have handled."""
    return [Handled(), Handled()]
