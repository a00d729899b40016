"""Places among a queue's calls: exact over all workers, and not for ever."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest
from chassis.outbox import Outbox
from target_queue import Pace

LONG = timedelta(minutes=1)


@pytest.fixture
def pace(outbox: Outbox) -> Pace:
    return Pace(outbox)


async def test_no_more_places_are_held_than_there_are(pace: Pace) -> None:
    queue = str(uuid4())
    asked = [[f"t{worker}-{n}" for n in range(4)] for worker in range(5)]
    held = await asyncio.gather(*(pace.hold(queue, ids, at_most=7, lasting=LONG) for ids in asked))
    assert sum(map(len, held)) == 7
    assert await pace.dialing(queue) == 7


async def test_a_place_that_is_let_go_is_another_ones(pace: Pace) -> None:
    queue = str(uuid4())
    assert await pace.hold(queue, ["a"], at_most=1, lasting=LONG) == {"a"}
    assert await pace.hold(queue, ["b"], at_most=1, lasting=LONG) == frozenset()
    await pace.let_go(queue, "a")
    assert await pace.hold(queue, ["b"], at_most=1, lasting=LONG) == {"b"}


async def test_whoever_asks_again_keeps_the_place(pace: Pace) -> None:
    queue = str(uuid4())
    for _ in range(2):
        assert await pace.hold(queue, ["a"], at_most=1, lasting=LONG) == {"a"}
    assert await pace.dialing(queue) == 1


async def test_a_place_ends_by_itself_though_others_last(pace: Pace) -> None:
    queue = str(uuid4())
    await pace.hold(queue, ["long"], at_most=2, lasting=LONG)
    await pace.hold(queue, ["short"], at_most=2, lasting=timedelta(milliseconds=100))
    async with asyncio.timeout(5):
        while await pace.dialing(queue) != 1:
            await asyncio.sleep(0.01)
    assert await pace.hold(queue, ["next"], at_most=2, lasting=LONG) == {"next"}
