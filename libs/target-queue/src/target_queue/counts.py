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
    deferred: tuple[Deferred, ...]
    in_claim: int
    open_attempts: int
    rung_last_second: int


async def count(outbox: Outbox, outdial_id: str, campaign_id: str) -> Counts:
    """Count what an outdial and a campaign have."""
    shard, redis = outdial_shard(outdial_id), outbox.redis
    seconds, micros = await redis.time()
    now = seconds * SECOND_MICROS + micros
    due = due_key(shard, outdial_id)
    first: Any = await redis.zrange(
        due, f"({now}", "+inf", byscore=True, offset=0, num=1, withscores=True
    )
    return Counts(
        at=instant(now),
        callable_now=await redis.zcount(due, "-inf", now),
        due_later=await redis.zcount(due, f"({now}", "+inf"),
        next_due_at=instant(int(first[0][1])) if first else None,
        deferred=await _deferred(outbox, shard, outdial_id, now),
        in_claim=await redis.zcard(claims_key(shard, outdial_id)),
        open_attempts=await redis.zcard(live_key(shard, campaign_id)),
        rung_last_second=await redis.zcount(
            rate_key(shard, campaign_id), now - SECOND_MICROS, "+inf"
        ),
    )


async def _deferred(outbox: Outbox, shard: str, outdial_id: str, now: int) -> tuple[Deferred, ...]:
    found = []
    for rule in Rule:
        key = deferred_key(shard, outdial_id, rule)
        first: Any = await outbox.redis.zrange(
            key, f"({now}", "+inf", byscore=True, offset=0, num=1, withscores=True
        )
        if first:
            count_ = await outbox.redis.zcount(key, f"({now}", "+inf")
            found.append(Deferred(rule, count_, instant(int(first[0][1]))))
    return tuple(found)
