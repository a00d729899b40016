"""The items through arq."""

import asyncio
from typing import Any

from arq import create_pool
from arq.connections import RedisSettings
from items import CONCURRENCY, REDIS_URL, work_async

SETTINGS = RedisSettings.from_dsn(REDIS_URL)


async def item(context: dict[str, Any], number: int) -> None:
    """Do one item."""
    await work_async(context["redis"], number)


class WorkerSettings:
    """How arq is run: a silent worker's items are free again after job_timeout + 10 s."""

    functions = [item]  # noqa: RUF012  arq reads a plain class
    redis_settings = SETTINGS
    max_jobs = CONCURRENCY
    poll_delay = 0.05
    job_timeout = 15
    keep_result = 0


def enqueue(count: int) -> None:
    """Put so many items into the queue."""

    async def put() -> None:
        pool = await create_pool(SETTINGS)
        for first in range(0, count, 100):
            numbers = range(first, min(first + 100, count))
            await asyncio.gather(*(pool.enqueue_job("item", number) for number in numbers))
        await pool.aclose()

    asyncio.run(put())
