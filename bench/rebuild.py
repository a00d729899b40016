"""An empty Redis rebuilt from Kafka: a million waiting targets, as `campaignctl rebuild` does it.

    make bench-rebuild

The targets are told to Kafka as an import tells them, one `target.added` each. Raw: a bare consumer
that reads the same messages and looks at none.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

from aiokafka import AIOKafkaProducer
from campaignctl.infrastructure import find_kafka, find_redis, standing_ground
from chassis.broker import build_producer
from chassis.provisioning import provision
from chassis.settings import ServiceSettings
from contracts.envelope import wrap
from contracts.target import Destination, Target, TargetAdded
from contracts.topics import TARGET_EVENTS
from redis import Redis

from bench.bare import read_bare
from bench.page import write_section

CAMPAIGNCTL = str(Path(sys.executable).with_name("campaignctl"))
SENT_AT_ONCE = 5_000


def told(outdial_id: str, number: int, began: datetime) -> tuple[bytes, bytes]:
    """Return key and value of the message that tells of one target."""
    target_id = str(UUID(int=number + (1 << 100)))
    at = began + timedelta(microseconds=number)
    target = Target(
        target_id=target_id,
        outdial_id=outdial_id,
        customer_id="5e4a0680-804e-11ec-8477-2fea5968d85b",
        destinations=(Destination(slot=0, kind="tel", address=f"+1{number:010d}"),),
        created_at=at,
        updated_at=at,
    )
    envelope = wrap(
        TargetAdded(target=target),
        source="campaign-manager",
        subject=target_id,
        sequence=16,
        at=at,
        customer_id=target.customer_id,
    )
    return target_id.encode(), envelope.encode()


async def fill(settings: ServiceSettings, count: int) -> None:
    """Tell Kafka of so many targets of one outdial."""
    await provision(settings)
    producer: AIOKafkaProducer = build_producer(settings, "bench")
    await producer.start()
    outdial_id, began = str(uuid4()), datetime.now(UTC)
    headers = [("ce_type", b"target.added")]
    for first in range(0, count, SENT_AT_ONCE):
        sent = []
        for number in range(first, min(first + SENT_AT_ONCE, count)):
            key, value = told(outdial_id, number, began)
            sent.append(
                await producer.send(TARGET_EVENTS.name, value=value, key=key, headers=headers)
            )
        await asyncio.gather(*sent)
    await producer.stop()


def main() -> None:
    """Measure and write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--targets", type=int, default=1_000_000)
    parser.add_argument("--no-file", action="store_true", help="Print the section only.")
    asked = parser.parse_args()
    with standing_ground() as ground:
        kafka, redis = find_kafka(ground), find_redis(ground)
        settings = ServiceSettings(kafka_bootstrap=kafka.address, redis_url=redis.address)
        began = time.perf_counter()
        asyncio.run(fill(settings, asked.targets))
        print(f"filled in {time.perf_counter() - began:.0f} s", flush=True)
        bare_s = asyncio.run(read_bare(kafka.address, asked.targets, [TARGET_EVENTS]))
        began = time.perf_counter()
        ended = subprocess.run(
            [CAMPAIGNCTL, "rebuild", "--json"],
            env={"KAFKA_BOOTSTRAP": kafka.address, "REDIS_URL": redis.address},
            capture_output=True,
            text=True,
            check=True,
        )
        took_s = time.perf_counter() - began
        rebuilt = json.loads(ended.stdout)
        with Redis.from_url(redis.address) as client:
            held = client.info("memory")["used_memory"] / asked.targets
        words = f"Kafka {kafka.title}, {redis.title}"
    text = f"""`make bench-rebuild`. {words}; 2 cores shared by everything.

| | |
|---|---|
| waiting targets | {asked.targets:,} |
| `campaignctl rebuild`, from its start to its end (aim: under 60 s for a million) | **{took_s:.1f} s** |
| of these, at least, it waits for relays to rest | 5.5 s |
| messages read, commands written | {rebuilt["messages"]:,}, {rebuilt["records"]:,} |
| targets per second | {asked.targets / took_s:,.0f} |
| raw: a bare consumer reads the same messages | {bare_s:.1f} s |
| ratio | {took_s / bare_s:.1f} |
| Redis bytes per waiting target afterwards | {held:.0f} |"""
    print(text)
    if not asked.no_file:
        write_section("rebuild", text)


if __name__ == "__main__":
    main()
