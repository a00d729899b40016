"""A whole campaign at full speed: attempts per second, CPU per attempt, and how late things are.

    make bench-engine          20,000 targets that answer, hear a talk of zero length and are hung up

The programs run as separate processes on native Kafka and Redis, all on this machine. Campaigns of
one target show how long the first ring takes, a campaign at a steady pace shows how long callers
wait when the machine is not full, campaigns without a pace show how many fit. The same machine then
runs the raw loop (`bench.raw`): only the Redis and Kafka operations of an attempt.
"""

import argparse
import asyncio
import json
import statistics
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
from aiokafka import AIOKafkaConsumer
from campaignctl.stack import Stack, StackOptions, running_stack

from bench.page import write_section
from bench.raw import raw_rate
from bench.usage import cpu_seconds, peak_mib

BULK = 5000
ENDING = "70000"  # answers at once, waits for us to hang up
UNPACED = 100_000  # calls per second: more than there will be
STEADY = 100  # calls per second


@dataclass(frozen=True, slots=True)
class Measured:
    """What one campaign showed."""

    targets: int
    attempts: int
    seconds: float
    first_origination_ms: float
    answer_to_play_ms: list[float]
    cpu_us: dict[str, float]
    peak_mib: dict[str, float]


class Api:
    """The little of the REST API that the benchmark needs."""

    def __init__(self, stack: Stack) -> None:
        self._client = httpx.Client(base_url=stack.api_url, timeout=120)
        login = {"username": stack.username, "password": stack.password}
        token = self._client.post("/auth/login", json=login).raise_for_status().json()["token"]
        self.token: str = token
        self._client.headers["Authorization"] = f"Bearer {token}"

    def post(self, path: str, body: Any) -> Any:
        """Create something and return it."""
        return self._client.post(f"/v1.0{path}", json=body).raise_for_status().json()

    def put(self, path: str, body: Any) -> Any:
        """Change something and return it."""
        return self._client.put(f"/v1.0{path}", json=body).raise_for_status().json()

    def get(self, path: str) -> Any:
        """Return something."""
        return self._client.get(f"/v1.0{path}").raise_for_status().json()


def processes(stack: Stack) -> dict[str, int]:
    """Return the process id of every program, Kafka and Redis included."""
    names = [*stack.programs, stack.kafka.child, stack.redis.child]
    return {name: stack.children.pid(name) for name in names if name}


def a_campaign(api: Api, targets: int, concurrency: int, calls_per_second: int) -> str:
    """Make a campaign over so many targets; return its id."""
    outdial = api.post("/outdials", {"name": "bench"})["id"]
    for first in range(0, targets, BULK):
        rows = [
            {"destination_0": {"type": "tel", "target": f"+1{number:06d}{ENDING}"}}
            for number in range(first, min(first + BULK, targets))
        ]
        api.post(f"/outdials/{outdial}/targets", rows)
    outplan = api.post("/outplans", {"name": "bench", "dial_timeout": 30000, "max_try_count_0": 1})
    campaign = api.post(
        "/campaigns",
        {
            "name": "bench",
            "type": "call",
            "end_handle": "stop",
            "actions": [
                {"type": "talk", "option": {"text": "", "language": "en-US"}},
                {"type": "hangup"},
            ],
            "outplan_id": outplan["id"],
            "outdial_id": outdial,
            "max_concurrent_calls": concurrency,
            "calls_per_second": calls_per_second,
        },
    )
    return str(campaign["id"])


def measure(
    stack: Stack, targets: int, concurrency: int, calls_per_second: int = UNPACED
) -> Measured:
    """Run one campaign to its end and say what it took."""
    api = Api(stack)
    campaign = a_campaign(api, targets, concurrency, calls_per_second)
    pids = processes(stack)
    before = {name: cpu_seconds(pid) for name, pid in pids.items()}
    seen = len(stack.journal_lines())
    asked = datetime.now(UTC)
    api.put(f"/campaigns/{campaign}/status", {"status": "run"})
    while api.get(f"/campaigns/{campaign}")["status"] != "stop":
        time.sleep(0.2)
    after = {name: cpu_seconds(pid) for name, pid in pids.items()}
    lines = stack.journal_lines()[seen:]
    began = datetime.fromisoformat(lines[0]["at"])
    story = asyncio.run(read_story(stack.kafka_bootstrap, campaign))
    attempts = len(lines)
    return Measured(
        targets=targets,
        attempts=attempts,
        seconds=(max(story.settled) - began).total_seconds(),
        first_origination_ms=(began - asked).total_seconds() * 1000,
        answer_to_play_ms=story.answer_to_play_ms(),
        cpu_us={name: (after[name] - before[name]) / attempts * 1e6 for name in pids},
        peak_mib={name: peak_mib(pid) for name, pid in pids.items()},
    )


class Story:
    """When the calls of one campaign were answered, had played, and were settled."""

    def __init__(self) -> None:
        self.answered: dict[str, datetime] = {}
        self.played: dict[str, datetime] = {}
        self.settled: list[datetime] = []

    def answer_to_play_ms(self) -> list[float]:
        """Return how long each party waited; both instants are the gateway's, playing takes 0 s."""
        return sorted(
            (self.played[id_] - at).total_seconds() * 1000
            for id_, at in self.answered.items()
            if id_ in self.played
        )


async def read_story(bootstrap: str, campaign: str) -> Story:
    """Read the call events of a campaign from the log."""
    story = Story()
    consumer = AIOKafkaConsumer(
        "call.events", bootstrap_servers=bootstrap, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        ends = await consumer.end_offsets(list(consumer.assignment()))
        while any([await consumer.position(place) < end for place, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                for record in records:
                    body = json.loads(record.value)["data"]
                    if body.get("campaign_id") != campaign:
                        continue
                    at = datetime.fromisoformat(body["at"])
                    if body["type"] == "call.answered":
                        story.answered[body["attempt_id"]] = at
                    elif body["type"] == "call.playback_finished":
                        story.played[body["attempt_id"]] = at
                    elif body["type"] == "call.settled":
                        story.settled.append(at)
    finally:
        await consumer.stop()
    return story


def percentile(values: list[float], percent: int) -> float:
    """Return a percentile of sorted values."""
    return values[min(len(values) - 1, len(values) * percent // 100)] if values else float("nan")


def report(
    runs: list[Measured],
    firsts: list[float],
    steady: Measured,
    raw: tuple[float, float],
    words: str,
) -> str:
    """Return the section of the page."""
    rates = [run.attempts / run.seconds for run in runs]
    middle = runs[rates.index(statistics.median_low(rates))]
    rate = middle.attempts / middle.seconds
    busiest = sorted(run.first_origination_ms for run in runs)
    raw_rate_, raw_cpu = raw
    rows = "\n".join(
        f"| {name} | {used:.0f} | {middle.peak_mib[name]:.0f} |"
        for name, used in sorted(middle.cpu_us.items(), key=lambda row: -row[1])
    )
    return f"""`make bench-engine`: {middle.targets:,} targets that answer, hear a `talk` of zero length and are hung up;
{len(runs)} runs, the median one is shown. {words}; 2 cores shared by everything.

| | |
|---|---|
| attempts per second | **{rate:.0f}** (runs: {", ".join(f"{r:.0f}" for r in rates)}) |
| raw loop, attempts per second | {raw_rate_:.0f} ({raw_cpu * 1e6:.0f} us CPU of one process an attempt) |
| ratio to the raw loop | **{rate / raw_rate_:.2f}** |
| from `run` to the first origination, {len(firsts)} small campaigns | {in_words(firsts)} |
| from `run` to the first origination, the full ones | {in_words(busiest)} |
| from the answer to the `play`, at {STEADY} calls per second | {in_words(steady.answer_to_play_ms)} |
| from the answer to the `play`, at full speed | {in_words(middle.answer_to_play_ms)} |

Where the time goes, per process: microseconds of CPU per attempt, and the most memory held.

| process | us | MiB |
|---|---|---|
{rows}
| together | {sum(middle.cpu_us.values()):.0f} | {sum(middle.peak_mib.values()):.0f} |
"""


def in_words(sorted_ms: list[float]) -> str:
    """Return the middle and the far end of some durations."""
    return f"p50 {percentile(sorted_ms, 50):.0f} ms, p99 {percentile(sorted_ms, 99):.0f} ms"


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--targets", type=int, default=20_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--concurrency", type=int, default=400, help="Calls open at a time.")
    parser.add_argument("--no-file", action="store_true", help="Print the page only.")
    asked = parser.parse_args()
    settings = {
        f"{name}_LOG_LEVEL": "warning" for name in ("CAMPAIGN_MANAGER", "DIALER", "FLOW_RUNNER")
    }
    with running_stack(StackOptions(settings=settings)) as stack:
        words = f"Kafka {stack.kafka.title}, Redis {stack.redis.title}"
        measure(stack, 500, asked.concurrency)  # warms the JVM and the caches
        firsts = sorted(measure(stack, 1, 1).first_origination_ms for _ in range(20))
        steady = measure(stack, 20 * STEADY, asked.concurrency, STEADY)
        runs = []
        for number in range(asked.runs):
            run = measure(stack, asked.targets, asked.concurrency)
            print(f"run {number + 1}: {run.attempts / run.seconds:.0f} attempts/s")
            runs.append(run)
        raw = asyncio.run(raw_rate(stack.kafka_bootstrap, stack.redis_url, asked.targets // 2))
    page = report(runs, firsts, steady, raw, words)
    print(page)
    if not asked.no_file:
        write_section("engine", page)


if __name__ == "__main__":
    main()
