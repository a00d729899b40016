"""How many targets of an outdial are where, and when the next becomes callable."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chassis.outbox import Outbox

from target_queue.keys import claims_key, deferred_key, due_key, live_key, outdial_shard, rate_key
from target_queue.packing import instant
from target_queue.rules import Rule

SECOND_MICROS = 1_000_000


@dataclass(frozen=True, slots=True)
class Deferred:
    """How many a rule has put off, and when the first of them may be called."""

    rule: Rule
    count: int
    next_opening_at: datetime


@dataclass(frozen=True, slots=True)
class Counts:
    """What the queue holds for a campaign at one instant.

    Attributes:
        at: The store's time.
        callable_now: Targets that could be claimed now.
        due_later: Targets whose next attempt has to wait.
        next_due_at: When the first of them becomes callable.
        next_retry_at: The same of those who wait for their interval.
        deferred: Those of them whom a rule has put off, not their interval; rules without any left
            out.
        in_claim: Targets that a dialer has just taken.
        open_attempts: Attempts of the campaign that have begun and not ended.
        rung_last_second: Originations of the campaign within the last second.
    """

    at: datetime
    callable_now: int
    due_later: int
    next_due_at: datetime | None
    next_retry_at: datetime | None
    deferred: tuple[Deferred, ...]
    in_claim: int
    open_attempts: int
    rung_last_second: int


async def count(outbox: Outbox, outdial_id: str, campaign_id: str) -> Counts:
    """Count what an outdial and a campaign have."""
    shard, redis = outdial_shard(outdial_id), outbox.redis
    seconds, micros = await redis.time()
    now = seconds * SECOND_MICROS + micros
    line = await _line(outbox, due_key(shard, outdial_id), now)
    put_off = {
        rule: await _line(outbox, deferred_key(shard, outdial_id, rule), now) for rule in Rule
    }
    firsts = [one.first_at for one in (line, *put_off.values()) if one.first_at]
    return Counts(
        at=instant(now),
        callable_now=line.callable_now + sum(one.callable_now for one in put_off.values()),
        due_later=line.due_later + sum(one.due_later for one in put_off.values()),
        next_due_at=min(firsts, default=None),
        next_retry_at=line.first_at,
        deferred=tuple(
            Deferred(rule, one.due_later, one.first_at)
            for rule, one in put_off.items()
            if one.first_at
        ),
        in_claim=await redis.zcard(claims_key(shard, outdial_id)),
        open_attempts=await redis.zcard(live_key(shard, campaign_id)),
        rung_last_second=await redis.zcount(
            rate_key(shard, campaign_id), now - SECOND_MICROS, "+inf"
        ),
    )


@dataclass(frozen=True, slots=True)
class _Line:
    """Those who wait in one sorted set, and when the first is due whose time has not come."""

    callable_now: int
    due_later: int
    first_at: datetime | None


async def _line(outbox: Outbox, key: str, now: int) -> _Line:
    redis = outbox.redis
    first: Any = await redis.zrange(
        key, f"({now}", "+inf", byscore=True, offset=0, num=1, withscores=True
    )
    return _Line(
        await redis.zcount(key, "-inf", now),
        await redis.zcount(key, f"({now}", "+inf") if first else 0,
        instant(int(first[0][1])) if first else None,
    )
