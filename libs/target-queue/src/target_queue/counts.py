"""How many targets of an outdial are where, and when the next becomes callable."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chassis.outbox import Outbox

from target_queue.keys import claims_key, deferred_key, due_key, live_key, outdial_shard, rate_key
from target_queue.packing import instant

SECOND_MICROS = 1_000_000


@dataclass(frozen=True, slots=True)
class Counts:
    """What the queue holds for a campaign at one instant.

    Attributes:
        at: The store's time.
        callable_now: Targets that could be claimed now.
        due_later: Targets whose next attempt has to wait.
        next_due_at: When the first of them becomes callable.
        deferred: Those of them whom a rule has put off (hours, limits), not their interval.
        next_opening_at: When the first of these may be called.
        in_claim: Targets that a dialer has just taken.
        open_attempts: Attempts of the campaign that have begun and not ended.
        rung_last_second: Originations of the campaign within the last second.
    """

    at: datetime
    callable_now: int
    due_later: int
    next_due_at: datetime | None
    deferred: int
    next_opening_at: datetime | None
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
    off = deferred_key(shard, outdial_id)
    opening: Any = await redis.zrange(off, 0, 0, withscores=True)
    return Counts(
        at=instant(now),
        callable_now=await redis.zcount(due, "-inf", now),
        due_later=await redis.zcount(due, f"({now}", "+inf"),
        next_due_at=instant(int(first[0][1])) if first else None,
        deferred=await redis.zcard(off),
        next_opening_at=instant(int(opening[0][1])) if opening else None,
        in_claim=await redis.zcard(claims_key(shard, outdial_id)),
        open_attempts=await redis.zcard(live_key(shard, campaign_id)),
        rung_last_second=await redis.zcount(
            rate_key(shard, campaign_id), now - SECOND_MICROS, "+inf"
        ),
    )
