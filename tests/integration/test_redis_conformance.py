"""What the engine asks of Redis, asked of every provider: the command set of 6.2, no more."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from campaignctl.infrastructure import Found, Ground
from redis.asyncio import Redis
from redis.exceptions import NoScriptError, ResponseError, WatchError

Unique = Callable[[str], str]
CLAIM = "local n = redis.call('INCR', KEYS[1]) redis.call('RPUSH', KEYS[2], ARGV[1]) return n"


@pytest.fixture
async def redis(each_redis: Found) -> AsyncIterator[Redis]:
    async with Redis.from_url(each_redis.address, decode_responses=True) as client:
        yield client


async def test_a_script_runs_by_its_digest_and_changes_all_of_its_keys(
    redis: Redis, unique: Unique
) -> None:
    term, log = (f"{{{unique('campaign')}}}:{part}" for part in ("term", "log"))
    digest = await redis.script_load(CLAIM)
    assert [await redis.evalsha(digest, 2, term, log, who) for who in "ab"] == [1, 2]
    assert await redis.lrange(log, 0, -1) == ["a", "b"]


async def test_an_unknown_digest_is_refused_so_that_the_script_can_be_loaded(redis: Redis) -> None:
    with pytest.raises(NoScriptError):
        await redis.evalsha("0" * 40, 0)


async def test_a_script_that_fails_keeps_what_it_had_written(redis: Redis, unique: Unique) -> None:
    """Scripts must check before they write: Redis undoes nothing."""
    key = unique("key")
    with pytest.raises(ResponseError):
        await redis.eval("redis.call('SET', KEYS[1], 'x') redis.call('NO-SUCH')", 1, key)
    assert await redis.get(key) == "x"


async def test_racing_scripts_never_interleave(redis: Redis, unique: Unique) -> None:
    key = unique("counter")
    read_then_write = (
        "local n = tonumber(redis.call('GET', KEYS[1]) or '0') redis.call('SET', KEYS[1], n + 1)"
    )
    await asyncio.gather(*(redis.eval(read_then_write, 1, key) for _ in range(80)))
    assert await redis.get(key) == "80"


async def test_a_stream_is_read_from_where_the_reader_stopped(redis: Redis, unique: Unique) -> None:
    stream = unique("outbox")
    ids = [await redis.xadd(stream, {"body": str(number)}) for number in range(3)]
    read: Any = await redis.xread({stream: ids[0]})
    [[_, entries]] = read
    assert [fields["body"] for _, fields in entries] == ["1", "2"]


async def test_a_trimmed_stream_forgets_what_lies_before_the_given_id(
    redis: Redis, unique: Unique
) -> None:
    stream = unique("outbox")
    ids = [await redis.xadd(stream, {"body": str(number)}) for number in range(5)]
    await redis.xtrim(stream, minid=ids[3], approximate=False)
    kept: Any = await redis.xrange(stream)
    assert [id_ for id_, _ in kept] == ids[3:]


async def test_a_blocked_reader_wakes_when_an_entry_arrives(redis: Redis, unique: Unique) -> None:
    stream = unique("outbox")

    async def read() -> Any:
        return await redis.xread({stream: "$"}, block=10_000)

    reading = asyncio.create_task(read())
    async with asyncio.timeout(5):
        while not any("xread" in client["cmd"] for client in await redis.client_list()):
            await asyncio.sleep(0.01)
        await redis.xadd(stream, {"body": "news"})
        [[_, [(_, fields)]]] = await reading
    assert fields == {"body": "news"}


async def test_a_blocked_reader_gives_up_after_its_time(redis: Redis, unique: Unique) -> None:
    assert not await redis.xread({unique("outbox"): "$"}, block=50)


async def test_a_group_hands_each_entry_to_one_reader_until_it_is_claimed(
    redis: Redis, unique: Unique
) -> None:
    stream = unique("work")
    await redis.xgroup_create(stream, "group", id="0", mkstream=True)
    await redis.xadd(stream, {"body": "x"})
    assert await redis.xreadgroup("group", "one", {stream: ">"})
    assert not await redis.xreadgroup("group", "two", {stream: ">"})
    claimed = await redis.xautoclaim(stream, "group", "two", min_idle_time=0)
    assert [fields["body"] for _, fields in claimed[1]] == ["x"]  # 6.2 sends two parts, 7 three


async def test_a_subscriber_hears_what_is_published(redis: Redis, unique: Unique) -> None:
    channel = unique("wake")
    async with redis.pubsub() as listener:
        await listener.subscribe(channel)
        assert (await listener.get_message(timeout=5))["type"] == "subscribe"
        assert await redis.publish(channel, "now") == 1
        assert (await listener.get_message(timeout=5))["data"] == "now"


async def test_a_transaction_does_nothing_when_a_watched_key_changed(
    redis: Redis, unique: Unique
) -> None:
    key = unique("version")
    async with redis.pipeline() as pipeline:
        await pipeline.watch(key)
        await redis.set(key, "theirs")
        pipeline.multi()  # type: ignore[no-untyped-call]  # redis-py left it so
        pipeline.set(key, "mine")
        with pytest.raises(WatchError):
            await pipeline.execute()
    assert await redis.get(key) == "theirs"


async def test_a_due_set_gives_the_earliest_and_leaves_the_rest(
    redis: Redis, unique: Unique
) -> None:
    due = unique("due")
    await redis.zadd(due, {"late": 30, "early": 10, "middle": 20})
    assert await redis.zrange(due, "-inf", 20, byscore=True) == ["early", "middle"]
    assert await redis.zpopmin(due) == [("early", 10.0)]


async def test_a_key_set_for_a_time_goes_by_itself(redis: Redis, unique: Unique) -> None:
    key = unique("lease")
    assert await redis.set(key, "me", nx=True, px=1000)
    assert await redis.set(key, "you", nx=True, px=1000) is None
    async with asyncio.timeout(5):
        while await redis.exists(key):
            await asyncio.sleep(0.01)


async def test_nothing_is_evicted_when_memory_runs_out(redis: Redis) -> None:
    assert (await redis.config_get("maxmemory-policy"))["maxmemory-policy"] == "noeviction"


async def test_every_acknowledged_write_survives_a_kill(own_redis: tuple[Found, Ground]) -> None:
    found, ground = own_redis
    assert found.child is not None
    async with Redis.from_url(found.address) as client:
        for number in range(500):
            await client.set(f"key-{number}", number)
    ground.supervisor.kill(found.child)
    ground.supervisor.restart(found.child)
    async with Redis.from_url(found.address) as client:
        assert await client.dbsize() == 500
