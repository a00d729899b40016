"""An outbox on one Redis and on a cluster, another client of the same, and a shard of its own."""

from collections.abc import AsyncIterator, Callable

import pytest
from chassis.outbox import (
    Outbox,
)
from chassis.store import connect

Unique = Callable[[str], str]


@pytest.fixture
async def outbox(store_url: str) -> AsyncIterator[Outbox]:
    outbox = Outbox(connect(store_url))
    yield outbox
    await outbox.redis.aclose()


@pytest.fixture
async def other(store_url: str) -> AsyncIterator[Outbox]:
    outbox = Outbox(connect(store_url))
    yield outbox
    await outbox.redis.aclose()


@pytest.fixture
def shard(unique: Unique) -> str:
    return unique("orders")
