"""The queue of targets as one process has it, and as three others do."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from chassis.outbox import Outbox, Position
from chassis.store import connect
from target_queue import TargetQueue


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
