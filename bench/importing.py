"""A list imported through the REST API: targets per second, CPU per target, bytes in Redis.

The requests are made beforehand; they go to the campaign-manager as a process, which answers when
Kafka has every target (acks=all). First shorter lists show which size of a request and how many
requests at a time are best; the long one is then imported in that way.
"""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
from campaignctl.stack import Stack
from redis import Redis

from bench.engine import Api, processes
from bench.usage import cpu_seconds

WAYS = [(500, 1), (500, 4), (2000, 1), (2000, 4), (10_000, 2)]


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import took.

    Attributes:
        size: Targets in a request.
        concurrency: Requests under way at a time.
        cpu_us: Microseconds of CPU per target of every program.
        bytes_per_target: What Redis holds more than before, once nothing waits in the outbox.
    """

    targets: int
    size: int
    concurrency: int
    seconds: float
    cpu_us: dict[str, float]
    bytes_per_target: float

    @property
    def per_second(self) -> float:
        """Targets per second."""
        return self.targets / self.seconds


def _requests(count: int, size: int) -> Iterator[bytes]:
    row = '{"destination_0":{"type":"tel","target":"+1%010d"}}'
    for first in range(0, count, size):
        rows = (row % number for number in range(first, min(first + size, count)))
        yield f"[{','.join(rows)}]".encode()


async def _post(url: str, token: str, count: int, size: int, concurrency: int) -> float:
    """Send all requests and return the seconds from the first to the last answer."""
    bodies = _requests(count, size)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    async def send(client: httpx.AsyncClient) -> None:
        for body in bodies:
            (await client.post(url, content=body)).raise_for_status()

    async with httpx.AsyncClient(headers=headers, timeout=120, trust_env=False) as client:
        began = time.perf_counter()
        await asyncio.gather(*(send(client) for _ in range(concurrency)))
        return time.perf_counter() - began


def import_targets(stack: Stack, count: int, size: int, concurrency: int) -> Imported:
    """Import a list of so many targets into an outdial of its own."""
    api = Api(stack)
    outdial = api.post("/outdials", {"name": "bench"})["id"]
    with Redis.from_url(stack.redis_url) as redis:
        held = redis.info("memory")["used_memory"]
        pids = {**processes(stack)}
        before = {name: cpu_seconds(pid) for name, pid in pids.items()}
        url = f"{stack.api_url}/v1.0/outdials/{outdial}/targets"
        seconds = asyncio.run(_post(url, api.token, count, size, concurrency))
        after = {name: cpu_seconds(pid) for name, pid in pids.items()}
        held = redis.info("memory")["used_memory"] - held
    return Imported(
        targets=count,
        size=size,
        concurrency=concurrency,
        seconds=seconds,
        cpu_us={name: (after[name] - before[name]) / count * 1e6 for name in pids},
        bytes_per_target=held / count,
    )


def run(stack: Stack, count: int, trial: int) -> tuple[list[Imported], Imported]:
    """Try every way on a short list, then import the long one in the best."""
    import_targets(stack, trial // 5, *WAYS[0])  # warms the JVM and the caches
    trials = []
    for size, concurrency in WAYS:
        trials.append(import_targets(stack, trial, size, concurrency))
        print(f"{size} a request, {concurrency} at a time: {trials[-1].per_second:,.0f} targets/s")
    best = max(trials, key=lambda one: one.per_second)
    return trials, import_targets(stack, count, best.size, best.concurrency)


def tables(trials: list[Imported], long: Imported) -> str:
    """Return the figures as Markdown."""
    ways = "\n".join(
        f"| {one.size:,} | {one.concurrency} | {one.per_second:,.0f} |" for one in trials
    )
    used = "\n".join(
        f"| {name} | {us:.1f} |" for name, us in sorted(long.cpu_us.items(), key=lambda r: -r[1])
    )
    return f"""| | |
|---|---|
| targets | {long.targets:,} in {long.seconds:.0f} s |
| targets per second (aim: 20,000) | **{long.per_second:,.0f}** |
| Redis bytes per waiting target (aim: under 500) | **{long.bytes_per_target:.0f}** |
| the best way of those below | {long.size:,} a request, {long.concurrency} at a time |

| targets a request | requests at a time | targets per second, {trials[0].targets:,} targets |
|---|---|---|
{ways}

Microseconds of CPU per target of the long list:

| process | us |
|---|---|
{used}
| together | {sum(long.cpu_us.values()):.1f} |"""
