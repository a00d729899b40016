"""Whoever waits until Kafka has a message goes on when it has it, and not before."""

import asyncio

import pytest
from chassis.endings import end
from chassis.errors import Transient
from chassis.outbox import (
    Outbox,
    Write,
)
from chassis.shards import published_key
from redis.asyncio import Redis

from tests.integration.outbox.changes import a_change, a_key


async def test_whoever_awaits_publication_goes_on_when_it_is_announced(
    outbox: Outbox, other: Outbox, servers: list[Redis], shard: str
) -> None:
    listening = asyncio.create_task(outbox.listen())
    while not sum([await server.pubsub_numpat() for server in servers]):
        await asyncio.sleep(0.01)
    first, second = [
        await outbox.commit(a_change(shard, f"{n}", [Write(a_key(shard, f"{n}"), 0, b"")], f"{n}"))
        for n in range(2)
    ]
    waits = [asyncio.create_task(outbox.published(position)) for position in (first, second)]
    await asyncio.sleep(0)
    await other.redis.publish(published_key(shard), f"{first.id[0]}-{first.id[1]}")
    async with asyncio.timeout(5):
        await waits[0]
    assert not waits[1].done()
    await other.redis.publish(published_key(shard), f"{second.id[0]}-{second.id[1]}")
    async with asyncio.timeout(5):
        await waits[1]
    await end(listening)


async def test_a_missed_announcement_is_looked_up(outbox: Outbox, shard: str) -> None:
    """Nobody listens here: the stored id must do."""
    position = await outbox.commit(
        a_change(shard, "place", [Write(a_key(shard), 0, b"")], "placed")
    )
    waiting = asyncio.create_task(outbox.published(position))
    await asyncio.sleep(0)
    await outbox.redis.set(published_key(shard), f"{position.id[0]}-{position.id[1]}")
    async with asyncio.timeout(5):
        await waiting


async def test_what_is_not_published_in_time_is_transient(
    outbox: Outbox, shard: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.outbox.RECHECK_S", 0.05)
    monkeypatch.setattr("chassis.outbox.PUBLISH_LIMIT_S", 0.2)
    position = await outbox.commit(
        a_change(shard, "place", [Write(a_key(shard), 0, b"")], "placed")
    )
    with pytest.raises(Transient):
        await outbox.published(position)


async def test_a_change_that_tells_nothing_waits_for_nothing(outbox: Outbox, shard: str) -> None:
    position = await outbox.commit(a_change(shard, "place", [Write(a_key(shard), 0, b"")]))
    async with asyncio.timeout(0.4):
        await outbox.published(position)
