"""The epoch of the store: what Redis has lost is noticed before anybody acts on it."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from campaignctl.infrastructure import Provider, standing_ground, start_redis_cluster, take_redis
from campaignctl.supervision import Supervisor
from chassis import epoch as epochs
from chassis.epoch import Epoch, Lost, epoch_key
from chassis.errors import TRANSIENT, Forgotten
from chassis.outbox import Change, Outbox, Write
from chassis.shards import every_shard
from chassis.store import connect
from redis.asyncio import Redis
from target_queue import TargetQueue

SHARD = "dialing-3"
KEY = f"{{{SHARD}}}:thing:1"


@pytest.fixture(scope="module", params=["redis", "cluster"])
def lone(request: pytest.FixtureRequest) -> Iterator[tuple[str, str, Supervisor]]:
    """A store that no other test uses: its address, one of its processes, who started it."""
    with standing_ground(announce=lambda _: None) as ground:
        if request.param == "redis":
            found = take_redis(ground, Provider.NATIVE)
            yield found.address, found.child or "", ground.supervisor
        else:
            yield start_redis_cluster(ground).address, "redis-cluster-2", ground.supervisor


@pytest.fixture
async def plain(lone: tuple[str, str, Supervisor]) -> AsyncIterator[Redis]:
    """A client that takes any server for the right one."""
    client = connect(lone[0])
    await epochs.begin(client)
    yield client
    await client.aclose()


@pytest.fixture
async def outbox(lone: tuple[str, str, Supervisor], plain: Redis) -> AsyncIterator[Outbox]:
    epoch = Epoch()
    assert await epochs.adopt(plain, epoch)
    client = connect(lone[0], epoch)
    yield Outbox(client, epoch)
    await client.aclose()


def a_change(version: int) -> Change:
    return Change(SHARD, f"change-{version}", writes=(Write(KEY, version, b"body"),))


async def flush(plain: Redis) -> None:
    await plain.flushall()


async def test_an_empty_store_refuses_reads_and_writes_until_its_next_epoch(
    outbox: Outbox, plain: Redis
) -> None:
    await outbox.commit(a_change(0))
    await flush(plain)
    with pytest.raises(Lost, match="campaignctl rebuild"):
        await outbox.read(KEY)
    with pytest.raises(Lost):
        await outbox.commit(a_change(0))
    with pytest.raises(Lost):
        await TargetQueue(outbox).release("an-outdial")
    with pytest.raises(Lost, match="empty"):
        await epochs.adopt(plain, outbox.epoch)
    await epochs.begin(plain)
    with pytest.raises(Lost):
        await outbox.read(KEY)
    assert await epochs.adopt(plain, outbox.epoch), "it is another epoch"
    assert await outbox.read(KEY) is None
    await outbox.commit(a_change(0))
    await plain.delete(KEY)


async def test_what_was_committed_before_a_rebuild_does_not_count_as_told(
    outbox: Outbox, plain: Redis
) -> None:
    position = await outbox.commit(a_change(0))
    await epochs.begin(plain)
    await epochs.adopt(plain, outbox.epoch)
    outbox.hear(SHARD, (position.id[0] + 1, 0))  # something that came later is told
    with pytest.raises(Forgotten):
        await outbox.published(position)
    await plain.delete(KEY)


async def test_a_shard_that_is_missing_is_a_store_that_is_lost(
    outbox: Outbox, plain: Redis
) -> None:
    assert not await epochs.adopt(plain, outbox.epoch), "it is the same epoch as before"
    await plain.delete(epoch_key(every_shard()[5]))
    with pytest.raises(Lost, match="a part"):
        await epochs.adopt(plain, outbox.epoch)


async def test_a_store_that_is_being_rebuilt_is_in_no_epoch(outbox: Outbox, plain: Redis) -> None:
    await epochs.close(plain)
    with pytest.raises(Lost, match="being rebuilt"):
        await epochs.adopt(plain, outbox.epoch)
    with pytest.raises(Lost):
        await outbox.read(KEY)


async def test_a_new_installation_has_one_first_epoch_however_many_begin_it(plain: Redis) -> None:
    await flush(plain)
    await asyncio.gather(*(epochs.found(plain) for _ in range(3)))
    first, second = Epoch(), Epoch()
    await epochs.adopt(plain, first)
    await epochs.found(plain)
    await epochs.adopt(plain, second)
    assert first == second


async def test_a_server_that_was_restarted_is_another_one(
    lone: tuple[str, str, Supervisor], outbox: Outbox, plain: Redis
) -> None:
    _, child, supervisor = lone
    supervisor.kill(child)
    supervisor.restart(child)

    async def refusal() -> str:
        while True:  # a cluster takes a moment to notice that its node is back
            try:
                await epochs.adopt(plain, Epoch())
            except Lost as lost:
                return str(lost)
            except TRANSIENT:
                await asyncio.sleep(0.1)

    assert "restarted or replaced" in await asyncio.wait_for(refusal(), 30)
    refused = 0
    for shard in every_shard():
        try:
            await outbox.read(f"{{{shard}}}:thing:1")
        except TRANSIENT:
            refused += 1
    assert refused > 0, "nothing is read from it"
    assert (refused == len(every_shard())) is (child != "redis-cluster-2")
