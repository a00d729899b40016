"""The queue of targets as one process has it, and as three others do."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from chassis.endings import end
from chassis.outbox import Outbox, Position
from chassis.store import connect
from target_queue import TargetQueue
from target_queue.keys import outdial_shard, wake_channel


class Announced(Outbox):
    """An outbox whose messages count as published: Kafka is not the matter here."""

    async def published(self, position: Position) -> None:
        return


@pytest.fixture
async def outbox(store_url: str) -> AsyncIterator[Outbox]:
    outbox = Announced(connect(store_url))
    yield outbox
    await outbox.redis.aclose()


@pytest.fixture
def queue(outbox: Outbox) -> TargetQueue:
    return TargetQueue(outbox)


@pytest.fixture
async def others(store_url: str) -> AsyncIterator[list[TargetQueue]]:
    """The queue as three further processes have it."""
    outboxes = [Announced(connect(store_url)) for _ in range(3)]
    yield [TargetQueue(outbox) for outbox in outboxes]
    for outbox in outboxes:
        await outbox.redis.aclose()


@pytest.fixture
def outdial() -> str:
    return str(uuid4())


@pytest.fixture
async def wakes(queue: TargetQueue, outdial: str) -> AsyncIterator[asyncio.Queue[str]]:
    """What a worker hears that waits for the outdial."""
    heard: asyncio.Queue[str] = asyncio.Queue()
    is_listening = asyncio.Event()

    async def listen() -> None:
        async for woken in queue.wakes():
            is_listening.set()
            if woken == outdial:
                heard.put_nowait(woken)

    listening = asyncio.create_task(listen())
    async with asyncio.timeout(5):
        while not is_listening.is_set():
            await queue._redis.publish(wake_channel(outdial_shard(outdial)), "anybody")
            await asyncio.sleep(0.01)
    yield heard
    await end(listening)
