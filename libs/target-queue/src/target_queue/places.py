"""Where one target is: in the line, put off, in a claim, or in a call."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chassis.outbox import Outbox
from contracts.target import Target

from target_queue.keys import (
    attempt_key,
    claims_key,
    deferred_key,
    due_key,
    live_key,
    outdial_shard,
)
from target_queue.packing import instant
from target_queue.rules import Rule

READ_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class OpenAttempt:
    """An attempt that has begun and not ended, and when it was begun."""

    attempt_id: str
    campaign_id: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Place:
    """Where a target is at one instant.

    Attributes:
        at: The store's time.
        due_at: From when on it is callable; None: it does not wait.
        ahead: How many wait whose time is before its own.
        rule: What has put it off until then; None: nothing but its interval.
        lease_ends_at: When the claim ends that a dialer has on it.
        attempt: By which it is being called.
    """

    at: datetime
    due_at: datetime | None = None
    ahead: int = 0
    rule: Rule | None = None
    lease_ends_at: datetime | None = None
    attempt: OpenAttempt | None = None


async def place_of(outbox: Outbox, target: Target, campaign_ids: list[str]) -> Place:
    """Find a target.

    Args:
        outbox: The store.
        target: Which.
        campaign_ids: The campaigns that may call it.
    """
    shard, outdial_id, id_ = outdial_shard(target.outdial_id), target.outdial_id, target.target_id
    redis = outbox.redis
    seconds, micros = await redis.time()
    now = seconds * 1_000_000 + micros
    lease: Any = await redis.zscore(claims_key(shard, outdial_id), id_)
    due: Any = await redis.zscore(due_key(shard, outdial_id), id_)
    put_off_by = None
    for rule in Rule:
        until: Any = await redis.zscore(deferred_key(shard, outdial_id, rule), id_)
        if until is not None:
            due, put_off_by = until, rule
    attempt = None
    for campaign_id in campaign_ids:
        attempt = attempt or await _open_attempt(outbox, shard, campaign_id, id_)
    ahead = 0
    if due is not None:
        ahead = await redis.zcount(due_key(shard, outdial_id), "-inf", f"({int(due)}")
    return Place(
        at=instant(now),
        due_at=instant(int(due)) if due is not None else None,
        ahead=ahead,
        rule=put_off_by,
        lease_ends_at=instant(int(lease)) if lease is not None else None,
        attempt=attempt,
    )


async def _open_attempt(
    outbox: Outbox, shard: str, campaign_id: str, target_id: str
) -> OpenAttempt | None:
    rows: Any = await outbox.redis.zrange(live_key(shard, campaign_id), 0, -1, withscores=True)
    for start in range(0, len(rows), READ_AT_ONCE):
        part = [(row[0].decode(), int(row[1])) for row in rows[start : start + READ_AT_ONCE]]
        records = await outbox.read_many([attempt_key(attempt_id) for attempt_id, _ in part])
        for (attempt_id, since), record in zip(part, records, strict=True):
            if record and json.loads(record.body)["attempt"]["target_id"] == target_id:
                return OpenAttempt(attempt_id, campaign_id, instant(since))
    return None
