"""The items through celery."""

from celery import Celery
from items import CONCURRENCY, REDIS_URL, work
from redis import Redis

app = Celery("items", broker=REDIS_URL)
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    task_ignore_result=True,
    broker_transport_options={"visibility_timeout": 30, "max_connections": 2 * CONCURRENCY},
    broker_connection_retry_on_startup=True,
)
redis = Redis.from_url(REDIS_URL, max_connections=2 * CONCURRENCY)


@app.task(name="item")
def item(number: int) -> None:
    """Do one item."""
    work(redis, number)


def enqueue(count: int) -> None:
    """Put so many items into the queue."""
    with app.producer_pool.acquire() as producer:
        for number in range(count):
            item.apply_async((number,), producer=producer)
