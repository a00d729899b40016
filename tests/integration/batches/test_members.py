"""Members of a group: offsets, revokes, restarts; and copies without a group."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from itertools import count
from typing import TYPE_CHECKING, Any

from chassis.batches import follow, subscribe
from chassis.broker import build_broker
from chassis.endings import end
from chassis.membership import Barrier

if TYPE_CHECKING:
    from collections.abc import Collection

    import pytest
    from aiokafka import TopicPartition
    from contracts.envelope import Envelope

    from tests.integration.batches.conftest import Handled, Market


async def test_offsets_are_committed_only_after_the_work(market: Market, handled: Handled) -> None:
    await market.place("k", 0)
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def on_message(envelope: Envelope[Any]) -> None:
        begun.set()
        await may_end.wait()
        await handled(envelope)

    async with market.member(on_message):
        async with asyncio.timeout(20):
            await begun.wait()
        assert await market.committed() == 0
        may_end.set()
        await market.settle(1)


async def test_what_an_abandoned_member_had_in_hand_is_delivered_again(
    market: Market, handled: Handled, others: list[Handled]
) -> None:
    for number in range(3):
        await market.place("k", number)
    first = others[0]
    stuck = asyncio.Event()

    async def on_message(envelope: Envelope[Any]) -> None:
        await first(envelope)
        if envelope.body.number == 1:
            stuck.set()
            await asyncio.Event().wait()

    dead = build_broker(market.settings, "dead")
    subscribe(dead, topics=[market.topic], group=market.group, on_message=on_message)
    await dead.start()
    async with asyncio.timeout(20):
        await stuck.wait()
    consumer: Any = dead.subscribers[0]
    await consumer.consumer.stop()  # gone without a word of what it has done
    async with market.member(handled):
        await handled.count(3)
    assert first.numbers == [0, 1]
    assert handled.numbers == [0, 1, 2]
    for task in consumer.tasks:
        task.cancel()
    await asyncio.gather(*consumer.tasks, return_exceptions=True)
    await dead.stop()


async def test_a_restarted_member_goes_on_where_it_stopped(
    market: Market, handled: Handled
) -> None:
    await market.place("k", 0)
    async with market.member(handled):
        await market.settle(1)
    await market.place("k", 1)
    async with market.member(handled):
        await market.settle(2)
    assert handled.numbers == [0, 1]


async def test_a_member_that_stops_has_committed_all_that_it_handled(
    market: Market, handled: Handled
) -> None:
    for number in range(3):
        await market.place("k", number)
    async with market.member(handled):
        await handled.count(3)
    assert await market.committed() == 3


async def test_a_copy_is_read_from_the_beginning_each_time(
    market: Market, handled: Handled
) -> None:
    await market.place("k", 0)
    async with market.member(handled, is_from_beginning=True):
        await market.settle(1)
    await market.place("k", 1)
    async with market.member(handled, is_from_beginning=True):
        await handled.count(3)
    assert handled.numbers == [0, 0, 1]


async def test_two_members_share_the_partitions_and_nothing_is_lost(
    market: Market, others: list[Handled]
) -> None:
    one, two = others
    async with market.member(one), market.member(two):

        async def both_are_in() -> bool:
            for number, key in enumerate(("a", "b", "c", "d")):
                await market.place(key, number, partition=number)
            return bool(one.numbers and two.numbers)

        await market.until(both_are_in)
        for key in range(40):
            await market.place(f"{key}", 100 + key, partition=key % 4)

        async def all_are_handled() -> bool:
            return set(range(100, 140)) <= {*one.numbers, *two.numbers}

        await market.until(all_are_handled)
        counts = Counter(n for n in one.numbers + two.numbers if n >= 100)
        assert set(counts.values()) == {1}, "a settled group hands each message to one member"
        assert any(n >= 100 for n in one.numbers)
        assert any(n >= 100 for n in two.numbers)


async def test_a_named_member_that_ends_in_order_is_not_waited_for(
    market: Market, others: list[Handled]
) -> None:
    async with market.member(others[0], member="stays") as stays:
        mine = stays.subscribers[0].consumer.assignment  # type: ignore[attr-defined]

        async def has(count: int) -> bool:
            return len(mine()) == count

        async with market.member(others[1], member="leaves"):
            await market.until(lambda: has(2))
        await market.until(lambda: has(4), 4.0)  # a session lasts six seconds


async def test_a_member_ends_at_once_however_much_comes(market: Market, handled: Handled) -> None:
    """Neither what comes meanwhile is handled, nor does the end wait for it."""
    broker = build_broker(market.settings, "test")
    finish = subscribe(broker, topics=[market.topic], group=market.group, on_message=handled)

    async def flood() -> None:
        for number in count():
            await market.place("k", number)

    async with AsyncExitStack() as at_end:
        at_end.push_async_callback(end, asyncio.create_task(flood()))
        await broker.start()
        await handled.count(20)
        async with asyncio.timeout(5):
            await finish()
            last = len(handled.numbers)
            await asyncio.sleep(0.5)
            await broker.stop()
    assert len(handled.numbers) == last == await market.committed()


async def test_a_revoke_waits_for_the_work_in_hand_and_its_commit(
    market: Market, others: list[Handled], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = others
    begun, may_end, revoked = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def slowly(envelope: Envelope[Any]) -> None:
        begun.set()
        await may_end.wait()
        await one(envelope)

    revoke = Barrier.on_partitions_revoked

    async def note_revoke(barrier: Barrier, partitions: Collection[TopicPartition]) -> None:
        if begun.is_set():
            revoked.set()
        await revoke(barrier, partitions)

    monkeypatch.setattr(Barrier, "on_partitions_revoked", note_revoke)

    partitions = market.topic.partitions
    for partition in range(partitions):
        await market.place(f"key-{partition}", partition, partition=partition)
    async with AsyncExitStack() as at_end:
        await at_end.enter_async_context(market.member(slowly))
        async with asyncio.timeout(20):
            await begun.wait()
            joining = asyncio.create_task(at_end.enter_async_context(market.member(two)))
            await revoked.wait()
        in_hand = await market.committed()
        assert in_hand < partitions
        assert two.numbers == []
        may_end.set()
        await joining
        await market.settle(partitions)
        for partition in range(partitions):
            await market.place(f"key-{partition}", 10 + partition, partition=partition)
        await market.settle(2 * partitions)
    assert sorted(one.numbers + two.numbers) == [0, 1, 2, 3, 10, 11, 12, 13], "each once"
    assert {10, 11, 12, 13} & set(two.numbers), "the other has taken its part"


# ---- others


async def test_every_follower_has_the_whole_topic_and_knows_when(
    market: Market, others: list[Handled]
) -> None:
    for number in range(20):
        await market.place(f"{number}", number, partition=None)
    async with AsyncExitStack() as at_end:
        followers = []
        for copy in others:
            broker = build_broker(market.settings, "test")
            followers.append(follow(broker, topics=[market.topic], on_message=copy))
            await broker.start()
            at_end.push_async_callback(broker.stop)
        async with asyncio.timeout(20):
            for follower in followers:
                await follower.caught_up()
        for copy in others:
            assert sorted(copy.numbers) == list(range(20))
        await market.place("late", 20, partition=None)
        for copy in others:
            await copy.count(21)


async def test_an_empty_topic_is_caught_up_with_at_once(market: Market, handled: Handled) -> None:
    broker = build_broker(market.settings, "test")
    follower = follow(broker, topics=[market.topic], on_message=handled)
    await broker.start()
    async with asyncio.timeout(5):
        await follower.caught_up()
    await broker.stop()
    assert handled.numbers == []
