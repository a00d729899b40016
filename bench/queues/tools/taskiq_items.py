"""The items through taskiq."""

import asyncio

from items import CONCURRENCY, REDIS_URL, work_async
from redis.asyncio import BlockingConnectionPool, Redis
from taskiq_redis import RedisStreamBroker

broker = RedisStreamBroker(
    REDIS_URL,
    consumer_id="0",
    idle_timeout=30_000,
    xread_block=1000,
    unacknowledged_lock_timeout=10,
)
redis = Redis(
    connection_pool=BlockingConnectionPool.from_url(REDIS_URL, max_connections=CONCURRENCY)
)


@broker.task(task_name="item")
async def item(number: int) -> None:
    """Do one item."""
    await work_async(redis, number)


def enqueue(count: int) -> None:
    """Put so many items into the queue."""

    async def put() -> None:
        await broker.startup()
        for first in range(0, count, 100):
            numbers = range(first, min(first + 100, count))
            await asyncio.gather(*(item.kiq(number) for number in numbers))
        await broker.shutdown()

    asyncio.run(put())
