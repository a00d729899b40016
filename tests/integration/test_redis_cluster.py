"""The client of a Redis Cluster: it follows a redirection, and repeats nothing by itself."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from chassis.errors import TRANSIENT
from chassis.store import connect, nodes_of
from redis.asyncio import Redis
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.exceptions import ConnectionError as RedisAway


@pytest.fixture
async def redis(redis_cluster_url: str) -> AsyncIterator[Redis]:
    client = connect(redis_cluster_url)
    yield client
    await client.aclose()


async def test_keys_of_different_tags_lie_on_different_nodes(
    redis: Redis, redis_cluster_url: str, unique: Callable[[str], str]
) -> None:
    """Otherwise none of the tests on the cluster would be one."""
    keys = [f"{{{unique('tag')}}}:{number}" for number in range(50)]
    await asyncio.gather(*(redis.set(key, "here") for key in keys))
    for host, port in nodes_of(redis_cluster_url):
        async with Redis(host=host, port=port, decode_responses=True) as node:
            assert set(keys) & set(await node.keys("*"))


async def test_a_command_whose_answer_was_lost_is_an_error_and_happened_once(
    redis: Redis, unique: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    key = unique("count")
    await redis.incr(key)

    async def lost(self: ClusterNode, *_: Any, **__: Any) -> Any:
        raise RedisAway("the answer was lost")

    with monkeypatch.context() as patch:
        patch.setattr(ClusterNode, "parse_response", lost)
        with pytest.raises(TRANSIENT):
            await redis.incr(key)
    assert await redis.get(key) == b"2"


async def test_who_thinks_that_another_node_has_the_slot_is_led_there_and_writes_once(
    redis: Redis, unique: Callable[[str], str]
) -> None:
    key = unique("count")
    assert isinstance(redis, RedisCluster)
    await redis.incr(key)
    slots = redis.nodes_manager.slots_cache
    slot = redis.keyslot(key)
    slots[slot] = next(nodes for nodes in slots.values() if nodes != slots[slot])
    assert await redis.incr(key) == 2
    assert await redis.get(key) == b"2"


async def test_a_broken_connection_costs_what_was_under_way_on_it_and_no_more(
    redis: Redis, redis_cluster_url: str, unique: Callable[[str], str]
) -> None:
    keys = [f"{{{unique('tag')}}}:{number}" for number in range(100)]
    await asyncio.gather(*(redis.set(key, "here") for key in keys))
    host, port = nodes_of(redis_cluster_url)[0]
    async with Redis(host=host, port=port) as node:
        await node.client_kill_filter(_type="normal", skipme=True)
    told = await asyncio.gather(*(redis.get(key) for key in keys), return_exceptions=True)
    assert any(isinstance(answer, TRANSIENT) for answer in told)
    assert await asyncio.gather(*(redis.get(key) for key in keys)) == [b"here"] * len(keys)


async def test_a_cluster_that_is_not_there_is_transient() -> None:
    redis = connect("redis+cluster://127.0.0.1:1,127.0.0.1:2")
    with pytest.raises(TRANSIENT):
        await redis.get("key")


@pytest.mark.parametrize(
    ("url", "nodes"),
    [
        ("redis+cluster://one:7000,two:7001", [("one", 7000), ("two", 7001)]),
        ("rediss+cluster://me:se%40cret@one,[::1]:7001", [("one", 6379), ("::1", 7001)]),
        ("redis://one:7000/0", [("one", 7000)]),
    ],
)
def test_an_address_names_its_servers(url: str, nodes: list[tuple[str, int]]) -> None:
    assert nodes_of(url) == nodes
