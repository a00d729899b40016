"""The items through dramatiq."""

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from items import CONCURRENCY, REDIS_URL, work
from redis import Redis

broker = RedisBroker(url=REDIS_URL)
dramatiq.set_broker(broker)
redis = Redis.from_url(REDIS_URL, max_connections=2 * CONCURRENCY)


@dramatiq.actor
def item(number: int) -> None:
    """Do one item."""
    work(redis, number)


def enqueue(count: int) -> None:
    """Put so many items into the queue."""
    for number in range(count):
        item.send(number)
