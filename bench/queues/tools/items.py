"""The item of work, as a user of a queue writes it: record the start, 50 ms of I/O, record the end.

Runs in the environment of the benchmark, where the project is not installed.
"""

import asyncio
import os
import time
from typing import Any

REDIS_URL = os.environ["BENCH_REDIS_URL"]
CONCURRENCY = int(os.environ["BENCH_CONCURRENCY"])
IO_S = 0.05
JOURNAL = os.open(os.environ["BENCH_JOURNAL"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)


def tell(what: str, item: int) -> None:
    """Append a line to the journal, in one write."""
    os.write(JOURNAL, f"{what} {item} {time.time():.6f}\n".encode())


def record(redis: Any, item: int, mark: str, counter: str) -> Any:
    """Return the pipeline that records a step of an item."""
    pipeline = redis.pipeline(transaction=True)
    pipeline.set(f"item:{item}", mark)
    pipeline.incr(f"items:{counter}")
    return pipeline


def work(redis: Any, item: int) -> None:
    """Do one item in a thread or a greenlet."""
    record(redis, item, "running", "started").execute()
    tell("began", item)
    time.sleep(IO_S)
    record(redis, item, "done", "ended").execute()
    tell("ended", item)


async def work_async(redis: Any, item: int) -> None:
    """Do one item in an event loop."""
    await record(redis, item, "running", "started").execute()
    tell("began", item)
    await asyncio.sleep(IO_S)
    await record(redis, item, "done", "ended").execute()
    tell("ended", item)
