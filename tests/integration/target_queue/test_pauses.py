"""A pause that the gateway asks one worker for is kept by all."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import pytest
from chassis.endings import end
from chassis.outbox import Outbox
from target_queue import Pauses
from target_queue.keys import pause_key

LONG = timedelta(seconds=30)
NONE = timedelta()


@pytest.fixture
async def one(outbox: Outbox) -> AsyncIterator[Pauses]:
    await outbox.redis.delete(pause_key())
    yield Pauses(outbox)
    await outbox.redis.delete(pause_key())


@pytest.fixture
async def another(outbox: Outbox, one: Pauses) -> AsyncIterator[Pauses]:
    """The pauses as another process hears of them."""
    pauses = Pauses(outbox)
    following = asyncio.create_task(pauses.follow())
    yield pauses
    await end(following)


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not is_so():
            await asyncio.sleep(0.005)


async def test_without_a_pause_everyone_may_ask(one: Pauses, another: Pauses) -> None:
    assert (one.left, another.left) == (NONE, NONE)
    assert await one.until() is None


async def test_a_pause_holds_for_whoever_was_asked_and_for_all_who_hear_of_it(
    one: Pauses, another: Pauses
) -> None:
    await one.begin(LONG)
    assert one.left > LONG - timedelta(seconds=5)
    await until(lambda: another.left > LONG - timedelta(seconds=5))


async def test_who_joins_later_finds_the_pause(one: Pauses, outbox: Outbox) -> None:
    await one.begin(LONG)
    late = Pauses(outbox)
    following = asyncio.create_task(late.follow())
    await until(lambda: late.left > NONE)
    await end(following)


async def test_a_shorter_pause_does_not_end_a_longer_one(one: Pauses, outbox: Outbox) -> None:
    await one.begin(LONG)
    await Pauses(outbox).begin(timedelta(seconds=1))
    assert await outbox.redis.pttl(pause_key()) > 20_000


async def test_a_pause_ends_by_itself(one: Pauses, another: Pauses) -> None:
    await one.begin(timedelta(milliseconds=200))
    await until(lambda: one.left == NONE and another.left == NONE)
    async with asyncio.timeout(10):
        while await one.until():
            await asyncio.sleep(0.01)
