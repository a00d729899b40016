"""Every Kafka that the resolver can give is held to the same behaviour, the real one first."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from campaignctl.infrastructure import Found

Unique = Callable[[str], str]


@pytest.fixture
def kafka(each_kafka: Found) -> str:
    return each_kafka.address


async def a_topic(kafka: str, name: str, partitions: int = 3, **settings: str) -> str:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        configs = {key.replace("_", "."): value for key, value in settings.items()}
        await admin.create_topics([NewTopic(name, partitions, 1, topic_configs=configs)])
        async with asyncio.timeout(10):  # the broker hears of it after its controller
            while name not in await admin.list_topics():
                await asyncio.sleep(0.01)
    finally:
        await admin.close()
    return name


async def produce(kafka: str, topic: str, rows: list[tuple[bytes, bytes]]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=kafka, acks="all", enable_idempotence=True)
    await producer.start()
    try:
        sent = [await producer.send(topic, key=key, value=value) for key, value in rows]
        await asyncio.gather(*sent)
    finally:
        await producer.stop()


def a_member(kafka: str, topic: str, group: str | None, **more: Any) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        topic,
        bootstrap_servers=kafka,
        group_id=group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        session_timeout_ms=6000,
        heartbeat_interval_ms=300,
        fetch_max_wait_ms=50,
        **more,
    )


async def read(consumer: AIOKafkaConsumer, count: int, within_s: float = 20) -> list[Any]:
    records: list[Any] = []
    async with asyncio.timeout(within_s):
        while len(records) < count:
            for batch in (await consumer.getmany(timeout_ms=200)).values():
                records += batch
    return records


async def until(condition: Callable[[], bool], within_s: float = 20) -> None:
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.02)


async def using(consumers: list[AIOKafkaConsumer], do: Callable[[], Awaitable[None]]) -> None:
    try:
        await asyncio.gather(*(consumer.start() for consumer in consumers))
        await do()
    finally:
        await asyncio.gather(*(consumer.stop() for consumer in consumers))


async def test_order_is_kept_per_key(kafka: str, unique: Unique) -> None:
    topic = await a_topic(kafka, unique("order"))
    rows = [(b"k%d" % (n % 7), b"%d" % n) for n in range(500)]
    await produce(kafka, topic, rows)
    consumer = a_member(kafka, topic, None)
    await consumer.start()
    try:
        records = await read(consumer, 500)
    finally:
        await consumer.stop()
    for key in {key for key, _ in rows}:
        seen = [int(record.value) for record in records if record.key == key]
        assert seen == sorted(seen)
    assert {record.partition for record in records} == {0, 1, 2}


async def test_a_group_goes_on_where_it_committed(kafka: str, unique: Unique) -> None:
    topic, group = await a_topic(kafka, unique("resume"), partitions=1), unique("group")
    await produce(kafka, topic, [(b"k", b"%d" % n) for n in range(20)])
    first = a_member(kafka, topic, group, max_poll_records=8)
    await first.start()
    records = await read(first, 8)
    place = TopicPartition(topic, 0)
    await first.commit({place: records[7].offset + 1})
    await first.stop()
    second = a_member(kafka, topic, group)
    await second.start()
    try:
        assert [record.offset for record in await read(second, 12)] == list(range(8, 20))
        assert await second.committed(place) == 8
    finally:
        await second.stop()


@pytest.mark.parametrize("count", [2, 3])
async def test_members_share_the_partitions(kafka: str, unique: Unique, count: int) -> None:
    topic, group = await a_topic(kafka, unique("share"), partitions=6), unique("group")
    members = [a_member(kafka, topic, group) for _ in range(count)]

    async def shared() -> None:
        await until(lambda: sorted(len(m.assignment()) for m in members) == [6 // count] * count)
        everything = [place for member in members for place in member.assignment()]
        assert len(set(everything)) == 6

    await using(members, shared)


async def test_what_a_member_had_goes_to_the_others_when_it_leaves(
    kafka: str, unique: Unique
) -> None:
    topic, group = await a_topic(kafka, unique("leave"), partitions=4), unique("group")
    stays, leaves = a_member(kafka, topic, group), a_member(kafka, topic, group)

    async def left() -> None:
        await until(lambda: len(stays.assignment()) == 2)
        await leaves.stop()
        await until(lambda: len(stays.assignment()) == 4)

    await using([stays, leaves], left)


async def test_a_named_member_that_dies_and_returns_goes_on_and_disturbs_nobody(
    kafka: str, unique: Unique
) -> None:
    topic, group = await a_topic(kafka, unique("named"), partitions=4), unique("group")
    other, former, returned = (
        a_member(kafka, topic, group, group_instance_id=name) for name in ("other", "one", "one")
    )

    async def died_and_returned() -> None:
        await until(lambda: (len(other.assignment()), len(former.assignment())) == (2, 2))
        generation, its = other._coordinator.generation, former.assignment()
        await former.stop()  # one that is named goes without a word
        await returned.start()
        await until(lambda: returned.assignment() == its)
        await asyncio.sleep(1.0)  # three heartbeats: whoever had to join again would have by now
        assert other._coordinator.generation == generation
        await returned.stop()

    await using([other, former], died_and_returned)


async def test_an_assigned_reader_begins_at_the_beginning_or_where_it_seeks(
    kafka: str, unique: Unique
) -> None:
    topic = await a_topic(kafka, unique("seek"), partitions=1)
    await produce(kafka, topic, [(b"k", b"%d" % n) for n in range(10)])
    place = TopicPartition(topic, 0)
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([place])
        assert [r.offset for r in await read(consumer, 10)] == list(range(10))
        consumer.seek(place, 7)
        assert [r.offset for r in await read(consumer, 3)] == [7, 8, 9]
        await consumer.seek_to_beginning(place)
        assert (await read(consumer, 10))[0].offset == 0
        assert await consumer.end_offsets([place]) == {place: 10}
        assert await consumer.beginning_offsets([place]) == {place: 0}
    finally:
        await consumer.stop()


async def test_a_time_leads_to_the_first_message_from_then_on(kafka: str, unique: Unique) -> None:
    topic = await a_topic(kafka, unique("time"), partitions=1)
    await produce(kafka, topic, [(b"k", b"before")])
    await asyncio.sleep(0.02)  # so that the two messages differ in their milliseconds
    between = int(time.time() * 1000)
    await produce(kafka, topic, [(b"k", b"after")])
    place = TopicPartition(topic, 0)
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka)
    await consumer.start()
    try:
        consumer.assign([place])
        found = await consumer.offsets_for_times({place: between})
        assert found[place].offset == 1
        later = await consumer.offsets_for_times({place: between + 3_600_000})
        assert later[place] is None
    finally:
        await consumer.stop()


async def test_headers_and_tombstones_arrive_as_they_were_sent(kafka: str, unique: Unique) -> None:
    topic = await a_topic(kafka, unique("headers"), partitions=1)
    producer = AIOKafkaProducer(bootstrap_servers=kafka)
    await producer.start()
    await producer.send_and_wait(topic, key=b"k", value=b"v", headers=[("ce_type", b"x.y")])
    await producer.send_and_wait(topic, key=b"k", value=None)
    await producer.stop()
    consumer = a_member(kafka, topic, None)
    await consumer.start()
    try:
        first, second = await read(consumer, 2)
    finally:
        await consumer.stop()
    assert first.headers == (("ce_type", b"x.y"),)
    assert (second.key, second.value) == (b"k", None)


async def test_topics_are_listed_and_described(kafka: str, unique: Unique) -> None:
    topic = await a_topic(kafka, unique("describe"), partitions=5, cleanup_policy="compact")
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        assert topic in await admin.list_topics()
        (described,) = await admin.describe_topics([topic])
        assert len(described["partitions"]) == 5
        again = await admin.create_topics([NewTopic(topic, 5, 1)])
        assert again.topic_errors[0][1] == 36, "the topic is there already"
        assert (await admin.describe_cluster())["brokers"]
    finally:
        await admin.close()


async def test_a_killed_broker_has_everything_it_acknowledged(
    each_kafka: Found, unique: Unique, stack: Any
) -> None:
    if each_kafka.child is None:
        pytest.skip("this broker is not ours to kill")
    kafka = each_kafka.address
    topic, group = await a_topic(kafka, unique("killed"), partitions=1), unique("group")
    await produce(kafka, topic, [(b"k", b"%d" % n) for n in range(50)])
    first = a_member(kafka, topic, group)
    await first.start()
    await read(first, 50)
    await first.commit({TopicPartition(topic, 0): 30})
    await first.stop()
    await asyncio.to_thread(stack.ground.supervisor.kill, each_kafka.child)
    await asyncio.to_thread(stack.ground.supervisor.restart, each_kafka.child)
    second = a_member(kafka, topic, group)
    await second.start()
    try:
        records = await read(second, 20, within_s=40)
        assert [int(record.value) for record in records] == list(range(30, 50))
    finally:
        await second.stop()
