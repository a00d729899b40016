"""The raw limit of one attempt: its Redis and Kafka operations, and no logic at all.

Per attempt the engine commits state nine times (dialer: intent, ringing, answered, played, settled;
flow-runner: start, played, hung up; campaign-manager: the read model), publishes sixteen messages
and reads them by the groups that want them. Here the same number of records, messages and reads of
the same size go through redis-py and aiokafka, in batches of 100 attempts, with nothing in between.
"""

import asyncio
import os
import time
import uuid
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from redis.asyncio import Redis

COMMITS = 9
MESSAGES = 16
READERS = 2
BATCH = 100
RECORD = b"r" * 900
VALUE = b"v" * 700
COMMIT = """
for n = 1, #ARGV, 2 do
  redis.call('SET', ARGV[n], ARGV[n + 1])
end
for n = 1, tonumber(KEYS[2]) do
  redis.call('XADD', KEYS[1], '*', 'k', n, 'v', ARGV[2])
end
return 1
"""


async def _commit(redis: Redis, stream: str, first: int) -> None:
    script = redis.register_script(COMMIT)
    for step in range(COMMITS):
        messages = MESSAGES // COMMITS + (1 if step < MESSAGES % COMMITS else 0)
        words: list[bytes | str] = []
        for number in range(first, first + BATCH):
            words += (f"raw:{number}", RECORD)
        await script(keys=[stream, str(messages * BATCH)], args=words)


async def _relay(
    redis: Redis, producer: AIOKafkaProducer, stream: str, topic: str, total: int
) -> None:
    last: bytes = b"0"
    sent = 0
    while sent < total:
        answer: Any = await redis.xread({stream: last}, count=500, block=1000)
        if not answer:
            continue
        entries = answer[0][1] if isinstance(answer, list) else next(iter(answer.values()))[0]
        waiting = [await producer.send(topic, value=VALUE, key=entry[b"k"]) for _, entry in entries]
        await asyncio.gather(*waiting)
        last = entries[-1][0]
        await redis.xtrim(stream, minid=last)
        sent += len(entries)


async def _read(bootstrap: str, topic: str, total: int) -> None:
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=uuid.uuid4().hex,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        seen = 0
        while seen < total:
            batch = await consumer.getmany(timeout_ms=100)
            seen += sum(len(records) for records in batch.values())
            if batch:
                await consumer.commit()
    finally:
        await consumer.stop()


async def raw_rate(bootstrap: str, redis_url: str, attempts: int) -> tuple[float, float]:
    """Return attempts per second of the raw loop, and its CPU seconds per attempt."""
    from chassis.broker import LARGEST_BATCH_BYTES

    redis = Redis.from_url(redis_url, protocol=2)
    stream = f"raw-outbox-{uuid.uuid4().hex}"
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        acks="all",
        enable_idempotence=True,
        max_batch_size=LARGEST_BATCH_BYTES,
    )
    await producer.start()
    topic = await _own_topic(bootstrap)
    total = attempts * MESSAGES
    began, cpu = time.perf_counter(), time.process_time()
    readers = [asyncio.create_task(_read(bootstrap, topic, total)) for _ in range(READERS)]
    relay = asyncio.create_task(_relay(redis, producer, stream, topic, total))
    for first in range(0, attempts, BATCH):
        await _commit(redis, stream, first)
    await asyncio.gather(relay, *readers)
    took, used = time.perf_counter() - began, time.process_time() - cpu
    await producer.stop()
    await redis.aclose()
    return attempts / took, used / attempts


async def _own_topic(bootstrap: str) -> str:
    from aiokafka.admin import AIOKafkaAdminClient, NewTopic

    name = f"raw-{uuid.uuid4().hex}"
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, 12, 1)])
    finally:
        await admin.close()
    return name


if __name__ == "__main__":
    rate, cpu = asyncio.run(raw_rate(os.environ["KAFKA_BOOTSTRAP"], os.environ["REDIS_URL"], 5000))
    print(f"raw: {rate:.0f} attempts/s, {cpu * 1e6:.0f} us CPU an attempt")
