"""Publishing the outboxes on real Redis and Kafka: order, one active relay per shard, no loss."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from campaignctl.infrastructure import Found, Ground
from chassis.broker import LARGEST_BATCH_BYTES, build_producer
from chassis.endings import end
from chassis.outbox import Change, Outbox, OutMessage, Position, Write
from chassis.relay import Relay
from chassis.settings import ServiceSettings
from chassis.shards import lease_key, outbox_key, shard_of, shards_of
from chassis.store import connect
from redis.asyncio import Redis

Unique = Callable[[str], str]
PARTITIONS = 3


class Stack(Protocol):
    @property
    def ground(self) -> Ground: ...


class Killed(Relay):
    """A relay that can die without giving anything back, as by kill -9."""

    async def _give_back(self) -> None:
        await end(*self._held.values())


@dataclass
class Member:
    """One process with a relay."""

    relay: Relay
    producer: AIOKafkaProducer
    redis: Redis
    told: list[bool]
    running: asyncio.Task[None] | None = None

    @property
    def shards(self) -> set[str]:
        return {shard for shard, task in self.relay._held.items() if not task.done()}

    async def end(self) -> None:
        if self.running is not None:
            await end(self.running)
            self.running = None


def _producer(answer_limit_ms: int, **options: Any) -> AIOKafkaProducer:
    return AIOKafkaProducer(**options | {"request_timeout_ms": answer_limit_ms})


@dataclass
class Yard:
    """Outboxes of one namespace, a topic, and the relays between them."""

    bootstrap: str
    redis_url: str
    namespace: str
    topic: str
    outbox: Outbox
    at_end: AsyncExitStack
    members: list[Member] = field(default_factory=list)

    async def member(self, kind: type[Relay] = Relay, *, answer_limit_ms: int = 15_000) -> Member:
        settings = ServiceSettings(kafka_bootstrap=self.bootstrap, redis_url=self.redis_url)
        with pytest.MonkeyPatch.context() as patch:
            impatient = partial(_producer, answer_limit_ms)
            patch.setattr("chassis.broker.AIOKafkaProducer", impatient)
            producer = build_producer(settings, "test")
        await producer.start()
        self.at_end.push_async_callback(producer.stop)
        redis = connect(self.redis_url)
        self.at_end.push_async_callback(redis.aclose)
        told: list[bool] = []
        relay = kind(
            Outbox(redis), producer, (self.namespace,), lambda is_ok, _: told.append(is_ok)
        )
        member = Member(relay, producer, redis, told)
        member.running = asyncio.create_task(relay.run())
        self.at_end.push_async_callback(member.end)
        self.members.append(member)
        return member

    async def commit(self, key: str, number: int, width: int = 1) -> Position:
        shard = shard_of(self.namespace, key)
        message = OutMessage(self.topic, key, "order.placed", key, f"{number:0{width}}".encode())
        change = Change(
            shard=shard,
            operation=f"{key}-{number}",
            writes=(Write(f"{{{shard}}}:order:{key}:{number}", 0, b""),),
            messages=(message,),
        )
        return await self.outbox.commit(change)

    async def read(self, count: int) -> list[ConsumerRecord]:
        """Return what the topic holds once it holds so many different messages."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap)
        await consumer.start()
        try:
            partitions = [TopicPartition(self.topic, number) for number in range(PARTITIONS)]
            consumer.assign(partitions)
            await consumer.seek_to_beginning(*partitions)
            records: list[ConsumerRecord] = []
            async with asyncio.timeout(20):
                while len({(record.key, record.value) for record in records}) < count:
                    records.append(await consumer.getone())
            return records
        finally:
            await consumer.stop()

    async def waiting(self) -> int:
        """How many messages are still in the outboxes."""
        shards = shards_of(self.namespace)
        return sum([await self.outbox.redis.xlen(outbox_key(shard)) for shard in shards])


@pytest.fixture
async def yard(
    kafka_bootstrap: str, store_url: str, unique: Unique, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Yard]:
    """Leases are short here, so that one can wait for their end."""
    monkeypatch.setattr("chassis.relay.LEASE_MS", 900)
    monkeypatch.setattr("chassis.relay.BEAT_S", 0.1)
    monkeypatch.setattr("chassis.relay.ALIVE_S", 0.9)
    monkeypatch.setattr("chassis.relay.BLOCK_MS", 100)
    async with AsyncExitStack() as at_end:
        admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
        await admin.start()
        topic = unique("order.events")
        await admin.create_topics([NewTopic(topic, PARTITIONS, 1)])
        await admin.close()
        outbox = Outbox(connect(store_url))
        at_end.push_async_callback(outbox.redis.aclose)
        listening = asyncio.create_task(outbox.listen())
        yield Yard(kafka_bootstrap, store_url, unique("orders"), topic, outbox, at_end)
        await end(listening)


async def until(is_so: Callable[[], bool], within_s: float = 15.0) -> None:
    async with asyncio.timeout(within_s):
        while not is_so():
            await asyncio.sleep(0.01)


def seen_once(records: list[ConsumerRecord]) -> dict[str, list[int]]:
    """What a consumer makes of it that skips, per key, what is not above the last it has seen."""
    seen: dict[str, list[int]] = {}
    for record in records:
        numbers = seen.setdefault(record.key.decode(), [])
        number = int(record.value)
        if not numbers or number > numbers[-1]:
            numbers.append(number)
    return seen


async def test_the_order_of_a_key_is_the_order_of_its_commits(yard: Yard) -> None:
    await yard.member()
    for number in range(30):
        await asyncio.gather(*(yard.commit(f"key-{key}", number) for key in range(12)))
    by_key: dict[str, list[int]] = {}
    for record in await yard.read(30 * 12):
        by_key.setdefault(record.key.decode(), []).append(int(record.value))
    assert by_key == {f"key-{key}": list(range(30)) for key in range(12)}


async def test_more_than_one_batch_holds_is_published_whole_and_in_its_order(yard: Yard) -> None:
    wide = [*[4_000] * 100, 2 * LARGEST_BATCH_BYTES, 1, 1]
    for number, width in enumerate(wide):
        await asyncio.gather(*(yard.commit(f"key-{key}", number, width) for key in range(3)))
    await yard.member()
    by_key: dict[bytes, list[bytes]] = {}
    for record in await yard.read(3 * len(wide)):
        by_key.setdefault(record.key, []).append(record.value)
    told = [f"{number:0{width}}".encode() for number, width in enumerate(wide)]
    assert by_key == {f"key-{key}".encode(): told for key in range(3)}


async def test_a_message_keeps_key_value_and_headers(yard: Yard) -> None:
    await yard.member()
    await yard.outbox.published(await yard.commit("key", 7))
    (record,) = await yard.read(1)
    assert (record.key, record.value) == (b"key", b"7")
    assert dict(record.headers) == {
        "ce_type": b"order.placed",
        "correlationid": b"key",
        "content-type": b"application/cloudevents+json",
    }


async def test_published_returns_when_kafka_has_it_and_not_before(yard: Yard) -> None:
    position = await yard.commit("key", 1)
    waiting = asyncio.create_task(yard.outbox.published(position))
    done, _ = await asyncio.wait([waiting], timeout=0.3)
    assert not done, "nobody relays"
    await yard.member()
    async with asyncio.timeout(10):
        await waiting
    consumer = AIOKafkaConsumer(bootstrap_servers=yard.bootstrap)
    await consumer.start()
    ends = await consumer.end_offsets([TopicPartition(yard.topic, n) for n in range(PARTITIONS)])
    await consumer.stop()
    assert sum(ends.values()) == 1


async def test_published_messages_leave_the_outbox(yard: Yard) -> None:
    await yard.member()
    positions = [await yard.commit(f"key-{key}", 1) for key in range(20)]
    await asyncio.gather(*map(yard.outbox.published, positions))
    assert await yard.waiting() == 0


async def test_the_trouble_of_a_shard_is_told_and_its_end_too_though_the_shard_is_idle(
    yard: Yard, servers: list[Redis]
) -> None:
    member = await yard.member()
    await until(lambda: len(member.shards) == 8)
    for server in servers:
        readers = [c for c in await server.client_list() if c["cmd"] == "xread"]
        await asyncio.gather(*(server.client_kill_filter(_id=c["id"]) for c in readers))
    await until(lambda: False in member.told)
    await until(lambda: member.told[-1])


async def test_two_relays_share_the_shards_and_no_shard_has_two(yard: Yard) -> None:
    one, two = await yard.member(), await yard.member()
    await until(lambda: len(one.shards) == len(two.shards) == 4)
    assert not one.shards & two.shards
    for shard in shards_of(yard.namespace):
        holder = await yard.outbox.redis.get(lease_key(shard))
        owner = one if shard in one.shards else two
        assert holder == owner.relay._holder.encode()


async def test_one_who_stops_gives_its_shards_back_at_once(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.relay.LEASE_MS", 60_000)
    one, two = await yard.member(), await yard.member()
    await until(lambda: len(one.shards) == len(two.shards) == 4)
    await one.end()
    await until(lambda: two.shards == set(shards_of(yard.namespace)), within_s=5)


async def test_one_who_stops_while_it_gives_a_shard_back_gives_it_back_all_the_same(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To end what relays a shard can take a while: a cancel that is swallowed comes again later."""
    monkeypatch.setattr("chassis.relay.LEASE_MS", 60_000)
    one = await yard.member()
    await until(lambda: one.shards == set(shards_of(yard.namespace)))
    is_ending = asyncio.Event()

    async def slowly(*running: asyncio.Task[None]) -> None:
        is_ending.set()
        await asyncio.sleep(0.1)
        await end(*running)

    monkeypatch.setattr("chassis.relay.end", slowly)
    other = await yard.member()
    await is_ending.wait()
    await one.end()
    await until(lambda: other.shards == set(shards_of(yard.namespace)))


async def test_the_shards_of_one_who_died_are_taken_over_and_nothing_is_lost(yard: Yard) -> None:
    doomed, heir = await yard.member(Killed), await yard.member()
    await until(lambda: len(doomed.shards) == len(heir.shards) == 4)
    keys = [f"key-{number}" for number in range(40)]
    assert {shard_of(yard.namespace, key) for key in keys} == set(shards_of(yard.namespace))
    commits = [asyncio.create_task(yard.commit(key, 1)) for key in keys]
    await doomed.end()
    await asyncio.gather(*commits)
    positions = await asyncio.gather(*(yard.commit(key, 2) for key in keys))
    async with asyncio.timeout(10):
        await asyncio.gather(*map(yard.outbox.published, positions))
    assert heir.shards == set(shards_of(yard.namespace))
    assert seen_once(await yard.read(80)) == {key: [1, 2] for key in keys}
    assert await yard.waiting() == 0


async def test_a_relay_that_was_paused_past_its_lease_does_not_write_on(yard: Yard) -> None:
    """It finds that its time is over before it publishes, and that its lease is another's."""
    late = await yard.member()
    await until(lambda: len(late.shards) == 8)
    shard = shard_of(yard.namespace, "key")
    await yard.outbox.redis.set(lease_key(shard), "another", px=1500)
    late.relay._held_until = dict.fromkeys(late.relay._held_until, 0.0)
    position = await yard.commit("key", 1)
    await until(lambda: shard not in late.shards)
    assert await yard.waiting() == 1
    async with asyncio.timeout(10):
        await yard.outbox.published(position)  # by itself, once the other's lease has ended
    assert seen_once(await yard.read(1)) == {"key": [1]}


async def test_what_was_published_under_a_lease_that_ended_is_published_again(yard: Yard) -> None:
    """A pause between the two: Kafka has it, and the outbox must not keep it without a word."""
    member = await yard.member()
    await until(lambda: len(member.shards) == 8)
    trim, refused = member.relay._trim, list[bytes]()

    async def refuse_once(*, keys: list[str], args: list[bytes]) -> int:
        if refused:
            return int(await trim(keys=keys, args=args))
        refused.append(args[0])
        return 0

    member.relay._trim = refuse_once  # type: ignore[assignment]
    position = await yard.commit("key", 1)
    async with asyncio.timeout(10):
        await yard.outbox.published(position)
    assert refused
    assert await yard.waiting() == 0
    assert seen_once(await yard.read(1)) == {"key": [1]}


async def test_nothing_is_lost_or_out_of_order_while_kafka_is_frozen(
    yard: Yard, found_kafka: Found, stack: Stack
) -> None:
    """The freeze is longer than the producer's patience, so that sends fail under way."""
    if found_kafka.child is None:
        pytest.skip("this Kafka is not ours to freeze")
    pid = stack.ground.supervisor.pid(found_kafka.child)
    await yard.member(answer_limit_ms=1000)
    keys = [f"key-{number}" for number in range(10)]
    await asyncio.gather(*[yard.outbox.published(await yard.commit(key, 0)) for key in keys])
    os.kill(pid, signal.SIGSTOP)
    try:
        for number in range(1, 20):
            await asyncio.gather(*(yard.commit(key, number) for key in keys))
            await asyncio.sleep(0.2)
        assert await yard.waiting() > 0
    finally:
        os.kill(pid, signal.SIGCONT)
    positions = [await yard.commit(key, 20) for key in keys]
    async with asyncio.timeout(25):
        await asyncio.gather(*map(yard.outbox.published, positions))
    assert seen_once(await yard.read(10 * 21)) == {key: list(range(21)) for key in keys}
