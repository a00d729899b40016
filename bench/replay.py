"""The log scanned and replayed: `campaignctl events` with a filter, and `campaignctl replay`.

    make bench-replay

A recorded call with a prompt, digits and a branch is told again and again under new ids. Raw: a
bare consumer that reads the same messages and looks at none.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

from aiokafka import AIOKafkaProducer
from campaignctl.history import Range, read
from campaignctl.infrastructure import find_kafka, standing_ground
from campaignctl.log import LogRecord
from campaignctl.publishing import headers_of
from campaignctl.replaying import TOPICS
from chassis.broker import build_producer
from chassis.provisioning import provision
from chassis.settings import ServiceSettings

from bench.bare import read_bare
from bench.page import write_section

CAMPAIGNCTL = str(Path(sys.executable).with_name("campaignctl"))
RECORDED = Path(__file__).parents[1] / "tests" / "replays" / "digits.log.gz"
SENT_AT_ONCE = 5_000
APART_MS = 20
LOOKED_EVERY_S = 0.25


def calls(count: int) -> Iterator[LogRecord]:
    """Yield so many messages: the campaign, then the recorded call under new ids."""
    recorded = [one for one in read(Range(file=RECORDED, topics=TOPICS)) if one.value]
    attempt = next(str(one.key) for one in recorded if one.type == "call.dialing")
    target = next(str(one.key) for one in recorded if one.type == "target.added")
    begins = [one for one in recorded if one.topic == "campaign.events"][:2]
    story = [one for one in recorded if one.topic != "campaign.events"]
    yield from begins
    for number in range((count - len(begins)) // len(story)):
        attempt_id, target_id = (str(UUID(int=number + (n << 100))) for n in (1, 2))
        for one in story:
            value = (one.value or b"").replace(attempt.encode(), attempt_id.encode())
            yield one._replace(
                value=value.replace(target.encode(), target_id.encode()),
                key=(one.key or "").replace(attempt, attempt_id).replace(target, target_id),
                correlation_id=attempt_id,
                timestamp_ms=one.timestamp_ms + number * APART_MS,
            )


async def fill(settings: ServiceSettings, count: int) -> int:
    """Tell Kafka of the calls; return how many messages that were."""
    await provision(settings)
    producer: AIOKafkaProducer = build_producer(settings, "bench")
    await producer.start()
    told, sent = 0, []
    for record in calls(count):
        sent.append(
            await producer.send(
                record.topic,
                value=record.value,
                key=str(record.key).encode(),
                headers=headers_of(record),
                timestamp_ms=record.timestamp_ms,
            )
        )
        told += 1
        if len(sent) >= SENT_AT_ONCE:
            await asyncio.gather(*sent)
            sent.clear()
    await asyncio.gather(*sent)
    await producer.stop()
    return told


def measured(bootstrap: str, *words: str) -> tuple[float, list[float], dict[str, object]]:
    """Return how long a command takes, its memory in MiB now and then, and what it says."""
    began = time.perf_counter()
    child = subprocess.Popen(
        [CAMPAIGNCTL, *words, "--json"],
        env={"KAFKA_BOOTSTRAP": bootstrap},
        stdout=subprocess.PIPE,
        text=True,
    )
    memory: list[float] = []
    while child.poll() is None:
        time.sleep(LOOKED_EVERY_S)
        memory.append(held_mib(child.pid))
    took = time.perf_counter() - began
    said = child.stdout.read() if child.stdout else ""
    if child.returncode:
        raise SystemExit(f"campaignctl {' '.join(words)} ended with {child.returncode}: {said}")
    told: dict[str, object] = json.loads(said.splitlines()[-1])
    return took, [one for one in memory if one], told


def held_mib(pid: int) -> float:
    """Return the memory that a process holds."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return 0.0
    rows = [line.split() for line in status.splitlines() if line.startswith("VmRSS:")]
    return int(rows[0][1]) / 1024 if rows else 0.0


def main() -> None:
    """Measure and write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=10_000_000)
    parser.add_argument("--no-file", action="store_true", help="Print the section only.")
    asked = parser.parse_args()
    with standing_ground() as ground:
        kafka = find_kafka(ground)
        settings = ServiceSettings(kafka_bootstrap=kafka.address)
        began = time.perf_counter()
        count = asyncio.run(fill(settings, asked.messages))
        print(f"{count:,} filled in {time.perf_counter() - began:.0f} s", flush=True)
        bare_s = asyncio.run(read_bare(kafka.address, count, TOPICS))
        rows = []
        for name, *words in (
            ("`events`, by header", "events", "--type", "call.hung_up", "--count"),
            ("`events`, by a field", "events", "--type", "call.settled", "--where",
             "data.outcome==busy", "--count"),
            ("`replay`", "replay"),
        ):  # fmt: skip
            took_s, memory, told = measured(kafka.address, *words)
            print(name, f"{took_s:.1f} s", told, flush=True)
            early = memory[len(memory) // 10]
            rows.append(
                f"| {name} | **{count / took_s:,.0f}** | {took_s:.1f} s | {took_s / bare_s:.1f} "
                f"| {early:.0f} | {max(memory):.0f} |"
            )
    text = f"""`make bench-replay`. Kafka {kafka.title}; 2 cores shared by everything; {count:,} messages of
calls with a prompt, digits and a branch. Aims: 50,000 messages a second scanned, 10,000 replayed, on one core, memory flat.

| | messages per second | took | ratio to the bare consumer | MiB after a tenth | MiB at most |
|---|---|---|---|---|---|
| raw: a bare consumer | {count / bare_s:,.0f} | {bare_s:.1f} s | 1 | | |
{chr(10).join(rows)}"""
    print(text)
    if not asked.no_file:
        write_section("replay", text)


if __name__ == "__main__":
    main()
