"""What a claim costs when 1 thousand, 100 thousand or 1 million targets wait in one outdial.

One client claims in batches as large as a dialer's, one after the other, on a Redis of its own.
What is claimed is given back between the rounds, so that the list stays as long as it is; only the
claims are timed. The raw limit takes the same records off the same kind of list: one script of
ZPOPMIN, GET and SET, whose answer nobody looks into.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from chassis.outbox import Change, Outbox, Position
from chassis.store import connect
from contracts.campaign import Campaign, CampaignLimits, CampaignStatus
from contracts.target import Destination, Target
from dialer.domain.pacing import LARGEST_CLAIM
from target_queue import Claim, TargetQueue
from target_queue.keys import due_key, outdial_shard, target_key

from bench.usage import exact_cpu_seconds

CUSTOMER = str(uuid4())
LEASE = timedelta(seconds=30)
FILLED_AT_ONCE = 20_000
RAW_CLAIM = """
local rows = redis.call('ZPOPMIN', KEYS[1], ARGV[1])
local said = {}
for n = 1, #rows, 2 do
  local record = redis.call('GET', ARGV[2] .. rows[n])
  redis.call('SET', ARGV[2] .. rows[n], record)
  said[#said + 1] = rows[n]
  said[#said + 1] = record
end
return said
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """What so many claims took."""

    claims: int
    seconds: float
    client_cpu_s: float
    redis_cpu_s: float

    @property
    def per_second(self) -> float:
        """Claims per second."""
        return self.claims / self.seconds

    @property
    def client_us(self) -> float:
        """Microseconds of CPU of the client per claim."""
        return self.client_cpu_s / self.claims * 1e6

    @property
    def redis_us(self) -> float:
        """Microseconds of CPU of redis-server per claim."""
        return self.redis_cpu_s / self.claims * 1e6


@dataclass(frozen=True, slots=True)
class Measured:
    """One length of the list: the claims, the raw limit, and the memory of a waiting target."""

    waiting: int
    queue: Cost
    raw: Cost
    bytes_per_target: float


class Untold(Outbox):
    """An outbox that tells nothing: filling a list is not what is measured here."""

    async def commit(self, change: Change) -> Position:
        """Make the change without its messages."""
        return await super().commit(replace(change, messages=()))

    async def published(self, position: Position) -> None:
        """Return at once."""


class Meter:
    """Adds up what the timed parts use."""

    def __init__(self, redis_pid: int) -> None:
        self._redis_pid = redis_pid
        self._spent = [0.0, 0.0, 0.0]
        self._claims = 0

    async def time(self, claim: Callable[[], Awaitable[int]]) -> int:
        """Run a part and return how many it claimed."""
        before = self._now()
        claimed = await claim()
        self._claims += claimed
        self._spent = [s + a - b for s, a, b in zip(self._spent, self._now(), before, strict=True)]
        return claimed

    def _now(self) -> tuple[float, float, float]:
        return time.perf_counter(), time.process_time(), exact_cpu_seconds(self._redis_pid)

    def cost(self) -> Cost:
        """Return what it all came to."""
        return Cost(self._claims, *self._spent)


async def measure(redis_url: str, redis_pid: int, waiting: int, claims: int) -> Measured:
    """Fill an empty Redis with so many targets and claim so many times."""
    outbox = Untold(connect(redis_url))
    redis: Any = outbox.redis
    await redis.flushall()
    queue, outdial = TargetQueue(outbox), str(uuid4())
    before = (await redis.info("memory"))["used_memory"]
    await fill(queue, outdial, waiting)
    held = (await redis.info("memory"))["used_memory"] - before
    campaign = a_campaign(outdial)
    await queue.admit(campaign, 1)
    cost = await _claim(queue, campaign, redis_pid, waiting, claims)
    raw = await _claim_raw(redis, outdial, redis_pid, waiting, claims)
    await redis.flushall()
    await redis.aclose()
    return Measured(waiting, cost, raw, held / waiting)


async def fill(queue: TargetQueue, outdial: str, count: int) -> None:
    """Add so many targets with one telephone number each."""
    at = datetime.now(UTC)
    for first in range(0, count, FILLED_AT_ONCE):
        targets = [
            Target(
                target_id=str(uuid4()),
                outdial_id=outdial,
                customer_id=CUSTOMER,
                destinations=(Destination(slot=0, kind="tel", address=f"+1{number:010d}"),),
                created_at=at,
                updated_at=at,
            )
            for number in range(first, min(first + FILLED_AT_ONCE, count))
        ]
        await queue.add(outdial, CUSTOMER, targets)


def a_campaign(outdial: str) -> Campaign:
    """Return a campaign whose limits never end a claim."""
    return Campaign(
        campaign_id=str(uuid4()),
        customer_id=CUSTOMER,
        status=CampaignStatus.RUN,
        run_number=1,
        outdial_id=outdial,
        limits=CampaignLimits(max_concurrent_calls=10_000, calls_per_second=10_000),
        created_at=datetime.now(UTC),
    )


def _rounds(waiting: int, claims: int) -> list[int]:
    """Return how many claims of LARGEST_CLAIM each round has: never more than half of the list."""
    size = min(10, waiting // 2 // LARGEST_CLAIM)
    return [size] * (claims // LARGEST_CLAIM // size)


async def _claim(
    queue: TargetQueue, campaign: Campaign, redis_pid: int, waiting: int, claims: int
) -> Cost:
    outdial = campaign.outdial_id or ""
    meter = Meter(redis_pid)
    for size in _rounds(waiting, claims):
        held: list[Claim] = []

        async def claim(size: int = size, held: list[Claim] = held) -> int:
            for _ in range(size):
                claimed = await queue.claim(campaign, count=LARGEST_CLAIM, lease=LEASE)
                held.extend(claimed.claims)
            return len(held)

        if await meter.time(claim) != size * LARGEST_CLAIM:
            raise RuntimeError("a claim came back short")
        await queue.release(outdial, held)
    return meter.cost()


async def _claim_raw(redis: Any, outdial: str, redis_pid: int, waiting: int, claims: int) -> Cost:
    shard = outdial_shard(outdial)
    script, due = redis.register_script(RAW_CLAIM), due_key(shard, outdial)
    meter = Meter(redis_pid)
    for size in _rounds(waiting, claims):
        taken: list[bytes] = []

        async def claim(size: int = size, taken: list[bytes] = taken) -> int:
            for _ in range(size):
                said = await script(keys=[due], args=[LARGEST_CLAIM, target_key(shard, "")])
                taken.extend(said[::2])
            return len(taken)

        await meter.time(claim)
        now = time.time_ns() // 1000
        await redis.zadd(due, dict.fromkeys(taken, now))
    return meter.cost()


def table(rows: list[Measured]) -> str:
    """Return the figures as Markdown."""
    lines = [
        "| waiting | claims per second | client, us | redis-server, us "
        "| raw per second | raw client, us | raw redis-server, us | ratio to raw | bytes a target |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row.waiting:,} | **{row.queue.per_second:,.0f}** | {row.queue.client_us:.1f} "
        f"| {row.queue.redis_us:.1f} | {row.raw.per_second:,.0f} | {row.raw.client_us:.1f} "
        f"| {row.raw.redis_us:.1f} | {row.queue.per_second / row.raw.per_second:.2f} "
        f"| {row.bytes_per_target:.0f} |"
        for row in rows
    ]
    return "\n".join(lines)


def run(redis_url: str, redis_pid: int, sizes: list[int], claims: int) -> list[Measured]:
    """Measure every length of the list, after a short warm-up."""

    async def all_() -> list[Measured]:
        await measure(redis_url, redis_pid, sizes[0], claims // 10)
        rows = []
        for size in sizes:
            rows.append(await measure(redis_url, redis_pid, size, claims))
            print(f"{size:,} waiting: {rows[-1].queue.per_second:,.0f} claims/s")
        return rows

    return asyncio.run(all_())
